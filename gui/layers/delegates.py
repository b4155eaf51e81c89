"""Painting of the table's own kinds of cell, from the item model's roles."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem
from typing_extensions import override

from gui.layers.model import Column, LayerRole
from gui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
BAR_WIDTH = 50
BAR_HEIGHT = 6
OUTLINE = 2


class BitCellDelegate(QStyledItemDelegate):
    """A heatmap cell: SQNR as number and colour; the chosen one outlined, an unmeasured one hatched."""

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        box: QRectF = QRectF(option.rect).adjusted(0.5, 0.5, -1.5, -1.5)
        sqnr_db: float | None = index.data(LayerRole.SQNR_DB)
        is_chosen = bool(index.data(LayerRole.IS_CHOSEN))
        painter.save()
        is_float = index.column() == Column.BITS_32
        text_color = self._paint_ground(painter, box, sqnr_db, is_float=is_float)
        font = painter.font()
        font.setBold(is_chosen)
        painter.setFont(font)
        painter.setPen(text_color)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, index.data())
        if is_chosen:
            self._paint_outline(painter, box)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(self._theme.color("caution"), 1, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box.adjusted(3.5, 3.5, -3.5, -3.5))
        painter.restore()

    def _paint_ground(self, painter: QPainter, box: QRectF, sqnr_db: float | None, *, is_float: bool) -> QColor:
        """Fill the cell; returns the colour of its text."""
        if sqnr_db is not None and not is_float:
            color = self._theme.sqnr_color(sqnr_db)
            painter.fillRect(box, color)
            return self._theme.text_color_on(color)
        painter.fillRect(box, self._theme.color("cell_empty"))
        if sqnr_db is None:
            painter.fillRect(box, QBrush(self._theme.color("cell_hatch"), Qt.BrushStyle.BDiagPattern))
            return self._theme.color("text")
        return self._theme.color("text_dim")

    def _paint_outline(self, painter: QPainter, box: QRectF) -> None:
        """Light on dark and dark on light, so that it stands out from any cell colour."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self._theme.color("window"), 1))
        painter.drawRect(box.adjusted(2.5, 2.5, -2.5, -2.5))
        pen = QPen(self._theme.color("cell_chosen"), OUTLINE)
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.drawRect(box.adjusted(1, 1, -1, -1))


class WeightBarDelegate(QStyledItemDelegate):
    """The number of weights with a bar for its share of the largest layer."""

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme

    @override
    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        option.text = ""

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        box = QRectF(option.rect).adjusted(8, 0, -8, 0)
        width = max(2.0, BAR_WIDTH * float(index.data(LayerRole.WEIGHT_SHARE)))
        bar = QRectF(box.right() - width, box.center().y() - BAR_HEIGHT / 2, width, BAR_HEIGHT)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.color("bar"))
        painter.drawRoundedRect(bar, 2, 2)
        painter.setPen(self._theme.color("text"))
        text_box = box.adjusted(0, 0, -(BAR_WIDTH + 8), 0)
        painter.drawText(text_box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, index.data())
        painter.restore()


class LockDelegate(QStyledItemDelegate):
    """A closed padlock for a locked layer, a faint open one otherwise."""

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        is_locked = bool(index.data(LayerRole.IS_LOCKED))
        center = QRectF(option.rect).center()
        color = self._theme.color("caution" if is_locked else "cell_hatch")
        body = QRectF(center.x() - 5, center.y() - 1, 10, 7)
        shackle = QPainterPath()
        shackle.moveTo(center.x() - 3, body.top())
        shackle.arcTo(QRectF(center.x() - 3, center.y() - 7, 6, 8), 180, -180 if is_locked else -140)
        if is_locked:
            shackle.lineTo(center.x() + 3, body.top())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(color, 1.6))
        painter.drawPath(shackle)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawRoundedRect(body, 1.5, 1.5)
        painter.restore()
