"""What the colours of the Distributions page mean."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QPainter, QPen
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.plot_key import PlotKey
from gui.theme import Theme

CONTEXT = "Distributions"


class Key(PlotKey[str]):
    """The kinds by the theme's name of their colour."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        names = {
            "weight": QCoreApplication.translate(CONTEXT, "float"),
            "quantized": QCoreApplication.translate(CONTEXT, "quantized"),
            "overflow": QCoreApplication.translate(CONTEXT, "clipped"),
            "clip": QCoreApplication.translate(CONTEXT, "clip range"),
        }
        super().__init__(names, theme, parent)
        self.setObjectName("distribution_key")

    @override
    def _draw_sample(self, painter: QPainter, kind: str, box: QRectF) -> None:
        color = self._theme.plot_color(kind)
        bar = box.adjusted(0, 1, 0, -1)
        if kind == "weight":
            painter.fillRect(bar, color)
        elif kind == "overflow":
            painter.fillRect(bar, QBrush(color, Qt.BrushStyle.BDiagPattern))
        else:
            painter.setPen(QPen(color, 2, Qt.PenStyle.DashLine if kind == "clip" else Qt.PenStyle.SolidLine))
            middle = box.center().y()
            painter.drawLine(QPointF(box.left(), middle), QPointF(box.right(), middle))
