"""SQNR of every layer's output as curves, one per result, in the order of the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.requests.comparison import LayerErrors
from gui.plot_panel import PlotPanel, build_plot
from gui.plot_widget import Plot
from gui.theme import Theme

LEGEND_ROOM = 1.35
MOST_TICKS = 12
HIGHEST_DB = 100.0
"""What infinite SQNR is drawn at."""


class LayerErrorPlot(PlotPanel):
    """Curves over `show_errors`."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent)
        self._found: LayerErrors | None = None
        self._paths: Sequence[str] = ()
        self._marker = pg.InfiniteLine(angle=90)

    def show_errors(self, found: LayerErrors | None, paths: Sequence[str]) -> None:
        """Draw these errors; the place of a result among `paths` is the number of its colour."""
        self._found, self._paths = found, paths
        self.redraw(is_empty=found is None)

    def mark(self, row: int | None) -> None:
        """Show where a layer is, None for none."""
        self._marker.setVisible(row is not None)
        if row is not None:
            self._marker.setValue(row)

    @override
    def _build(self) -> Plot:
        labels = (self.tr("layer, in the order of the network"), self.tr("SQNR, dB"))
        plot = build_plot(self._theme, "layer_error_plot", self.tr("SQNR of the layers' outputs"), labels, self)
        plot.getPlotItem().addLegend(offset=(-10, 10))
        return plot

    @override
    def _draw(self, plot: Plot) -> None:
        assert self._found is not None
        item, theme, paths = plot.getPlotItem(), self._theme, self._paths
        item.clear()
        for at, path in enumerate(self._found.results):
            color = theme.series_color(paths.index(path) if path in paths else at + 1)
            values = [_drawn(layer.sqnr_db[at]) for layer in self._found.layers]
            item.plot(
                range(len(values)), values, pen=pg.mkPen(color, width=2), connect="finite", symbol="o", symbolSize=5,
                symbolPen=None, symbolBrush=color, name=Path(path).stem,
            )  # fmt: skip
        count = len(self._found.layers)
        plot.setXRange(-0.5, count * LEGEND_ROOM, padding=0)  # leaves room for the legend
        item.getAxis("bottom").setTicks([[(at, str(at)) for at in range(0, count, _tick_step(count))]])
        self._marker.setPen(pg.mkPen(theme.color("text_dim"), style=Qt.PenStyle.DashLine))
        item.addItem(self._marker)


def _tick_step(count: int) -> int:
    """So many layers from one tick to the next that there are at most a dozen: 1, 2, 5, 10 and so on."""
    step = 10 ** max(math.ceil(math.log10(count / MOST_TICKS)), 0) if count > MOST_TICKS else 1
    return next((small for small in (step // 5, step // 2) if small and count <= MOST_TICKS * small), step)


def _drawn(value: float | None) -> float:
    return math.nan if value is None else max(min(value, HIGHEST_DB), -HIGHEST_DB)
