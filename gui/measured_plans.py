"""Whole plans that were measured on data, beside what was predicted of them. No widgets here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from engine.numerics.schemes import Kernel, WeightScheme
from engine.plan import Plan
from engine.prediction import predict_value
from engine.requests.allocation import PolishStep
from engine.sensitivity.matrix import Metric, SensitivityRow
from engine.summary import ModelSummary
from engine.units import format_bytes
from gui.metrics import format_metric, metric_name
from gui.units import format_delta

CONTEXT = "Measured"
ADDITIVE = (Metric.SQNR, Metric.TOP1_DROP)
"""Metrics whose prediction error is a difference; that of the others is a share."""


@dataclass(frozen=True)
class PolishChoice:
    """How the user wants a plan for a budget to be found.

    Attributes:
        is_wanted: measure whole plans on data, and improve them, for so many seconds.
    """

    is_wanted: bool = False
    seconds: int = 60


@dataclass(frozen=True)
class MeasuredPlan:
    """One plan as it was measured: weights quantized, activations in float.

    Attributes:
        weights: of every layer of the model, in its order; plans that share them measure alike.
    """

    step: PolishStep
    weights: tuple[WeightScheme, ...]

    def value(self, metric: Metric) -> float | None:
        """What was measured; None if that was not. A rise of the loss is measured as KL."""
        return self.step.measured.get(Metric.KL if metric == Metric.LOSS else metric)


def weights_of(model: ModelSummary, plan: Plan) -> tuple[WeightScheme, ...]:
    """The scheme of every layer."""
    return tuple(plan.layer(layer.name).weights for layer in model.layers)


def predict_weights(
    model: ModelSummary, plan: Plan, rows: Mapping[str, SensitivityRow], metric: Metric
) -> float | None:
    """What was predicted of the very thing that is measured: the weights' loss alone, without the activations'."""
    weights_only = {name: dataclasses.replace(choice, kernel=Kernel.FLOAT) for name, choice in plan.layers.items()}
    return predict_value(model, plan.with_layers(weights_only), rows, metric)


def format_error(metric: Metric, predicted: float, measured: float) -> str:
    """How far the prediction is off: +5 %, −1.2 dB; "" where that cannot be said."""
    if metric in ADDITIVE:
        unit = "dB" if metric == Metric.SQNR else QCoreApplication.translate(CONTEXT, "points")
        return f"{format_delta(predicted - measured, 1)} {unit}" if abs(predicted - measured) < 1e9 else ""
    cost, expected = (1 - value if metric == Metric.COSINE else value for value in (measured, predicted))
    return f"{format_delta(100 * (expected / cost - 1), 0)} %" if cost > 0 else ""


def describe_pair(metric: Metric, measured: float, predicted: float | None) -> str:
    """KL 0.0493 measured, 0.0520 predicted (+5 %)."""
    tr = QCoreApplication.translate
    text = tr(CONTEXT, "{name} {figure} measured").format(
        name=metric_name(metric), figure=format_metric(metric, measured)
    )
    if predicted is None:
        return text
    error = format_error(metric, predicted, measured)
    after = f" ({error})" if error else ""
    return (
        tr(CONTEXT, "{text}, {predicted} predicted").format(text=text, predicted=format_metric(metric, predicted))
        + after
    )


def describe_search(metric: Metric, first: MeasuredPlan, best: MeasuredPlan, predicted: float | None) -> str:
    """KL 0.0587 → 0.0493 (predicted 0.0520); 180 kB."""
    tr = QCoreApplication.translate
    figures = [format_metric(metric, plan.value(metric)) for plan in (first, best)]
    change = " → ".join(figures if first is not best else figures[:1])
    text = f"{metric_name(metric)} {change}"
    if predicted is not None:
        text = tr(CONTEXT, "{text} (predicted {figure})").format(text=text, figure=format_metric(metric, predicted))
    return f"{text}; {format_bytes(best.step.predicted.file_bytes)}."
