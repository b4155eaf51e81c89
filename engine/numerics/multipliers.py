"""Scales of groups as whole multiples of one scale per channel (QServe, arXiv 2405.04532)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from engine.numerics.half_scales import to_half_scales

Matrix = npt.NDArray[np.float32]
# Channel scales [channels] and multipliers [channels, groups].
Multiples = tuple[npt.NDArray[np.float32], Matrix]

INT8_MAX = 127
CANDIDATES = 6


def cover_scales(scale: Matrix, *, is_half: bool) -> Multiples:
    """Multiples up to 127 that never fall short of the scales of groups.

    Args:
        scale: float32 [channels, groups].
        is_half: choose channel scales that float16 holds.
    """
    channel_scale = np.nextafter(scale.max(axis=1) / np.float32(INT8_MAX), np.float32(np.inf))
    if is_half:
        channel_scale = to_half_scales(channel_scale, up=True)
    multiplier = np.clip(np.ceil(scale / channel_scale[:, None]), 1, INT8_MAX)
    return channel_scale, multiplier.astype(np.float32)


def nearest_multiples(scale: Matrix, most: int, *, is_half: bool) -> Multiples:
    """Multiples up to `most`; the widest group's is exact, but for what float16 leaves of the channel scale."""
    return _round_multiples(scale, scale.max(axis=1) / np.float32(most), most, is_half=is_half)


def choose_multiples(scale: Matrix, most: int, error_of: Callable[[Matrix], Matrix], *, is_half: bool) -> Multiples:
    """Multiples up to `most` that lose least.

    The largest group scale is tried as each multiple from a third to the whole of `most`; the channel
    keeps the multiple with the smallest error, then each group the best neighbour.

    Args:
        error_of: what groups lose with these scales, [channels, groups] both.
    """
    largest = scale.max(axis=1)
    best_error = np.full(len(scale), np.inf, np.float32)
    best_scale, best_multiplier = _round_multiples(scale, largest.copy(), most, is_half=is_half)
    for candidate in np.unique(np.linspace(max(1, most // 3), most, CANDIDATES).astype(int)):
        channel_scale, multiplier = _round_multiples(scale, largest / np.float32(candidate), most, is_half=is_half)
        error = error_of(multiplier * channel_scale[:, None]).sum(axis=1)
        better = error < best_error
        best_error[better] = error[better]
        best_scale[better], best_multiplier[better] = channel_scale[better], multiplier[better]
    return best_scale, _improve_multipliers(best_scale, best_multiplier, most, error_of)


def _round_multiples(scale: Matrix, channel_scale: npt.NDArray[np.float32], most: int, *, is_half: bool) -> Multiples:
    if is_half:
        channel_scale = to_half_scales(channel_scale)
    return channel_scale, np.clip(np.rint(scale / channel_scale[:, None]), 1, most).astype(np.float32)


def _improve_multipliers(
    channel_scale: npt.NDArray[np.float32], multiplier: Matrix, most: int, error_of: Callable[[Matrix], Matrix]
) -> Matrix:
    best, best_error = multiplier, error_of(multiplier * channel_scale[:, None])
    for step in (-2, -1, 1, 2):
        moved = np.clip(multiplier + step, 1, most)
        error = error_of(moved * channel_scale[:, None])
        best = np.where(error < best_error, moved, best)
        best_error = np.minimum(error, best_error)
    return best.astype(np.float32)
