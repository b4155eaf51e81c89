"""GPTQ (Frantar et al., arXiv 2210.17323): round input by input, let the inputs to come make up for the error.

The paper keeps row k of the upper Cholesky factor U of H⁻¹ (H⁻¹ = Uᵀ·U) and moves later weights by
−(w_k − ŵ_k) / U_kk · U_k,>k. Here the same is read off H itself: H = R·D·Rᵀ with R upper triangular of unit
diagonal has R = U⁻¹·diag(U), and the weight to round for input k is w_k + Σ_{j<k} (w_j − ŵ_j)·R_jk. That is the
form of LDLQ (arXiv 2307.13304, which proves them equal). It needs no inverse, and what has been rounded is all that
is carried along.

Scales and zero points stand before the first weight is rounded and stay as they are, so inputs may be taken in any
order, groups or not, and the codes found are the codes that are packed.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from engine.compensation.moments import Moments, Wide
from engine.numerics.schemes import WeightScheme
from engine.numerics.weights import QuantizedWeight, range_of

Indices = npt.NDArray[np.intp]

# Inputs whose errors reach beyond their block only once the block is done, in one product.
BLOCK_INPUTS = 128
# Of the mean diagonal, added to it; raised tenfold until the factor exists.
DAMPING = 0.01
MAX_DAMPING = 10.0


def round_gptq(
    matrix: npt.NDArray[np.float32],
    moments: Moments,
    nearest: QuantizedWeight,
    scheme: WeightScheme,
    *,
    is_ordered: bool = True,
) -> QuantizedWeight | None:
    """Codes on the grid of `nearest` that make Σ ‖W·x − V·q‖² small.

    Where the layer reads quantized inputs, what is rounded is the weight that fits these best, not W itself.

    Args:
        matrix: W, float32 [channels, inputs].
        is_ordered: take inputs by falling energy ("act-order"), else as they stand.

    Returns:
        None if no damping makes the moments positive definite.
    """
    damped = damp(moments.square)
    if damped is None:
        return None
    target = moments.split(matrix)
    if moments.is_quantized:
        target = fit_to_quantized(target, moments, damped)
    order = _choose_order(moments.square, is_ordered=is_ordered)
    by_row: Wide = np.take_along_axis(damped, order[:, :, None], 1)
    ordered: Wide = np.take_along_axis(by_row, order[:, None, :], 2)
    factor = _unit_factor(ordered)
    scale, zero_point = (_spread(part, nearest, order) for part in (nearest.scale, nearest.zero_point))
    columns = np.take_along_axis(target.transpose(0, 2, 1), order[:, :, None], 1)
    codes = _round_in_order(columns, factor, _Grid(scale, zero_point, *range_of(scheme)))
    restored = np.empty_like(codes)
    np.put_along_axis(restored, order[:, :, None], codes, 1)
    chosen = restored.transpose(0, 2, 1).reshape(matrix.shape).astype(np.int8)
    is_dead = np.repeat(np.diagonal(moments.square, axis1=1, axis2=2) == 0, target.shape[1], axis=0)
    return dataclasses.replace(nearest, codes=np.where(is_dead, nearest.codes, chosen))


def fit_to_quantized(target: Wide, moments: Moments, damped: Wide) -> Wide:
    """argmin over V of Σ ‖W·x − V·q‖² + d·‖V − W‖², d being the damping: [groups, channels, inputs]."""
    damping = damped - moments.square
    wanted = target @ (moments.cross.transpose(0, 2, 1) + damping)
    fitted = np.linalg.solve(damped, wanted.transpose(0, 2, 1))
    return fitted.transpose(0, 2, 1).astype(np.float64)


def damp(square: Wide) -> Wide | None:
    """Positive definite moments; inputs that are always 0 stand alone in them."""
    diagonal = np.diagonal(square, axis1=1, axis2=2)
    mean: Wide = np.maximum(diagonal.mean(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    damping = DAMPING
    while damping <= MAX_DAMPING:
        damped: Wide = square.copy()
        np.einsum("gkk->gk", damped)[...] += np.where(diagonal == 0, mean, damping * mean)
        try:
            np.linalg.cholesky(damped)
        except np.linalg.LinAlgError:
            damping *= 10
            continue
        return damped
    return None


def _choose_order(square: Wide, *, is_ordered: bool) -> Indices:
    """[groups, inputs]: the input to round at each position."""
    diagonal = np.diagonal(square, axis1=1, axis2=2)
    if is_ordered:
        return np.argsort(-diagonal, axis=1, kind="stable")
    return np.broadcast_to(np.arange(diagonal.shape[1]), diagonal.shape)


def _unit_factor(damped: Wide) -> Wide:
    """R of R·D·Rᵀ, upper triangular with a unit diagonal: the Cholesky factor of the reversed matrix, reversed."""
    upper = np.linalg.cholesky(damped[:, ::-1, ::-1])[:, ::-1, ::-1]
    factor: Wide = upper / np.diagonal(upper, axis1=1, axis2=2)[:, None, :]
    return factor


def _spread(parameters: npt.NDArray[np.generic] | None, nearest: QuantizedWeight, order: Indices) -> Wide:
    """A parameter of the grid for every weight, float64 [groups, inputs, channels], inputs in order."""
    channels, inputs = nearest.codes.shape
    if parameters is None:
        return np.zeros((1, 1, 1))
    full = np.repeat(np.broadcast_to(parameters, (channels, parameters.shape[1])), nearest.group_size, axis=1)
    by_group = full[:, :inputs].astype(np.float64).reshape(len(order), -1, inputs)
    return np.take_along_axis(by_group.transpose(0, 2, 1), order[:, :, None], 1)


@dataclasses.dataclass(frozen=True)
class _Grid:
    """Scale and zero point broadcast over [groups, inputs, channels]."""

    scale: Wide
    zero_point: Wide
    qmin: int
    qmax: int

    def round(self, values: Wide, position: int) -> tuple[Wide, Wide]:
        """Codes for one input, float64 [groups, channels], and the weights that they stand for."""
        scale = self.scale[:, position]
        zero_point = self.zero_point[:, position if self.zero_point.shape[1] > 1 else 0]
        codes = np.clip(np.rint(values / scale) + zero_point, self.qmin, self.qmax)
        return codes, (codes - zero_point) * scale


def _round_in_order(columns: Wide, factor: Wide, grid: _Grid) -> Wide:
    """Codes [groups, inputs, channels] of weights that are laid out like that."""
    codes, errors = np.empty_like(columns), np.empty_like(columns)
    inputs = columns.shape[1]
    for start in range(0, inputs, BLOCK_INPUTS):
        stop = min(start + BLOCK_INPUTS, inputs)
        block = columns[:, start:stop] + factor[:, :start, start:stop].transpose(0, 2, 1) @ errors[:, :start]
        for position in range(start, stop):
            carried = factor[:, start:position, position][:, None, :] @ errors[:, start:position]
            code, rounded = grid.round(block[:, position - start] + carried[:, 0], position)
            codes[:, position] = code
            errors[:, position] = columns[:, position] - rounded
    return codes
