"""How far a model's outputs are from a reference's, summed up batch by batch in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_BLOCK_ELEMENTS = 1 << 21
_SMALLEST_PROBABILITY = 1e-12
_SUM_TOLERANCE = 0.05


class OutputComparison:
    """Running figures over batches; memory does not grow with the number of samples.

    Call `update` once per batch with what both models gave for the same inputs, then read the
    properties, at any time. Only float outputs count. Figures that do not apply are None.

    `agreement` and `kl` look at the class scores: the first float output if it is [B, classes] (more
    axes of size 1 are dropped), or [B, T, vocabulary] where `is_tokens`.

    Attributes:
        samples: how many were compared.
        non_finite: values that are NaN or infinite in one model and different in the other.
    """

    def __init__(self, *, is_tokens: bool = False) -> None:
        self.samples = 0
        self.non_finite = 0
        self._is_tokens = is_tokens
        self._values = 0
        self._signal = 0.0
        self._noise = 0.0
        self._cosines = 0.0
        self._decisions = 0
        self._agreeing = 0
        self._divergence = 0.0
        self._is_probabilities: bool | None = None

    def update(self, reference: Sequence[Array], test: Sequence[Array], samples: int) -> None:
        """Add one batch of `samples`; the sequences hold the outputs in the same order.

        Raises:
            ValueError: numbers or shapes of the outputs differ.
        """
        if [output.shape for output in reference] != [output.shape for output in test]:
            raise ValueError("the outputs of reference and test have different shapes")
        pairs = [(one, other) for one, other in zip(reference, test, strict=True) if is_float(one) and is_float(other)]
        self.samples += samples
        self._add_energies(pairs, samples)
        scores = class_scores(reference, is_tokens=self._is_tokens)
        if scores is not None:
            test_scores = class_scores(test, is_tokens=self._is_tokens)
            assert test_scores is not None, "equal shapes give class scores on both sides"
            self._add_decisions(scores, test_scores)

    @property
    def sqnr_db(self) -> float | None:
        """10·log10(Σ reference² / Σ (reference − test)²) over all float outputs, in dB.

        Infinite if nothing differs, minus infinity if `non_finite`.
        """
        if not self._values:
            return None
        if self.non_finite:
            return -math.inf
        if self._noise == 0.0:
            return math.inf
        return 10.0 * math.log10(self._signal / self._noise) if self._signal else -math.inf

    @property
    def cosine(self) -> float | None:
        """Mean over the samples of the cosine between all float outputs of one sample; 1 where both are 0."""
        return self._cosines / self.samples if self._values and self.samples else None

    @property
    def agreement(self) -> float | None:
        """Percentage of decisions (samples, or tokens) in which both models prefer the same class."""
        return 100.0 * self._agreeing / self._decisions if self._decisions else None

    @property
    def kl(self) -> float | None:
        """Mean KL(reference ‖ test) of the class probabilities, in nats per decision."""
        return self._divergence / self._decisions if self._decisions else None

    def _add_energies(self, pairs: list[tuple[Array, Array]], samples: int) -> None:
        reference_energy, test_energy, product = np.zeros((3, samples))
        for one, other in pairs:
            is_batched = one.ndim > 0 and one.shape[0] == samples
            rows = samples if is_batched else 1
            reference, test, non_finite = _finite_parts(one.reshape(rows, -1), other.reshape(rows, -1))
            self.non_finite += non_finite
            self._values += reference.size
            own = _dot(reference, reference)
            difference = reference - test
            self._signal += float(own.sum())
            self._noise += float(_dot(difference, difference).sum())
            if is_batched:
                reference_energy += own
                test_energy += _dot(test, test)
                product += _dot(reference, test)
        norm = np.sqrt(reference_energy) * np.sqrt(test_energy)
        both_zero = (reference_energy == 0) & (test_energy == 0)
        self._cosines += float(np.where(norm > 0, product / np.where(norm > 0, norm, 1.0), both_zero).sum())

    def _add_decisions(self, reference: Array, test: Array) -> None:
        if self._is_probabilities is None:
            self._is_probabilities = is_probabilities(reference)
        for rows in row_blocks(reference):
            one = log_probabilities(reference[rows], is_probabilities=self._is_probabilities)
            other = log_probabilities(test[rows], is_probabilities=self._is_probabilities)
            self._agreeing += int((reference[rows].argmax(axis=1) == test[rows].argmax(axis=1)).sum())
            self._decisions += len(one)
            with np.errstate(invalid="ignore"):
                terms = np.where(one > -np.inf, np.exp(one) * (one - other), 0.0).sum(axis=1)
            self._divergence += float(np.where(np.isnan(terms), np.inf, np.maximum(terms, 0.0)).sum())


def is_float(output: Array) -> bool:
    """Whether an output counts."""
    return bool(output.dtype.kind == "f")


def class_scores(outputs: Sequence[Array], *, is_tokens: bool) -> Array | None:
    """The first float output as [decisions, classes], at least two classes; None if it is something else."""
    first = next((output for output in outputs if is_float(output)), None)
    if first is None or first.ndim < 2:
        return None
    if is_tokens:
        return first.reshape(-1, first.shape[-1]) if first.ndim == 3 and first.shape[-1] > 1 else None
    is_flat = all(size == 1 for size in first.shape[2:])
    return first.reshape(first.shape[:2]) if is_flat and first.shape[1] > 1 else None


def is_probabilities(scores: Array) -> bool:
    """Whether every row of [decisions, classes] is a distribution already, so that softmax must not be applied."""
    with np.errstate(invalid="ignore"):  # of infinite scores
        sums = scores.sum(axis=1, dtype=np.float64)
    return bool(scores.size and scores.min() >= 0 and (np.abs(sums - 1.0) < _SUM_TOLERANCE).all())


def log_probabilities(scores: Array, *, is_probabilities: bool) -> Array:
    """Natural logarithms of the class probabilities, float64 [decisions, classes]."""
    values = scores.astype(np.float64)
    with np.errstate(invalid="ignore"):
        if is_probabilities:
            values = np.log(np.maximum(values, _SMALLEST_PROBABILITY))
        values -= values.max(axis=1, keepdims=True)
        values -= np.log(np.exp(values).sum(axis=1, keepdims=True))
    return values


def row_blocks(scores: Array) -> Iterator[slice]:
    """Slices of rows that are small enough to work on in float64."""
    step = max(1, _BLOCK_ELEMENTS // max(1, scores.shape[1]))
    for start in range(0, len(scores), step):
        yield slice(start, start + step)


def _dot(one: Array, other: Array) -> Array:
    """Row-wise inner products, accumulated in float64."""
    return np.asarray(np.einsum("ij,ij->i", one, other, dtype=np.float64))


def _finite_parts(reference: Array, test: Array) -> tuple[Array, Array, int]:
    """Both as float32 or float64 with NaN and infinities at 0, and how many of these differ."""
    dtype = np.result_type(reference.dtype, test.dtype, np.float32)
    one, other = reference.astype(dtype, copy=False), test.astype(dtype, copy=False)
    bad = ~(np.isfinite(one) & np.isfinite(other))
    if not bad.any():
        return one, other, 0
    is_same = (one == other) | (np.isnan(one) & np.isnan(other))
    return np.where(bad, 0, one), np.where(bad, 0, other), int((bad & ~is_same).sum())
