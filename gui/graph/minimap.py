"""The whole graph in the corner: where one is, and a way to get elsewhere."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPen, QPixmap

from gui.graph.painting import GraphPainter
from gui.graph.scene import Scene
from gui.theme import Theme

GAP = 10.0
PADDING = 5.0
WIDTHS = (44.0, 120.0)
HEIGHT_SHARE = 0.94
LEAST_FRAME = 6.0


class Minimap:
    """A picture that is painted once per change of colours; only the frame in it moves.

    Width and height have scales of their own, as most networks are far higher than wide.
    """

    def __init__(self, painter: GraphPainter, theme: Theme) -> None:
        self._painter = painter
        self._theme = theme
        self._picture = QPixmap()
        self.rect = QRectF()
        self._bounds = QRectF()

    def forget(self) -> None:
        """Paint it anew next time."""
        self._picture = QPixmap()

    def place(self, bounds: QRectF, widget: QSize, scale: float) -> bool:
        """Find the place for it in the upper right corner; returns whether it is needed, as not all is in sight."""
        self._bounds = bounds
        if bounds.height() * scale <= widget.height() and bounds.width() * scale <= widget.width():
            self.rect = QRectF()
            return False
        height = min(widget.height() - 2 * GAP, HEIGHT_SHARE * widget.height())
        width = min(max(bounds.width() * height / max(bounds.height(), 1), WIDTHS[0]), WIDTHS[1])
        if bounds.width() > bounds.height():
            height = min(height, max(bounds.height() * width / bounds.width(), WIDTHS[0]))
        rect = QRectF(widget.width() - width - GAP, GAP, width, height)
        if rect.size() != self.rect.size():
            self.forget()
        self.rect = rect
        return True

    def paint(self, painter: QPainter, scene: Scene, view: QRectF, current: int) -> None:
        """Paint in coordinates of the widget."""
        if self._picture.isNull():
            self._picture = self._draw(scene, painter.device().devicePixelRatioF())
        painter.drawPixmap(self.rect.topLeft(), self._picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        frame = QRectF(self._to_map(view.topLeft()), self._to_map(view.bottomRight()))
        missing = max(LEAST_FRAME - frame.height(), 0) / 2
        painter.setPen(QPen(self._theme.color("text"), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(frame.adjusted(0, -missing, 0, missing).intersected(self.rect.adjusted(0, 0, -1, -1)))
        if current >= 0:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color("accent_hover"))
            painter.drawEllipse(self._to_map(scene.rects[current].center()), 3.5, 3.5)

    def to_scene(self, point: QPointF) -> QPointF:
        """The scene point that a point of the widget in the map stands for."""
        inner, bounds = self._inner, self._bounds
        x = bounds.left() + (point.x() - inner.left()) / inner.width() * bounds.width()
        return QPointF(x, bounds.top() + (point.y() - inner.top()) / inner.height() * bounds.height())

    @property
    def _inner(self) -> QRectF:
        return self.rect.adjusted(PADDING, PADDING, -PADDING, -PADDING)

    def _to_map(self, point: QPointF) -> QPointF:
        inner, bounds = self._inner, self._bounds
        x = inner.left() + (point.x() - bounds.left()) / max(bounds.width(), 1) * inner.width()
        return QPointF(x, inner.top() + (point.y() - bounds.top()) / max(bounds.height(), 1) * inner.height())

    def _draw(self, scene: Scene, ratio: float) -> QPixmap:
        picture = QPixmap((self.rect.size() * ratio).toSize())
        picture.setDevicePixelRatio(ratio)
        picture.fill(self._theme.color("panel"))
        with QPainter(picture) as painter:
            painter.setPen(QPen(self._theme.color("line"), 1))
            painter.drawRect(QRectF(0, 0, self.rect.width() - 1, self.rect.height() - 1))
            painter.translate(PADDING, PADDING)
            inner, bounds = self._inner, self._bounds
            factors = (inner.width() / max(bounds.width(), 1), inner.height() / max(bounds.height(), 1))
            spots = scene.scaled_rects(*factors)
            self._painter.paint_blocks(painter, range(len(spots)), spots, is_outlined=False)
        return picture
