"""How the metrics of sensitivity are called, written and coloured."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from engine.sensitivity.matrix import Metric, damage, noise_to_signal, undamage
from gui.units import INFINITY, MINUS, NOTHING, format_db, format_signed

CONTEXT = "Metrics"
ROBUST_DB = 50.0
"""SQNR at which a cell has the colour of a robust layer; 0 dB is the fragile end. dB is a log scale already."""
DECADES = 5
"""As many powers of ten of any other metric lie between robust and fragile, at most."""
SMALL = 1e-3
"""Smaller figures are written with a power of ten."""


@dataclass(frozen=True)
class DamageRange:
    """The smallest and the largest damage above 0 among the cells of one metric."""

    least: float = math.inf
    most: float = 0.0

    def widened(self, cost: float) -> DamageRange:
        """The range with one more cell; the same object where nothing changes."""
        if not 0 < cost < math.inf or self.least <= cost <= self.most:
            return self
        return DamageRange(min(self.least, cost), max(self.most, cost))


@dataclass(frozen=True)
class MetricScale:
    """Where the colours of one metric begin and end, as damages; logarithmic in between."""

    metric: Metric
    robust: float
    fragile: float

    def fragility(self, value: float) -> float:
        """0 for a robust cell to 1 for a fragile one."""
        cost = damage(self.metric, value)
        if cost <= self.robust:
            return 0.0
        if cost >= self.fragile:
            return 1.0
        return math.log(cost / self.robust) / math.log(self.fragile / self.robust)

    @property
    def robust_value(self) -> float:
        """The figure at the robust end."""
        return undamage(self.metric, self.robust)

    @property
    def fragile_value(self) -> float:
        """The figure at the fragile end."""
        return undamage(self.metric, self.fragile)


def build_scale(metric: Metric, found: DamageRange) -> MetricScale:
    """SQNR has fixed ends, so that colours compare between models; the rest spans what was measured."""
    if metric == Metric.SQNR or found.most <= 0:
        return MetricScale(metric, noise_to_signal(ROBUST_DB), noise_to_signal(0.0))
    return MetricScale(metric, max(found.least, found.most / 10**DECADES), found.most)


def metric_title(metric: Metric) -> str:
    """The name with its unit, for the selector and for axes."""
    tr = QCoreApplication.translate
    return {
        Metric.SQNR: tr(CONTEXT, "output SQNR, dB"),
        Metric.KL: tr(CONTEXT, "KL divergence, nats"),
        Metric.LOSS: tr(CONTEXT, "rise of the loss, nats"),
        Metric.MSE: tr(CONTEXT, "output MSE"),
        Metric.COSINE: tr(CONTEXT, "cosine similarity"),
        Metric.TOP1_DROP: tr(CONTEXT, "top-1 drop, points"),
    }[metric]


def metric_name(metric: Metric) -> str:
    """The name alone, short enough for the live bar."""
    tr = QCoreApplication.translate
    return {
        Metric.SQNR: tr(CONTEXT, "SQNR"),
        Metric.KL: tr(CONTEXT, "KL"),
        Metric.LOSS: tr(CONTEXT, "loss"),
        Metric.MSE: tr(CONTEXT, "MSE"),
        Metric.COSINE: tr(CONTEXT, "cosine"),
        Metric.TOP1_DROP: tr(CONTEXT, "top-1 drop"),
    }[metric]


def metric_unit(metric: Metric) -> str:
    """What stands behind a figure; "" where it has no unit."""
    tr = QCoreApplication.translate
    nats = tr(CONTEXT, "nats")
    units = {Metric.SQNR: tr(CONTEXT, "dB"), Metric.TOP1_DROP: tr(CONTEXT, "points")}
    return nats if metric in (Metric.KL, Metric.LOSS) else units.get(metric, "")


def is_logarithmic(metric: Metric) -> bool:
    """Whether figures of this metric are drawn on a log axis; dB and points are not."""
    return metric in (Metric.KL, Metric.LOSS, Metric.MSE)


def format_cell(metric: Metric, value: float) -> str:
    """The figure as short as a cell of the heatmap needs it."""
    if metric == Metric.SQNR:
        return format_db(value, digits=0)
    if metric == Metric.TOP1_DROP:
        return format_signed(value, 1)
    if metric == Metric.COSINE:
        return f"{value:.4f}"
    return format_significant(value, 1 if abs(value) < SMALL else 2)


def format_error(metric: Metric, error: float) -> str:
    """A standard error, as rough as it is itself, without the unit."""
    if metric in (Metric.SQNR, Metric.TOP1_DROP, Metric.COSINE):
        return format_metric(metric, error, with_unit=False)
    return format_significant(error, 2)


def format_metric(metric: Metric, value: float | None, *, with_unit: bool = True) -> str:
    """The figure as it is read: three digits and its unit; – if it is not known."""
    if value is None:
        return NOTHING
    if metric == Metric.SQNR:
        text = format_db(value)
    elif metric == Metric.TOP1_DROP:
        text = format_signed(value, 2)
    else:
        text = f"{value:.5f}" if metric == Metric.COSINE else format_significant(value, 3)
    unit = metric_unit(metric)
    return f"{text} {unit}" if with_unit and unit else text


def format_significant(value: float, digits: int) -> str:
    """0.013, 2e-4, 120: so many digits, no more letters than needed."""
    if math.isinf(value):
        return INFINITY if value > 0 else MINUS + INFINITY
    size = abs(value)
    if size == 0:
        return "0"
    if size < SMALL or size >= 1e5:
        mantissa, exponent = f"{size:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        text = f"{mantissa}e{int(exponent)}"
    else:
        decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
        text = f"{size:.{decimals}f}"
    return MINUS + text if value < 0 else text
