"""What boxes say: their lines, the card that hovering shows, and the sentence for screen readers."""

from __future__ import annotations

import html

from PySide6.QtCore import QCoreApplication

from engine.graph_view.drawing import Box, BoxKind
from engine.numerics.schemes import FLOAT_BITS
from engine.stored_weights import stored_weight_bytes
from engine.summary import LayerSummary
from engine.units import format_bytes
from gui.graph.colours import Colouring, Shade, describe_group_colour, format_figure
from gui.graph.painting import Look
from gui.layers.cells import build_card
from gui.plan_edits import describe_scheme
from gui.session import Session
from gui.units import format_count

CONTEXT = "GraphTexts"
MAX_NODES_LISTED = 6


def build_look(box: Box, session: Session, colouring: Colouring) -> Look:
    """A box under the current plan."""
    plan = session.plan
    if not box.layers:
        return Look(Shade(), _describe_inside(box), "", is_locked=False)
    choices = [plan.layer(name) for name in box.layers] if plan is not None else []
    bits = sorted({choice.weights.bits for choice in choices}, reverse=True)
    shown = str(bits[0]) if len(bits) == 1 else f"{bits[-1]}–{bits[0]}" if bits else ""
    is_locked = bool(choices) and all(choice.is_locked for choice in choices)
    return Look(colouring.shade(box), _describe_inside(box), shown, is_locked)


def _describe_inside(box: Box) -> str:
    """The second line of a box."""
    if box.kind == BoxKind.BODY:
        return QCoreApplication.translate(CONTEXT, "%n layers inside", "", len(box.layers))
    return describe_count(box) if box.kind == BoxKind.GROUP else box.detail


def describe_count(box: Box) -> str:
    """What is inside a group."""
    tr = QCoreApplication.translate
    nodes = tr(CONTEXT, "%n nodes", "", len(box.names))
    return f"{tr(CONTEXT, '%n layers', '', len(box.layers))}, {nodes}" if box.layers else nodes


def build_tool_tip(box: Box, session: Session, colouring: Colouring) -> str:
    """The card of a box as rich text."""
    layers = [layer for name in box.layers if (layer := session.layer(name)) is not None]
    if box.kind == BoxKind.LAYER and layers:
        return "<hr>".join(_layer_card(layer, session, colouring) for layer in layers)
    tr = QCoreApplication.translate
    lines = [f"<b>{html.escape(box.title)}</b>"]
    if box.kind in (BoxKind.INPUT, BoxKind.OUTPUT):
        lines.append(html.escape(box.detail))
    elif box.kind == BoxKind.GROUP:
        lines.append(html.escape(describe_count(box)))
    else:
        lines += [html.escape(name) for name in box.names[:MAX_NODES_LISTED]]
    if len(box.layers) and box.kind != BoxKind.LAYER:
        parameters = sum(layer.parameters for layer in layers)
        lines.append(tr(CONTEXT, "{count} weights").format(count=format_count(parameters)))
        text = colouring.shade(box).text
        lines.append(f"{describe_group_colour(colouring.quantity)}{', ' + html.escape(text) if text else ''}")
    if box.kind == BoxKind.BODY:
        lines.append(tr(CONTEXT, "its bodies are not drawn"))
    if box.kind == BoxKind.GROUP:
        lines.append(tr(CONTEXT, "Enter or a double click expands it"))
    return "<br>".join(lines)


def _layer_card(layer: LayerSummary, session: Session, colouring: Colouring) -> str:
    """As in the heatmap, for the bits that the layer has."""
    tr = QCoreApplication.translate
    assert session.plan is not None
    choice = session.plan.layer(layer.name)
    bits = choice.weights.bits
    row = session.rows.get(layer.name)
    cell = row.cells.get(bits) if row is not None else None
    title = tr(CONTEXT, "{title} at {bits} bits").format(title=layer.title, bits=bits)
    stored = stored_weight_bytes(layer, choice)
    if cell is not None:
        card = build_card(title, cell, stored)
    else:
        gap = tr(CONTEXT, "float, nothing is lost") if bits == FLOAT_BITS else tr(CONTEXT, "not measured")
        card = f"<b>{html.escape(title)}</b><br>{gap}, {format_bytes(stored)}<br>"
    return f"{card}{html.escape(layer.detail)}, {html.escape(describe_scheme(choice))}{_figure(layer, colouring)}"


def _figure(layer: LayerSummary, colouring: Colouring) -> str:
    figure = colouring.figures.get(layer.name)
    if figure is None or not colouring.is_proportion:
        return ""
    return f", {format_figure(colouring.quantity, figure)}"


def describe_box(box: Box, look: Look) -> str:
    """A plain sentence for screen readers."""
    tr = QCoreApplication.translate
    bits = tr(CONTEXT, "{bits} bits").format(bits=look.bits) if look.bits else ""
    hatched = tr(CONTEXT, "not measured") if look.shade.is_hatched else ""
    return ", ".join(part for part in (box.title, look.detail, bits, look.shade.text, hatched) if part)
