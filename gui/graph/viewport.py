"""Which part of a scene a widget shows, and how large."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSizeF
from PySide6.QtGui import QTransform

MARGIN = 36.0
LARGEST = 3.0
SMALLEST = 0.002
STARTING_SCALE = 0.8
"""A large graph starts at least so large, rather than fitted."""


class Viewport:
    """A scale and the scene point in the middle of the widget."""

    def __init__(self) -> None:
        self.size = QSizeF(1, 1)
        self.scale = 1.0
        self.middle = QPointF(0, 0)

    @property
    def view(self) -> QRectF:
        """What is in sight, in scene coordinates."""
        size = self.size / self.scale
        return QRectF(self.middle.x() - size.width() / 2, self.middle.y() - size.height() / 2, *size.toTuple())

    @property
    def transform(self) -> QTransform:
        """From the scene to the widget."""
        corner = self.view.topLeft()
        return QTransform.fromScale(self.scale, self.scale).translate(-corner.x(), -corner.y())

    def to_scene(self, point: QPointF) -> QPointF:
        """A point of the widget."""
        return self.view.topLeft() + point / self.scale

    def to_widget(self, point: QPointF) -> QPointF:
        """A point of the scene."""
        return (point - self.view.topLeft()) * self.scale

    def zoom(self, factor: float, anchor: QPointF) -> None:
        """Scale, while the scene under `anchor`, a point of the widget, stays where it is."""
        before = self.to_scene(anchor)
        self.scale = min(max(self.scale * factor, SMALLEST), LARGEST)
        self.middle += before - self.to_scene(anchor)

    def pan(self, x: float, y: float) -> None:
        """Move the scene by pixels of the widget."""
        self.middle += QPointF(-x, -y) / self.scale

    def fitting_scale(self, bounds: QRectF) -> float:
        """The scale at which all of `bounds` is in sight, at most 1."""
        width = max(self.size.width() - 2 * MARGIN, 1) / max(bounds.width(), 1)
        height = max(self.size.height() - 2 * MARGIN, 1) / max(bounds.height(), 1)
        return max(min(width, height, 1.0), SMALLEST)

    def fit(self, bounds: QRectF) -> None:
        """Show all of `bounds`."""
        self.scale = self.fitting_scale(bounds)
        self.middle = bounds.center()

    def start(self, bounds: QRectF, first: QPointF) -> None:
        """Show everything where it stays readable, else the surroundings of `first`."""
        self.scale = max(self.fitting_scale(bounds), STARTING_SCALE)
        top = bounds.top() + (self.size.height() / 2 - MARGIN) / self.scale
        self.middle = QPointF(first.x(), max(first.y(), top))
        if bounds.height() * self.scale <= self.size.height() - 2 * MARGIN:
            self.middle.setY(bounds.center().y())

    def keep_in(self, bounds: QRectF) -> None:
        """Never lose the scene out of sight."""
        self.middle.setX(min(max(self.middle.x(), bounds.left()), bounds.right()))
        self.middle.setY(min(max(self.middle.y(), bounds.top()), bounds.bottom()))

    def reveal(self, rect: QRectF) -> None:
        """Bring a box into the middle unless it is well in sight."""
        inset = min(MARGIN / self.scale, self.view.width() / 4)
        if not self.view.adjusted(inset, inset, -inset, -inset).contains(rect):
            self.middle = rect.center()
