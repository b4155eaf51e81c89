"""The distribution of what a layer reads, from its calibration statistics, ready to be drawn.

The statistics keep bins that grow with the magnitude; here their counts are spread evenly over each, which makes
a cumulative distribution that can be read anywhere.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.calibration.calibration import Calibration
from engine.calibration.ranges import Distribution, expected_error
from engine.calibration.statistics import TensorStatistics
from engine.errors import CalibrationError, ModelError
from engine.model.opened import Model
from engine.numerics.affine import UINT8_MAX, choose_tensor_quantization
from engine.numerics.schemes import Kernel
from engine.placement import find_input_source
from engine.requests.histograms import ActivationHistogram, ActivationHistogramRequest

Values = npt.NDArray[np.float64]


def build_activation_histogram(
    model: Model, calibration: Calibration, request: ActivationHistogramRequest
) -> ActivationHistogram:
    """Bin the input of `request.layer` and what its uint8 grid makes of it.

    Raises:
        ModelError: there is no such layer, or it has no static kernel.
        CalibrationError: no sample reached it.
    """
    layer = model.summary.layer_by_name.get(request.layer)
    if layer is None or Kernel.QLINEAR not in layer.kernels:
        raise ModelError(f"{model.path.name} has no layer {request.layer!r} with a static kernel.")
    tensor = find_input_source(model.summary, layer)
    found = calibration.tensors.get(tensor)
    if found is None or not found.count:
        raise CalibrationError(f"No sample reached the input of {layer.title}. Collect activations on other data.")
    automatic = found.range(dataclasses.replace(request.activation_range, fixed=None))
    grid = choose_tensor_quantization(*found.range(request.activation_range))
    levels: Values = (np.arange(UINT8_MAX + 1, dtype=np.float64) - grid.zero_point) * float(grid.scale)
    seen = _Cumulative.of(found)
    edges = _edges(found, request.bins)
    between = np.concatenate(([-np.inf], (levels[:-1] + levels[1:]) / 2, [np.inf]))
    per_level = np.diff(seen.at(between))
    places = np.clip(np.searchsorted(edges, levels, side="right") - 1, 0, len(edges) - 2)
    half = float(grid.scale) / 2
    return ActivationHistogram(
        layer=layer.name,
        edges=tuple(edges.tolist()),
        counts=_whole(np.diff(seen.at(np.concatenate(([-np.inf], edges[1:-1], [np.inf]))))),
        quantized_counts=_whole(np.bincount(places, per_level, minlength=len(edges) - 1)),
        grid=tuple(levels.tolist()),
        range_min=float(levels[0]),
        range_max=float(levels[-1]),
        full_min=min(found.minimum, 0.0),
        full_max=max(found.maximum, 0.0),
        below_fraction=float(seen.at(levels[:1] - half)[0]) / found.count,
        above_fraction=1.0 - float(seen.at(levels[-1:] + half)[0]) / found.count,
        levels_used=int(np.count_nonzero(per_level >= 0.5)),
        sqnr_db=_sqnr_db(found.distribution(), (float(levels[0]), float(levels[-1]))),
        tensor=tensor,
        samples=calibration.samples,
        automatic_min=min(automatic[0], 0.0),
        automatic_max=max(automatic[1], 0.0),
    )


@dataclass(frozen=True)
class _Cumulative:
    """How many values lie below a number; exact zeros, which have no width, apart."""

    knots: Values
    totals: Values
    zeros: int

    @classmethod
    def of(cls, found: TensorStatistics) -> _Cumulative:
        bins = found.distribution()
        is_zero = bins.low == bins.high
        low = np.clip(bins.low[~is_zero], found.minimum, found.maximum)
        high = np.clip(bins.high[~is_zero], found.minimum, found.maximum)
        totals = np.concatenate(([0], np.cumsum(bins.counts[~is_zero])))
        knots = np.column_stack((low, high)).reshape(-1)
        return cls(knots, np.column_stack((totals[:-1], totals[1:])).reshape(-1), int(bins.counts[is_zero].sum()))

    def at(self, positions: npt.NDArray[Any]) -> Values:
        """Values below each position, as a fraction of a count where a bin is cut."""
        below = np.interp(positions, self.knots, self.totals) if len(self.knots) else np.zeros(len(positions))
        return below + np.where(positions > 0, self.zeros, 0)


def _edges(found: TensorStatistics, bins: int) -> Values:
    low, high = min(found.minimum, 0.0), max(found.maximum, 0.0)
    return np.linspace(low, high, bins + 1) if low < high else np.array([-0.5, 0.5])


def _whole(counts: npt.NDArray[Any]) -> tuple[int, ...]:
    """Whole counts of the same total: the running sum is rounded, not every bin."""
    return tuple(np.diff(np.rint(np.concatenate(([0.0], np.cumsum(counts))))).astype(np.int64).tolist())


def _sqnr_db(bins: Distribution, clipping: tuple[float, float]) -> float | None:
    counts = bins.counts.astype(np.float64)
    signal, noise = float(counts @ np.square(bins.centers)), expected_error(bins.centers, counts, clipping)
    return float(10 * np.log10(signal / noise)) if signal > 0 and noise > 0 else None
