"""Clipping ranges read from a histogram: min-max, percentile, least squared error, least divergence.

Every method sees the whole distribution, so the result depends neither on batch size nor on order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.numerics.affine import UINT8_MAX

Values = npt.NDArray[np.float64]

MSE_CANDIDATES = np.linspace(0.02, 1.0, 99)
ENTROPY_BINS = 2048
ENTROPY_STEP = 16
FIRST_ENTROPY_CANDIDATE = 128


@dataclass(frozen=True)
class Distribution:
    """Occupied bins by rising value.

    Attributes:
        low, high: float64 edges of every bin; a bin of exact zeros has low = high = 0.
        counts: int64, at least one each.
    """

    low: Values
    high: Values
    counts: npt.NDArray[np.int64]

    @property
    def centers(self) -> Values:
        """Middle of every bin."""
        return (self.low + self.high) / 2


def percentile_range(found: Distribution, percentile: float) -> tuple[float, float]:
    """The range that leaves (100 − percentile) per cent of the values outside, on each side."""
    count = int(found.counts.sum())
    tail = (100.0 - percentile) / 100.0 * count
    cumulative = np.cumsum(found.counts)
    return _quantile(found, cumulative, tail), _quantile(found, cumulative, count - tail)


def _quantile(found: Distribution, cumulative: npt.NDArray[np.int64], rank: float) -> float:
    """The value below which `rank` values lie, linear inside a bin."""
    index = min(int(np.searchsorted(cumulative, rank)), found.counts.size - 1)
    before = cumulative[index] - found.counts[index]
    share = float(np.clip((rank - before) / found.counts[index], 0.0, 1.0))
    return float(found.low[index] + share * (found.high[index] - found.low[index]))


def mse_range(found: Distribution, low: float, high: float) -> tuple[float, float]:
    """The shrunk [low, high] with the least expected squared error of a uint8 grid.

    Rounding costs scale² / 12 per value (nothing where the value is exactly zero, never more than
    the value's own square), clipping the squared distance to the edge.
    """
    centers = found.centers
    counts = found.counts.astype(np.float64)
    best_error, best = np.inf, (low, high)
    for shrink in MSE_CANDIDATES[::-1]:
        candidate = (min(low, 0.0) * shrink, max(high, 0.0) * shrink)
        error = expected_error(centers, counts, candidate)
        if error < best_error:
            best_error, best = error, candidate
    return best


def expected_error(centers: Values, counts: Values, clipping: tuple[float, float]) -> float:
    """The summed squared error of a uint8 grid over a clipping range, as `mse_range` counts it."""
    scale = (clipping[1] - clipping[0]) / UINT8_MAX
    clipped = np.clip(centers, *clipping)
    return float(counts @ (np.square(centers - clipped) + np.minimum(scale * scale / 12, np.square(clipped))))


def entropy_range(found: Distribution, low: float, high: float) -> tuple[float, float]:
    """The clipping of |x| whose quantized distribution diverges least from the true one (KL).

    Candidates are every 16th of 2,048 bins of |x|, from 128 on; what is clipped piles up in the last
    bin of the reference, and the quantized distribution spreads each level evenly over the occupied
    bins that it covers. Source: Migacz, "8-bit Inference with TensorRT", GTC 2017.
    """
    reach = max(abs(low), abs(high))
    if reach == 0:
        return low, high
    histogram = _linear_histogram(found, reach)
    levels = UINT8_MAX if low >= 0 or high <= 0 else UINT8_MAX // 2
    candidates = range(min(FIRST_ENTROPY_CANDIDATE, levels), ENTROPY_BINS + 1, ENTROPY_STEP)
    divergence = [_divergence(histogram, size, min(levels, size)) for size in candidates]
    best = list(candidates)[int(np.argmin(divergence))] / ENTROPY_BINS * reach
    return max(low, -best), min(high, best)


def _linear_histogram(found: Distribution, reach: float) -> Values:
    """Counts of |x| in equal bins over [0, reach]; a bin of the source is spread over those it covers.

    Exact zeros are left out: every grid represents them without error.
    """
    inner = np.minimum(np.abs(found.low), np.abs(found.high)) / reach * ENTROPY_BINS
    outer = np.maximum(np.abs(found.low), np.abs(found.high)) / reach * ENTROPY_BINS
    kept = outer > 0
    inner, outer, counts = inner[kept], np.minimum(outer[kept], ENTROPY_BINS), found.counts[kept]
    edges = np.arange(ENTROPY_BINS + 1, dtype=np.float64)
    width = np.maximum(outer - inner, 1e-9)
    cumulative = np.zeros(ENTROPY_BINS + 1)
    for start in range(0, len(counts), 256):
        rows = slice(start, start + 256)
        share = np.clip((edges[None, :] - inner[rows, None]) / width[rows, None], 0.0, 1.0)
        cumulative += counts[rows] @ share
    return np.diff(cumulative)


def _divergence(histogram: Values, size: int, levels: int) -> float:
    """KL(reference ‖ quantized) in nats when |x| is clipped after `size` bins."""
    kept = histogram[:size]
    reference = kept.copy()
    reference[-1] += histogram[size:].sum()
    occupied = kept > 1e-9
    starts = (np.arange(levels) * size) // levels
    totals = np.add.reduceat(kept, starts)
    spread = np.add.reduceat(occupied.astype(np.float64), starts)
    widths = np.diff(np.append(starts, size))
    quantized = np.repeat(totals / np.maximum(spread, 1), widths) * occupied
    total, quantized_total = reference.sum(), quantized.sum()
    if quantized_total <= 0:
        return np.inf
    p, q = reference / total, quantized / quantized_total
    used = p > 0
    return float(np.sum(p[used] * np.log(p[used] / np.maximum(q[used], 1e-12))))
