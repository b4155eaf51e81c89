"""One figure of every ticked model as bars, with the names of the models below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyqtgraph as pg
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.plot_panel import PlotPanel, build_plot
from gui.plot_widget import Plot
from gui.theme import Theme

LONGEST_NAMES = (8, 18)
ALL_NAMES = 54
"""Letters that fit side by side below a plot."""

Bars = Sequence[tuple[int, str, float]]


class BarsPlot(PlotPanel):
    """Bars over `show_bars`."""

    def __init__(self, name: str, title: str, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent)
        self._name, self._title = name, title
        self._bars: Bars = ()
        self._label = title

    def show_bars(self, bars: Bars, label: str) -> None:
        """Draw each of (number of the colour, name, value); `label` says what the values are, with their unit."""
        self.setVisible(bool(bars))
        if (bars, label) != (self._bars, self._label):
            self._bars, self._label = bars, label
            self.redraw(is_empty=not bars)

    @override
    def _build(self) -> Plot:
        plot = build_plot(self._theme, self._name, self._title, ("", self._label), self)
        plot.getPlotItem().getAxis("bottom").setStyle(tickLength=0)  # else they are drawn into the bars
        return plot

    @override
    def _draw(self, plot: Plot) -> None:
        bars, item = self._bars, plot.getPlotItem()
        item.clear()
        item.setLabel("left", self._label)
        values = [value for _, _, value in bars]
        brushes = [pg.mkBrush(self._theme.series_color(at)) for at, _, _ in bars]
        item.addItem(
            pg.BarGraphItem(x=range(len(values)), height=values, width=0.55, brushes=brushes, pen=pg.mkPen(None))
        )
        least, most = LONGEST_NAMES
        room = min(max(ALL_NAMES // len(bars), least), most)
        item.getAxis("bottom").setTicks([[(place, _shorten(name, room)) for place, (_, name, _) in enumerate(bars)]])
        lowest, highest = min([*values, 0.0]), max([*values, 0.1])
        plot.setRange(xRange=(-0.6, max(len(values) - 0.4, 1.6)), yRange=(lowest, highest * 1.08), padding=0)


def _shorten(name: str, room: int) -> str:
    stem = Path(name).stem
    return stem if len(stem) <= room else f"…{stem[1 - room :]}"
