"""How far one candidate's outputs are from the float model's, sample by sample, and what follows over samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.comparison import class_scores, is_float, is_probabilities, log_probabilities, row_blocks
from engine.sensitivity.matrix import Cell, Metric

Array = npt.NDArray[Any]
Figures = npt.NDArray[np.float64]
# Changes whenever a figure below changes its meaning, so that stored ones are measured anew.
VERSION = 1
# Columns of `Figures` [samples, columns]: energies of reference and difference over all float outputs, how
# many values these are, their cosine, Σ KL over the sample's predictions, the number of predictions, top-1
# hits lost, and whether the sample has a label.
SIGNAL, NOISE, VALUES, COSINE, DIVERGENCE, PREDICTIONS, LOST, LABELLED = range(8)
COLUMNS = 8
# What an output that overflows counts as; JSON has no −∞.
WORST_SQNR_DB = -300.0


@dataclass(frozen=True)
class Reference:
    """What the float model gives for one batch.

    Attributes:
        outputs: float outputs only, in graph order; the first dimension is the batch unless `samples` is 1.
        labels: int64 [samples]; None without labels.
        has_probabilities: the class scores are a distribution already.
    """

    outputs: tuple[Array, ...]
    samples: int
    labels: Array | None
    is_tokens: bool
    has_probabilities: bool

    def compare(self, test: Sequence[Array]) -> Figures:
        """Figures [samples, columns] of a candidate's float outputs, in the same order."""
        figures = np.zeros((self.samples, COLUMNS))
        one = [output.reshape(self.samples, -1) for output in self.outputs]
        other = [output.reshape(self.samples, -1) for output in test]
        _add_energies(figures, np.concatenate(one, axis=1), np.concatenate(other, axis=1))
        scores = class_scores(self.outputs, is_tokens=self.is_tokens)
        test_scores = class_scores(test, is_tokens=self.is_tokens)
        if scores is not None and test_scores is not None:
            self._add_predictions(figures, scores, test_scores)
        return figures

    def _add_predictions(self, figures: Figures, scores: Array, test: Array) -> None:
        per_sample = len(scores) // self.samples
        figures[:, DIVERGENCE] = self._divergences(scores, test).reshape(self.samples, per_sample).sum(axis=1)
        figures[:, PREDICTIONS] = per_sample
        if self.labels is not None and per_sample == 1:
            hits = (scores.argmax(axis=1) == self.labels).astype(np.float64)
            figures[:, LOST] = hits - (test.argmax(axis=1) == self.labels)
            figures[:, LABELLED] = 1.0

    def _divergences(self, scores: Array, test: Array) -> Figures:
        """KL(float ‖ candidate) in nats per prediction; float64 throughout, for it may be 1e-7 of the logits."""
        found = np.empty(len(scores))
        for rows in row_blocks(scores):
            one = log_probabilities(scores[rows], is_probabilities=self.has_probabilities)
            other = log_probabilities(test[rows], is_probabilities=self.has_probabilities)
            with np.errstate(invalid="ignore"):
                terms = np.where(one > -np.inf, np.exp(one) * (one - other), 0.0).sum(axis=1)
            found[rows] = np.where(np.isnan(terms), np.inf, np.maximum(terms, 0.0))
        return found


def has_distributions(outputs: Sequence[Array], *, is_tokens: bool) -> bool:
    """Whether the class scores among `outputs` need no softmax any more."""
    scores = class_scores(outputs, is_tokens=is_tokens)
    return scores is not None and is_probabilities(scores)


def float_outputs(outputs: Sequence[Array]) -> tuple[Array, ...]:
    """The outputs that count."""
    return tuple(output for output in outputs if is_float(output))


def _add_energies(figures: Figures, reference: Array, test: Array) -> None:
    one, other = reference.astype(np.float64), test.astype(np.float64)
    is_same = (one == other) | (np.isnan(one) & np.isnan(other))
    is_finite = np.isfinite(one) & np.isfinite(other)
    one, other = np.where(is_finite, one, 0.0), np.where(is_finite, other, 0.0)
    signal, energy = np.square(one).sum(axis=1), np.square(other).sum(axis=1)
    figures[:, SIGNAL] = signal
    figures[:, NOISE] = np.square(one - other).sum(axis=1)
    figures[(~is_finite & ~is_same).any(axis=1), NOISE] = np.inf
    figures[:, VALUES] = one.shape[1]
    norm = np.sqrt(signal * energy)
    product = (one * other).sum(axis=1)
    figures[:, COSINE] = np.where(norm > 0, product / np.where(norm > 0, norm, 1.0), (signal == 0) & (energy == 0))


def build_cell(figures: Figures) -> Cell:
    """Every metric over the samples, with its standard error.

    Ratios of sums (KL per prediction, MSE per value) have the ratio estimator's error; that of SQNR
    follows from the noise-to-signal ratio's by the delta method. One sample gives no errors.
    """
    values: dict[Metric, float] = {}
    errors: dict[Metric, float] = {}

    def add(metric: Metric, value: float, error: float) -> None:
        values[metric] = value
        if math.isfinite(error):
            errors[metric] = error

    if figures[:, PREDICTIONS].any():
        add(Metric.KL, *estimate_ratio(figures[:, DIVERGENCE], figures[:, PREDICTIONS]))
    ratio, error = estimate_ratio(figures[:, NOISE], figures[:, SIGNAL])
    add(Metric.SQNR, _sqnr_db(ratio), 10.0 / math.log(10.0) * error / ratio if ratio > 0 else math.nan)
    add(Metric.MSE, *estimate_ratio(figures[:, NOISE], figures[:, VALUES]))
    add(Metric.COSINE, *estimate_ratio(figures[:, COSINE], np.ones(len(figures))))
    if figures[:, LABELLED].any():
        drop, error = estimate_ratio(figures[:, LOST], figures[:, LABELLED])
        add(Metric.TOP1_DROP, 100.0 * drop, 100.0 * error)
    return Cell(values, errors, len(figures))


def estimate_ratio(numerator: Figures, denominator: Figures) -> tuple[float, float]:
    """Σ numerator / Σ denominator over samples, and its standard error (NaN where there is none)."""
    total, samples = float(denominator.sum()), len(numerator)
    if total == 0.0:
        return (math.inf if numerator.any() else 0.0), math.nan
    ratio = float(numerator.sum()) / total
    if samples < 2 or not math.isfinite(ratio):
        return ratio, math.nan
    residuals = numerator - ratio * denominator
    return ratio, math.sqrt(samples / (samples - 1) * float(np.square(residuals).sum())) / total


def _sqnr_db(ratio: float) -> float:
    if ratio <= 0.0:
        return math.inf
    return max(-10.0 * math.log10(ratio), WORST_SQNR_DB) if math.isfinite(ratio) else WORST_SQNR_DB
