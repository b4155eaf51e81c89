"""Quantization of one weight, as a matrix [channels, inputs]: exact, vectorised, in bounded memory.

Symmetric ranges are narrow (−7…7 at 4 bits), as ONNX Runtime's kernels want them. The codes chosen
here are the codes that conversion packs and the values that analysis simulates.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.numerics.half_scales import can_halve, to_half_scales
from engine.numerics.multipliers import INT8_MAX, choose_multiples, cover_scales, nearest_multiples
from engine.numerics.schemes import GroupScales, PerChannel, PerGroup, PerTensor, RangeMethod, WeightScheme

FloatMatrix = npt.NDArray[np.float32]
IntMatrix = npt.NDArray[np.int8]
Tile = tuple[slice, slice]

# The range is shrunk in coarse steps first, then in finer ones around each group's best.
# A range is searched among these shares of the full one, then by smaller and smaller steps around the best.
COARSE_SHRINKS = np.linspace(1.0, 0.4, 7, dtype=np.float32)
FINE_STEPS = (np.float32(0.05), np.float32(0.025))
REDUCED_INT8_MAX, UINT4_MAX = 63, 15
# What one thread works on at a time stays in its cache, temporaries included.
TILE_ELEMENTS = 1 << 17
# Of a transposed weight, runs of this many channels are read; a power of two would fall on few cache sets.
TILE_CHANNELS = 960
COPY_BLOCK = 64
# Below this many elements, numpy's overhead per run outweighs a transposed copy.
SHORT_RUN = 128


class WeightNotFinite(ValueError):
    """The weight holds NaN or infinite values."""


@dataclass(frozen=True)
class QuantizedWeight:
    """Codes and what they mean: weight ≈ (codes − zero_point) · scale, per group of `group_size` inputs.

    Attributes:
        codes: int8 [channels, inputs], each within `bits`.
        scale: float32 [channels, groups]; [1, 1] per tensor.
        zero_point: int8 [channels, groups] or [1, 1]; None if symmetric.
        group_size: inputs that share a scale; the last group may be shorter.
        multiplier: int8 [channels, groups], unless groups have float scales: scale = channel_scale · multiplier.
        channel_scale: float32 [channels], where there are multipliers.
        has_half_scales: the scales, or the channel scales where there are multipliers, are numbers that float16 holds.
    """

    bits: int
    codes: IntMatrix
    scale: FloatMatrix
    zero_point: IntMatrix | None
    group_size: int
    multiplier: IntMatrix | None = None
    channel_scale: npt.NDArray[np.float32] | None = None
    has_half_scales: bool = False

    @property
    def groups(self) -> int:
        """Groups per channel."""
        return -(-int(self.codes.shape[1]) // self.group_size)

    def dequantize(self) -> FloatMatrix:
        """float32 [channels, inputs]: what the exported layer computes with."""
        centred: npt.NDArray[np.int8] | npt.NDArray[np.int16] = self.codes
        if self.zero_point is not None:
            centred = centred.astype(np.int16) - self._per_input(self.zero_point)
        if self.multiplier is not None and self.channel_scale is not None:
            product = np.multiply(centred, self._per_input(self.multiplier), dtype=np.int16)  # at most 255 · 127
            restored: FloatMatrix = np.multiply(product, self.channel_scale[:, None], dtype=np.float32)
            return restored
        scale: FloatMatrix = self._per_input(self.scale)
        dequantized: FloatMatrix = np.multiply(centred, scale, dtype=np.float32)
        return dequantized

    def integer_weight(self) -> IntMatrix:
        """The int8 matrix that an integer kernel multiplies with, zero point 0: (codes − zero_point) · multiplier.

        Meaningless for groups with `GroupScales.BYTE`, whose products need 16 bits.
        """
        weight: IntMatrix = self.codes
        if self.zero_point is not None:
            weight = weight - self._per_input(self.zero_point)
        if self.multiplier is not None:
            weight = weight * self._per_input(self.multiplier)
        return weight

    def _per_input(self, per_group: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if per_group.shape[1] == 1:
            return per_group
        return np.repeat(per_group, self.group_size, axis=1)[:, : self.codes.shape[1]]


def code_range(bits: int, *, symmetric: bool, reduce_range: bool = False) -> tuple[int, int]:
    """qmin and qmax of signed codes: narrow if symmetric; 8-bit codes use 7 bits if the range is reduced."""
    used = bits - 1 if reduce_range and bits == 8 else bits
    qmax = (1 << (used - 1)) - 1
    return (-qmax if symmetric else -qmax - 1), qmax


def range_of(scheme: WeightScheme) -> tuple[int, int]:
    """qmin and qmax of a scheme's codes."""
    return code_range(scheme.bits, symmetric=scheme.symmetric, reduce_range=scheme.reduce_range)


