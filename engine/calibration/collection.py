"""The streaming pass: run samples, fold every wanted activation into its statistics, keep nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.calibration.calibration import Calibration
from engine.calibration.statistics import TensorStatistics
from engine.data.dataset import Dataset
from engine.errors import DataError
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.model.runtime import Session
from engine.model.sessions import load_session
from engine.placement import calibrated_tensors

# All observed activations of two batches are alive at once; this bounds those of one, whatever the data.
BATCH_ACTIVATION_BYTES = 96 << 20
MAX_BATCH = 32


@dataclass(frozen=True)
class ActivationVisitor:
    """What a streaming pass does with every batch.

    Attributes:
        visit: gets the batch's tensors by name; they are gone when it returns.
        report: gets samples seen and samples in all.
    """

    visit: Callable[[dict[str, npt.NDArray[Any]]], None]
    report: Callable[[int, int], None]
    context: JobContext


def calibrate(model: Model, dataset: Dataset, samples: int, context: JobContext) -> Calibration:
    """Collect the statistics of every tensor that a plan on this model could need.

    Memory does not grow with `samples`.

    Raises:
        DataError: no samples, or a tensor that is NaN or infinite everywhere.
        JobCancelled: cancelled between or inside runs.
    """
    names = calibrated_tensors(model.summary)
    statistics = {name: TensorStatistics() for name in names}
    with ThreadPoolExecutor(max_workers=2) as pool:

        def visit(values: dict[str, npt.NDArray[Any]]) -> None:
            jobs = [pool.submit(statistics[name].update, value) for name, value in values.items() if value.size]
            for job in jobs:
                job.result()

        def report(done: int, total: int) -> None:
            context.report(done, total, f"Calibrating: sample {done} of {total}")

        seen = visit_activations(model, names, dataset, samples, ActivationVisitor(visit, report, context))
    for name, item in statistics.items():
        if item.nonfinite and not item.count:
            raise DataError(f"The tensor {name!r} is NaN or infinite on every sample. Check the data and the model.")
    return Calibration(model.summary.sha256, model.path.name, seen, dataset.digest, statistics)


def visit_activations(
    model: Model, names: Sequence[str], dataset: Dataset, samples: int, visitor: ActivationVisitor
) -> int:
    """Run up to `samples` samples of the prepared graph and hand over every batch's tensors.

    The batch is sized by what one sample's activations weigh, so that peak memory stays flat. One batch is
    visited, in a thread, while the next one runs.

    Returns:
        Samples seen.
    """
    graph_inputs = {spec.name for spec in model.summary.inputs}
    fetched = [name for name in names if name not in graph_inputs]
    session = load_session(model.graph_model, fetched or [str(model.graph.outputs[0].name)])
    total = min(samples, dataset.samples)
    seen = 0
    visitor.report(0, total)
    with ThreadPoolExecutor(max_workers=1) as pool:
        visiting: Future[None] | None = None
        for batch in dataset.batches(_choose_batch_size(session, dataset, visitor.context), limit=total):
            values = session.run(batch.inputs, visitor.context)
            tensors = dict(zip(fetched, values, strict=False)) if fetched else {}
            tensors |= {name: batch.inputs[name] for name in names if name in graph_inputs}
            if visiting is not None:
                visiting.result()
            visiting = pool.submit(visitor.visit, tensors)
            seen += len(batch)
            visitor.report(seen, total)
        if visiting is not None:
            visiting.result()
    return seen


def _choose_batch_size(session: Session, dataset: Dataset, context: JobContext) -> int:
    """As many samples at once as fit, by running the first one."""
    first = next(iter(dataset.batches(dataset.batch_size_for(1), limit=1)))
    weight = sum(value.nbytes for value in session.run(first.inputs, context)) // max(len(first), 1)
    return dataset.batch_size_for(int(np.clip(BATCH_ACTIVATION_BYTES // max(weight, 1), 1, MAX_BATCH)))
