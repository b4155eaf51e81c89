"""Distribution of latencies: for every model, the share of calls that were at least so fast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.requests.benchmark import BenchmarkPoint
from gui.plot_panel import PlotPanel, build_plot
from gui.plot_widget import Plot
from gui.theme import Theme

Points = Sequence[tuple[int, str, BenchmarkPoint]]


class LatencyPlot(PlotPanel):
    """Curves over `show_points`."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent)
        self._points: Points = ()
        self._looks: list[tuple[str, str]] = []
        self._curves: list[tuple[pg.PlotCurveItem, pg.ScatterPlotItem]] = []
        self.show_hint("latency_hint", self.tr("Not timed yet. Run the benchmark."))

    def show_points(self, points: Points) -> None:
        """Draw each of (number of the colour, name, figures); the median of each is marked."""
        if points != self._points:
            self._points = points
            self.redraw(is_empty=not points)

    @override
    def _build(self) -> Plot:
        labels = (self.tr("latency, ms"), self.tr("share of calls, %"))
        plot = build_plot(self._theme, "latency_plot", self.tr("Distribution of the latencies"), labels, self)
        plot.getPlotItem().addLegend(offset=(-10, -10))
        return plot

    @override
    def _draw(self, plot: Plot) -> None:
        points = [(color, name, point) for color, name, point in self._points if len(point.histogram_ms) > 1]
        looks = [(name, self._theme.series_color(color).name()) for color, name, _ in points]
        if looks != self._looks:  # else they stay, while a benchmark sends figures: curves are slow to make
            self._looks = looks
            plot.getPlotItem().clear()
            self._curves = [_add_curve(plot, name, color) for name, color in looks]
        for (curve, middle), (_, _, point) in zip(self._curves, points, strict=True):
            curve.setData(np.sort(point.histogram_ms), np.linspace(0, 100, len(point.histogram_ms)))
            middle.setData([point.latency_ms["p50"]], [50])
        # so far to the right that rare outliers do not squeeze the curves
        slowest = max(min(point.latency_ms["p99"], 1.5 * point.latency_ms["p90"]) for _, _, point in self._points)
        plot.setRange(xRange=(0, slowest * 1.1), yRange=(0, 102), padding=0)


def _add_curve(plot: Plot, name: str, color: str) -> tuple[pg.PlotCurveItem, pg.ScatterPlotItem]:
    """The curve of one model and the dot at its median, both without data yet."""
    curve = pg.PlotCurveItem(name=name, pen=pg.mkPen(color, width=2))
    middle = pg.ScatterPlotItem(brush=pg.mkBrush(color), pen=None, size=8)
    plot.addItem(curve)
    plot.addItem(middle)
    return curve, middle
