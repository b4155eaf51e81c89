"""Second moments of a layer's inputs: all that the squared error of its output depends on, whatever the weight.

With x what the float layer reads and q what the quantized one reads, H = Σ x·xᵀ, B = Σ q·xᵀ, A = Σ q·qᵀ:

    Σ ‖W·x − V·q‖² = tr(W·H·Wᵀ) − 2·tr(V·B·Wᵀ) + tr(V·A·Vᵀ)

exactly, so memory is inputs² however many samples there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]

# Rows that are widened to float64 at a time.
BLOCK_ELEMENTS = 1 << 22


@dataclass
class Moments:
    """Sums over rows, float64, one matrix per group (of a convolution; 1 otherwise).

    Attributes:
        float_square: H [groups, inputs, inputs].
        cross: B [groups, inputs, inputs], first index of q, second of x.
        square: A [groups, inputs, inputs]. Without quantized inputs, all three are one array.
        float_sum, sum: Σ x and Σ q, [groups, inputs].
        rows: how many were added.
        halves: the sums of every other batch, and of those between, where there are several; the prior is chosen by
            them.
    """

    float_square: Wide
    cross: Wide
    square: Wide
    float_sum: Wide
    sum: Wide
    rows: int = 0
    halves: tuple[Moments, Moments] | None = None

    @classmethod
    def empty(cls, groups: int, inputs: int, *, is_quantized: bool) -> Moments:
        """Sums of nothing; `is_quantized` if what the quantized layer reads differs from what the float one does."""
        square, total = np.zeros((groups, inputs, inputs)), np.zeros((groups, inputs))
        if not is_quantized:
            return cls(square, square, square, total, total)
        return cls(np.zeros_like(square), np.zeros_like(square), square, np.zeros_like(total), total)

    @property
    def is_quantized(self) -> bool:
        """Whether float and quantized inputs are told apart."""
        return self.square is not self.float_square

    def update(self, rows: Rows, quantized_rows: Rows | None = None) -> None:
        """Add rows, float32 [groups, rows, inputs]; those of the quantized layer in the same order."""
        step = max(1, BLOCK_ELEMENTS // max(rows.shape[0] * rows.shape[2], 1))
        for start in range(0, rows.shape[1], step):
            part = rows[:, start : start + step].astype(np.float64)
            other = None if quantized_rows is None else quantized_rows[:, start : start + step].astype(np.float64)
            self._add(part, other)
        self.rows += rows.shape[1]

    def _add(self, part: Wide, other: Wide | None) -> None:
        _add_products(self.float_square, part, part)
        self.float_sum += part.sum(axis=1)
        if other is not None:
            _add_products(self.cross, other, part)
            _add_products(self.square, other, other)
            self.sum += other.sum(axis=1)

    @classmethod
    def joined(cls, one: Moments, other: Moments) -> Moments:
        """The sums of both, which become its halves."""
        square, total = one.square + other.square, one.sum + other.sum
        rows, halves = one.rows + other.rows, (one, other)
        if not one.is_quantized:
            return cls(square, square, square, total, total, rows, halves)
        float_square, cross = one.float_square + other.float_square, one.cross + other.cross
        return cls(float_square, cross, square, one.float_sum + other.float_sum, total, rows, halves)

    def centred(self) -> Moments:
        """Those of inputs less their means: all that counts where a bias takes the mean error out."""
        halves = None if self.halves is None else (self.halves[0].centred(), self.halves[1].centred())
        count = max(self.rows, 1)

        def centre(square: Wide, one: Wide, other: Wide) -> Wide:
            found: Wide = square - one[:, :, None] * other[:, None, :] / count
            return found

        square, zero = centre(self.square, self.sum, self.sum), np.zeros_like(self.sum)
        if not self.is_quantized:
            return Moments(square, square, square, zero, zero, self.rows, halves)
        float_square = centre(self.float_square, self.float_sum, self.float_sum)
        cross = centre(self.cross, self.sum, self.float_sum)
        return Moments(float_square, cross, square, zero, zero, self.rows, halves)

    def with_prior(self, share: float) -> Moments:
        """Those with so many inputs more, by the energy there is, that are independent and alike in both networks."""
        if not share:
            return self
        prior = share * np.einsum("gkk->gk", self.square)

        def add(square: Wide) -> Wide:
            found: Wide = square.copy()
            np.einsum("gkk->gk", found)[...] += prior
            return found

        square = add(self.square)
        if not self.is_quantized:
            return Moments(square, square, square, self.sum, self.sum, self.rows)
        return Moments(add(self.float_square), add(self.cross), square, self.float_sum, self.sum, self.rows)

    def split(self, matrix: npt.NDArray[np.floating]) -> Wide:
        """[channels, inputs] as float64 [groups, channels / groups, inputs]."""
        return matrix.reshape(len(self.square), -1, matrix.shape[1]).astype(np.float64)

    def error(self, weight: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> Wide:
        """Σ (weight·x − other·q)² per channel, float64 [channels]; both weights [channels, inputs]."""
        w, v = self.split(weight), self.split(other)
        if not self.is_quantized:
            change = w - v
            return _products(change @ self.square, change)
        return _products(w @ self.float_square, w) - 2 * _products(v @ self.cross, w) + _products(v @ self.square, v)

    def energy(self, weight: npt.NDArray[np.floating]) -> Wide:
        """Σ (weight·x)² per channel, float64 [channels]."""
        w = self.split(weight)
        return _products(w @ self.float_square, w)

    def output_shift(self, weight: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> Wide:
        """Mean of weight·x − other·q, float64 [channels]: what a bias can put right."""
        means = np.einsum("gck,gk->gc", self.split(weight), self.float_sum)
        means -= np.einsum("gck,gk->gc", self.split(other), self.sum)
        shift: Wide = means.reshape(-1) / max(self.rows, 1)
        return shift


def _add_products(total: Wide, one: Wide, other: Wide) -> None:
    """total[g] += one[g]ᵀ·other[g]; the product of a matrix with itself takes half the work, a stack does not."""
    if len(total) > 1:
        total += one.transpose(0, 2, 1) @ other
    else:
        total[0] += one[0].T @ other[0]


def _products(one: Wide, other: Wide) -> Wide:
    """Inner products of rows, flattened over groups."""
    products: Wide = np.einsum("gck,gck->gc", one, other).reshape(-1)
    return products
