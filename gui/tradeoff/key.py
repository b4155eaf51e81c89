"""What the markers of the Trade-off page mean."""

from __future__ import annotations

from pyqtgraph.graphicsItems.ScatterPlotItem import drawSymbol
from PySide6.QtCore import QCoreApplication, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.plot_key import SAMPLE, PlotKey
from gui.theme import Theme
from gui.tradeoff.plot import STYLES
from gui.tradeoff.points import Series

CONTEXT = "Tradeoff"


class Key(PlotKey[Series]):
    """Where a point of the plot comes from."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        tr = QCoreApplication.translate
        names = {
            Series.FRONT: tr(CONTEXT, "best plans"),
            Series.UNIFORM: tr(CONTEXT, "uniform"),
            Series.RESULT: tr(CONTEXT, "measured results"),
            Series.MEASURED: tr(CONTEXT, "measured plans"),
            Series.CURRENT: tr(CONTEXT, "current plan"),
        }
        super().__init__(names, theme, parent)
        self.setObjectName("tradeoff_key")
        best = self.tr("Best plans: nothing as small loses less, as predicted from the cells")
        measured = self.tr("Measured plans: run on data, with a line to what was predicted of them")
        self.setToolTip(f"{best}\n{measured}")

    @override
    def _draw_sample(self, painter: QPainter, kind: Series, box: QRectF) -> None:
        symbol, size, color = STYLES[kind]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(box.center())
        drawSymbol(painter, symbol, min(size, SAMPLE), Qt.PenStyle.NoPen, self._theme.color(color))
