"""The samples that a result treats most differently from its float model."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.comparing.pictures import draw_picture, load_choice_preprocessing
from engine.comparison import OutputComparison, class_scores, is_float, is_probabilities, log_probabilities
from engine.data.dataset import Batch, open_dataset
from engine.data.preprocessing import Preprocessing
from engine.data.splitting import Rows
from engine.errors import DataError
from engine.evaluation import choose_outputs, ensure_same_shapes, preferred_batch
from engine.job_context import JobContext
from engine.model.opening import resolve_onnx
from engine.model.runtime import Session
from engine.requests.comparison import ChangedSample, ChangedSamples, ChangedSamplesRequest, ClassGuess

MOST_SAMPLES = 24


def find_changed_samples(request: ChangedSamplesRequest, context: JobContext) -> ChangedSamples:
    """Run both models over the data once and keep the worst samples.

    Raises:
        ModelError: a model that cannot be loaded or run, or outputs that differ in shape.
        DataError: data that does not fit, or a count that is not 1 to 24.
        JobCancelled: cancelled.
    """
    if not 1 <= request.count <= MOST_SAMPLES:
        raise DataError(f"{request.count} samples cannot be kept. Ask for 1 to {MOST_SAMPLES}.")
    name = Path(request.result).name
    context.report(0, request.samples, f"Loading {name}")
    result = Session(resolve_onnx(Path(request.result)))
    reference = Session(resolve_onnx(Path(request.model)))
    dataset = open_dataset(request.data, result.inputs)
    names, reference_names = choose_outputs(result, reference, name)
    search = _Search(request.count, load_choice_preprocessing(request.data), is_tokens=dataset.is_tokens)
    total, done = min(request.samples, dataset.samples), 0
    for batch in dataset.batches(preferred_batch(result, dataset), request.samples):
        context.report(done, max(total, done), f"Comparing samples of {name} with float")
        expected = reference.run(batch.inputs, context, reference_names)
        outputs = result.run(batch.inputs, context, names)
        ensure_same_shapes(outputs, expected, name, Path(request.model).name)
        search.update(batch, dataset.rows[done : done + len(batch)], expected, outputs)
        done += len(batch)
    context.report(done, max(total, done), f"Compared {done} samples")
    return ChangedSamples(request.result, done, search.changed if search.has_classes else None, tuple(search.worst))


class _Search:
    """Keeps the worst so far.

    Attributes:
        worst: the worst first.
        changed: samples with another prediction.
    """

    def __init__(self, count: int, preprocessing: Preprocessing | None, *, is_tokens: bool) -> None:
        self.worst: list[ChangedSample] = []
        self.changed = 0
        self.has_classes = False
        self._count = count
        self._preprocessing = preprocessing
        self._is_tokens = is_tokens
        self._is_probabilities: bool | None = None

    def update(
        self, batch: Batch, rows: Rows, expected: list[npt.NDArray[Any]], outputs: list[npt.NDArray[Any]]
    ) -> None:
        """Look at one batch; `rows` are the numbers of its samples in the file."""
        scores = class_scores(expected, is_tokens=self._is_tokens)
        if scores is not None and self._is_probabilities is None:
            self._is_probabilities = is_probabilities(scores)
        for position in range(len(batch)):
            one, other = _pick(expected, position, len(batch)), _pick(outputs, position, len(batch))
            sample = self._describe(one, other, int(rows[position]))
            if batch.labels is not None:
                sample = dataclasses.replace(sample, label=int(batch.labels[position]))
            self.changed += sample.is_changed
            if len(self.worst) < self._count or _rank(sample) > _rank(self.worst[-1]):
                picture = draw_picture(batch.inputs, position, self._preprocessing)
                self.worst.append(dataclasses.replace(sample, picture=picture))
                self.worst.sort(key=_rank, reverse=True)
                del self.worst[self._count :]

    def _describe(self, expected: list[npt.NDArray[Any]], outputs: list[npt.NDArray[Any]], index: int) -> ChangedSample:
        comparison = OutputComparison(is_tokens=self._is_tokens)
        comparison.update(expected, outputs, 1)
        sqnr_db = -math.inf if comparison.sqnr_db is None else comparison.sqnr_db
        one = class_scores(expected, is_tokens=self._is_tokens)
        other = class_scores(outputs, is_tokens=self._is_tokens)
        if one is None or other is None:
            return ChangedSample(index, None, sqnr_db)
        self.has_classes = True
        if self._is_tokens:
            changed = int((one.argmax(axis=1) != other.argmax(axis=1)).sum())
            return ChangedSample(index, comparison.kl, sqnr_db, changed_tokens=changed)
        return ChangedSample(index, comparison.kl, sqnr_db, self._guess(one), self._guess(other))

    def _guess(self, scores: npt.NDArray[Any]) -> ClassGuess:
        best = int(scores[0].argmax())
        logs = log_probabilities(scores, is_probabilities=bool(self._is_probabilities))
        return ClassGuess(best, float(np.exp(logs[0, best])))


def _pick(outputs: list[npt.NDArray[Any]], position: int, samples: int) -> list[npt.NDArray[Any]]:
    """One sample's part of every output that has one."""
    batched = [output for output in outputs if output.ndim and len(output) == samples and is_float(output)]
    return [output[position : position + 1] for output in batched]


def _rank(sample: ChangedSample) -> tuple[bool, float, float]:
    """Larger is worse: another prediction first, then KL, then noise."""
    is_known = sample.kl is not None and not math.isnan(sample.kl)
    return sample.is_changed, sample.kl if is_known and sample.kl is not None else -math.inf, -sample.sqnr_db
