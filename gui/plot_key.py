"""What the marks of a plot mean: samples with their names, in one line."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget
from typing_extensions import override

from gui.theme import Theme

GAP = 8
SAMPLE = 14
HEIGHT = 26

KindT = TypeVar("KindT", bound=Hashable)


class PlotKey(QWidget, Generic[KindT]):
    """Names of the kinds of marks that a plot has; a subclass draws a sample of each."""

    def __init__(self, names: Mapping[KindT, str], theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names, self._theme = names, theme
        self.setAccessibleName(self.tr("Key: {names}").format(names=", ".join(names.values())))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        theme.changed.connect(self.update)

    def _draw_sample(self, painter: QPainter, kind: KindT, box: QRectF) -> None:
        """Draw what stands for a kind; `box` is `SAMPLE` pixels wide and high."""
        raise NotImplementedError

    @override
    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(self.font())
        texts = sum(metrics.horizontalAdvance(name) for name in self._names.values())
        return QSize(int(texts + len(self._names) * (SAMPLE + 3 * GAP)), HEIGHT)

    @override
    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        x = float(GAP)
        for kind, name in self._names.items():
            painter.save()
            self._draw_sample(painter, kind, QRectF(x, (self.height() - SAMPLE) / 2, SAMPLE, SAMPLE))
            painter.restore()
            x += SAMPLE + GAP
            width = painter.fontMetrics().horizontalAdvance(name)
            painter.setPen(self._theme.color("text_dim"))
            painter.drawText(QRectF(x, 0, width + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, name)
            x += width + 2 * GAP
        painter.end()