def quantize_weight(
    matrix: FloatMatrix,
    scheme: WeightScheme,
    *,
    group_scales: GroupScales = GroupScales.FLOAT,
    half_scales: bool = False,
) -> QuantizedWeight:
    """Round a weight to the nearest codes of an integer scheme.

    Args:
        matrix: float32 or float16 [channels, inputs]; any strides.
        group_scales: of per-group schemes.
        half_scales: choose scales that float16 holds, unless the weight is too small or too large for it; a single
            scale per tensor stays float32.

    Raises:
        WeightNotFinite: it holds NaN or infinite values.
    """
    channels, inputs = matrix.shape
    group_size = scheme.granularity.group_size if isinstance(scheme.granularity, PerGroup) else inputs
    if isinstance(scheme.granularity, PerTensor):
        return _quantize_per_tensor(matrix, scheme)
    groups = -(-inputs // group_size)
    has_multipliers = isinstance(scheme.granularity, PerGroup) and group_scales != GroupScales.FLOAT
    most = largest_multiplier(scheme, group_scales) if has_multipliers else 1
    result = QuantizedWeight(
        bits=scheme.bits,
        codes=np.empty((channels, inputs), np.int8),
        scale=np.empty((channels, groups), np.float32),
        zero_point=None if scheme.symmetric else np.empty((channels, groups), np.int8),
        group_size=group_size,
        multiplier=np.empty((channels, groups), np.int8) if has_multipliers else None,
        channel_scale=np.empty(channels, np.float32) if has_multipliers else None,
        has_half_scales=half_scales and can_halve(matrix, _span(scheme), most),
    )
    tiles = list(_tiles(matrix, result, splits_rows=isinstance(scheme.granularity, PerGroup) and not has_multipliers))
    if len(tiles) == 1:
        _quantize_tile(matrix, scheme, result, tiles[0], most)
        return result
    with ThreadPoolExecutor(min(len(tiles), os.cpu_count() or 1)) as pool:
        for done in [pool.submit(_quantize_tile, matrix, scheme, result, tile, most) for tile in tiles]:
            done.result()
    return result


def _tiles(matrix: FloatMatrix, result: QuantizedWeight, *, splits_rows: bool) -> Iterator[Tile]:
    """Channels and groups that belong together; without `splits_rows`, all groups of a channel do.

    Splitting rows makes tiles of a transposed weight wide, so that it is read in long runs. A short last group
    is a tile of its own: what fills it up is copied then, not the whole weight.
    """
    channels, inputs = matrix.shape
    is_transposed = matrix.strides[0] < matrix.strides[1]
    row_elements = max(result.groups * result.group_size, 1)
    channel_step = max(1, TILE_ELEMENTS // row_elements)
    if is_transposed:
        channel_step = TILE_CHANNELS if splits_rows else max(COPY_BLOCK, channel_step)
    group_step = max(1, TILE_ELEMENTS // (channel_step * result.group_size)) if splits_rows else result.groups
    whole = inputs // result.group_size if splits_rows else result.groups
    starts = [*range(0, whole, group_step), *([whole] if whole < result.groups else [])]
    for first in range(0, channels, channel_step):
        for start, stop in zip(starts, [*starts[1:], result.groups], strict=True):
            yield slice(first, first + channel_step), slice(start, stop)


def _quantize_per_tensor(matrix: FloatMatrix, scheme: WeightScheme) -> QuantizedWeight:
    flat = dataclasses.replace(scheme, granularity=PerChannel())
    whole = quantize_weight(matrix.reshape(1, -1), flat)
    return QuantizedWeight(
        scheme.bits, whole.codes.reshape(matrix.shape), whole.scale, whole.zero_point, matrix.shape[1]
    )


def _quantize_tile(matrix: FloatMatrix, scheme: WeightScheme, result: QuantizedWeight, tile: Tile, most: int) -> None:
    """Fill a tile of `result`; numpy lets go of the interpreter lock, so tiles run side by side."""
    rows, groups = tile
    columns = slice(groups.start * result.group_size, groups.stop * result.group_size)
    part = matrix[rows, columns]
    is_full_range = scheme.clip is not None or scheme.range_method == RangeMethod.MINMAX
    grouped = _split_groups(np.asarray(part, np.float32), result.group_size)
    turned = grouped.transpose(2, 0, 1) if is_full_range and result.multiplier is None else _turn(grouped)
    low, high = _extremes(turned)
    if scheme.clip is not None:
        low, high = keep_share(low, high, scheme)
    elif scheme.range_method == RangeMethod.PERCENTILE:
        low, high = _percentiles(np.asarray(part, np.float32), result.group_size, scheme)
    is_half = result.has_half_scales
    scale, zero_point = _choose_grid(turned, low, high, scheme, is_half=is_half and result.multiplier is None)
    if result.multiplier is not None and result.channel_scale is not None:
        if is_full_range and most == INT8_MAX:
            channel_scale, multiplier = cover_scales(scale, is_half=is_half)
        elif scheme.clip is not None:
            channel_scale, multiplier = nearest_multiples(scale, most, is_half=is_half)
        else:
            error_of = _measure_error(turned, zero_point, scheme)
            channel_scale, multiplier = choose_multiples(scale, most, error_of, is_half=is_half)
        scale = multiplier * channel_scale[:, None]
        result.channel_scale[rows] = channel_scale
        result.multiplier[rows] = multiplier.astype(np.int8)
    codes = _round_to_codes(grouped, scale, zero_point, scheme).astype(np.int8)  # in the order of `part`: a fast cast
    result.codes[rows, columns] = codes.reshape(len(part), -1)[:, : part.shape[1]]
    result.scale[rows, groups] = scale
    if result.zero_point is not None and zero_point is not None:
        result.zero_point[rows, groups] = zero_point.astype(np.int8)


def _split_groups(matrix: FloatMatrix, group_size: int) -> FloatMatrix:
    """[channels, groups, group_size]; a short last group is filled with zeros, which change no grid and no error."""
    channels, inputs = matrix.shape
    missing = -inputs % group_size
    if missing:
        matrix = np.pad(matrix, ((0, 0), (0, missing)))
    return matrix.reshape(channels, -1, group_size)


def _turn(grouped: FloatMatrix) -> FloatMatrix:
    """[group_size, channels, groups], compact, in the memory order that numpy works through fastest.

    numpy is slow where its innermost loop is short: elements of small groups lie apart (32: two thirds of the time
    of what follows), those of long ones together. What is made from the result elementwise has its order.
    """
    turned = grouped.transpose(2, 0, 1)
    if turned.shape[0] >= SHORT_RUN:
        return _copy_by_blocks(grouped).transpose(2, 0, 1)
    if grouped.strides[2] == grouped.itemsize:
        return np.array(turned, order="C")
    copied = np.empty(turned.shape, np.float32)
    for group in range(turned.shape[2]):  # of a transposed weight: runs of channels
        copied[:, :, group] = turned[:, :, group]
    return copied


def _extremes(turned: FloatMatrix) -> tuple[FloatMatrix, FloatMatrix]:
    """Minimum and maximum of every group: [channels, groups] each.

    Raises:
        WeightNotFinite: one of them is NaN or infinite.
    """
    low, high = turned.min(axis=0), turned.max(axis=0)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise WeightNotFinite
    return low, high


def keep_share(low: FloatMatrix, high: FloatMatrix, scheme: WeightScheme) -> tuple[FloatMatrix, FloatMatrix]:
    """What a clip set by hand leaves of full ranges: both ends moved towards 0 alike; all of it without a clip.

    Returns:
        range_min and range_max, float32 shaped as `low`, 0 within; of opposite sign if the scheme is symmetric.
    """
    share = np.float32(1.0 if scheme.clip is None else scheme.clip)
    if scheme.symmetric:
        widest = np.maximum(np.abs(low), np.abs(high)) * share
        return -widest, widest
    return np.minimum(low, 0) * share, np.maximum(high, 0) * share


def find_full_ranges(matrix: FloatMatrix, scheme: WeightScheme) -> tuple[FloatMatrix, FloatMatrix]:
    """Minimum and maximum of the weights that share a scale: float32 [channels, groups], [1, 1] per tensor.

    Raises:
        WeightNotFinite: it holds NaN or infinite values.
    """
    if isinstance(scheme.granularity, PerTensor):
        matrix = matrix.reshape(1, -1)
    if not isinstance(scheme.granularity, PerGroup):
        return _extremes(np.asarray(matrix, np.float32).T[..., None])
    size, rows = scheme.granularity.group_size, max(1, TILE_ELEMENTS // max(matrix.shape[1], 1))
    tiles = (matrix[first : first + rows] for first in range(0, len(matrix), rows))
    ends = [_extremes(_turn(_split_groups(np.asarray(tile, np.float32), size))) for tile in tiles]
    low, high = zip(*ends, strict=True)
    return np.concatenate(low), np.concatenate(high)


def _percentiles(part: FloatMatrix, group_size: int, scheme: WeightScheme) -> tuple[FloatMatrix, FloatMatrix]:
    """The range of every group without its tails, [channels, groups] each; of |w| if the scheme is symmetric."""
    lows, highs = [], []
    for start in range(0, part.shape[1], group_size):
        group = part[:, start : start + group_size]
        if scheme.symmetric:
            high = np.percentile(np.abs(group), scheme.percentile, axis=1)
            low = -high
        else:
            low, high = np.percentile(group, (100 - scheme.percentile, scheme.percentile), axis=1)
        lows.append(low)
        highs.append(high)
    return np.stack(lows, axis=1).astype(np.float32), np.stack(highs, axis=1).astype(np.float32)


def _copy_by_blocks(grouped: FloatMatrix) -> FloatMatrix:
    """A contiguous copy; a transposed view is copied in blocks that fit the cache, three times as fast."""
    if grouped.strides[2] == grouped.itemsize:
        return np.ascontiguousarray(grouped)
    copied = np.empty(grouped.shape, np.float32)
    source, target = (item.reshape(len(item), -1) for item in (grouped, copied))
    for top in range(0, len(source), COPY_BLOCK):
        for left in range(0, source.shape[1], COPY_BLOCK):
            block = (slice(top, top + COPY_BLOCK), slice(left, left + COPY_BLOCK))
            target[block] = source[block]
    return copied


def _choose_grid(
    turned: FloatMatrix, low: FloatMatrix, high: FloatMatrix, scheme: WeightScheme, *, is_half: bool
) -> tuple[FloatMatrix, FloatMatrix | None]:
    """Scale and zero point per group: [channels, groups] each, zero point None if symmetric."""
    if scheme.clip is not None or scheme.range_method != RangeMethod.MSE:
        return _grid_of_range(low, high, scheme, is_half=is_half)
    best_error = np.full(high.shape, np.inf, np.float32)
    best_shrink = np.ones_like(high)
    scratch = np.empty_like(turned), np.empty_like(turned)
    if scheme.symmetric:  # only the wider end counts
        low, high = np.zeros((), np.float32), np.maximum(np.abs(low), np.abs(high))

    def consider(shrink: FloatMatrix | np.float32) -> None:
        nonlocal best_error, best_shrink
        grid = _grid_of_range(low * shrink, high * shrink, scheme, is_half=is_half)
        error = _grid_error(turned, *grid, scheme, scratch)
        best_shrink = np.where(error < best_error, shrink, best_shrink)
        best_error = np.minimum(error, best_error)

    for step in COARSE_SHRINKS:
        consider(step)
    for step in FINE_STEPS:
        around = best_shrink
        consider(around - step)
        consider(around + step)
    return _grid_of_range(low * best_shrink, high * best_shrink, scheme, is_half=is_half)


def _grid_of_range(
    low: FloatMatrix, high: FloatMatrix, scheme: WeightScheme, *, is_half: bool
) -> tuple[FloatMatrix, FloatMatrix | None]:
    """The grid that covers a range, whose scale float16 holds if `is_half`."""
    qmin, qmax = range_of(scheme)
    if scheme.symmetric:
        high = np.maximum(np.abs(low), np.abs(high))
        low = np.zeros_like(high)
    else:
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    scale = _safe_scale((high - low) / np.float32(_span(scheme)))
    if is_half:
        scale = to_half_scales(scale, up=True)
    if scheme.symmetric:
        return scale, None
    return scale, np.clip(np.rint(qmin - low / scale), qmin, qmax).astype(np.float32)


def _safe_scale(scale: FloatMatrix) -> FloatMatrix:
    """A scale of 1 for groups that are all zero (or denormal)."""
    return np.where(scale < np.finfo(np.float32).tiny, np.float32(1), scale).astype(np.float32)


def _round_to_codes(
    grouped: FloatMatrix,
    scale: FloatMatrix,
    zero_point: FloatMatrix | None,
    scheme: WeightScheme,
) -> FloatMatrix:
    qmin, qmax = range_of(scheme)
    codes: FloatMatrix = grouped / scale[..., None]
    np.rint(codes, out=codes)
    if zero_point is not None:
        codes += zero_point[..., None]
    return np.clip(codes, qmin, qmax, out=codes)


def _measure_error(
    turned: FloatMatrix, zero_point: FloatMatrix | None, scheme: WeightScheme
) -> Callable[[FloatMatrix], FloatMatrix]:
    """What groups lose by the scales that are passed, [channels, groups] both."""
    scratch = np.empty_like(turned), np.empty_like(turned)
    return lambda scale: _grid_error(turned, scale, zero_point, scheme, scratch)


def _grid_error(
    turned: FloatMatrix,
    scale: FloatMatrix,
    zero_point: FloatMatrix | None,
    scheme: WeightScheme,
    scratch: tuple[FloatMatrix, FloatMatrix],
) -> FloatMatrix:
    """Σ (w − ŵ)² per group: [channels, groups], up to rounding; `scratch` are two like `turned` and are overwritten."""
    steps, difference = scratch
    np.multiply(turned, 1 / scale, out=steps)
    if zero_point is not None:
        steps += zero_point
    np.rint(steps, out=difference)
    np.clip(difference, *range_of(scheme), out=difference)
    difference -= steps
    np.square(difference, out=difference)
    # One after the other, as numpy adds up several columns, for a single one too: no result depends on the tiles.
    is_single = scale.size == 1 and len(turned) < SHORT_RUN
    total: FloatMatrix = np.cumsum(difference, axis=0)[-1] if is_single else difference.sum(axis=0)
    return total * np.square(scale)


def largest_multiplier(scheme: WeightScheme, group_scales: GroupScales) -> int:
    """The largest multiple of a channel's scale that a group may have: int8, and 4 bits beside 4-bit codes."""
    if group_scales != GroupScales.PRODUCT:
        return INT8_MAX
    largest = (REDUCED_INT8_MAX if scheme.reduce_range else INT8_MAX) // _span(scheme)
    return min(largest, UINT4_MAX) if scheme.bits == 4 else largest


def _span(scheme: WeightScheme) -> int:
    """The largest difference of a code from its zero point."""
    qmin, qmax = range_of(scheme)
    return qmax if scheme.symmetric else qmax - qmin
