"""Weight ranges that minimise what a layer's output loses: the scales that fit chosen codes best.

Codes stand for scale · (code − zero point), so the output is linear in the scales of a channel's groups. With c the
codes less their zero points and the moments H, B and A, Σ ‖W·x − V·q‖² is least where N·s = t,
N_gh = Σ_{i∈g, j∈h} c_i·A_ij·c_j and t_g = Σ_{i∈g} c_i·(B·Wᵀ)_i: least squares, exact, for all groups of a channel at
once. Codes and scales are improved by turns, as in OmniQuant's and AWQ's range searches by output error
(arXiv 2308.13137, 2306.00978), but without a grid of candidates.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from engine.compensation.flips import flip_codes, per_weight
from engine.compensation.moments import Moments
from engine.numerics.half_scales import to_half_scales
from engine.numerics.schemes import WeightScheme
from engine.numerics.weights import QuantizedWeight

Matrix = npt.NDArray[np.float32]

TURNS = 4
# Of the mean diagonal of N, in favour of the scales as they are.
DAMPING = 1e-4
# A scale may fall to this share of what it was, or grow by its inverse.
LEAST_SHARE = 0.3


def refine_scales(
    matrix: Matrix, moments: Moments, weight: QuantizedWeight, scheme: WeightScheme, *, turns: int = TURNS
) -> QuantizedWeight:
    """The weight with scales and codes improved by turns; never worse in any channel.

    Scales that are whole multiples of a channel's, that all channels share, or that were set by hand stay as they
    are; codes are improved all the same.

    Args:
        matrix: W, float32 [channels, inputs].
    """
    if weight.multiplier is not None or len(weight.scale) != len(matrix) or scheme.clip is not None:
        return flip_codes(matrix, moments, weight, scheme)
    for _ in range(turns):
        weight = flip_codes(matrix, moments, fit_scales(matrix, moments, weight), scheme)
    return weight


def fit_scales(matrix: Matrix, moments: Moments, weight: QuantizedWeight) -> QuantizedWeight:
    """The same codes with the scales that fit best, in the channels where these lower the error."""
    codes = moments.split(weight.codes - per_weight(weight.zero_point, weight))
    groups, channels, inputs = codes.shape
    starts = np.arange(0, inputs, weight.group_size)
    normal = np.empty((groups, channels, len(starts), len(starts)))
    for index, start in enumerate(starts):
        columns = slice(start, start + weight.group_size)
        product = codes[:, :, columns] @ moments.square[:, columns]
        normal[:, :, index] = np.add.reduceat(product * codes, starts, axis=2)
    wanted = np.add.reduceat((moments.split(matrix) @ moments.cross.transpose(0, 2, 1)) * codes, starts, axis=2)
    current = weight.scale.astype(np.float64).reshape(groups, channels, -1)
    damping = DAMPING * np.einsum("gckk->gc", normal)[:, :, None] / len(starts) + np.finfo(np.float64).tiny
    np.einsum("gckk->gck", normal)[...] += damping
    fitted = np.linalg.solve(normal, (wanted + damping * current)[..., None])[..., 0]
    is_sane = (fitted > LEAST_SHARE * current) & (fitted < current / LEAST_SHARE)
    scale = np.where(is_sane, fitted, current).astype(np.float32).reshape(weight.scale.shape)
    if weight.has_half_scales:
        scale = to_half_scales(scale)
    found = dataclasses.replace(weight, scale=scale)
    is_better = moments.error(matrix, found.dequantize()) < moments.error(matrix, weight.dequantize())
    return dataclasses.replace(weight, scale=np.where(is_better[:, None], scale, weight.scale))
