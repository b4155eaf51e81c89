"""Statistics of one activation tensor in constant memory, mergeable and independent of order.

The histogram has one counter per (sign, exponent, top five mantissa bits) of float32, so a bin is
about 3 % wide at any magnitude and no range has to be known beforehand (ENGINE_NOTES, "Calibration").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.calibration.ranges import Distribution, entropy_range, mse_range, percentile_range
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
        minimum_sum, maximum_sum: summed over slices along the first axis (samples), for the average range.
        slices: how many.
        histogram: int64 [BINS], indexed by the top bits of float32.
    """

    minimum: float = np.inf
    maximum: float = -np.inf
    count: int = 0
    nonfinite: int = 0
    minimum_sum: float = 0.0
    maximum_sum: float = 0.0
    slices: int = 0
    histogram: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def update(self, values: npt.NDArray[Any]) -> None:
        """Add a tensor of any shape; its first axis counts samples."""
        self._update_slices(values)
        flat = np.ascontiguousarray(values, np.float32).reshape(-1)
        for start in range(0, flat.size, CHUNK_ELEMENTS):
            self._update_chunk(flat[start : start + CHUNK_ELEMENTS])

    def _update_slices(self, values: npt.NDArray[Any]) -> None:
        rows = values.reshape(len(values), -1) if values.ndim else values.reshape(1, 1)
        low, high = rows.min(axis=1).astype(np.float64), rows.max(axis=1).astype(np.float64)
        finite = np.isfinite(low) & np.isfinite(high)
        self.minimum_sum += float(low[finite].sum())
        self.maximum_sum += float(high[finite].sum())
        self.slices += int(finite.sum())

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
        self.minimum_sum += other.minimum_sum
        self.maximum_sum += other.maximum_sum
        self.slices += other.slices
        self.histogram += other.histogram

    def range(self, choice: ActivationRange) -> tuple[float, float]:
        """Clipping range (range_min, range_max), by hand or by the chosen method; (0, 0) if nothing was seen."""
        if choice.fixed is not None:
            return choice.fixed
        if not self.count:
            return 0.0, 0.0
        if choice.method == CalibrationMethod.MINMAX or not self.histogram.any():
            return self.minimum, self.maximum
        if choice.method == CalibrationMethod.AVERAGE:
            if not self.slices:  # every sample holds NaN or infinity somewhere
                return self.minimum, self.maximum
            return self.minimum_sum / self.slices, self.maximum_sum / self.slices
        found = self.distribution()
        if choice.method == CalibrationMethod.PERCENTILE:
            low, high = percentile_range(found, choice.percentile)
        elif choice.method == CalibrationMethod.MSE:
            low, high = mse_range(found, self.minimum, self.maximum)
        else:
            low, high = entropy_range(found, self.minimum, self.maximum)
        low, high = np.clip((low, high), self.minimum, self.maximum).tolist()
        return low, high

    def distribution(self) -> Distribution:
        """Occupied bins by rising value."""
        used = np.flatnonzero(self.histogram).astype(np.uint32)
        first = (used << SHIFT).view(np.float32).astype(np.float64)
        last = ((used << SHIFT) | np.uint32((1 << SHIFT) - 1)).view(np.float32).astype(np.float64)
        last[first == 0] = 0.0
        low, high = np.minimum(first, last), np.maximum(first, last)
        order = np.argsort(low, kind="stable")
        return Distribution(low[order], high[order], self.histogram[used][order])
