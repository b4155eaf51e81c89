"""The picture of the Trade-off page: the front as a curve, other plans as markers of their own shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.plot_widget import SIDES, Plot
from gui.theme import Theme
from gui.tradeoff.axes import Axis
from gui.tradeoff.points import PlanPoint, Series, as_predicted

REACH = 16
"""Pixels between the mouse and the point that it means."""
PADDING = 0.06
LEAST_ROOM, LEAST_SHARE = 0.5, 0.75
"""Axes stay as they are while points leave so much of the padding free, and take up so much of the plot."""
LABEL_SHARE = 0.1
"""So near to the right edge a label stands on the left of its marker."""
STEPS = {
    Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1, Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1,
    Qt.Key.Key_PageUp: 10, Qt.Key.Key_PageDown: -10, Qt.Key.Key_Home: -1_000_000, Qt.Key.Key_End: 1_000_000,
}  # fmt: skip
STYLES = {
    Series.FRONT: ("o", 6, "plot_weight"),
    Series.UNIFORM: ("s", 11, "text_dim"),
    Series.RESULT: ("d", 13, "good"),
    Series.MEASURED: ("t1", 11, "plot_clip"),
    Series.CURRENT: ("star", 20, "plot_quantized"),
}


class TradeoffPlot(Plot):
    """Shows points; every one can be hovered over and clicked.

    Signals:
        point_hovered(PlanPoint | None), point_chosen(PlanPoint): by mouse.
        step_requested(int), apply_requested: by keyboard, so many points along the front.
    """

    point_hovered = Signal(object)
    point_chosen = Signal(object)
    step_requested = Signal(int)
    apply_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._axes: tuple[Axis, Axis] | None = None
        self._points: tuple[PlanPoint, ...] = ()
        self._places = np.zeros((0, 2))
        self._current: PlanPoint | None = None
        self._preview: PlanPoint | None = None
        self._hovered: PlanPoint | None = None
        self._range = np.zeros((2, 2))
        self.setObjectName("tradeoff_plot")
        self.setAccessibleName(self.tr("Trade-off: cost against quality of plans"))
        self.setAccessibleDescription(self.tr("Arrow keys move along the front, Enter takes that plan"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._set_up_plot()
        self.paint_frame()
        theme.changed.connect(self._on_theme_changed)

    def _set_up_plot(self) -> None:
        self.show_grid()
        self.getViewBox().disableAutoRange()
        self._curve = pg.PlotCurveItem()
        self.addItem(self._curve)
        self._errors = pg.PlotCurveItem()
        self.addItem(self._errors)
        self._scatters = {series: pg.ScatterPlotItem(pxMode=True) for series in Series}
        self._ring = pg.ScatterPlotItem(pxMode=True)
        for series, scatter in self._scatters.items():
            scatter.setZValue(10 + series.value)
        for scatter in (*self._scatters.values(), self._ring):
            self.addItem(scatter)
        self._labels: list[pg.TextItem] = []

    def show_points(self, axes: tuple[Axis, Axis], points: Sequence[PlanPoint]) -> None:
        """Draw these plans; `show_current` has to follow, which puts them all in sight."""
        is_framed, self._axes, self._points = axes == self._axes, axes, tuple(points)
        if not is_framed:
            self._name_axes(axes)
        self._draw_points()

    def _on_theme_changed(self) -> None:
        self.paint_frame()
        self._draw_points()
        self._draw_series(Series.CURRENT, [self._current] if self._current else [])

    def show_current(self, point: PlanPoint | None) -> None:
        """Move the marker of the current plan."""
        if point != self._current:
            self._current = point
            self._draw_series(Series.CURRENT, [point] if point else [])
        self._fit()

    def show_preview(self, point: PlanPoint | None) -> None:
        """Put a ring around a point, None for none."""
        self._preview = point
        places = _finite(self._place([point] if point else []))
        pen = pg.mkPen(self._theme.color("text"), width=2)
        self._ring.setVisible(len(places) > 0)
        self._ring.setData(pos=places, size=16, symbol="o", pen=pen, brush=pg.mkBrush(None))

    def place_of(self, point: PlanPoint) -> QPointF:
        """Where a point is, in pixels of the viewport."""
        (x, y), *_ = self._place([point]).tolist()
        return QPointF(self.mapFromScene(self.getViewBox().mapViewToScene(QPointF(x, y))))

    def _place(self, points: Sequence[PlanPoint]) -> np.ndarray:
        """Positions, float [points, 2]; NaN where a point has none."""
        if self._axes is None or not points:
            return np.zeros((0, 2))
        found = [[axis.position(point) for axis in self._axes] for point in points]
        return np.array(found, dtype=float)

    # --- drawing -------------------------------------------------------------------------------

    def _draw_points(self) -> None:
        self._places = self._place(self._points)
        front = self._visible(Series.FRONT)
        self._curve.setData(*self._place(front).T, pen=pg.mkPen(self._theme.color("plot_weight"), width=1.5))
        for series in (Series.FRONT, Series.UNIFORM, Series.RESULT, Series.MEASURED):
            self._draw_series(series, self._visible(series))
        self._draw_errors()
        self._draw_labels()
        self.show_preview(self._preview)

    def _visible(self, series: Series) -> list[PlanPoint]:
        return [
            point
            for point, place in zip(self._points, self._places, strict=True)
            if point.series == series and np.isfinite(place).all()
        ]

    def _name_axes(self, axes: tuple[Axis, Axis]) -> None:
        self._range, self._current = np.zeros((2, 2)), None
        for side, axis in zip(SIDES, axes, strict=True):
            ruler = self.getPlotItem().getAxis(side)
            ruler.setLogMode(**{"x" if side == "bottom" else "y": axis.is_log})
            ruler.setLabel(axis.title)

    def _draw_series(self, series: Series, points: Sequence[PlanPoint]) -> None:
        places = _finite(self._place(points))
        symbol, size, color = STYLES[series]
        scatter = self._scatters[series]
        outline = pg.mkPen(self._theme.color("window"), width=1)
        scatter.setVisible(len(places) > 0)
        scatter.setData(pos=places, symbol=symbol, size=size, pen=outline, brush=self._theme.color(color))

    def _draw_errors(self) -> None:
        """A line from every measured plan to what was predicted of it."""
        measured = self._visible(Series.MEASURED)
        ends = self._place([as_predicted(point) for point in measured])
        pairs = np.stack([self._place(measured), ends], axis=1)
        pairs = pairs[np.isfinite(pairs).all(axis=(1, 2))].reshape(-1, 2)
        pen = pg.mkPen(self._theme.color("plot_clip"), width=1, style=Qt.PenStyle.DotLine)
        self._errors.setVisible(len(pairs) > 0)
        self._errors.setData(*pairs.T, connect="pairs", pen=pen)

    def _draw_labels(self) -> None:
        """Names of the uniform plans; labels are slow to make, so they are used again."""
        points = self._visible(Series.UNIFORM)
        places = self._place(points)
        while len(self._labels) < len(points):
            self._labels.append(pg.TextItem())
            self.addItem(self._labels[-1])
        for label in self._labels[len(points) :]:
            label.setVisible(False)
        color = self._theme.color("text_dim")
        for label, point, (x, y) in zip(self._labels, points, places.tolist(), strict=False):
            is_at_right = x >= np.nanmax(self._places[:, 0]) - LABEL_SHARE * np.ptp(places[:, 0])
            label.setText(point.name, color)
            label.setAnchor((1.05 if is_at_right else 0, 0))
            label.setPos(x, y)
            label.setVisible(True)

    def _fit(self) -> None:
        """Everything in sight, the current plan included; what fits well already stays where it is."""
        places = _finite(np.concatenate([self._places, self._place([self._current] if self._current else [])]))
        if not len(places):
            return
        low, high = places.min(axis=0), places.max(axis=0)
        room = np.maximum((high - low) * PADDING, np.maximum(np.abs(high) * 1e-3, 1e-9))
        margins = np.minimum(low - self._range[0], self._range[1] - high)
        is_filled = high - low >= LEAST_SHARE * (self._range[1] - self._range[0])
        if (margins >= LEAST_ROOM * room).all() and is_filled.all():
            return
        self._range = np.array([low - room, high + room])
        (left, bottom), (right, top) = self._range.tolist()
        self.setRange(xRange=(left, right), yRange=(bottom, top), padding=0)

    # --- mouse and keyboard --------------------------------------------------------------------

    def point_at(self, position: QPointF) -> PlanPoint | None:
        """The nearest point within reach of a position in the viewport."""
        box = self.getViewBox()
        if not len(self._places):
            return None
        target = box.mapSceneToView(self.mapToScene(position.toPoint()))
        offsets = (self._places - (target.x(), target.y())) / box.viewPixelSize()
        distances = np.nan_to_num(np.hypot(*offsets.T), nan=np.inf)
        best = int(distances.argmin())
        return self._points[best] if distances[best] <= REACH else None

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        found = self.point_at(event.position())
        if found is not self._hovered:
            self._hovered = found
            self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if found else Qt.CursorShape.ArrowCursor)
            self.point_hovered.emit(found)

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        found = self.point_at(event.position())
        if found is not None and event.button() == Qt.MouseButton.LeftButton:
            self.point_chosen.emit(found)

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in STEPS:
            self.step_requested.emit(STEPS[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.apply_requested.emit()
        else:
            super().keyPressEvent(event)


def _finite(places: np.ndarray) -> np.ndarray:
    """Those that lie in the plot; pyqtgraph cannot draw a series of nothing else."""
    return np.asarray(places[np.isfinite(places).all(axis=1)])
