"""The distribution of one layer's weight, before and after fake quantization, ready to be drawn."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import ModelError
from engine.model.opened import Model
from engine.model.quantized_layers import ensure_finite, quantize_layer, to_float16
from engine.numerics.schemes import WeightScheme
from engine.numerics.weights import QuantizedWeight, find_full_ranges, keep_share, range_of
from engine.requests.histograms import WeightHistogram, WeightHistogramRequest
from engine.summary import LayerSummary

Matrix = npt.NDArray[np.float32]
Counts = npt.NDArray[np.intp]
BLOCK_ELEMENTS = 1 << 18
# Fewer rows of a transposed weight would be read in short runs.
FEWEST_ROWS = 64


@dataclass(frozen=True)
class _Tally:
    """What is counted of some rows: per bin, per code, outside of the ranges, and energies."""

    counts: Counts
    quantized_counts: Counts
    codes: Counts
    below: int
    above: int
    noise: float
    signal: float

    def __add__(self, other: _Tally) -> _Tally:
        return _Tally(
            self.counts + other.counts,
            self.quantized_counts + other.quantized_counts,
            self.codes + other.codes,
            self.below + other.below,
            self.above + other.above,
            self.noise + other.noise,
            self.signal + other.signal,
        )


@dataclass(frozen=True)
class _Stored:
    """What becomes of some channels under a scheme."""

    scheme: WeightScheme
    summary: LayerSummary
    quantized: QuantizedWeight | None

    def rows(self, rows: slice) -> _Stored:
        """The same of fewer channels."""
        found = self.quantized
        if found is None:
            return self
        own = slice(None) if len(found.scale) == 1 else rows
        quantized = dataclasses.replace(
            found,
            codes=found.codes[rows],
            scale=found.scale[own],
            zero_point=None if found.zero_point is None else found.zero_point[own],
            multiplier=None if found.multiplier is None else found.multiplier[own],
            channel_scale=None if found.channel_scale is None else found.channel_scale[own],
        )
        return dataclasses.replace(self, quantized=quantized)

    def values(self, matrix: Matrix) -> Matrix:
        """What the exported layer computes with; `matrix` is the float weight of these channels."""
        if self.quantized is not None:
            return self.quantized.dequantize()
        return to_float16(matrix, self.summary).astype(np.float32) if self.scheme.bits == 16 else matrix

    def ends(self) -> tuple[Matrix, Matrix]:
        """Least and largest value of the grid of every scale: [channels, groups] or [1, 1] each."""
        assert self.quantized is not None
        qmin, qmax = range_of(self.scheme)
        zero_point = self.quantized.zero_point
        shift = np.float32(0) if zero_point is None else zero_point.astype(np.float32)
        return (qmin - shift) * self.quantized.scale, (qmax - shift) * self.quantized.scale

    def count_clipped(self, matrix: Matrix) -> tuple[int, int, Counts]:
        """Weights that lie more than half a scale below and above their own range; how often each code occurs."""
        found = self.quantized
        if found is None:
            return 0, 0, np.zeros(256, np.int64)

        def spread(values: Matrix) -> Matrix:
            is_one = values.shape[1] == 1
            return values if is_one else np.repeat(values, found.group_size, axis=1)[:, : matrix.shape[1]]

        low, high = self.ends()
        margin = found.scale * np.float32(0.5)
        below = int(np.count_nonzero(matrix < spread(low - margin)))
        above = int(np.count_nonzero(matrix > spread(high + margin)))
        return below, above, np.bincount(found.codes.view(np.uint8).reshape(-1), minlength=256)

    def widest_grid(self, matrix: Matrix) -> tuple[tuple[float, ...], tuple[float, float]]:
        """The grid with the widest full range, and that range.

        Args:
            matrix: of these channels; of all of them if they share one scale.
        """
        found = self.quantized
        if found is None:
            return (), (0.0, 0.0)
        unclipped = dataclasses.replace(self.scheme, clip=None)
        low, high = keep_share(*find_full_ranges(matrix, unclipped), unclipped)
        at = np.unravel_index(np.argmax(high - low), low.shape)
        qmin, qmax = range_of(self.scheme)
        zero_point = 0 if found.zero_point is None else int(found.zero_point[at])
        grid = np.arange(qmin - zero_point, qmax - zero_point + 1) * float(found.scale[at])
        return tuple(grid.tolist()), (float(low[at]), float(high[at]))


def build_weight_histogram(model: Model, request: WeightHistogramRequest) -> WeightHistogram:
    """Bin the weight of `request.layer` and what its plan makes of it.

    Raises:
        ModelError: there is no such layer or channel.
        ConversionError: its weight holds NaN or infinite values.
    """
    layer = next((item for item in model.layers if item.name == request.layer), None)
    if layer is None:
        raise ModelError(f"{model.path.name} has no layer named {request.layer!r}.")
    matrix, channel = layer.matrix(), request.channel
    if channel is not None and not 0 <= channel < len(matrix):
        raise ModelError(f"{request.layer!r} has {len(matrix)} output channels, none with the number {channel}.")
    summary = model.summary.layer_by_name[layer.name]
    channel_min, channel_max = matrix.min(axis=1), matrix.max(axis=1)
    if not (np.isfinite(channel_min).all() and np.isfinite(channel_max).all()):
        ensure_finite(matrix, summary)
    rows = slice(None) if channel is None else slice(channel, channel + 1)
    low, high = float(channel_min[rows].min(initial=np.inf)), float(channel_max[rows].max(initial=-np.inf))
    edges = np.linspace(low, high, request.bins + 1) if low < high else np.linspace(low - 0.5, low + 0.5, 3)
    scheme = request.choice.weights
    quantized = quantize_layer(matrix, summary, request.choice) if scheme.is_integer else None
    whole = _Stored(scheme, summary, quantized)
    part = whole.rows(rows)
    found = _tally(matrix[rows], part, edges)
    is_one_scale = quantized is not None and len(quantized.scale) == 1
    grid, full = part.widest_grid(matrix if is_one_scale else matrix[rows])
    ends = _channel_ends(whole, len(matrix))
    size = max(matrix[rows].size, 1)
    return WeightHistogram(
        layer=layer.name,
        edges=tuple(edges.tolist()),
        counts=tuple(found.counts.tolist()),
        quantized_counts=() if scheme.bits == 32 else tuple(found.quantized_counts.tolist()),
        grid=grid,
        range_min=grid[0] if grid else low,
        range_max=grid[-1] if grid else high,
        full_min=full[0] if grid else low,
        full_max=full[1] if grid else high,
        below_fraction=found.below / size,
        above_fraction=found.above / size,
        levels_used=int(np.count_nonzero(found.codes)),
        sqnr_db=float(10 * np.log10(found.signal / found.noise)) if found.noise > 0 and found.signal > 0 else None,
        channel=channel,
        channel_min=tuple(channel_min.tolist()),
        channel_max=tuple(channel_max.tolist()),
        channel_range_min=ends[0],
        channel_range_max=ends[1],
    )


def _channel_ends(stored: _Stored, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The widest clipping range of every channel; nothing for floats."""
    if stored.quantized is None:
        return (), ()
    low, high = stored.ends()
    return tuple(np.resize(low.min(axis=1), channels).tolist()), tuple(np.resize(high.max(axis=1), channels).tolist())


