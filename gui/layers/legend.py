"""What the colours of the cells mean."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget
from typing_extensions import override

from engine.sensitivity.matrix import Metric
from gui.metrics import format_cell, format_metric, metric_title
from gui.session import Session
from gui.theme import Theme

BAR_WIDTH = 70
BAR_HEIGHT = 11
GAP = 8


class Legend(QWidget):
    """robust 50 dB ▬▬▬ 0 dB fragile, and the hatching of cells that were not measured."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._theme = theme
        self._texts = ("", "", "")
        self._metric: Metric | None = None
        self._reserved = 0
        self.setObjectName("legend")
        self.setAccessibleName(self.tr("Colour legend: dark blue is robust, yellow is fragile"))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        theme.changed.connect(self.update)
        session.metric_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        scale = self._session.scale
        ends = (scale.robust_value, scale.fragile_value)
        robust, fragile = (format_cell(scale.metric, value) for value in ends)
        self._texts = (
            self.tr("robust {figure}").format(figure=robust),
            self.tr("{figure} fragile").format(figure=fragile),
            self.tr("not measured"),
        )
        tip = self.tr("{metric}: dark blue from {robust}, yellow from {fragile}; hatched cells were not measured")
        robust, fragile = (format_metric(scale.metric, value) for value in ends)
        self.setToolTip(tip.format(metric=metric_title(scale.metric), robust=robust, fragile=fragile))
        self._reserve(scale.metric)
        self.update()

    def _reserve(self, metric: Metric) -> None:
        """Grow with the figures of one metric, never shrink: every other width lays out and paints the whole page."""
        wanted = self._width(self._texts)
        if metric != self._metric or wanted > self._reserved:
            self._metric, self._reserved = metric, wanted
            self.updateGeometry()

    def _width(self, texts: tuple[str, ...]) -> int:
        metrics = QFontMetricsF(self.font())
        return int(sum(metrics.horizontalAdvance(text) for text in texts) + BAR_WIDTH + 3 * GAP)

    @override
    def sizeHint(self) -> QSize:
        return QSize(max(self._reserved, self._width(self._texts)) + 2 * BAR_HEIGHT + 3 * GAP, 26)

    @override
    def minimumSizeHint(self) -> QSize:
        """The colours alone; what is hatched speaks for itself."""
        return QSize(self._width(self._texts[:2]), 26)

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        x = 0.0
        x = self._text(painter, x, self._texts[0])
        for offset in range(BAR_WIDTH):
            color = self._theme.cell_color(offset / (BAR_WIDTH - 1))
            painter.fillRect(QRectF(x + offset, self._top, 1, BAR_HEIGHT), color)
        x = self._text(painter, x + BAR_WIDTH + GAP, self._texts[1]) + GAP
        if self.width() < self.sizeHint().width():
            return
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
