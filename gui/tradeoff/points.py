"""Plans as points: what they cost, what they lose, and how they become the current plan. No widgets here."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum

from engine.plan import Plan, choose_layer_plan
from engine.prediction import predict_ram_bytes
from engine.project.runs import Run
from engine.requests.allocation import Front
from engine.requests.conversion import Evaluation
from engine.sensitivity.matrix import Metric, SensitivityRow
from engine.summary import ModelSummary
from gui.figures import LiveFigures
from gui.measured_plans import MeasuredPlan


class Quantity(StrEnum):
    """What an axis can show."""

    FILE_BYTES = "file_bytes"
    RATIO = "ratio"
    BITS = "bits_per_weight"
    RAM_BYTES = "ram_bytes"
    LATENCY_MS = "latency_ms"
    QUALITY = "quality"
    """In the metric of the cells: predicted, and measured where a result was compared."""
    MEASURED_SQNR = "measured_sqnr"
    MEASURED_TOP1 = "measured_top1"


COSTS = (Quantity.FILE_BYTES, Quantity.RATIO, Quantity.BITS, Quantity.RAM_BYTES, Quantity.LATENCY_MS)
QUALITIES = (Quantity.QUALITY, Quantity.MEASURED_SQNR, Quantity.MEASURED_TOP1)


class Series(Enum):
    """Where a point comes from."""

    FRONT = 0
    UNIFORM = 1
    RESULT = 2
    MEASURED = 3
    CURRENT = 4


@dataclass(frozen=True)
class PlanPoint:
    """One plan.

    Attributes:
        name: of a uniform plan or a result; "" on the front.
        figures: what is known of it.
        bits: of every layer of the model, in its order.
        plan: of a result or a measured plan, with its kernels and schemes; None where bits say it all.
        predicted: of a measured plan, the quality that was predicted of it.
    """

    series: Series
    name: str
    figures: Mapping[Quantity, float]
    bits: tuple[int, ...]
    plan: Plan | None = None
    predicted: float | None = None


def front_points(model: ModelSummary, front: Front) -> tuple[PlanPoint, ...]:
    """The points of the front, smallest file first."""
    return tuple(
        PlanPoint(
            Series.FRONT,
            "",
            _known(
                {
                    Quantity.FILE_BYTES: point.predicted.file_bytes,
                    Quantity.RATIO: model.file_bytes / max(point.predicted.file_bytes, 1),
                    Quantity.BITS: point.predicted.bits_per_weight,
                    Quantity.RAM_BYTES: point.predicted.ram_bytes,
                    Quantity.LATENCY_MS: point.predicted.latency_ms,
                    Quantity.QUALITY: point.predicted.value,
                }
            ),
            point.bits,
        )
        for point in front.points
    )


def plan_point(series: Series, name: str, model: ModelSummary, plan: Plan, figures: LiveFigures) -> PlanPoint:
    """A plan by its live figures."""
    known = _known(
        {
            Quantity.FILE_BYTES: figures.file_bytes,
            Quantity.RATIO: figures.ratio,
            Quantity.BITS: figures.bits_per_weight,
            Quantity.RAM_BYTES: figures.ram_bytes,
            Quantity.LATENCY_MS: figures.latency_ms,
            Quantity.QUALITY: figures.value,
        }
    )
    return PlanPoint(series, name, known, bits_of(model, plan))


def result_point(model: ModelSummary, entry: Run, metric: Metric) -> PlanPoint:
    """A converted model by what was measured on it."""
    evaluation, benchmark = entry.evaluation, entry.benchmark
    known = _known(
        {
            Quantity.FILE_BYTES: entry.converted.file_bytes,
            Quantity.RATIO: model.file_bytes / max(entry.converted.file_bytes, 1),
            Quantity.BITS: entry.bits_per_weight,
            Quantity.RAM_BYTES: predict_ram_bytes(model, entry.plan),
            Quantity.LATENCY_MS: benchmark.latency_ms.get("p50") if benchmark else None,
            Quantity.QUALITY: _measured(entry, metric),
            Quantity.MEASURED_SQNR: entry.sqnr_db,
            Quantity.MEASURED_TOP1: evaluation.top1 if evaluation else None,
        }
    )
    return PlanPoint(Series.RESULT, entry.name, known, bits_of(model, entry.plan), entry.plan)


def measured_point(
    name: str, model: ModelSummary, measured: MeasuredPlan, metric: Metric, predicted: float | None
) -> PlanPoint:
    """A whole plan by what was measured on data, with what was predicted of that."""
    step = measured.step
    known = _known(
        {
            Quantity.FILE_BYTES: step.predicted.file_bytes,
            Quantity.RATIO: model.file_bytes / max(step.predicted.file_bytes, 1),
            Quantity.BITS: step.predicted.bits_per_weight,
            Quantity.RAM_BYTES: step.predicted.ram_bytes,
            Quantity.LATENCY_MS: step.predicted.latency_ms,
            Quantity.QUALITY: measured.value(metric),
            Quantity.MEASURED_SQNR: measured.value(Metric.SQNR),
        }
    )
    return PlanPoint(Series.MEASURED, name, known, bits_of(model, step.plan), step.plan, predicted)


def as_predicted(point: PlanPoint) -> PlanPoint:
    """A measured plan where its prediction stands."""
    return dataclasses.replace(point, figures=_known({**point.figures, Quantity.QUALITY: point.predicted}))


def _measured(entry: Run, metric: Metric) -> float | None:
    """What comparing found in a metric; None where comparing does not measure it."""
    found: Evaluation | None = entry.evaluation
    if metric == Metric.SQNR:
        return entry.sqnr_db
    if metric == Metric.TOP1_DROP:
        return None if entry.top1_delta is None else -entry.top1_delta
    values = {Metric.KL: found.kl, Metric.COSINE: found.cosine} if found else {}
    return values.get(metric)


def _known(figures: Mapping[Quantity, float | None]) -> dict[Quantity, float]:
    return {quantity: float(value) for quantity, value in figures.items() if value is not None}


def bits_of(model: ModelSummary, plan: Plan) -> tuple[int, ...]:
    """Bits of every layer."""
    return tuple(plan.layer(layer.name).weights.bits for layer in model.layers)


def count_bits(bits: Iterable[int]) -> list[tuple[int, int]]:
    """How many layers have which bits, most bits first."""
    return sorted(Counter(bits).items(), reverse=True)


def apply_point(
    point: PlanPoint, model: ModelSummary, plan: Plan, rows: Mapping[str, SensitivityRow], provenance: str
) -> Plan:
    """The current plan with the choices of a point; locked layers stay, and so do those that cannot be measured.

    Args:
        provenance: where the point comes from, as the plan will say it.
    """
    changes = {}
    for layer, bits in zip(model.layers, point.bits, strict=True):
        current = plan.layer(layer.name)
        is_measured = layer.name in rows and bool(rows[layer.name].cells)
        if current.is_locked:
            continue
        if point.plan is not None:
            changes[layer.name] = dataclasses.replace(point.plan.layer(layer.name), is_locked=False)
        elif is_measured or bits != current.weights.bits:
            changes[layer.name] = choose_layer_plan(layer, bits, plan.defaults)
    return dataclasses.replace(plan.with_layers(changes), provenance=provenance)


def nearest(points: Sequence[PlanPoint], quantity: Quantity, value: float) -> int:
    """The index of the point that comes closest in one quantity; -1 without points."""
    known = [(abs(point.figures[quantity] - value), at) for at, point in enumerate(points) if quantity in point.figures]
    return min(known)[1] if known else -1
