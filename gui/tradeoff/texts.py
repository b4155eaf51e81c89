"""How quantities and points are called and written."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QCoreApplication

from engine.sensitivity.matrix import Metric
from engine.units import format_bytes
from gui.measured_plans import describe_pair
from gui.metrics import format_metric, metric_name, metric_title
from gui.tradeoff.points import PlanPoint, Quantity, Series, count_bits
from gui.units import format_db, format_ms, format_ratio

CONTEXT = "Tradeoff"


def quantity_title(quantity: Quantity, metric: Metric) -> str:
    """For the selectors."""
    tr = QCoreApplication.translate
    return {
        Quantity.FILE_BYTES: tr(CONTEXT, "file size"),
        Quantity.RATIO: tr(CONTEXT, "times smaller"),
        Quantity.BITS: tr(CONTEXT, "bits per weight"),
        Quantity.RAM_BYTES: tr(CONTEXT, "weights in memory"),
        Quantity.LATENCY_MS: tr(CONTEXT, "latency, ms"),
        Quantity.QUALITY: metric_title(metric),
        Quantity.MEASURED_SQNR: tr(CONTEXT, "measured SQNR, dB"),
        Quantity.MEASURED_TOP1: tr(CONTEXT, "measured top-1, %"),
    }[quantity]


def format_quantity(quantity: Quantity, value: float, metric: Metric) -> str:
    """One figure with its unit."""
    tr = QCoreApplication.translate
    if quantity in (Quantity.FILE_BYTES, Quantity.RAM_BYTES):
        return format_bytes(round(value))
    if quantity == Quantity.RATIO:
        return tr(CONTEXT, "{ratio} smaller").format(ratio=format_ratio(value))
    if quantity == Quantity.BITS:
        return tr(CONTEXT, "{bits} bits per weight").format(bits=f"{value:.2f}")
    if quantity == Quantity.LATENCY_MS:
        return f"{format_ms(value)} ms"
    if quantity == Quantity.QUALITY:
        return f"{metric_name(metric)} {format_metric(metric, value)}"
    if quantity == Quantity.MEASURED_SQNR:
        return tr(CONTEXT, "measured {db} dB").format(db=format_db(value))
    return tr(CONTEXT, "top-1 {percent} %").format(percent=f"{value:.2f}")


def describe_point(point: PlanPoint, metric: Metric) -> str:
    """All that is known of a plan, in one line."""
    shown = (Quantity.FILE_BYTES, Quantity.RATIO, Quantity.BITS, *_qualities(point), Quantity.LATENCY_MS)
    parts = [point.name] if point.name else []
    parts += [
        format_quantity(quantity, point.figures[quantity], metric) for quantity in shown if quantity in point.figures
    ]
    if point.series == Series.MEASURED and Quantity.QUALITY in point.figures:
        parts.append(describe_pair(metric, point.figures[Quantity.QUALITY], point.predicted))
    return " · ".join([*parts, describe_bits(point.bits)])


def describe_origin(point: PlanPoint, metric: Metric) -> str:
    """Where a plan comes from that is taken from a point: trade-off: 180 kB, KL 0.052."""
    known = [point.name] if point.name else []
    shown = (Quantity.FILE_BYTES, *_qualities(point))
    known += [
        format_quantity(quantity, point.figures[quantity], metric) for quantity in shown if quantity in point.figures
    ]
    return QCoreApplication.translate(CONTEXT, "trade-off: {known}").format(known=", ".join(known))


def _qualities(point: PlanPoint) -> tuple[Quantity, ...]:
    """A result says what was measured, another plan what is predicted; a measured plan says both, in its own words."""
    if point.series == Series.MEASURED:
        return ()
    if point.series == Series.RESULT:
        return (Quantity.MEASURED_SQNR, Quantity.MEASURED_TOP1)
    return (Quantity.QUALITY,)


def describe_bits(bits: Iterable[int]) -> str:
    """layers: 3 × 8 bits, 8 × 4 bits."""
    one = QCoreApplication.translate(CONTEXT, "{count} × {bits} bits")
    counted = ", ".join(one.format(count=count, bits=width) for width, count in count_bits(bits))
    return QCoreApplication.translate(CONTEXT, "layers: {counted}").format(counted=counted)
