"""What the colours of the Distributions page mean."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget
from typing_extensions import override

from gui.theme import Theme

GAP = 7
SAMPLE = 14


class Key(QWidget):
    """Samples with their names, in one line."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._names = {
            "weight": self.tr("float"),
            "quantized": self.tr("quantized"),
            "overflow": self.tr("clipped"),
            "clip": self.tr("clip range"),
        }
        self.setObjectName("distribution_key")
        self.setAccessibleName(self.tr("Key: {names}").format(names=", ".join(self._names.values())))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        theme.changed.connect(self.update)

    @override
    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(self.font())
        texts = sum(metrics.horizontalAdvance(name) for name in self._names.values())
        return QSize(int(texts + len(self._names) * (SAMPLE + 3 * GAP)), 26)

    @override
    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        x = float(GAP)
        for kind, name in self._names.items():
            color = self._theme.plot_color(kind)
            middle = self.height() / 2
            box = QRectF(x, middle - SAMPLE / 2 + 1, SAMPLE, SAMPLE - 2)
            if kind == "weight":
                painter.fillRect(box, color)
            elif kind == "overflow":
                painter.fillRect(box, QBrush(color, Qt.BrushStyle.BDiagPattern))
            else:
                style = Qt.PenStyle.DashLine if kind == "clip" else Qt.PenStyle.SolidLine
                painter.setPen(QPen(color, 2, style))
                painter.drawLine(QPointF(box.left(), middle), QPointF(box.right(), middle))
            x += SAMPLE + GAP
            width = painter.fontMetrics().horizontalAdvance(name)
            painter.setPen(self._theme.color("text_dim"))
            painter.drawText(QRectF(x, 0, width + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, name)
            x += width + 2 * GAP
        painter.end()
