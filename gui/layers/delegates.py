"""Painting of the table, from the views that the item model keeps of its rows.

Every kind of cell is painted here and nowhere else: the style sheet's own painting asks the model eight
times per cell and takes longer than a frame for a screen of rows. What repeats is kept as a picture.
"""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QFont, QFontMetrics, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem
from typing_extensions import override

from gui.layers.cells import CellView
from gui.layers.order import LayerOrder
from gui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
BAR_WIDTH = 50
BAR_HEIGHT = 6
PADDING = 8
MAX_KEPT = 4096
CENTER = Qt.AlignmentFlag.AlignCenter
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
# Plain numbers: Python's flags take longer than painting a cell.
SELECTED = QStyle.StateFlag.State_Selected.value
FOCUSED = QStyle.StateFlag.State_HasFocus.value


class LayerDelegate(QStyledItemDelegate):
    """What all columns share: the ground of a row, the mark of the current cell, and sizes that need no model."""

    def __init__(self, order: LayerOrder, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._order = order
        self._theme = theme
        self._pictures: dict[object, QPixmap] = {}
        theme.changed.connect(self._pictures.clear)

    @override
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(option.rect.width(), option.rect.height())

    def _paint_ground(self, painter: QPainter, option: QStyleOptionViewItem) -> QRect:
        """Selection, the line under the row, and the current cell; returns the cell's rectangle."""
        rect: QRect = option.rect
        state = option.state.value
        if state & SELECTED:
            painter.fillRect(rect, self._theme.color("selection"))
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, self._theme.color("cell_empty"))
        if state & FOCUSED:
            self._mark_current(painter, rect.adjusted(1, 2, -2, -3))
        return rect

    def _mark_current(self, painter: QPainter, box: QRect) -> None:
        painter.setPen(QPen(self._theme.color("caution"), 1, Qt.PenStyle.DotLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(box)

    def _start_picture(self, key: object, size: QSize, painter: QPainter) -> QPixmap:
        """An empty picture that is kept under `key`, as sharp as the screen."""
        if len(self._pictures) >= MAX_KEPT:
            self._pictures.clear()
        ratio = painter.device().devicePixelRatioF()
        picture = self._pictures[key] = QPixmap(size * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        return picture


class TextDelegate(LayerDelegate):
    """Plain text on the ground of its row."""

    def __init__(
        self,
        order: LayerOrder,
        theme: Theme,
        parent: QObject | None = None,
        *,
        font: QFont | None = None,
        alignment: Qt.AlignmentFlag = LEFT,
        color: str = "text",
    ) -> None:
        super().__init__(order, theme, parent)
        self._font = font
        self._alignment = alignment
        self._color = color
        self._elided: dict[tuple[str, int], str] = {}

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        rect = self._paint_ground(painter, option)
        text = self._order.view_at(index.row()).texts[index.column()]
        self._paint_text(painter, option, rect.adjusted(PADDING, 0, -PADDING, 0), text)

    def _paint_text(self, painter: QPainter, option: QStyleOptionViewItem, box: QRect, text: str) -> None:
        if self._font is None:
            self._font = QFont(option.font)
        painter.setFont(self._font)
        painter.setPen(self._theme.color(self._color))
        painter.drawText(box, self._alignment, self._elide(text, self._font, box.width()))

    def _elide(self, text: str, font: QFont, width: int) -> str:
        key = (text, width)
        if key not in self._elided:
            if len(self._elided) >= MAX_KEPT:
                self._elided.clear()
            self._elided[key] = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideMiddle, width)
        return self._elided[key]


class HeatCellDelegate(LayerDelegate):
    """A heatmap cell: a figure on its colour; the chosen one outlined, an unmeasured one hatched."""

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        view = self._order.view_at(index.row()).cells[index.column()]
        rect: QRect = option.rect
        key = (view.text, view.fragility, view.is_hatched, view.is_chosen, rect.width(), rect.height())
        picture = self._pictures.get(key)
        if picture is None:
            picture = self._start_picture(key, rect.size(), painter)
            with QPainter(picture) as inner:
                self._paint_cell(inner, QRect(0, 0, rect.width() - 1, rect.height() - 1), view, option.font)
        painter.drawPixmap(rect.topLeft(), picture)
        if option.state.value & FOCUSED:
            self._mark_current(painter, rect.adjusted(4, 4, -6, -6))

    def _paint_cell(self, painter: QPainter, box: QRect, view: CellView, font: QFont) -> None:
        theme = self._theme
        if view.fragility is not None:
            painter.fillRect(box, theme.cell_color(view.fragility))
            painter.setPen(theme.cell_text_color(view.fragility))
        else:
            painter.fillRect(box, theme.color("cell_empty"))
            if view.is_hatched:
                painter.fillRect(box, QBrush(theme.color("cell_hatch"), Qt.BrushStyle.BDiagPattern))
            painter.setPen(theme.color("text" if view.is_hatched else "text_dim"))
        own = QFont(font)
        own.setBold(view.is_chosen)
        painter.setFont(own)
        painter.drawText(box, CENTER, view.text)
        if view.is_chosen:
            self._paint_outline(painter, box)

    def _paint_outline(self, painter: QPainter, box: QRect) -> None:
        """Light on dark and dark on light, so that it stands out from any cell colour."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self._theme.color("window"), 1))
        painter.drawRect(box.adjusted(2, 2, -3, -3))
        pen = QPen(self._theme.color("cell_chosen"), 2)
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.drawRect(box.adjusted(1, 1, -1, -1))


class WeightBarDelegate(TextDelegate):
    """The number of weights, with a bar for its share of the largest layer where there is room."""

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        view = self._order.view_at(index.row())
        box = self._paint_ground(painter, option).adjusted(PADDING, 0, -PADDING, 0)
        if box.width() < 2 * BAR_WIDTH:
            self._paint_text(painter, option, box, view.texts[index.column()])
            return
        width = max(2, round(BAR_WIDTH * view.weight_share))
        top = box.center().y() - BAR_HEIGHT // 2
        painter.fillRect(box.right() + 1 - width, top, width, BAR_HEIGHT, self._theme.color("bar"))
        self._paint_text(painter, option, box.adjusted(0, 0, -(BAR_WIDTH + 8), 0), view.texts[index.column()])


class LockDelegate(LayerDelegate):
    """A closed padlock for a locked layer, a faint open one otherwise."""

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        rect = self._paint_ground(painter, option)
        is_locked = self._order.view_at(index.row()).is_locked
        key = (is_locked, rect.width(), rect.height())
        picture = self._pictures.get(key)
        if picture is None:
            picture = self._start_picture(key, rect.size(), painter)
            with QPainter(picture) as inner:
                self._paint_padlock(inner, QRectF(0, 0, rect.width(), rect.height()), is_locked=is_locked)
        painter.drawPixmap(rect.topLeft(), picture)

    def _paint_padlock(self, painter: QPainter, box: QRectF, *, is_locked: bool) -> None:
        color = self._theme.color("caution" if is_locked else "cell_hatch")
        center = box.center()
        body = QRectF(center.x() - 5, center.y() - 1, 10, 7)
        shackle = QPainterPath()
        shackle.moveTo(center.x() - 3, body.top())
        shackle.arcTo(QRectF(center.x() - 3, center.y() - 7, 6, 8), 180, -180 if is_locked else -140)
        if is_locked:
            shackle.lineTo(center.x() + 3, body.top())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(color, 1.6))
        painter.drawPath(shackle)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawRoundedRect(body, 1.5, 1.5)
