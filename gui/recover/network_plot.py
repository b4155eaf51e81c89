"""The whole network's figure against time: every measured plan, the best so far, and the target."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.recovery.report import RecoverStep
from engine.recovery.targets import Target
from gui.compare.latency_plot import build_plot, color_plot
from gui.recover.texts import figure_title, rung_title
from gui.saving import PlotSaver
from gui.theme import Theme

CONTEXT = "Recover"
PADDING = 0.09
DOT, BEST_DOT = 7, 11
ANCHORS = ((0, 1), (1, 1), (0, 0), (1, 0))
"""Right above, left above, right below, left below."""


class NetworkPlot(QWidget):
    """Dots over `show_steps`.

    Attributes:
        line: the best so far against seconds.
        bests: dots of the steps that were better than all before.
    """

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        tr = QCoreApplication.translate
        labels = (tr(CONTEXT, "seconds"), "")
        self.plot = build_plot("recover_plot", tr(CONTEXT, "Figure of the whole network against time"), labels, self)
        item = self.plot.getPlotItem()
        item.showGrid(x=True, y=True, alpha=0.12)
        self.line = item.plot([], [])
        self._others = pg.ScatterPlotItem(hoverable=True, tip=_tell)
        self.bests = pg.ScatterPlotItem(hoverable=True, tip=_tell)
        self._target = pg.InfiniteLine(angle=0)
        self._target_label = pg.TextItem(anchor=(0, 1))
        for part in (self._target, self._target_label, self._others, self.bests):
            item.addItem(part, ignoreBounds=True)
        self._labels: list[pg.TextItem] = []
        self._points: list[tuple[RecoverStep, float]] = []
        self.plot.getViewBox().sigResized.connect(self._draw_labels)
        PlotSaver(self.plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def show_steps(self, steps: list[RecoverStep], target: Target, elapsed: float) -> None:
        """Draw the steps of a climb that has taken so many seconds until now."""
        points = [(step, value) for step in steps if (value := target.reached(step.found)) is not None]
        points = self._points = [(step, value) for step, value in points if math.isfinite(value)]
        color_plot(self.plot, self._theme)
        self.plot.getPlotItem().setLabel("left", figure_title(target.kind))
        self._draw_dots(points)
        self._draw_best(points, elapsed)
        self._fit([value for _, value in points], target.value, elapsed)
        self._draw_labels()
        self._draw_target(target)

    def _draw_dots(self, points: list[tuple[RecoverStep, float]]) -> None:
        outline = pg.mkPen(self._theme.color("window"), width=1)
        for scatter, is_best, size, color in (
            (self._others, False, DOT, "text_dim"),
            (self.bests, True, BEST_DOT, "plot_weight"),
        ):
            shown = [(step, value) for step, value in points if step.is_best == is_best]
            places = np.reshape([(step.elapsed, value) for step, value in shown], (-1, 2))
            titles = [step.layer or rung_title(step.rung) for step, _ in shown]
            brush = pg.mkBrush(self._theme.color(color))
            scatter.setData(pos=places, data=titles, size=size, pen=outline, brush=brush)

    def _draw_best(self, points: list[tuple[RecoverStep, float]], elapsed: float) -> None:
        """Level from one best to the next, and on to where the climb is now."""
        x: list[float] = []
        y: list[float] = []
        for step, value in points:
            if step.is_best:
                if y:
                    x.append(step.elapsed)
                    y.append(y[-1])
                x.append(step.elapsed)
                y.append(value)
        if y:
            x.append(max(elapsed, x[-1]))
            y.append(y[-1])
        self.line.setData(x, y, pen=pg.mkPen(self._theme.color("plot_weight"), width=2))

    def _draw_labels(self) -> None:
        """Methods by name, the best first, as far as there is room; the many steps of single layers have none."""
        item = self.plot.getPlotItem()
        for label in self._labels:
            item.removeItem(label)
        self._labels = []
        taken: list[QRectF] = []
        for step, value in sorted(self._points, key=lambda point: (not point[0].is_best, -point[0].elapsed)):
            if step.layer:
                continue
            label = pg.TextItem(rung_title(step.rung), color=self._theme.color("text" if step.is_best else "text_dim"))
            place = self._find_room(label, QPointF(step.elapsed, value), taken)
            if place is not None:
                taken.append(place)
                label.setPos(step.elapsed, value)
                item.addItem(label, ignoreBounds=True)
                self._labels.append(label)

    def _find_room(self, label: pg.TextItem, point: QPointF, taken: list[QRectF]) -> QRectF | None:
        """Anchor a label where it covers no other; what it covers, in pixels of the scene, or None."""
        box = self.plot.getViewBox()
        at, room, size = box.mapViewToScene(point), box.sceneBoundingRect(), label.boundingRect().size()
        for anchor in ANCHORS:
            place = QRectF(at - QPointF(anchor[0] * size.width(), anchor[1] * size.height()), size)
            if room.contains(place) and not any(place.intersects(other) for other in taken):
                label.setAnchor(anchor)
                return place
        return None

    def _draw_target(self, target: Target) -> None:
        color = self._theme.color("good")
        self._target.setPen(pg.mkPen(color, width=1.5, style=Qt.PenStyle.DashLine))
        self._target.setValue(target.value)
        self._target_label.setText(QCoreApplication.translate(CONTEXT, "target"), color)
        self._target_label.setPos(self.plot.getViewBox().viewRange()[0][0], target.value)

    def _fit(self, values: list[float], target: float, elapsed: float) -> None:
        low, high = min([*values, target]), max([*values, target])
        room = max((high - low) * PADDING, abs(high) * 1e-3, 1e-3)
        end = max(elapsed, 1.0)
        self.plot.setRange(
            xRange=(-0.04 * end, 1.04 * end), yRange=(low - room, high + 2 * room), padding=0, disableAutoRange=True
        )


def _tell(x: float, y: float, data: str) -> str:
    """What a dot says to the mouse."""
    return f"{data}\n{y:.2f}, {x:.1f} s"
