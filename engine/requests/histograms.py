"""How weights and activations are distributed, and where a scheme clips them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.numerics.schemes import ActivationRange
from engine.plan import LayerPlan


@dataclass(frozen=True)
class WeightHistogramRequest:
    """Histogram of one layer's weight, or of one output channel of it → `WeightHistogram`."""

    model: str
    layer: str
    choice: LayerPlan
    channel: int | None = None
    bins: int = 128


@dataclass(frozen=True)
class ActivationHistogramRequest:
    """Histogram of what a layer with a static kernel reads → `ActivationHistogram`.

    Attributes:
        calibration: the file.
        activation_range: with the layer's own range, if that is set by hand.
    """

    model: str
    layer: str
    calibration: str
    activation_range: ActivationRange
    bins: int = 128


@dataclass(frozen=True)
class Histogram:
    """Values before and after fake quantization.

    Attributes:
        edges: bins + 1 bin edges, in the unit of the values.
        counts: values per bin, float.
        quantized_counts: values per bin after quantize and dequantize, clipped to the edges; empty for floats.
        grid: what a value can become (at most 256 numbers), rising; where there are several scales, under the one
            with the widest full range. Empty for floats.
        range_min, range_max: the clipping range that `grid` spans.
        full_min, full_max: the same without clipping: minimum and maximum with 0, of equal size if symmetric.
        below_fraction, above_fraction: share of the values that lie below or above their own clipping range.
        levels_used: how many different codes occur.
        sqnr_db: of the values themselves, not of the layer's output; None without noise.
    """

    layer: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    quantized_counts: tuple[int, ...]
    grid: tuple[float, ...]
    range_min: float
    range_max: float
    full_min: float
    full_max: float
    below_fraction: float
    above_fraction: float
    levels_used: int
    sqnr_db: float | None

    @property
    def clipped_fraction(self) -> float:
        """Share of values outside their own clipping range."""
        return self.below_fraction + self.above_fraction

    @property
    def scale(self) -> float | None:
        """Of `grid`."""
        return self.grid[1] - self.grid[0] if len(self.grid) > 1 else None


@dataclass(frozen=True)
class WeightHistogram(Histogram):
    """One layer's weight, or one channel of it.

    Attributes:
        channel: None for the whole weight.
        channel_min, channel_max: per output channel, of the float weight.
        channel_range_min, channel_range_max: the widest clipping range per output channel; empty for floats.
    """

    channel: int | None
    channel_min: tuple[float, ...]
    channel_max: tuple[float, ...]
    channel_range_min: tuple[float, ...]
    channel_range_max: tuple[float, ...]


@dataclass(frozen=True)
class ActivationHistogram(Histogram):
    """What a layer read while calibration data ran; figures are read from bins that are 3 % wide.

    Attributes:
        tensor: whose values these are; it may stand before operators that only move them.
        samples: of data.
        automatic_min, automatic_max: the range that the plan's method finds.
    """

    tensor: str
    samples: int
    automatic_min: float
    automatic_max: float
