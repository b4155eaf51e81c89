"""Local search over codes: flip one code at a time to its neighbour, by what that changes in Σ ‖W·x − V·q‖².

With g = 2·(V·A − W·Bᵀ) (see `moments`), a change of weight j by δ changes the error of its channel by
δ·g_j + δ²·A_jj, exactly, and g by 2·δ·A_j: a step needs one row of A, however many inputs there are. All channels
take their best flip at once. A flip that was made stays for some steps, so that a channel in a local optimum
climbs out of it (tabu search, the usual heuristic for binary quadratic problems); the best codes seen are kept.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.compensation.moments import Moments, Wide
from engine.numerics.schemes import WeightScheme
from engine.numerics.weights import QuantizedWeight, range_of

Matrix = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

# Steps for each input, and at least this many: few for a depthwise kernel, but its steps cost next to nothing.
STEPS_PER_INPUT = 2
MIN_STEPS = 100
# Steps that a flip stays, a quarter of the inputs where these are few.
TENURE = 10
# What one search works on stays in a core's cache, temporaries included.
SEARCH_ELEMENTS = 1 << 16


def flip_codes(
    matrix: Matrix, moments: Moments, weight: QuantizedWeight, scheme: WeightScheme, *, steps: int | None = None
) -> QuantizedWeight:
    """The weight with those codes flipped that lower Σ ‖W·x − V·q‖²; never worse in any channel.

    A code may turn into its neighbour on the side of the float weight, and back: floor into ceiling and ceiling
    into floor where the codes are either. Codes of inputs that are always 0 stay.

    Args:
        matrix: W, float32 [channels, inputs].
        weight: where to start: codes by any method. Scales and zero points are kept.
        steps: flips per channel at most, those into a worse state included; chosen by the inputs if None.
    """
    channels, inputs = matrix.shape
    owner = np.repeat(np.arange(len(moments.square)), channels // len(moments.square))
    diagonal = np.diagonal(moments.square, axis1=1, axis2=2)[owner]
    neighbours = _neighbours(matrix, weight, scheme)
    change = (neighbours - weight.codes) * per_weight(weight.scale, weight) * (diagonal > 0)
    penalty = np.where(change == 0, np.inf, change.astype(np.float64) ** 2 * diagonal)
    gradient = 2 * gradient_of(matrix, moments, weight.dequantize())
    doubled = (2 * moments.square).astype(np.float32)
    steps = max(MIN_STEPS, STEPS_PER_INPUT * inputs) if steps is None else steps
    codes = weight.codes.copy()
    at_once = max(1, SEARCH_ELEMENTS // inputs)
    for first in range(0, channels, at_once):
        rows = slice(first, first + at_once)
        start, slope, cost = (part[rows].astype(np.float32) for part in (change, gradient, penalty))
        is_flipped = _Search(start, slope, cost, doubled, owner[rows]).run(steps)
        codes[rows] = np.where(is_flipped, neighbours[rows], codes[rows])
    return choose_channels(matrix, moments, dataclasses.replace(weight, codes=codes), weight)


def choose_channels(
    matrix: Matrix, moments: Moments, found: QuantizedWeight, other: QuantizedWeight
) -> QuantizedWeight:
    """`found` in the channels where its exact error is lower, `other` in the rest; both on the same grid."""
    is_better = moments.error(matrix, found.dequantize()) < moments.error(matrix, other.dequantize())
    return dataclasses.replace(found, codes=np.where(is_better[:, None], found.codes, other.codes))


def gradient_of(matrix: Matrix, moments: Moments, weight: Matrix) -> Wide:
    """V·A − W·Bᵀ, float64 [channels, inputs]: half the gradient of the error at V."""
    v, w = moments.split(weight), moments.split(matrix)
    if not moments.is_quantized:
        return ((v - w) @ moments.square).reshape(matrix.shape)
    return (v @ moments.square - w @ moments.cross.transpose(0, 2, 1)).reshape(matrix.shape)


def per_weight(parameter: npt.NDArray[np.generic] | None, weight: QuantizedWeight) -> Matrix:
    """Scales or zero points for every weight, float32 [channels, inputs], read-only; zeros for None."""
    channels, inputs = weight.codes.shape
    if parameter is None:
        return np.broadcast_to(np.float32(0), (channels, inputs))
    repeats = weight.group_size if parameter.shape[1] > 1 else inputs
    full = np.repeat(parameter.astype(np.float32), repeats, axis=1)[:, :inputs]
    return np.broadcast_to(full, (channels, inputs))


def _neighbours(matrix: Matrix, weight: QuantizedWeight, scheme: WeightScheme) -> npt.NDArray[np.int8]:
    """For every code the next one on the side of the float weight; itself at the ends of the range."""
    exact = matrix / per_weight(weight.scale, weight) + per_weight(weight.zero_point, weight)
    towards = np.where(exact >= weight.codes, 1, -1)
    return np.clip(weight.codes.astype(np.int16) + towards, *range_of(scheme)).astype(np.int8)


@dataclass
class _Search:
    """Some channels and how their errors change; float32 [channels, inputs].

    Attributes:
        change: what a flip changes the weight by; turns its sign with every flip.
        gradient: of the error; follows the flips.
        penalty: change² · A_jj; infinite for a weight that cannot flip.
        doubled: 2·A, [groups, inputs, inputs].
        owner: the group of every channel.
    """

    change: Matrix
    gradient: Matrix
    penalty: Matrix
    doubled: Matrix
    owner: npt.NDArray[np.intp]

    def run(self, steps: int) -> npt.NDArray[np.bool_]:
        """Which weights to flip, [channels, inputs]."""
        channels, inputs = self.change.shape
        rows, tenure = np.arange(channels), min(TENURE, inputs // 4)
        allowed = self.penalty.copy()
        chosen, is_made = np.zeros((steps, channels), np.intp), np.zeros((steps, channels), np.bool_)
        error, best, best_step = np.zeros(channels), np.zeros(channels), np.full(channels, -1)
        for step in range(steps):
            if step > tenure:
                released = (rows, chosen[step - tenure - 1])
                allowed[released] = self.penalty[released]
            gain = self._flip_best(allowed, rows, chosen[step])
            is_made[step] = np.isfinite(gain)
            error += np.where(is_made[step], gain, 0)
            is_best = error < best
            best[is_best] = error[is_best]
            best_step[is_best] = step
        is_made &= np.arange(steps)[:, None] <= best_step
        flips = np.zeros((channels, inputs), np.int32)
        np.add.at(flips, (np.broadcast_to(rows, chosen.shape)[is_made], chosen[is_made]), 1)
        is_flipped: npt.NDArray[np.bool_] = flips % 2 == 1
        return is_flipped

    def _flip_best(self, allowed: Matrix, rows: Indices, chosen: Indices) -> Matrix:
        """Flip one weight in every channel that has an allowed one, write which; what that adds to the errors.

        Infinite in channels that stay as they are.
        """
        gain = self.change * self.gradient
        gain += allowed
        chosen[:] = gain.argmin(axis=1)
        at = (rows, chosen)
        best: Matrix = gain[at]
        moved = np.where(np.isfinite(best), self.change[at], np.float32(0))
        self.change[at] -= 2 * moved
        self.gradient += moved[:, None] * self.doubled[self.owner, chosen]
        allowed[at] = np.inf
        return best
