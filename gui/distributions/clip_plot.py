"""The large histogram, whose clip range can be dragged, or moved with the arrow keys."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.histogram_plot import HistogramPlot
from gui.theme import Theme

STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
RESETS = (Qt.Key.Key_Home, Qt.Key.Key_Delete)
LABEL_PLACE = 0.93


class ClipPlot(HistogramPlot):
    """Shows one `Histogram` with two handles.

    Signals:
        clip_moved(position, is_upper): a handle is on its way.
        clip_released: it has been let go of, by mouse or keyboard.
        step_requested(is_upper, direction): an arrow key wants to move a handle to the left (−1) or right (1).
        reset_requested: a key asks for the automatic range.
    """

    clip_moved = Signal(float, bool)
    clip_released = Signal()
    step_requested = Signal(bool, int)
    reset_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, is_small=False, parent=parent)
        self._is_upper_active = True
        self._handles = tuple(self._build_handle(is_upper=is_upper) for is_upper in (False, True))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleDescription(
            self.tr("Left and Right move the active clip line, Up and Down choose it, Home goes back to automatic")
        )
        self._paint_handles()
        theme.changed.connect(self._paint_handles)

    def _build_handle(self, *, is_upper: bool) -> pg.InfiniteLine:
        line = pg.InfiniteLine(
            angle=90,
            movable=True,
            label="{value:.3g}",
            labelOpts={"position": LABEL_PLACE, "anchors": [(1.05, 0), (1.05, 0)] if is_upper else [(-0.05, 0)] * 2},
        )
        line.setZValue(100)
        line.setCursor(Qt.CursorShape.SizeHorCursor)
        line.setVisible(False)
        line.sigDragged.connect(lambda: self._on_dragged(is_upper=is_upper))
        line.sigPositionChangeFinished.connect(self.clip_released)
        self.addItem(line)
        return line

    @property
    def is_dragging(self) -> bool:
        """Whether the mouse holds a handle."""
        return any(line.moving for line in self._handles)

    @property
    def handle_positions(self) -> tuple[float, float]:
        """Where the handles are, the lower one first."""
        low, high = (float(line.value()) for line in self._handles)
        return low, high

    def place_handles(self, low: float, high: float) -> None:
        """Put both, in the unit of the values; the one that the mouse holds as well, if it went too far."""
        for line, position in zip(self._handles, (low, high), strict=True):
            if line.value() != position:
                line.setValue(position)

    def set_handles_shown(self, *, lower: bool, upper: bool, movable: bool) -> None:
        """Which handles are there, and whether they can be moved."""
        for line, is_shown in zip(self._handles, (lower, upper), strict=True):
            line.setVisible(is_shown)
            line.setMovable(movable)

    def _on_dragged(self, *, is_upper: bool) -> None:
        self._is_upper_active = is_upper
        self._paint_handles()
        self.clip_moved.emit(float(self._handles[is_upper].value()), is_upper)

    def _paint_handles(self) -> None:
        color = self._theme.plot_color("clip")
        for is_upper, line in enumerate(self._handles):
            is_active = self.hasFocus() and bool(is_upper) == self._is_upper_active
            line.setPen(pg.mkPen(color, width=3 if is_active else 2, style=Qt.PenStyle.DashLine))
            line.setHoverPen(pg.mkPen(color, width=4))
            line.label.setColor(color)
            line.label.fill = pg.mkBrush(self._theme.color("window"))

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        can_move = any(line.isVisible() and line.movable for line in self._handles)
        if key in STEPS and can_move:
            self.step_requested.emit(self._is_upper_active, STEPS[key])
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and can_move:
            self._is_upper_active = key == Qt.Key.Key_Up or not self._handles[0].isVisible()
            self._paint_handles()
        elif key in RESETS and can_move:
            self.reset_requested.emit()
        else:
            super().keyPressEvent(event)

    @override
    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if Qt.Key(event.key()) in STEPS and not event.isAutoRepeat():
            self.clip_released.emit()
        else:
            super().keyReleaseEvent(event)

    @override
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.fit()

    @override
    def focusInEvent(self, event: object) -> None:
        super().focusInEvent(event)
        self._paint_handles()

    @override
    def focusOutEvent(self, event: object) -> None:
        super().focusOutEvent(event)
        self._paint_handles()
        self.clip_released.emit()
