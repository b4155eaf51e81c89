"""Every layer that a method has changed: SQNR before and after, live."""

from __future__ import annotations

import math

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QPointF, QSize, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QVBoxLayout, QWidget
from typing_extensions import override

from engine.numerics.schemes import Rounding
from engine.requests.conversion import Change
from gui.recover.figures import LayerFigure
from gui.recover.texts import method_sentence, method_title
from gui.result_table import SORT_ROLE, Cell, ResultModel, ResultView, TableColumn, Tone
from gui.saving import TableSaver
from gui.session import Session
from gui.theme import Theme
from gui.units import format_db, format_delta

NAME_WIDTH = 140
STRIP_WIDTH = 120
MARGIN = 12
RADIUS = 3.5
BEFORE, AFTER, STRIP = 2, 3, 5
COLORS = {Tone.GOOD: "good", Tone.BAD: "bad", Tone.DIM: "text_dim"}


class LayersTable(QWidget):
    """Rows over `show_layers`; selecting one selects the layer in the whole window."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._layers: list[LayerFigure] = []
        self._methods: dict[Rounding | Change, Cell] = {}
        self._is_refreshing = False
        self.model = ResultModel(self._build_columns(), lambda: len(self._layers), theme, self)
        self.view = ResultView(self.model, "recover_layers", self)
        self.view.setAccessibleName(self.tr("Layers before and after each method"))
        self.view.setColumnWidth(0, NAME_WIDTH)
        self._strip = _StripDelegate(theme, self.view)
        self.view.setItemDelegateForColumn(STRIP, self._strip)
        self.view.horizontalHeader().setStretchLastSection(True)
        self.view.horizontalHeader().setResizeContentsPrecision(0)  # by what is seen: all rows take too long
        TableSaver(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        self.view.selectionModel().currentRowChanged.connect(self._on_row_changed)
        session.selection_changed.connect(self._show_selected)

    def _build_columns(self) -> list[TableColumn]:
        tr = self.tr
        return [
            TableColumn(tr("Layer"), tr("In the order of the graph"), self._title, is_text=True),
            TableColumn(tr("Method"), tr("What changed it; the last method is at the top"), self._method, is_text=True),
            TableColumn(
                tr("Before"), tr("SQNR before the method, in dB; the tool tip of the method says of what"), self._before
            ),
            TableColumn(
                tr("After"), tr("SQNR after the method, in dB; the tool tip of the method says of what"), self._after
            ),
            TableColumn(tr("Gain"), tr("After against before, in dB"), self._gain),
            TableColumn(
                tr("○ → ●"), tr("Before and after on one scale for all layers, better to the right"), self._strip_cell
            ),
        ]

    def _title(self, row: int) -> Cell:
        layer = self._session.layer(self._layers[row].layer)
        return Cell(layer.title if layer else self._layers[row].layer, tool_tip=self._layers[row].layer)

    def _method(self, row: int) -> Cell:
        return self._methods[self._layers[row].method]

    def _before(self, row: int) -> Cell:
        value = self._layers[row].before
        return Cell(format_db(value), Tone.DIM, value=value)

    def _after(self, row: int) -> Cell:
        value = self._layers[row].after
        return Cell(format_db(value), value=value)

    def _gain(self, row: int) -> Cell:
        gain = _gain_of(self._layers[row])
        if gain is None:
            return Cell("")
        return Cell(format_delta(gain, 1), _tone_of(gain), value=gain)

    def _strip_cell(self, row: int) -> Cell:
        return Cell("", tool_tip=self.tr("○ before, ● after"), value=self._layers[row].after)

    def show_layers(self, layers: list[LayerFigure]) -> None:
        """Show these."""
        self._layers = layers
        methods = {item.method for item in layers}
        self._methods = {method: Cell(method_title(method), Tone.DIM, method_sentence(method)) for method in methods}
        figures = [value for item in layers for value in (item.before, item.after) if math.isfinite(value)]
        self._strip.scale = (min(figures), max(figures)) if figures else (0.0, 1.0)
        self._is_refreshing = True
        self.model.refresh()
        self._is_refreshing = False
        self._show_selected(self._session.selected)

    def _on_row_changed(self) -> None:
        row = self.view.current_row
        if 0 <= row < len(self._layers) and not self._is_refreshing:
            self._session.select(self._layers[row].layer)

    def _show_selected(self, name: str) -> None:
        current = self.view.current_row
        if 0 <= current < len(self._layers) and self._layers[current].layer == name:
            return
        row = next((at for at, item in enumerate(self._layers) if item.layer == name), -1)
        if row >= 0:
            self.view.select_row(row)


class _StripDelegate(QStyledItemDelegate):
    """A ring where the layer was, a dot where it is, and a line between them.

    Attributes:
        scale: dB at the left and at the right end.
    """

    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme
        self.scale = (0.0, 1.0)

    @override
    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        before, after = (index.sibling(index.row(), column).data(SORT_ROLE) for column in (BEFORE, AFTER))
        if before is None or after is None:
            return
        rect = option.rect.adjusted(MARGIN, 0, -MARGIN, 0)
        low, high = self.scale
        places = []
        for value in (before, after):
            share = (min(max(value, low), high) - low) / ((high - low) or 1.0)
            places.append(QPointF(rect.left() + share * rect.width(), rect.center().y() + 0.5))
        color = self._theme.color(COLORS[_tone_of(after - before)])
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(color, 2))
        painter.drawLine(*places)
        painter.setPen(QPen(self._theme.color("text_dim"), 1.5))
        painter.setBrush(self._theme.color("window"))
        painter.drawEllipse(places[0], RADIUS, RADIUS)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawEllipse(places[1], RADIUS, RADIUS)
        painter.restore()

    @override
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(STRIP_WIDTH, super().sizeHint(option, index).height())


def _tone_of(gain: float) -> Tone:
    """What rounds to 0.0 dB is neither good nor bad."""
    return Tone.GOOD if gain >= 0.05 else Tone.BAD if gain <= -0.05 else Tone.DIM


def _gain_of(item: LayerFigure) -> float | None:
    gain = item.after - item.before
    return gain if math.isfinite(gain) else None
