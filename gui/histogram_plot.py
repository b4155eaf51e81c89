"""Weights as a histogram with the grid they are rounded to and the range they are clipped to."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from engine.jobs.requests import WeightHistogram
from gui.theme import Theme

MAX_GRID_LINES = 64
"""Finer grids would be a solid area; the clip range alone is drawn then."""

MAX_RANGE_SHARE = 3.0
"""A grid that is so much wider than the weights is left out of sight, rather than the weights."""


class HistogramPlot(pg.PlotWidget):  # type: ignore[misc]
    """Shows one `WeightHistogram`."""

    def __init__(self, theme: Theme, *, is_small: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._histogram: WeightHistogram | None = None
        self._is_small = is_small
        self._is_log = False
        self._shows_quantized = not is_small
        self._set_up_plot()
        theme.changed.connect(self._redraw)
        self._redraw()

    def show_histogram(self, histogram: WeightHistogram | None) -> None:
        """Draw it; None leaves the plot empty."""
        self._histogram = histogram
        self._redraw()

    def set_log(self, is_log: bool) -> None:  # noqa: FBT001 - a slot of a check box
        """Draw log10(1 + count), so that the tails are seen."""
        self._is_log = is_log
        self._redraw()

    def set_quantized_shown(self, is_shown: bool) -> None:  # noqa: FBT001 - a slot of a check box
        """Draw what the weights become as a line over the bars."""
        self._shows_quantized = is_shown
        self._redraw()

    def _set_up_plot(self) -> None:
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        for side in ("bottom", "left"):
            item.getAxis(side).enableAutoSIPrefix(False)
        item.hideAxis("left") if self._is_small else item.setLabel("bottom", self.tr("weight"))
        self.getViewBox().setMouseEnabled(not self._is_small, False)
        self.setAccessibleName(self.tr("Histogram of the weights"))

    def _heights(self, counts: tuple[int, ...]) -> np.ndarray:
        heights = np.asarray(counts, dtype=float)
        return np.log10(1 + heights) if self._is_log else heights

    def _redraw(self) -> None:
        item = self.getPlotItem()
        item.clear()
        self.setBackground(self._theme.color("panel" if self._is_small else "window"))
        for name in ("bottom", "left"):
            item.getAxis(name).setPen(self._theme.color("line"))
            item.getAxis(name).setTextPen(self._theme.color("text_dim"))
        found = self._histogram
        item.getAxis("bottom").setVisible(found is not None)
        if found is None or len(found.edges) < 2:
            return
        if not self._is_small:
            item.setLabel("left", self.tr("log10(1 + weights per bin)") if self._is_log else self.tr("weights per bin"))
        top = float(self._heights(found.counts).max(initial=1))
        self._draw_grid(found, top)
        self._draw_bars(found)
        if self._shows_quantized and found.quantized_counts:
            self._draw_quantized(found, top)
        self._draw_clip_range(found)
        self._fit(found, top)

    def _fit(self, found: WeightHistogram, top: float) -> None:
        left, right = found.edges[0], found.edges[-1]
        is_near = found.range_max - found.range_min <= MAX_RANGE_SHARE * (right - left)
        if found.grid and is_near:
            left, right = min(left, found.range_min), max(right, found.range_max)
        self.setXRange(left, right, padding=0.03)
        self.setYRange(0, top * 1.05, padding=0)

    def _draw_grid(self, found: WeightHistogram, top: float) -> None:
        if not 0 < len(found.grid) <= MAX_GRID_LINES:
            return
        x = np.repeat(np.asarray(found.grid, dtype=float), 2)
        y = np.tile([0.0, top * 1.05], len(found.grid))
        self.addItem(pg.PlotCurveItem(x, y, connect="pairs", pen=self._theme.plot_color("grid")))

    def _draw_bars(self, found: WeightHistogram) -> None:
        edges = np.asarray(found.edges)
        centers = (edges[:-1] + edges[1:]) / 2
        is_outside = np.zeros(len(centers), dtype=bool)
        if found.grid:
            is_outside = (centers < found.range_min) | (centers > found.range_max)
        heights = self._heights(found.counts)
        self._add_bars(edges, heights, ~is_outside, self._theme.plot_color("weight"), Qt.BrushStyle.SolidPattern)
        self._add_bars(edges, heights, is_outside, self._theme.plot_color("overflow"), Qt.BrushStyle.BDiagPattern)

    def _add_bars(
        self, edges: np.ndarray, heights: np.ndarray, shown: np.ndarray, color: QColor, style: Qt.BrushStyle
    ) -> None:
        if not shown.any():
            return
        brush = pg.mkBrush(color)
        brush.setStyle(style)
        bars = pg.BarGraphItem(
            x0=edges[:-1][shown], x1=edges[1:][shown], y0=0, height=heights[shown], brush=brush, pen=pg.mkPen(None)
        )
        self.addItem(bars)

    def _draw_quantized(self, found: WeightHistogram, top: float) -> None:
        """A stem per bin that holds quantized weights; scaled to the plot, since they pile up on the grid."""
        heights = self._heights(found.quantized_counts)
        edges = np.asarray(found.edges)
        is_used = heights > 0
        if not is_used.any():
            return
        x = np.repeat(((edges[:-1] + edges[1:]) / 2)[is_used], 2)
        y = np.column_stack((np.zeros(int(is_used.sum())), heights[is_used] * (top / heights.max()))).ravel()
        pen = pg.mkPen(self._theme.plot_color("quantized"), width=2)
        self.addItem(pg.PlotCurveItem(x, y, connect="pairs", pen=pen))

    def _draw_clip_range(self, found: WeightHistogram) -> None:
        if not found.grid:
            return
        pen = pg.mkPen(self._theme.plot_color("clip"), width=1.5, style=Qt.PenStyle.DashLine)
        for position in (found.range_min, found.range_max):
            self.addItem(pg.InfiniteLine(position, angle=90, pen=pen))
