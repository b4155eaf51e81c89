"""Measure a model on data: its task metric, and its distance from a reference model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.comparison import OutputComparison, class_scores, is_probabilities, log_probabilities, row_blocks
from engine.data.dataset import Batch, Dataset, open_dataset
from engine.errors import DataError, ModelError
from engine.job_context import JobContext
from engine.model.opening import resolve_onnx
from engine.model.runtime import Session
from engine.requests.conversion import EvaluateRequest, Evaluation

FLOAT_DTYPES = ("float32", "float16", "float64")
PREFERRED_BATCH = 32
_OUTPUT_BYTES = 32 << 20
"""What the outputs of one batch may take, so that language models with large vocabularies stay small."""


class TaskMetrics:
    """Top-1, top-5 and perplexity of one model, summed up batch by batch.

    Attributes:
        top1, top5: percentages 0…100 of the labelled samples; `perplexity`: exp of the mean negative
            log-likelihood of the next token. None where they do not apply.
    """

    def __init__(self) -> None:
        self._labelled = 0
        self._best = 0
        self._among_five = 0
        self._classes = 0
        self._tokens = 0
        self._loss = 0.0
        self._is_probabilities: bool | None = None

    def update(self, outputs: Sequence[NDArray[Any]], batch: Batch) -> None:
        """Add what the model gave for `batch`.

        Raises:
            DataError: labels or token ids that the model has no class for.
        """
        scores = class_scores(outputs, is_tokens=batch.targets is not None)
        if scores is None:
            return
        if batch.targets is not None and len(scores) == batch.targets.size:
            self._add_tokens(scores, batch.targets.reshape(-1))
        elif batch.labels is not None and len(scores) == len(batch.labels):
            self._add_labels(scores, batch.labels)

    @property
    def top1(self) -> float | None:
        return 100.0 * self._best / self._labelled if self._labelled else None

    @property
    def top5(self) -> float | None:
        return 100.0 * self._among_five / self._labelled if self._labelled and self._classes >= 5 else None

    @property
    def perplexity(self) -> float | None:
        if not self._tokens:
            return None
        mean = self._loss / self._tokens
        return math.exp(mean) if mean < 700 else math.inf

    def _add_labels(self, scores: NDArray[Any], labels: NDArray[Any]) -> None:
        _ensure_classes(labels, scores.shape[1], "Label", "Set 'label_offset' in the preprocessing file")
        own = np.take_along_axis(scores, labels[:, np.newaxis], axis=1)
        is_earlier = np.arange(scores.shape[1]) < labels[:, np.newaxis]
        # "not at most" rather than "greater": a NaN, the label's own included, counts as a miss
        rank = (~(scores <= own)).sum(axis=1) + ((scores == own) & is_earlier).sum(axis=1)
        self._labelled += len(labels)
        self._best += int((rank < 1).sum())
        self._among_five += int((rank < 5).sum())
        self._classes = scores.shape[1]

    def _add_tokens(self, scores: NDArray[Any], targets: NDArray[Any]) -> None:
        _ensure_classes(targets, scores.shape[1], "Token", "Use tokens of this model's own tokenizer")
        if self._is_probabilities is None:
            self._is_probabilities = is_probabilities(scores)
        for rows in row_blocks(scores):
            logs = log_probabilities(scores[rows], is_probabilities=self._is_probabilities)
            losses = -np.take_along_axis(logs, targets[rows, np.newaxis], axis=1)
            self._loss += float(np.where(np.isnan(losses), np.inf, losses).sum())
        self._tokens += len(targets)


def evaluate(request: EvaluateRequest, context: JobContext) -> Evaluation:
    """Run the model, and the reference if there is one, over the data once.

    Memory stays at about one batch. Both models see the same batches, in turn.

    Raises:
        ModelError: a model that cannot be loaded or run, or outputs that differ in shape.
        DataError: data that does not fit, or with which there is nothing to measure.
        JobCancelled: cancelled by the user.
    """
    name = Path(request.model).name
    context.report(0, request.samples, f"Loading {name}")
    model = Session(resolve_onnx(Path(request.model)))
    reference = Session(resolve_onnx(Path(request.reference))) if request.reference else None
    dataset = open_dataset(request.data, model.inputs)
    _ensure_measurable(dataset, reference, name)
    names, reference_names = choose_outputs(model, reference, name)
    metrics, reference_metrics = TaskMetrics(), TaskMetrics()
    comparison = OutputComparison(is_tokens=dataset.is_tokens)
    total, done = min(request.samples, dataset.samples), 0
    for batch in dataset.batches(preferred_batch(model, dataset), request.samples):
        context.report(done, total, f"Evaluating {name}")
        outputs = model.run(batch.inputs, context, names)
        metrics.update(outputs, batch)
        if reference is not None:
            expected = reference.run(batch.inputs, context, reference_names)
            reference_metrics.update(expected, batch)
            ensure_same_shapes(outputs, expected, name, Path(str(request.reference)).name)
            comparison.update(expected, outputs, len(batch))
        done += len(batch)
    if reference is None and metrics.top1 is None and metrics.perplexity is None:
        raise DataError(
            f"{name} gives no class scores that could be compared with the labels in {Path(request.data.path).name}. "
            "Choose a reference model to compare with."
        )
    context.report(done, max(total, done), f"Evaluated {name}")
    return Evaluation(
        model=request.model,
        reference=request.reference,
        samples=done,
        top1=metrics.top1,
        top5=metrics.top5,
        agreement=comparison.agreement,
        sqnr_db=comparison.sqnr_db,
        cosine=comparison.cosine,
        kl=comparison.kl,
        perplexity=metrics.perplexity,
        reference_top1=reference_metrics.top1,
        reference_top5=reference_metrics.top5,
        reference_perplexity=reference_metrics.perplexity,
    )


def preferred_batch(model: Session, dataset: Dataset) -> int:
    """Samples per call: 32, fewer for token sequences over a large vocabulary."""
    if not dataset.is_tokens:
        return PREFERRED_BATCH
    vocabulary = next((output.shape[-1] for output in model.outputs if len(output.shape) == 3), 1)
    tokens = next((batch.targets.size for batch in dataset.batches(1, 1) if batch.targets is not None), 1)
    sample_bytes = 4 * tokens * (vocabulary if isinstance(vocabulary, int) else 1 << 16)
    return max(1, min(PREFERRED_BATCH, _OUTPUT_BYTES // sample_bytes))


def _ensure_measurable(dataset: Dataset, reference: Session | None, name: str) -> None:
    if reference is None and not dataset.has_labels and not dataset.is_tokens:
        raise DataError(
            f"{dataset.path.name} has no labels, so there is nothing to measure {name} against. "
            "Add labels or choose a reference model."
        )


def choose_outputs(model: Session, reference: Session | None, name: str) -> tuple[list[str], list[str]]:
    """The float outputs to fetch from either model: by name, or in order where the names differ.

    Raises:
        ModelError: `model`, which is called `name`, has none.
    """
    names = [output.name for output in model.outputs if output.dtype in FLOAT_DTYPES]
    if not names:
        raise ModelError(f"{name} has no float output that could be measured. Choose another model.")
    if reference is None:
        return names, []
    reference_names = [output.name for output in reference.outputs if output.dtype in FLOAT_DTYPES]
    return (reference_names, reference_names) if set(names) == set(reference_names) else (names, reference_names)


def ensure_same_shapes(
    outputs: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]], name: str, reference_name: str
) -> None:
    """Raise `ModelError` unless both models gave the same shapes."""
    shapes = [list(output.shape) for output in outputs]
    reference_shapes = [list(output.shape) for output in expected]
    if shapes != reference_shapes:
        raise ModelError(
            f"{name} gives outputs of shape {', '.join(map(str, shapes))} and the reference "
            f"{reference_name} of {', '.join(map(str, reference_shapes))}. "
            "Choose the model that it was made from as the reference."
        )


def _ensure_classes(labels: NDArray[Any], classes: int, noun: str, advice: str) -> None:
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise DataError(f"{noun} {outside[0]} is outside the model's {classes:,} classes. {advice}.")
