"""What a row of the table says: its view for the delegates, and the card that hovering over a cell shows."""

from __future__ import annotations

import html
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from engine.sensitivity.matrix import RANKING, Cell, Metric
from engine.units import format_bytes
from gui.metrics import format_error, format_metric, metric_name

CONTEXT = "LayerCells"


@dataclass(frozen=True)
class CellView:
    """One heatmap cell as it is painted.

    Attributes:
        fragility: 0…1; None if there is nothing to colour.
        is_hatched: it was not measured.
        is_chosen: it holds the layer's bits.
    """

    text: str
    fragility: float | None
    is_hatched: bool
    is_chosen: bool


@dataclass(frozen=True)
class RowView:
    """One row as it is painted.

    Attributes:
        texts: by column, where text is all that a cell shows.
        cells: by column, the heatmap.
        weight_share: weights of the layer / weights of the largest layer, 0…1.
    """

    texts: dict[int, str]
    cells: dict[int, CellView]
    weight_share: float
    is_locked: bool


def build_card(title: str, cell: Cell, stored_bytes: int | None) -> str:
    """All figures of a cell as rich text, with their standard errors."""
    tr = QCoreApplication.translate
    lines = [(metric_name(metric), _with_error(metric, cell)) for metric in _ordered(cell)]
    if cell.samples:
        lines.append((tr(CONTEXT, "samples"), f"{cell.samples:,}"))
    if stored_bytes is not None:
        lines.append((tr(CONTEXT, "stored"), format_bytes(stored_bytes)))
    rows = "".join(
        f"<tr><td>{html.escape(name)}&nbsp;&nbsp;</td><td align='right'>{html.escape(text)}</td></tr>"
        for name, text in lines
    )
    return f"<b>{html.escape(title)}</b><table>{rows}</table>"


def describe_cell(title: str, cell: Cell, metric: Metric) -> str:
    """The figure of one metric as a plain sentence, for screen readers."""
    return f"{title}: {metric_name(metric)} {format_metric(metric, cell.values.get(metric))}"


def _ordered(cell: Cell) -> tuple[Metric, ...]:
    """SQNR first, because it is known best."""
    rest = tuple(metric for metric in RANKING if metric != Metric.SQNR and metric in cell.values)
    return (Metric.SQNR, *rest) if Metric.SQNR in cell.values else rest


def _with_error(metric: Metric, cell: Cell) -> str:
    text = format_metric(metric, cell.values[metric])
    error = cell.errors.get(metric)
    if error is None:
        return text
    bare = format_metric(metric, cell.values[metric], with_unit=False)
    return text.replace(bare, f"{bare} ± {format_error(metric, error)}", 1)