def _tally(matrix: Matrix, stored: _Stored, edges: npt.NDArray[np.float64]) -> _Tally:
    """Everything that is counted, block by block in threads; numpy lets go of the interpreter lock."""

    def count(rows: slice) -> _Tally:
        part = np.ascontiguousarray(matrix[rows])
        own = stored.rows(rows)
        changed = own.values(part)
        below, above, codes = own.count_clipped(part)
        before, after = _count_bins(part, edges), _count_bins(changed, edges)
        noise = (changed - part).reshape(-1)
        flat = part.reshape(-1)
        energies = [float(np.einsum("i,i->", values, values, dtype=np.float64)) for values in (noise, flat)]
        return _Tally(before, after, codes, below, above, *energies)

    nothing = np.zeros(len(edges) - 1, np.int64)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return sum(pool.map(count, _blocks(matrix)), _Tally(nothing, nothing, np.zeros(256, np.int64), 0, 0, 0.0, 0.0))


def _blocks(matrix: Matrix) -> Iterator[slice]:
    step = max(1, BLOCK_ELEMENTS // max(matrix.shape[1], 1))
    if matrix.strides[0] < matrix.strides[1]:
        step = max(step, FEWEST_ROWS)
    return (slice(start, start + step) for start in range(0, len(matrix), step))


def _count_bins(values: Matrix, edges: npt.NDArray[np.float64]) -> Counts:
    """Values per equal bin; those outside go into the outermost bins."""
    bins = len(edges) - 1
    places = np.subtract(values.reshape(-1), np.float32(edges[0]))
    width = (edges[-1] - edges[0]) / bins
    if width < np.finfo(np.float32).tiny:  # float32 cannot say how many bins there are to one
        places = places.astype(np.float64)
    places *= places.dtype.type(1 / width)
    np.clip(places, 0, bins - 1, out=places)
    return np.bincount(places.astype(np.intp), minlength=bins)
