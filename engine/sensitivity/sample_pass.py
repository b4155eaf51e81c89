"""The float model over samples, several at once, each computed by a thread of its own from beginning to end.

Threads that share every operator wait for each other at every one of them, and what is made of the tensors
takes one of the cores meanwhile; here no thread waits. A single sample's tensors also stay in the processor's
caches, and what is found does not depend on how many samples fit in memory.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy.typing as npt

from engine.data.dataset import Batch, Dataset
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.model.sessions import load_session

Tensors = dict[str, npt.NDArray[Any]]
FoundT = TypeVar("FoundT")

# All observed tensors of a sample under way are alive at once. Samples that take more than this leave room for
# fewer, but for two of them there always is.
ACTIVATION_BYTES_PER_WORKER = 96 << 20
MIN_WORKERS = 2
MAX_WORKERS = 8
# Samples whose results may wait for an earlier one, per worker.
WAITING_PER_WORKER = 2


@dataclass(frozen=True)
class SampleVisitor(Generic[FoundT]):
    """What a pass does with every sample, or with every batch where the model's batch is fixed.

    Attributes:
        names: of the tensors to look at.
        look: gets the batch's number and its tensors by name, which are gone when it returns; called in any of
            several threads.
        keep: gets what `look` found, batch by batch in order, in the thread that runs the pass.
        report: gets samples seen and samples in all.
    """

    names: Sequence[str]
    look: Callable[[int, Tensors], FoundT]
    keep: Callable[[FoundT], None]
    report: Callable[[int, int], None]
    context: JobContext


def visit_samples(model: Model, dataset: Dataset, samples: int, visitor: SampleVisitor[FoundT]) -> int:
    """Run up to `samples` samples of the prepared graph and show their tensors to `visitor`.

    Returns:
        Samples seen.

    Raises:
        ModelError: ONNX Runtime cannot run the model.
        DataError: the samples do not fit.
        JobCancelled: cancelled between or inside runs.
    """
    graph_inputs = {spec.name for spec in model.summary.inputs}
    fetched = [name for name in visitor.names if name not in graph_inputs]
    given = [name for name in visitor.names if name in graph_inputs]
    outputs = fetched or [str(model.graph.outputs[0].name)]
    threads = _count_threads(_count_workers(0))
    session = load_session(model.graph_model, outputs, threads=threads)
    total = min(samples, dataset.samples)
    seen = 0

    def run(batch: Batch) -> Tensors:
        values = session.run(batch.inputs, visitor.context)
        tensors = dict(zip(fetched, values, strict=False)) if fetched else {}
        return tensors | {name: batch.inputs[name] for name in given}

    def work(index: int, batch: Batch) -> tuple[int, FoundT]:
        return len(batch), visitor.look(index, run(batch))

    def keep(found: tuple[int, FoundT]) -> None:
        nonlocal seen
        visitor.keep(found[1])
        seen += found[0]
        visitor.report(seen, total)

    visitor.report(0, total)
    batches = enumerate(dataset.batches(dataset.batch_size_for(1), limit=total))
    first = next(batches, None)
    if first is None:
        return 0
    tensors = run(first[1])
    workers = _count_workers(sum(value.nbytes for value in tensors.values()))
    keep((len(first[1]), visitor.look(first[0], tensors)))
    del tensors
    if _count_threads(workers) != threads:
        session = load_session(model.graph_model, outputs, threads=_count_threads(workers))
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[tuple[int, FoundT]]] = deque()
    try:
        for index, batch in batches:
            waiting.append(pool.submit(work, index, batch))
            if len(waiting) > WAITING_PER_WORKER * workers:
                keep(waiting.popleft().result())
        while waiting:
            keep(waiting.popleft().result())
    finally:
        pool.shutdown(cancel_futures=True)
    return seen


def _count_workers(batch_bytes: int) -> int:
    """How many samples may be under way at once."""
    most = min(os.cpu_count() or 1, MAX_WORKERS)
    fitting = most * ACTIVATION_BYTES_PER_WORKER // max(batch_bytes, 1)
    return min(most, max(fitting, MIN_WORKERS))


def _count_threads(workers: int) -> int:
    """Of each worker's runs: one, unless there are more cores than samples under way."""
    return (os.cpu_count() or 1) // workers
