"""The whole network's figure against time: every measured plan, the best so far, and the target."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication, QPointF, QRectF, QSize, Qt
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.recovery.report import RecoverStep
from engine.recovery.targets import Target
from gui.plot_panel import PlotPanel, build_plot
from gui.plot_widget import Plot
from gui.recover.texts import figure_title, rung_title
from gui.theme import Theme

CONTEXT = "Recover"
PADDING = 0.09
DOT, BEST_DOT = 7, 11
ANCHORS = ((0, 1), (1, 1), (0, 0), (1, 0))
"""Right above, left above, right below, left below."""


class NetworkPlot(PlotPanel):
    """Dots over `show_steps`.

    Attributes:
        line: the best so far against seconds.
        bests: dots of the steps that were better than all before.
    """

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.line = pg.PlotDataItem([], [])
        self._others = pg.ScatterPlotItem(hoverable=True, tip=_tell)
        self.bests = pg.ScatterPlotItem(hoverable=True, tip=_tell)
        self._target_line = pg.InfiniteLine(angle=0)
        self._target_label = pg.TextItem(anchor=(0, 1))
        self._labels: list[pg.TextItem] = []
        self._points: list[tuple[RecoverStep, float]] = []
        self._target: Target | None = None
        self._elapsed = 0.0

    def show_steps(self, steps: list[RecoverStep], target: Target, elapsed: float) -> None:
        """Draw the steps of a climb that has taken so many seconds until now."""
        points = [(step, value) for step in steps if (value := target.reached(step.found)) is not None]
        self._points = [(step, value) for step, value in points if math.isfinite(value)]
        self._target, self._elapsed = target, elapsed
        self.redraw()

    @override
    def sizeHint(self) -> QSize:
        """Wider than the plot beside it, because dots have names."""
        return QSize(3 * super().sizeHint().width() // 2, super().sizeHint().height())

    @override
    def _build(self) -> Plot:
        tr = QCoreApplication.translate
        labels = (tr(CONTEXT, "seconds"), "")
        name = tr(CONTEXT, "Figure of the whole network against time")
        plot = build_plot(self._theme, "recover_plot", name, labels, self)
        plot.show_grid()
        plot.getPlotItem().addItem(self.line)
        for part in (self._target_line, self._target_label, self._others, self.bests):
            plot.getPlotItem().addItem(part, ignoreBounds=True)
        plot.getViewBox().sigResized.connect(lambda: self._draw_labels(plot))
        return plot

    @override
    def _draw(self, plot: Plot) -> None:
        assert self._target is not None
        title = figure_title(self._target.kind)
        if plot.getPlotItem().getAxis("left").labelText != title:
            plot.getPlotItem().setLabel("left", title)
        self._draw_dots(self._points)
        self._draw_best(self._points, self._elapsed)
        self._fit(plot, [value for _, value in self._points], self._target.value)
        self._draw_labels(plot)
        self._draw_target(plot, self._target)

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

    def _draw_labels(self, plot: Plot) -> None:
        """Methods by name, the best first, as far as there is room; the many steps of single layers have none."""
        for label in self._labels:
            plot.removeItem(label)
        self._labels = []
        taken: list[QRectF] = []
        for step, value in sorted(self._points, key=lambda point: (not point[0].is_best, -point[0].elapsed)):
            if step.layer:
                continue
            label = pg.TextItem(rung_title(step.rung), color=self._theme.color("text" if step.is_best else "text_dim"))
            place = _find_room(plot, label, QPointF(step.elapsed, value), taken)
            if place is not None:
                taken.append(place)
                label.setPos(step.elapsed, value)
                plot.addItem(label, ignoreBounds=True)
                self._labels.append(label)

    def _draw_target(self, plot: Plot, target: Target) -> None:
        color = self._theme.color("good")
        self._target_line.setPen(pg.mkPen(color, width=1.5, style=Qt.PenStyle.DashLine))
        self._target_line.setValue(target.value)
        self._target_label.setText(QCoreApplication.translate(CONTEXT, "target"), color)
        self._target_label.setPos(plot.getViewBox().viewRange()[0][0], target.value)

    def _fit(self, plot: Plot, values: list[float], target: float) -> None:
        low, high = min([*values, target]), max([*values, target])
        room = max((high - low) * PADDING, abs(high) * 1e-3, 1e-3)
        end = max(self._elapsed, 1.0)
        plot.setRange(
            xRange=(-0.04 * end, 1.04 * end), yRange=(low - room, high + 2 * room), padding=0, disableAutoRange=True
        )


def _find_room(plot: Plot, label: pg.TextItem, point: QPointF, taken: list[QRectF]) -> QRectF | None:
    """Anchor a label where it covers no other; what it covers, in pixels of the scene, or None."""
    box = plot.getViewBox()
    at, room, size = box.mapViewToScene(point), box.sceneBoundingRect(), label.boundingRect().size()
    for anchor in ANCHORS:
        place = QRectF(at - QPointF(anchor[0] * size.width(), anchor[1] * size.height()), size)
        if room.contains(place) and not any(place.intersects(other) for other in taken):
            label.setAnchor(anchor)
            return place
    return None


def _tell(x: float, y: float, data: str) -> str:
    """What a dot says to the mouse."""
    return f"{data}\n{y:.2f}, {x:.1f} s"
