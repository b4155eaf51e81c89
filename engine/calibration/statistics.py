"""Statistics of one activation tensor in constant memory, mergeable and independent of order.

The histogram has one counter per (sign, exponent, top five mantissa bits) of float32, so a bin is
about 3 % wide at any magnitude and no range has to be known beforehand (ENGINE_NOTES, "Calibration").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.numerics.schemes import ActivationRange, CalibrationMethod

MANTISSA_BITS = 5
SHIFT = 23 - MANTISSA_BITS
BINS = 1 << (32 - SHIFT)
CHUNK_ELEMENTS = 1 << 18


@dataclass
class TensorStatistics:
    """What is kept of one tensor.

    Attributes:
        minimum, maximum: of the finite values.
        count: finite values seen.
        nonfinite: NaN and infinite values seen; they are left out of everything else.
        histogram: int64 [BINS], indexed by the top bits of float32.
    """

    minimum: float = np.inf
    maximum: float = -np.inf
    count: int = 0
    nonfinite: int = 0
    histogram: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def update(self, values: npt.NDArray[Any]) -> None:
        """Add a tensor of any shape."""
        flat = np.ascontiguousarray(values, np.float32).reshape(-1)
        for start in range(0, flat.size, CHUNK_ELEMENTS):
            self._update_chunk(flat[start : start + CHUNK_ELEMENTS])

    def _update_chunk(self, chunk: npt.NDArray[np.float32]) -> None:
        low, high = float(chunk.min()), float(chunk.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            finite = chunk[np.isfinite(chunk)]
            self.nonfinite += chunk.size - finite.size
            if not finite.size:
                return
            chunk, low, high = finite, float(finite.min()), float(finite.max())
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        self.count += chunk.size
        self.histogram += np.bincount(chunk.view(np.uint32) >> SHIFT, minlength=BINS)

    def merge(self, other: TensorStatistics) -> None:
        """Add what another pass saw."""
        self.minimum, self.maximum = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        self.count += other.count
        self.nonfinite += other.nonfinite
        self.histogram += other.histogram

    def range(self, choice: ActivationRange) -> tuple[float, float]:
        """Clipping range (range_min, range_max) by the chosen method; (0, 0) if nothing was seen."""
        if not self.count:
            return 0.0, 0.0
        if choice.method == CalibrationMethod.MINMAX or choice.percentile >= 100:
            return self.minimum, self.maximum
        tail = (100.0 - choice.percentile) / 100.0 * self.count
        edges_low, edges_high, counts = self._ascending()
        cumulative = np.cumsum(counts)
        low = _quantile(edges_low, edges_high, counts, cumulative, tail)
        high = _quantile(edges_low, edges_high, counts, cumulative, self.count - tail)
        return max(low, self.minimum), min(high, self.maximum)

    def _ascending(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Occupied bins by rising value: lower edge, upper edge, count."""
        used = np.flatnonzero(self.histogram)
        first = (used.astype(np.uint32) << SHIFT).view(np.float32).astype(np.float64)
        last = ((used.astype(np.uint32) << SHIFT) | np.uint32((1 << SHIFT) - 1)).view(np.float32).astype(np.float64)
        low, high = np.minimum(first, last), np.maximum(first, last)
        order = np.argsort(low, kind="stable")
        return low[order], high[order], self.histogram[used][order]


def _quantile(
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    cumulative: npt.NDArray[np.int64],
    rank: float,
) -> float:
    """The value below which `rank` samples lie, linear inside a bin."""
    index = min(int(np.searchsorted(cumulative, rank)), counts.size - 1)
    before = cumulative[index] - counts[index]
    share = float(np.clip((rank - before) / counts[index], 0.0, 1.0))
    return float(low[index] + share * (high[index] - low[index]))
