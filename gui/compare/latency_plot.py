"""Distribution of latencies: for every model, the share of calls that were at least so fast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.jobs.requests import BenchmarkPoint
from gui.naming import named
from gui.theme import Theme

MINIMUM_HEIGHT = 170
LEGEND_ALPHA = 190


def build_plot(name: str, accessible_name: str, labels: tuple[str, str], parent: QWidget) -> pg.PlotWidget:
    """A plot that neither moves nor has a menu; `labels` are those of the bottom and the left axis."""
    plot = named(pg.PlotWidget(parent), name)
    plot.setAccessibleName(accessible_name)
    plot.setMinimumHeight(MINIMUM_HEIGHT)
    item = plot.getPlotItem()
    item.setMenuEnabled(False)
    item.hideButtons()
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
        labels = (self.tr("latency, ms"), self.tr("share of calls, %"))
        self.plot = build_plot("latency_plot", self.tr("Distribution of the latencies"), labels, self)
        self.plot.getPlotItem().addLegend(offset=(-10, -10))
        fill(self, self.plot)

    def show_points(self, points: Sequence[tuple[int, str, BenchmarkPoint]]) -> None:
        """Draw each of (number of the colour, name, figures); the median of each is marked."""
        shown = (self._theme.color("text").name(), *points)
        if shown == self._shown:
            return
        self._shown = shown
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


def fill(outer: QWidget, inner: QWidget) -> None:
    """Let a widget be all that another one holds."""
    layout = QVBoxLayout(outer)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(inner)
