"""What the colours of the boxes say: one figure per layer, and the ends of its scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import QCoreApplication

from engine.graph_view.drawing import Box
from engine.latency.prediction import layer_us
from engine.numerics.schemes import FLOAT_BITS, WEIGHT_BITS
from engine.plan import Plan
from engine.prediction import layer_damage
from engine.sensitivity.matrix import damage
from engine.stored_weights import stored_weight_bytes
from engine.summary import LayerSummary
from engine.units import format_bytes
from gui.metrics import MetricScale, format_cell, metric_title, metric_unit
from gui.session import Session
from gui.units import format_us

CONTEXT = "GraphColours"
DECADES = 3
"""As many powers of ten lie between the ends of a scale of time, size or error, at most."""


class Quantity(StrEnum):
    """What boxes are coloured by."""

    SENSITIVITY = "sensitivity"
    BITS = "bits"
    TIME = "time"
    SIZE = "size"
    ERROR = "error"


@dataclass(frozen=True)
class Shade:
    """The colour of a box.

    Attributes:
        level: 0, dark blue, to 1, yellow; None where there is nothing to colour.
        is_hatched: a layer in it has something to colour, and it was not measured.
        text: the figure, short enough for the box.
    """

    level: float | None = None
    is_hatched: bool = False
    text: str = ""


@dataclass(frozen=True)
class Colouring:
    """Figures of all layers.

    Attributes:
        figures: by layer; None where it was not measured, infinite or absent where nothing is lost.
        low, high: the figures at the dark and at the yellow end.
    """

    quantity: Quantity
    figures: Mapping[str, float | None]
    low: float
    high: float
    scale: MetricScale

    def shade(self, box: Box) -> Shade:
        """Of a group or a box of several layers, that of the worst; of bits, the mean per layer."""
        found = [self.figures[name] for name in box.layers if name in self.figures]
        known = [figure for figure in found if figure is not None]
        if not found:
            return Shade()
        if not known:
            return Shade(is_hatched=True)
        if self.quantity == Quantity.BITS:
            figure = sum(known) / len(known)
        elif self.quantity == Quantity.SENSITIVITY:
            figure = max(known, key=lambda value: damage(self.scale.metric, value))
        else:
            figure = max(known)
        return Shade(self._level(figure), text=self._text(figure), is_hatched=False)

    def _level(self, figure: float) -> float | None:
        if self.quantity == Quantity.SENSITIVITY:
            return self.scale.fragility(figure)
        if self.quantity == Quantity.BITS:
            return (math.log2(FLOAT_BITS) - math.log2(figure)) / (math.log2(FLOAT_BITS) - math.log2(min(WEIGHT_BITS)))
        if figure <= self.low or self.high <= self.low:
            return 0.0 if self.high > self.low or figure <= 0 else 1.0
        return min(math.log(figure / self.low) / math.log(self.high / self.low), 1.0)

    def _text(self, figure: float) -> str:
        if self.quantity == Quantity.BITS:
            return ""
        if self.quantity == Quantity.SENSITIVITY:
            return f"{format_cell(self.scale.metric, figure)} {metric_unit(self.scale.metric)}".strip()
        return format_figure(self.quantity, figure)

    @property
    def is_proportion(self) -> bool:
        """Whether figures are amounts: times, sizes, shares."""
        return self.quantity in (Quantity.TIME, Quantity.SIZE, Quantity.ERROR)

    @property
    def ends(self) -> tuple[str, str]:
        """What the dark and the yellow end of the scale mean."""
        tr = QCoreApplication.translate
        if self.quantity == Quantity.SENSITIVITY:
            low, high = (format_cell(self.scale.metric, v) for v in (self.scale.robust_value, self.scale.fragile_value))
            robust, fragile = tr(CONTEXT, "robust {figure}"), tr(CONTEXT, "{figure} fragile")
            return robust.format(figure=low), fragile.format(figure=high)
        if self.quantity == Quantity.BITS:
            bits = tr(CONTEXT, "{bits} bits")
            return bits.format(bits=max(WEIGHT_BITS)), bits.format(bits=min(WEIGHT_BITS))
        return format_figure(self.quantity, self.low), format_figure(self.quantity, self.high)


def quantity_title(quantity: Quantity, session: Session) -> str:
    """The name for the selector."""
    tr = QCoreApplication.translate
    if quantity == Quantity.SENSITIVITY:
        return tr(CONTEXT, "Colour: {metric}").format(metric=metric_title(session.metric))
    return {
        Quantity.BITS: tr(CONTEXT, "Colour: bits"),
        Quantity.TIME: tr(CONTEXT, "Colour: time per call"),
        Quantity.SIZE: tr(CONTEXT, "Colour: stored size"),
        Quantity.ERROR: tr(CONTEXT, "Colour: share of the error"),
    }[quantity]


def describe_group_colour(quantity: Quantity) -> str:
    """How the colour of a group comes from its layers."""
    tr = QCoreApplication.translate
    return {
        Quantity.SENSITIVITY: tr(CONTEXT, "colour: its most fragile layer"),
        Quantity.BITS: tr(CONTEXT, "colour: mean of its layers"),
        Quantity.TIME: tr(CONTEXT, "colour: its slowest layer"),
        Quantity.SIZE: tr(CONTEXT, "colour: its largest layer"),
        Quantity.ERROR: tr(CONTEXT, "colour: the layer with the largest share"),
    }[quantity]


def format_figure(quantity: Quantity, figure: float) -> str:
    """A figure of time, size or error with its unit."""
    if quantity == Quantity.TIME:
        return format_us(figure)
    if quantity == Quantity.SIZE:
        return format_bytes(round(figure))
    return f"{100 * figure:.1f} %" if figure < 0.0995 else f"{100 * figure:.0f} %"


def build_colouring(session: Session, quantity: Quantity) -> Colouring:
    """The figures of all layers under the current plan."""
    plan = session.plan
    figures = _find_figures(session, plan, quantity) if plan is not None else {}
    positive = [figure for figure in figures.values() if figure is not None and 0 < figure < math.inf]
    high = max(positive, default=0.0)
    low = max(min(positive, default=0.0), high / 10**DECADES)
    return Colouring(quantity, figures, low, high, session.scale)


def _find_figures(session: Session, plan: Plan, quantity: Quantity) -> dict[str, float | None]:
    layers = session.layers
    if quantity == Quantity.SENSITIVITY:
        return dict(_sensitivities(session, plan))
    if quantity == Quantity.BITS:
        return {layer.name: float(plan.layer(layer.name).weights.bits) for layer in layers}
    if quantity == Quantity.TIME:
        times = session.latencies
        return {
            layer.name: layer_us(times, layer, plan.layer(layer.name))[0] if times is not None else None
            for layer in layers
        }
    if quantity == Quantity.SIZE:
        return _sizes(layers, plan)
    return _error_shares(session, plan)


def _sensitivities(session: Session, plan: Plan) -> Iterable[tuple[str, float | None]]:
    """At the bits that the layer has; layers in float lose nothing and have no colour."""
    for layer in session.layers:
        bits = plan.layer(layer.name).weights.bits
        if bits != FLOAT_BITS:
            row = session.rows.get(layer.name)
            yield layer.name, row.value(bits, session.metric) if row is not None else None


def _sizes(layers: Iterable[LayerSummary], plan: Plan) -> dict[str, float | None]:
    """Layers that are alike in shape and choice are counted once."""
    known: dict[tuple[object, ...], int] = {}
    found: dict[str, float | None] = {}
    for layer in layers:
        choice = plan.layer(layer.name)
        key = (layer.form, id(choice))
        if key not in known:
            known[key] = stored_weight_bytes(layer, choice)
        found[layer.name] = float(known[key])
    return found


def _error_shares(session: Session, plan: Plan) -> dict[str, float | None]:
    """Of what all measured layers are predicted to add to the loss, 0…1."""
    costs: dict[str, float | None] = {}
    for layer in session.layers:
        choice, row = plan.layer(layer.name), session.rows.get(layer.name)
        if choice.weights.bits == FLOAT_BITS:
            costs[layer.name] = 0.0
        else:
            costs[layer.name] = layer_damage(row, choice, session.metric) if row is not None else None
    total = sum(cost for cost in costs.values() if cost is not None)
    return {name: cost / total if cost is not None and total else cost for name, cost in costs.items()}
