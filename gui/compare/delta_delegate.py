"""Cells with a figure and, beside it in its own colour, how it differs from the baseline."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem
from typing_extensions import override

from gui.result_table import DELTA_ROLE, TONE_ROLE, Tone
from gui.theme import Theme

MARGIN = 8
"""As the header and the cells without a difference have it."""
GAP = 8
COLORS = {Tone.GOOD: "good", Tone.BAD: "bad", Tone.DIM: "text_dim"}


class DeltaDelegate(QStyledItemDelegate):
    """Paints the figure right of which the signed difference stands; green is better, red is worse."""

    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme

    @override
    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        delta = index.data(DELTA_ROLE)
        if not delta:
            super().paint(painter, option, index)
            return
        filled = QStyleOptionViewItem(option)
        self.initStyleOption(filled, index)
        text, filled.text = filled.text, ""
        style = filled.widget.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, filled, painter, filled.widget)
        width = filled.fontMetrics.horizontalAdvance(delta)
        rect = filled.rect.adjusted(MARGIN, 0, -MARGIN, -2)
        right = QRect(rect.right() - width, rect.top(), width + 1, rect.height())
        left = rect.adjusted(0, 0, -width - GAP, 0)
        painter.save()
        painter.setFont(filled.font)
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(self._theme.color("text"))
        painter.drawText(left, flags, text)
        painter.setPen(self._theme.color(COLORS.get(Tone(index.data(TONE_ROLE)), "text")))
        painter.drawText(right, flags, delta)
        painter.restore()

    @override
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        size = super().sizeHint(option, index)
        delta = index.data(DELTA_ROLE)
        if delta:
            size.setWidth(size.width() + GAP + option.fontMetrics.horizontalAdvance(delta))
        return size
