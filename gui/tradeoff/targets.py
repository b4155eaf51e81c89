"""What a budget can be given in: how it is asked for, and which points of the front are within it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from engine.requests.allocation import Budget
from engine.sensitivity.matrix import Metric, damage
from engine.summary import ModelSummary
from gui.metrics import metric_name, metric_unit
from gui.tradeoff.points import PlanPoint, Quantity

CONTEXT = "Tradeoff"
HIGHER_IS_BETTER = (Metric.SQNR, Metric.COSINE)


@dataclass(frozen=True)
class Target:
    """One kind of budget.

    Attributes:
        suffix: the unit behind the number.
        highest, decimals, step: of the number.
        quantity: what of a point it limits; `unit_size` of it is 1 in the form.
        is_quality: less is demanded of the plan, not allowed to it.
        is_minimum: a plan must not fall below it.
    """

    title: str
    suffix: str
    highest: float
    decimals: int
    step: float
    quantity: Quantity
    unit_size: float
    build: Callable[[float], Budget]
    is_quality: bool = False
    is_minimum: bool = False

    def value_of(self, point: PlanPoint) -> float | None:
        """What the form has to say so that this point is just within the budget."""
        figure = point.figures.get(self.quantity)
        if figure is None or not math.isfinite(figure):
            return None
        grain = 10.0**self.decimals
        exact = round(figure / self.unit_size * grain, 6)
        return (math.floor(exact) if self.is_minimum else math.ceil(exact)) / grain

    def best_point(self, points: Sequence[PlanPoint], value: float) -> int:
        """The index of the best point within the budget, of points from cheap to good; -1 if there is none."""
        limit = value * self.unit_size
        tolerance = 1e-9 * abs(limit)
        known = [
            (at, point.figures[self.quantity]) for at, point in enumerate(points) if self.quantity in point.figures
        ]
        if self.is_minimum:
            found = [at for at, figure in known if figure >= limit - tolerance]
        else:
            found = [at for at, figure in known if figure <= limit + tolerance]
        if not found:
            return -1
        return found[0] if self.is_quality else found[-1]


def build_targets(model: ModelSummary, metric: Metric, *, has_latencies: bool) -> tuple[Target, ...]:
    """Everything that a budget can be given in; latency once layer times were measured."""
    known = (_size_target(model), _bits_target(), _quality_target(metric), _memory_target(model))
    return (*known, _latency_target()) if has_latencies else known


def _size_target(model: ModelSummary) -> Target:
    return Target(
        title=QCoreApplication.translate(CONTEXT, "File size"),
        suffix=QCoreApplication.translate(CONTEXT, " % of float"),
        highest=100,
        decimals=2,
        step=1,
        quantity=Quantity.FILE_BYTES,
        unit_size=model.file_bytes / 100,
        build=lambda value: Budget(size_ratio=value / 100),
    )


def _bits_target() -> Target:
    return Target(
        title=QCoreApplication.translate(CONTEXT, "Bits per weight"),
        suffix=QCoreApplication.translate(CONTEXT, " bits"),
        highest=32,
        decimals=3,
        step=0.25,
        quantity=Quantity.BITS,
        unit_size=1,
        build=lambda value: Budget(bits_per_weight=value),
    )


def _quality_target(metric: Metric) -> Target:
    is_minimum = metric in HIGHER_IS_BETTER
    at_least = QCoreApplication.translate(CONTEXT, "Predicted {name} at least")
    at_most = QCoreApplication.translate(CONTEXT, "Predicted {name} at most")
    title = (at_least if is_minimum else at_most).format(name=metric_name(metric))
    is_db = metric == Metric.SQNR
    return Target(
        title=title,
        suffix=f" {metric_unit(metric)}".rstrip(),
        highest=200 if is_db else 1e6,
        decimals=2 if metric in (Metric.SQNR, Metric.TOP1_DROP) else 6,
        step=1 if is_db else 0.01,
        quantity=Quantity.QUALITY,
        unit_size=1,
        build=lambda value: Budget(min_sqnr_db=value) if is_db else Budget(max_loss=damage(metric, value)),
        is_quality=True,
        is_minimum=is_minimum,
    )


def _memory_target(model: ModelSummary) -> Target:
    unit_size, unit = (1e6, "MB") if model.parameters >= 1e6 else (1e3, "kB")
    return Target(
        title=QCoreApplication.translate(CONTEXT, "Weights in memory"),
        suffix=f" {unit}",
        highest=1e9,
        decimals=3,
        step=1,
        quantity=Quantity.RAM_BYTES,
        unit_size=unit_size,
        build=lambda value: Budget(ram_bytes=round(value * unit_size)),
    )


def _latency_target() -> Target:
    return Target(
        title=QCoreApplication.translate(CONTEXT, "Latency"),
        suffix=QCoreApplication.translate(CONTEXT, " ms"),
        highest=1e6,
        decimals=4,
        step=0.1,
        quantity=Quantity.LATENCY_MS,
        unit_size=1,
        build=lambda value: Budget(latency_ms=value),
    )
