"""The graph itself: painted, moved about in, and the place where boxes are chosen."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QToolTip, QWidget
from typing_extensions import override

from engine.graph_view.drawing import Drawing
from gui.graph.minimap import Minimap
from gui.graph.painting import GraphPainter, Look, Marks
from gui.graph.scene import Scene
from gui.graph.texts import describe_box
from gui.graph.viewport import STARTING_SCALE, Viewport
from gui.theme import Theme

ZOOM_STEP = 1.25
WHEEL_PIXELS = 0.8
"""Pixels that the scene moves per eighth of a degree of the wheel."""
ARROWS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right)
ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)


class GraphCanvas(QWidget):
    """Shows a drawing; says what the user points at and changes nothing.

    Signals:
        box_chosen(Box): by mouse or arrow key.
        group_toggled(name): the group that is to be expanded or collapsed.
        tip_wanted(Box, QPoint): the mouse rests on a box, at this point of the screen.
    """

    box_chosen = Signal(object)
    group_toggled = Signal(str)
    tip_wanted = Signal(object, QPoint)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._painter = GraphPainter(theme, self.font())
        self._minimap = Minimap(self._painter, theme)
        self._looks: Sequence[Look] = ()
        self._marks = Marks()
        self._pressed = QPointF()
        self._is_dragging = self._is_on_map = False
        self._is_unseen = True
        self.viewport = Viewport()
        self.scene: Scene | None = None
        self.setObjectName("graph_canvas")
        self.setAccessibleName(self.tr("Graph of the network"))
        self.setAccessibleDescription(
            self.tr("Arrow keys follow edges, Enter expands and collapses, plus and minus zoom, F shows everything")
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(200, 160)
        theme.changed.connect(self._on_colours_changed)

    @property
    def current(self) -> int:
        """Index of the chosen box; -1 for none."""
        return self._marks.current

    def show_drawing(self, drawing: Drawing | None, current: str) -> None:
        """Show another drawing.

        Args:
            current: the layer that is selected. What was chosen before stays where it is on the screen.
        """
        before = self.scene.boxes[self.current] if self.scene is not None and self.current >= 0 else None
        old_place = self.viewport.to_widget(QPointF(before.x, before.y)) if before is not None else QPointF()
        is_other = self.scene is None or drawing is None
        self.scene = Scene(drawing) if drawing is not None and drawing.boxes else None
        self._looks = ()
        at = -1
        if self.scene is not None:
            at = self.scene.box_of_layer(current)
            if before is not None and current not in before.layers:
                at = self.scene.box_like(before)
        self._marks = Marks(current=at)
        if self.scene is not None and not is_other and before is not None and at >= 0:
            center = self.scene.rects[at].center()
            self.viewport.middle += center - self.viewport.to_scene(old_place)
            self._is_unseen = self.viewport.scale < min(self.viewport.fitting_scale(self.scene.bounds), STARTING_SCALE)
        else:
            self._is_unseen = True
        self._minimap.forget()
        self.update()

    def show_looks(self, looks: Sequence[Look]) -> None:
        """Colour the boxes of the drawing."""
        self._looks = looks
        self._on_colours_changed()

    def show_layer(self, name: str) -> None:
        """Mark the box of a layer and bring it into sight."""
        at = self.scene.box_of_layer(name) if self.scene is not None else -1
        if self.scene is not None and at >= 0 and at != self.current:
            self._set_current(at)
            self.reveal(at)

    def show_found(self, found: Sequence[int]) -> None:
        """Mark what a search found."""
        self._marks = Marks(self._marks.current, self._marks.hovered, frozenset(found))
        self.update()

    def choose(self, at: int) -> None:
        """As if the user had clicked a box, in sight wherever it is."""
        if self.scene is not None:
            self._choose(at)
            self.reveal(at)

    def reveal(self, at: int) -> None:
        """Bring a box into sight."""
        if self.scene is not None and not self._is_unseen:
            self.viewport.reveal(self.scene.rects[at])
        self.update()

    def center_on(self, at: int) -> None:
        """Bring a box into the middle, at a scale at which it can be read."""
        if self.scene is not None:
            self._start_if_unseen()
            self.viewport.scale = max(self.viewport.scale, STARTING_SCALE)
            self.viewport.middle = self.scene.rects[at].center()
            self._choose(at)

    def fit(self) -> None:
        """Show the whole graph."""
        if self.scene is not None:
            self._is_unseen = False
            self.viewport.fit(self.scene.bounds)
            self.update()

    def zoom(self, factor: float, anchor: QPointF | None = None) -> None:
        """Make everything larger or smaller around a point, by default around what is chosen."""
        if self.scene is None:
            return
        if anchor is None:
            anchor = QPointF(self.rect().center())
            if self.current >= 0:
                place = self.viewport.to_widget(self.scene.rects[self.current].center())
                anchor = place if self.rect().contains(place.toPoint()) else anchor
        self.viewport.zoom(factor, anchor)
        self._settle()

    def pan(self, x: float, y: float) -> None:
        """Move the scene by pixels."""
        self.viewport.pan(x, y)
        self._settle()

    def read_view(self) -> tuple[float, float, float] | None:
        """Scale and middle; None until it was looked at."""
        return None if self._is_unseen else (self.viewport.scale, *self.viewport.middle.toTuple())

    def restore_view(self, view: tuple[float, float, float]) -> None:
        """Show the same drawing from the same place."""
        self.viewport.scale, x, y = view
        self.viewport.middle = QPointF(x, y)
        self._is_unseen = False
        self._settle()

    # --- state ---------------------------------------------------------------------------------

    def _settle(self) -> None:
        if self.scene is not None:
            self.viewport.keep_in(self.scene.bounds)
        self.update()

    def _set_current(self, at: int) -> None:
        self._marks = Marks(at, self._marks.hovered, self._marks.found)
        if self.scene is not None and at < len(self._looks):
            self.setAccessibleDescription(describe_box(self.scene.boxes[at], self._looks[at]))
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.DescriptionChanged))
        self.update()

    def _choose(self, at: int) -> None:
        assert self.scene is not None
        self._set_current(at)
        self.box_chosen.emit(self.scene.boxes[at])

    def _toggle(self) -> None:
        if self.scene is not None and self.current >= 0 and (group := self.scene.boxes[self.current].group):
            self.group_toggled.emit(group)

    def _start_if_unseen(self) -> None:
        """The first look at a drawing, when the size of the widget is known."""
        if self._is_unseen and self.scene is not None:
            self._is_unseen = False
            first = self.scene.rects[max(self.current, 0)].center()
            self.viewport.start(self.scene.bounds, first)

    def _on_colours_changed(self) -> None:
        if self.scene is not None and len(self._looks) == len(self.scene.boxes):
            self._painter.prepare(self.scene, self._looks)
        self._minimap.forget()
        self.update()

    # --- painting ------------------------------------------------------------------------------

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.color("window"))
        scene = self.scene
        if scene is None or len(self._looks) != len(scene.boxes):
            return
        self._start_if_unseen()
        self._painter.paint(painter, scene, self._looks, self._marks, self.viewport)
        if self._minimap.place(scene.bounds, self.size(), self.viewport.scale):
            self._minimap.paint(painter, scene, self.viewport.view, self.current)
        if self.hasFocus():
            painter.setPen(self._theme.color("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.viewport.size = self.size().toSizeF()

    # --- mouse ---------------------------------------------------------------------------------

    def _box_at(self, place: QPointF) -> int:
        return self.scene.box_at(self.viewport.to_scene(place)) if self.scene is not None else -1

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        turn = event.angleDelta()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(ZOOM_STEP ** (turn.y() / 120), event.position())
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier and not turn.x():
            self.pan(WHEEL_PIXELS * turn.y(), 0)
        else:
            self.pan(WHEEL_PIXELS * turn.x(), WHEEL_PIXELS * turn.y())
        event.accept()

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._pressed, self._is_dragging = event.position(), False
            self._is_on_map = self._minimap.rect.contains(event.position())
            if self._is_on_map:
                self._go_to_map(event.position())

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = event.position()
        if not event.buttons() & (Qt.MouseButton.LeftButton | Qt.MouseButton.MiddleButton):
            self._hover(-1 if self._minimap.rect.contains(place) else self._box_at(place))
        elif self._is_on_map:
            self._go_to_map(place)
        elif self._is_dragging or (place - self._pressed).manhattanLength() >= QApplication.startDragDistance():
            self._is_dragging = True
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            moved, self._pressed = place - self._pressed, place
            self.pan(moved.x(), moved.y())

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        was_dragging, self._is_dragging = self._is_dragging or self._is_on_map, False
        self._is_on_map = False
        self.unsetCursor()
        at = self._box_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and not was_dragging and at >= 0:
            self._choose(at)

    @override
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self.scene is None or event.button() != Qt.MouseButton.LeftButton:
            return
        at = self._box_at(event.position())
        region = self.scene.region_at(self.viewport.to_scene(event.position()))
        if at >= 0:
            self._choose(at)
            self._toggle()
        elif region is not None:
            self.group_toggled.emit(region.group)

    @override
    def leaveEvent(self, event: QEvent) -> None:
        self._hover(-1)

    def _hover(self, at: int) -> None:
        if at != self._marks.hovered:
            self._marks = Marks(self._marks.current, at, self._marks.found)
            self.update()

    def _go_to_map(self, place: QPointF) -> None:
        self.viewport.middle = self._minimap.to_scene(place)
        self._settle()

    @override
    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            at = self._box_at(event.pos().toPointF())
            if self.scene is not None and at >= 0 and not self._minimap.rect.contains(event.pos().toPointF()):
                self.tip_wanted.emit(self.scene.boxes[at], event.globalPos())
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    # --- keys ----------------------------------------------------------------------------------

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if self.scene is None:
            super().keyPressEvent(event)
        elif key in ARROWS:
            self._step(key)
        elif key in ENTER:
            self._toggle()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(ZOOM_STEP)
        elif key in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
            self.zoom(1 / ZOOM_STEP)
        elif key == Qt.Key.Key_0:
            self.zoom(1 / self.viewport.scale)
        elif key in (Qt.Key.Key_F, Qt.Key.Key_Home):
            self.fit()
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.pan(0, (0.9 if key == Qt.Key.Key_PageUp else -0.9) * self.height())
        else:
            super().keyPressEvent(event)

    def _step(self, key: Qt.Key) -> None:
        assert self.scene is not None
        at = self.scene.neighbour(self.current, key) if self.current >= 0 else 0
        if at != self.current:
            self.choose(at)
