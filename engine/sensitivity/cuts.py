"""The float model's values at the cuts, in pieces that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from engine.data.dataset import Batch, Dataset
from engine.job_context import JobContext
from engine.model.runtime import Session
from engine.sensitivity.output_metrics import Reference, float_outputs, has_distributions
from engine.sensitivity.suffix import Array, Suffix, SuffixGraph

# What is kept of the float model at once. What one suffix reads of one batch is kept even if it is more.
CUT_BYTES = 1 << 30
# Activations of a batch should stay in the processor's caches.
LARGEST_ACTIVATION_BYTES = 16 << 20
MAX_BATCH = 32


@dataclass(frozen=True)
class Cut:
    """One batch in float.

    Attributes:
        start: number of the first sample.
        values: by name, what the suffixes at hand read, and every graph output.
    """

    start: int
    values: Mapping[str, Array]
    reference: Reference

    @property
    def stop(self) -> int:
        """Number of the first sample after it."""
        return self.start + self.reference.samples


class FloatModel:
    """Runs the float model batch by batch and keeps what it is asked to.

    Attributes:
        examples: every value that any suffix reads or changes, and the outputs, for the first batch.
        batch_size: samples per call: few enough for the caches, and 1 if an output mixes samples.
        samples: that will be used.
    """

    def __init__(
        self, graph: SuffixGraph, suffixes: Sequence[Suffix], dataset: Dataset, samples: int, context: JobContext
    ) -> None:
        self._graph = graph
        self._dataset = dataset
        first = next(iter(dataset.batches(dataset.batch_size_for(1), limit=1)))
        self._inputs = first.inputs
        names = [name for suffix in suffixes for name in (*suffix.reads, *suffix.head_outputs)]
        self._session: tuple[frozenset[str], Session] | None = None
        self.examples = self._run(names, first, context)
        self._example_samples = len(first)
        self._has_probabilities = has_distributions(
            [self.examples[name] for name in graph.outputs], is_tokens=dataset.is_tokens
        )
        self.batch_size = self._choose_batch_size(context)
        fixed = dataset.fixed_batch or 1
        self.samples = max(fixed, min(samples, dataset.samples) // fixed * fixed)

    def bytes_per_sample(self, names: Sequence[str]) -> int:
        """Memory of these values and the outputs."""
        wanted = {*names, *self._graph.outputs}
        return sum(self.examples[name].nbytes for name in wanted) // self._example_samples

    def batches_within(self, start: int, stop: int, names: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Consecutive ranges of samples whose `names` fit in `CUT_BYTES`, whole batches each."""
        fitting = CUT_BYTES // max(1, self.bytes_per_sample(names))
        step = max(1, fitting // self.batch_size) * self.batch_size
        for first in range(start, stop, step):
            yield first, min(first + step, stop)

    def collect(self, names: Sequence[str], span: tuple[int, int], pool: Executor, context: JobContext) -> list[Cut]:
        """`names` for the samples from `span[0]` up to `span[1]`; the first is the beginning of a batch."""
        start, stop = span
        batches = self._dataset.batches(self.batch_size, limit=stop)
        skipped = -(-start // self.batch_size)
        self._load(names)
        jobs = [
            pool.submit(self._cut, names, start + index * self.batch_size, batch, context)
            for index, batch in enumerate(islice(batches, skipped, None))
        ]
        return [job.result() for job in jobs]

    def _cut(self, names: Sequence[str], start: int, batch: Batch, context: JobContext) -> Cut:
        values = self._run(names, batch, context)
        outputs = float_outputs([values[name] for name in self._graph.outputs])
        labels = batch.labels if batch.targets is None else None
        is_tokens = self._dataset.is_tokens
        return Cut(start, values, Reference(outputs, len(batch), labels, is_tokens, self._has_probabilities))

    def _run(self, names: Sequence[str], batch: Batch, context: JobContext) -> dict[str, Array]:
        session = self._load(names)
        fed = [spec.name for spec in session.inputs]
        fetched = [spec.name for spec in session.outputs]
        found = session.run({name: batch.inputs[name] for name in fed}, context, fetched)
        return {**batch.inputs, **dict(zip(fetched, found, strict=True))}

    def _load(self, names: Sequence[str]) -> Session:
        """The session that gives `names` and the outputs; the last one stays loaded."""
        wanted = dict.fromkeys((*names, *self._graph.outputs))
        fetched = [name for name in wanted if name not in self._inputs]
        if self._session is None or self._session[0] != frozenset(fetched):
            self._session = None
            self._session = (frozenset(fetched), self._graph.load_float(fetched, self._inputs))
        return self._session[1]

    def _choose_batch_size(self, context: JobContext) -> int:
        largest = max(value.nbytes for value in self.examples.values()) // self._example_samples
        wanted = int(np.clip(LARGEST_ACTIVATION_BYTES // max(largest, 1), 1, MAX_BATCH))
        size = self._dataset.batch_size_for(1 << (wanted.bit_length() - 1))
        if self._dataset.fixed_batch or size == 1:
            return size
        pair = next(iter(self._dataset.batches(2, limit=2)))
        values = self._run(list(self.examples), pair, context)
        outputs = float_outputs([values[name] for name in self._graph.outputs])
        return size if all(output.ndim and output.shape[0] == len(pair) for output in outputs) else 1


def split_bands(model: FloatModel, suffixes: Sequence[Suffix]) -> list[list[Suffix]]:
    """Neighbours in graph order whose cuts, for all samples, fit in `CUT_BYTES` together; at least one each."""
    bands: list[list[Suffix]] = []
    names: list[str] = []
    for suffix in suffixes:
        together = [*names, *suffix.reads]
        if bands and model.bytes_per_sample(together) * model.samples <= CUT_BYTES:
            bands[-1].append(suffix)
            names = together
        else:
            bands.append([suffix])
            names = list(suffix.reads)
    return bands
