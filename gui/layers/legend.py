"""What the colours of the cells mean."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget
from typing_extensions import override

from gui.theme import ROBUST_DB, Theme

BAR_WIDTH = 110
BAR_HEIGHT = 11
GAP = 8


class Legend(QWidget):
    """robust ▬▬▬ fragile, and the hatching of cells that were not measured."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._texts = (self.tr("robust"), self.tr("fragile"), self.tr("not measured"))
        self.setObjectName("legend")
        self.setAccessibleName(self.tr("Colour legend: dark blue is robust, yellow is fragile"))
        tip = self.tr("Output SQNR: dark blue from {db} dB, yellow at 0 dB; hatched cells were not measured")
        self.setToolTip(tip.format(db=round(ROBUST_DB)))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        theme.changed.connect(self.update)

    @override
    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(self.font())
        texts = sum(metrics.horizontalAdvance(text) for text in self._texts)
        return QSize(int(texts + BAR_WIDTH + 2 * BAR_HEIGHT + 6 * GAP), 26)

    @override
    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        x = 0.0
        x = self._text(painter, x, self._texts[0])
        for offset in range(BAR_WIDTH):
            color = self._theme.sqnr_color(ROBUST_DB * (1 - offset / BAR_WIDTH))
            painter.fillRect(QRectF(x + offset, self._top, 1, BAR_HEIGHT), color)
        x = self._text(painter, x + BAR_WIDTH + GAP, self._texts[1]) + GAP
        box = QRectF(x, self._top, 2 * BAR_HEIGHT, BAR_HEIGHT)
        painter.fillRect(box, self._theme.color("cell_empty"))
        painter.fillRect(box, QBrush(self._theme.color("cell_hatch"), Qt.BrushStyle.BDiagPattern))
        self._text(painter, box.right() + GAP, self._texts[2])

    @property
    def _top(self) -> float:
        return (self.height() - BAR_HEIGHT) / 2

    def _text(self, painter: QPainter, x: float, text: str) -> float:
        """Draw `text` at `x`; returns where the next thing goes."""
        width = painter.fontMetrics().horizontalAdvance(text)
        painter.setPen(self._theme.color("text_dim"))
        painter.drawText(QRectF(x, 0, width + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, text)
        return x + width + GAP
