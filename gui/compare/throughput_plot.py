"""Throughput of every model in every setting that was timed: bars, one group per setting."""

from __future__ import annotations

from collections.abc import Sequence

import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.requests.benchmark import RunSetting, SweepPoint
from gui.plot_panel import PlotPanel, build_plot
from gui.plot_widget import Plot
from gui.theme import Theme

GROUP_WIDTH = 0.8
LEGEND_ROOM = 1.5
CONTEXT = "Settings"


def describe_setting(setting: RunSetting) -> str:
    """Two or three short lines: threads, batch, cores."""
    tr = QCoreApplication.translate
    text = tr(CONTEXT, "threads {threads}\nbatch {batch}").format(threads=setting.threads, batch=setting.batch)
    if setting.cores:
        text += "\n" + tr(CONTEXT, "cores {cores}").format(cores=",".join(map(str, setting.cores)))
    return text


class ThroughputPlot(PlotPanel):
    """Bars over `show_points`."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent)
        self._points: Sequence[SweepPoint] = ()
        self._series: Sequence[tuple[int, str, str]] = ()
        text = self.tr(
            "No settings were timed. Name threads, batches or processors to sweep under Benchmark, and run it."
        )
        self.show_hint("throughput_hint", text)

    def show_points(self, points: Sequence[SweepPoint], series: Sequence[tuple[int, str, str]]) -> None:
        """Draw the points of each of (number of the colour, path, name)."""
        if (points, series) != (self._points, self._series):
            self._points, self._series = points, series
            self.redraw(is_empty=not points)

    @override
    def _build(self) -> Plot:
        labels = ("", self.tr("samples per s"))
        plot = build_plot(self._theme, "throughput_plot", self.tr("Throughput by setting"), labels, self)
        plot.getPlotItem().addLegend(offset=(-10, 10))
        plot.getPlotItem().getAxis("bottom").setHeight(58)
        return plot

    @override
    def _draw(self, plot: Plot) -> None:
        points, series, item = self._points, self._series, plot.getPlotItem()
        item.clear()
        settings = list(dict.fromkeys(point.setting for point in points))
        width = GROUP_WIDTH / max(len(series), 1)
        highest = 0.0
        for place, (color, path, name) in enumerate(series):
            own = {point.setting: point.throughput_per_s for point in points if point.path == path}
            if not own:
                continue
            x = [at + (place + 0.5) * width - GROUP_WIDTH / 2 for at, setting in enumerate(settings) if setting in own]
            heights = [own[setting] for setting in settings if setting in own]
            highest = max(highest, *heights)
            brush = pg.mkBrush(self._theme.series_color(color))
            bars = pg.BarGraphItem(x=x, height=heights, width=width * 0.9, brush=brush, pen=pg.mkPen(None), name=name)
            item.addItem(bars)
        ticks = [(at, describe_setting(setting)) for at, setting in enumerate(settings)]
        item.getAxis("bottom").setTicks([ticks])
        plot.setRange(xRange=(-0.6, len(settings) * LEGEND_ROOM), yRange=(0, highest * 1.08), padding=0)
