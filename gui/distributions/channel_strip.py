"""The range of every output channel side by side; a click picks a channel."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.requests.histograms import WeightHistogram
from gui.histogram_plot import LABEL_ROOM
from gui.plot_widget import DrawnPlot
from gui.theme import Theme

HEIGHTS = (96, 150)
OUTLIER_RATIO = 2.0
"""A channel whose range is so many times the median one is marked."""
KINDS = ("weight", "overflow")
MAX_BARS = 1024
"""More channels are drawn as thin lines, which is quicker and looks the same."""


class ChannelStrip(DrawnPlot):
    """Shows the channels of one `WeightHistogram`, drawn in a turn of its own.

    Signals:
        channel_chosen(int): a click or an arrow key picked one.
    """

    channel_chosen = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._found: WeightHistogram | None = None
        self._channel: int | None = None
        self.setObjectName("channel_ranges")
        self.setAccessibleName(self.tr("Smallest and largest weight of every output channel"))
        self.setToolTip(self.tr("Smallest and largest weight of every output channel; click to see the weights of one"))
        self.setMinimumHeight(HEIGHTS[0])
        self.setMaximumHeight(HEIGHTS[1])
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.getPlotItem().layout.setContentsMargins(*LABEL_ROOM)
        self.getPlotItem().setLabel("bottom", self.tr("output channel"))
        self.reserve_text_width()
        self.getViewBox().disableAutoRange()
        self._mark = pg.BarGraphItem(x=[], y0=[], height=[], width=1.0)
        self._bars = {color: pg.BarGraphItem(x=[], y0=[], height=[], width=0.8, pen=pg.mkPen(None)) for color in KINDS}
        self._lines = {color: pg.PlotCurveItem(connect="pairs") for color in KINDS}
        self._triangles = pg.ScatterPlotItem(symbol="t", size=8, pen=pg.mkPen(None))
        self._ranges = tuple(pg.PlotCurveItem() for _ in range(2))
        self._parts = (self._mark, *self._bars.values(), *self._lines.values(), self._triangles, *self._ranges)
        for part in self._parts:
            part.setVisible(False)
            self.addItem(part)

    def show_channels(self, found: WeightHistogram | None, channel: int | None) -> None:
        """Draw all channels and mark one; None leaves the strip empty."""
        if found is not self._found or channel != self._channel:
            self._found, self._channel = found, channel
            self._redraw_later()

    @property
    def outliers(self) -> tuple[int, ...]:
        """Channels with a range far wider than most."""
        if self._found is None:
            return ()
        reach = np.maximum(np.abs(self._found.channel_min), np.abs(self._found.channel_max))
        return tuple(np.flatnonzero(reach > OUTLIER_RATIO * np.median(reach)).tolist())

    @override
    def _redraw(self) -> None:
        for part in self._parts:
            part.setVisible(False)
        found = self._found
        if found is None:
            return
        low, high = np.asarray(found.channel_min), np.asarray(found.channel_max)
        ends = self._bounds(found)
        room = max(ends[1] - ends[0], 1e-12) * 0.12
        if self._channel is not None:
            self._draw_mark(self._channel, len(low), (ends[0] - room, ends[1] + room))
        is_outlier = np.zeros(len(low), bool)
        is_outlier[list(self.outliers)] = True
        self._draw_channels(low, high, ~is_outlier, "weight")
        self._draw_channels(low, high, is_outlier, "overflow")
        places = np.flatnonzero(is_outlier)
        if len(places):
            brush = self._theme.plot_color("overflow")
            self._triangles.setData(places, high[places] + room / 2, brush=brush)
            self._triangles.setVisible(True)
        self._draw_ranges(found, len(low))
        reach = 0.01 * len(low)
        self.setRange(xRange=(-0.5 - reach, len(low) - 0.5 + reach), yRange=(ends[0] - room, ends[1] + room), padding=0)

    def _bounds(self, found: WeightHistogram) -> tuple[float, float]:
        """All weights in sight, and clip ranges unless they reach far beyond (an empty channel has a scale of 1)."""
        low, high = min(found.channel_min), max(found.channel_max)
        reach = max(abs(low), abs(high), 1e-12)
        near = [end for end in (*found.channel_range_min, *found.channel_range_max) if abs(end) < 1.5 * reach]
        return min([low, *near]), max([high, *near])

    def _draw_mark(self, channel: int, channels: int, heights: tuple[float, float]) -> None:
        self._mark.setOpts(
            x=[channel],
            y0=[heights[0]],
            height=[heights[1] - heights[0]],
            width=max(1.0, channels / 150),
            brush=self._theme.color("selection"),
            pen=pg.mkPen(self._theme.color("accent")),
        )
        self._mark.setVisible(True)

    def _draw_channels(self, low: np.ndarray, high: np.ndarray, shown: np.ndarray, color: str) -> None:
        x, low, high = np.flatnonzero(shown), low[shown], high[shown]
        if not len(x):
            return
        paint = self._theme.plot_color(color)
        if len(x) <= MAX_BARS:
            self._bars[color].setOpts(x=x, y0=low, height=high - low, brush=paint)
            self._bars[color].setVisible(True)
        else:
            y = np.column_stack((low, high)).ravel()
            self._lines[color].setData(np.repeat(x, 2), y, connect="pairs", pen=pg.mkPen(paint))
            self._lines[color].setVisible(True)

    def _draw_ranges(self, found: WeightHistogram, channels: int) -> None:
        if not found.channel_range_min:
            return
        pen = pg.mkPen(self._theme.plot_color("clip"), width=1.5)
        edges = np.arange(channels + 1) - 0.5
        for line, ends in zip(self._ranges, (found.channel_range_min, found.channel_range_max), strict=True):
            line.setData(edges, np.asarray(ends), stepMode="center", pen=pen)
            line.setVisible(True)

    def _choose(self, channel: int) -> None:
        if self._found is not None:
            self.channel_chosen.emit(min(max(channel, 0), len(self._found.channel_min) - 1))

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            target = self.getViewBox().mapSceneToView(self.mapToScene(event.position().toPoint()))
            self._choose(round(target.x()))

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        key = Qt.Key(event.key())
        if key in steps:
            self._choose((self._channel if self._channel is not None else -1) + steps[key])
        else:
            super().keyPressEvent(event)
