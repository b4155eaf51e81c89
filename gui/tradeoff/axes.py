"""From figures to positions in the plot: units, and logarithms where figures span decades."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from engine.sensitivity.matrix import Metric
from gui.metrics import is_logarithmic
from gui.tradeoff.points import PlanPoint, Quantity
from gui.tradeoff.texts import quantity_title

BYTE_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        unit_size: figures are divided by this.
        is_log: positions are decimal logarithms.
    """

    quantity: Quantity
    title: str
    unit_size: float = 1.0
    is_log: bool = False

    def position(self, point: PlanPoint) -> float | None:
        """Where a point lies; None if it does not say, or has no place on the axis."""
        value = point.figures.get(self.quantity)
        if value is None or not math.isfinite(value) or (self.is_log and value <= 0):
            return None
        return math.log10(value) if self.is_log else value / self.unit_size


def build_axis(quantity: Quantity, metric: Metric, points: Iterable[PlanPoint]) -> Axis:
    """The axis that suits these points."""
    title = quantity_title(quantity, metric)
    if quantity in (Quantity.FILE_BYTES, Quantity.RAM_BYTES):
        largest = max((point.figures.get(quantity, 0.0) for point in points), default=0.0)
        unit_size, unit = next(((size, name) for size, name in BYTE_UNITS if largest >= size), (1.0, "B"))
        return Axis(quantity, f"{title}, {unit}", unit_size)
    return Axis(quantity, title, is_log=quantity == Quantity.QUALITY and is_logarithmic(metric))
