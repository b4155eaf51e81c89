"""Distribution of latencies: for every model, the share of calls that were at least so fast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QShowEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget
from typing_extensions import override

from engine.requests.benchmark import BenchmarkPoint
from gui.naming import named
from gui.saving import PlotSaver
from gui.theme import Theme

MINIMUM_HEIGHT = 170
LEGEND_ALPHA = 190
LABEL_ROOM = 8
"""Pixels above a plot, so that the highest label of the axis is not cut off."""


def build_plot(name: str, accessible_name: str, labels: tuple[str, str], parent: QWidget) -> pg.PlotWidget:
    """A plot that neither moves nor has a menu; `labels` are those of the bottom and the left axis."""
    plot = named(pg.PlotWidget(parent), name)
    plot.setAccessibleName(accessible_name)
    plot.setMinimumHeight(MINIMUM_HEIGHT)
    item = plot.getPlotItem()
    item.setMenuEnabled(False)
    item.hideButtons()
    item.layout.setContentsMargins(0, LABEL_ROOM, 0, 0)
    item.getAxis("bottom").enableAutoSIPrefix(False)
    item.getAxis("left").enableAutoSIPrefix(False)
    item.setLabel("bottom", labels[0])
    item.setLabel("left", labels[1])
    plot.getViewBox().setMouseEnabled(False, False)
    return plot


def color_plot(plot: pg.PlotWidget, theme: Theme) -> None:
    """Give a plot the colours of the theme."""
    plot.setBackground(theme.color("window"))
    item = plot.getPlotItem()
    if item.legend is not None:
        item.legend.setLabelTextColor(theme.color("text"))
        item.legend.setBrush(_see_through(theme.color("window")))
    for axis in ("bottom", "left"):
        item.getAxis(axis).setPen(theme.color("line"))
        item.getAxis(axis).setTextPen(theme.color("text_dim"))


def _see_through(color: QColor) -> QColor:
    """What keeps a legend readable over curves without hiding them."""
    result = QColor(color)
    result.setAlpha(LEGEND_ALPHA)
    return result


class LatencyPlot(QWidget):
    """Curves over `show_points`."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._shown: tuple[object, ...] = ()
        self._points: Sequence[tuple[int, str, BenchmarkPoint]] = ()
        self._is_stale = False
        labels = (self.tr("latency, ms"), self.tr("share of calls, %"))
        self.plot = build_plot("latency_plot", self.tr("Distribution of the latencies"), labels, self)
        self.plot.getPlotItem().addLegend(offset=(-10, -10))
        PlotSaver(self.plot)
        self._hint = build_hint("latency_hint", self.tr("Not timed yet. Run the benchmark."))
        fill(self, self.plot, self._hint)

    def show_points(self, points: Sequence[tuple[int, str, BenchmarkPoint]]) -> None:
        """Draw each of (number of the colour, name, figures), once somebody looks; the median of each is marked."""
        shown = (self._theme.color("text").name(), *points)
        if shown == self._shown:
            return
        self._shown, self._points, self._is_stale = shown, points, True
        self.plot.setVisible(bool(points))
        self._hint.setVisible(not points)
        if self.isVisible():
            self._draw()

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._is_stale:
            self._draw()

    def _draw(self) -> None:
        points, self._is_stale = self._points, False
        item = self.plot.getPlotItem()
        item.clear()
        color_plot(self.plot, self._theme)
        for color, name, point in points:
            if len(point.histogram_ms) > 1:
                pen = pg.mkPen(self._theme.series_color(color), width=2)
                share = np.linspace(0, 100, len(point.histogram_ms))
                item.plot(np.sort(point.histogram_ms), share, pen=pen, name=name)
                middle = pg.ScatterPlotItem([point.latency_ms["p50"]], [50], brush=pen.color(), pen=None, size=8)
                item.addItem(middle)
        if points:  # so far to the right that rare outliers do not squeeze the curves
            slowest = max(min(point.latency_ms["p99"], 1.5 * point.latency_ms["p90"]) for _, _, point in points)
            self.plot.setXRange(0, slowest * 1.1, padding=0)
            self.plot.setYRange(0, 102, padding=0)


def build_hint(name: str, text: str) -> QLabel:
    """What stands in the place of a plot that has nothing to show."""
    hint = named(QLabel(text, wordWrap=True, alignment=Qt.AlignmentFlag.AlignCenter), name)
    hint.setProperty("role", "dim")
    return hint


def fill(outer: QWidget, *inner: QWidget) -> None:
    """Let widgets, of which one is visible, be all that another one holds."""
    layout = QVBoxLayout(outer)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in inner:
        layout.addWidget(widget)
