"""What the markers of the Trade-off page mean."""

from __future__ import annotations

from pyqtgraph.graphicsItems.ScatterPlotItem import drawSymbol
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget
from typing_extensions import override

from gui.theme import Theme
from gui.tradeoff.plot import STYLES
from gui.tradeoff.points import Series

GAP = 8
MARKER = 14


class Key(QWidget):
    """Symbols with their names, in one line."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._names = {
            Series.FRONT: self.tr("best plans"),
            Series.UNIFORM: self.tr("uniform"),
            Series.RESULT: self.tr("measured results"),
            Series.MEASURED: self.tr("measured plans"),
            Series.CURRENT: self.tr("current plan"),
        }
        self.setObjectName("tradeoff_key")
        self.setAccessibleName(self.tr("Key: {names}").format(names=", ".join(self._names.values())))
        best = self.tr("Best plans: nothing as small loses less, as predicted from the cells")
        measured = self.tr("Measured plans: run on data, with a line to what was predicted of them")
        self.setToolTip(f"{best}\n{measured}")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        theme.changed.connect(self.update)

    @override
    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(self.font())
        texts = sum(metrics.horizontalAdvance(name) for name in self._names.values())
        return QSize(int(texts + len(self._names) * (MARKER + 3 * GAP)), 26)

    @override
    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        x = float(GAP)
        for series, name in self._names.items():
            symbol, size, color = STYLES[series]
            painter.save()
            painter.translate(x + MARKER / 2, self.height() / 2)
            drawSymbol(painter, symbol, min(size, MARKER), Qt.PenStyle.NoPen, self._theme.color(color))
            painter.restore()
            x += MARKER + GAP
            width = painter.fontMetrics().horizontalAdvance(name)
            painter.setPen(self._theme.color("text_dim"))
            painter.drawText(QRectF(x, 0, width + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, name)
            x += width + 2 * GAP
        painter.end()
