"""Values as a histogram with the grid they are rounded to and the range they are clipped to."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.requests.histograms import ActivationHistogram, Histogram
from gui.plot_widget import SIDES, DrawnPlot
from gui.theme import Theme

MAX_GRID_LINES = 64
"""Finer grids would be a solid area; the clip range alone is drawn then."""

MAX_RANGE_SHARE = 3.0
"""A grid that is so much wider than the values is left out of sight, rather than the values."""

LABEL_ROOM = (1, 1, 1, 6)
"""Margins of a plot, in pixels: pyqtgraph lets the label of a horizontal axis stick out below."""

TOWERING = 4.0
"""A bar so much higher than the next one (the zeros behind a Relu) is cut off, so that the others are seen."""

TAIL_ALPHA = 70
"""Of the hatching over what is clipped; the bars in it are opaque."""

RANGE_PADDING = 0.03


class HistogramPlot(DrawnPlot):
    """Shows one `Histogram`."""

    def __init__(self, theme: Theme, *, is_small: bool, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent, ground="panel" if is_small else "window")
        self._histogram: Histogram | None = None
        self._is_small = is_small
        self._is_log = False
        self._shows_quantized = not is_small
        self._fitted: tuple[float, ...] = ()
        self._labels = ("", "")
        self._set_up_plot()
        self._redraw_later()

    def show_histogram(self, histogram: Histogram | None) -> None:
        """Draw it; None leaves the plot empty. What was zoomed into stays while the values are the same."""
        if histogram is not self._histogram:
            self._histogram = histogram
            self._redraw_later()

    def set_log(self, is_log: bool) -> None:  # noqa: FBT001 - a slot of a check box
        """Draw log10(1 + count), so that the tails are seen."""
        self._is_log = is_log
        self._redraw_now()

    def set_quantized_shown(self, is_shown: bool) -> None:  # noqa: FBT001 - a slot of a check box
        """Draw what the values become as a line over the bars."""
        self._shows_quantized = is_shown
        self._redraw_now()

    def fit(self) -> None:
        """All values in sight, and the grid unless that is far wider."""
        if self._histogram is not None:
            self.setXRange(*_ends(self._histogram), padding=RANGE_PADDING)

    # --- building ------------------------------------------------------------------------------

    def _set_up_plot(self) -> None:
        item = self.getPlotItem()
        if self._is_small:
            item.hideAxis("left")
        else:
            item.layout.setContentsMargins(*LABEL_ROOM)
            self.reserve_text_width()
        self.getViewBox().setMouseEnabled(not self._is_small, False)
        self.getViewBox().disableAutoRange()
        self.setAccessibleName(self.tr("Histogram of the weights"))
        self._grid = pg.PlotCurveItem(connect="pairs")
        self._tails, self._inner, self._outer = (
            pg.BarGraphItem(x0=[], x1=[], height=[], pen=pg.mkPen(None)) for _ in range(3)
        )
        self._quantized = pg.PlotCurveItem()
        self._highest = pg.TextItem(anchor=(0, 0))
        for drawn in (self._grid, self._tails, self._inner, self._outer, self._quantized, self._highest):
            drawn.setVisible(False)
            self.addItem(drawn)
        # The large plot has handles instead.
        self._clip_range = [pg.InfiniteLine(angle=90) for _ in range(2 if self._is_small else 0)]
        for line in self._clip_range:
            line.setVisible(False)
            self.addItem(line)

    # --- drawing -------------------------------------------------------------------------------

    def _heights(self, counts: tuple[int, ...]) -> np.ndarray:
        heights = np.asarray(counts, dtype=float)
        return np.log10(1 + heights) if self._is_log else heights

    @override
    def _redraw(self) -> None:
        item = self.getPlotItem()
        found = self._histogram
        for side in SIDES:  # a hidden axis would leave its room to the plot, which had to be laid out anew
            item.getAxis(side).setOpacity(0.0 if found is None else 1.0)
        if found is None:
            for drawn in item.items:
                drawn.setVisible(False)
            return
        if not self._is_small:
            self._name_axes(isinstance(found, ActivationHistogram))
        top = self._draw_highest(found)
        self._draw_grid(found, top)
        self._draw_tails(found, top)
        self._draw_bars(found)
        self._draw_quantized(found, top)
        self._draw_clip_range(found)
        self._show_range(found, top)

    def _show_range(self, found: Histogram, top: float) -> None:
        """All heights in sight, and all values unless the same were in sight before."""
        heights = (0.0, top * 1.05)
        if found.edges == self._fitted:
            self.setYRange(*heights, padding=0)
            return
        self._fitted = found.edges
        left, right = _ends(found)
        room = RANGE_PADDING * (right - left)
        self.setRange(xRange=(left - room, right + room), yRange=heights, padding=0)

    def _draw_highest(self, found: Histogram) -> float:
        """A bar that towers over all others is cut off, and says how high it is; returns the height of the plot."""
        heights = self._heights(found.counts)
        highest = float(heights.max(initial=0))
        second = float(np.sort(heights)[-2]) if len(heights) > 1 else 0.0
        is_cut = not self._is_small and 0 < TOWERING * second < highest
        self._highest.setVisible(is_cut)
        if not is_cut:
            return max(highest, 1.0)
        at = int(np.argmax(heights))
        top = TOWERING / 2 * second
        self._highest.setText(f"{found.counts[at]:,} ↑", self._theme.color("text"))
        self._highest.setPos(found.edges[at + 1], top * 1.04)
        return top

    def _name_axes(self, is_input: bool) -> None:  # noqa: FBT001
        item = self.getPlotItem()
        values = self.tr("values per bin") if is_input else self.tr("weights per bin")
        log = self.tr("log10(1 + values per bin)") if is_input else self.tr("log10(1 + weights per bin)")
        labels = (log if self._is_log else values, self.tr("input value") if is_input else self.tr("weight"))
        if labels != self._labels:
            self._labels = labels
            item.setLabel("left", labels[0])
            item.setLabel("bottom", labels[1])

    def _draw_grid(self, found: Histogram, top: float) -> None:
        is_shown = 0 < len(found.grid) <= MAX_GRID_LINES
        self._grid.setVisible(is_shown)
        if is_shown:
            x = np.repeat(np.asarray(found.grid, dtype=float), 2)
            y = np.tile([0.0, top * 1.05], len(found.grid))
            self._grid.setData(x, y, connect="pairs", pen=self._theme.plot_color("grid"))

    def _draw_tails(self, found: Histogram, top: float) -> None:
        """Hatch what lies outside of the range, so that a tail of few values is seen, too."""
        color = self._theme.plot_color("overflow")
        color.setAlpha(TAIL_ALPHA)
        brush = pg.mkBrush(color)
        brush.setStyle(Qt.BrushStyle.BDiagPattern)
        spans = ((found.edges[0], min(found.range_min, found.edges[-1])), (found.range_max, found.edges[-1]))
        ends = np.reshape([span for span in spans if found.grid and span[1] > span[0]], (-1, 2))
        self._tails.setVisible(len(ends) > 0 and not self._is_small)
        self._tails.setOpts(x0=ends[:, 0], x1=ends[:, 1], height=np.full(len(ends), top * 1.05), brush=brush)

    def _draw_bars(self, found: Histogram) -> None:
        edges = np.asarray(found.edges)
        centers = (edges[:-1] + edges[1:]) / 2
        is_outside = np.zeros(len(centers), dtype=bool)
        if found.grid:
            is_outside = (centers < found.range_min) | (centers > found.range_max)
        heights = self._heights(found.counts)
        for bars, shown, color, style in (
            (self._inner, ~is_outside, "weight", Qt.BrushStyle.SolidPattern),
            (self._outer, is_outside, "overflow", Qt.BrushStyle.Dense3Pattern),
        ):
            brush = pg.mkBrush(self._theme.plot_color(color))
            brush.setStyle(style)
            bars.setVisible(bool(shown.any()))
            bars.setOpts(x0=edges[:-1][shown], x1=edges[1:][shown], height=heights[shown], brush=brush)

    def _draw_quantized(self, found: Histogram, top: float) -> None:
        """Stems where few levels pile up, lowered to fit if they tower over the bars; an outline otherwise."""
        is_shown = self._shows_quantized and bool(found.quantized_counts)
        self._quantized.setVisible(is_shown)
        if not is_shown:
            return
        heights = self._heights(found.quantized_counts)
        edges = np.asarray(found.edges)
        is_outline = len(found.grid) > MAX_GRID_LINES or not found.grid
        pen = pg.mkPen(self._theme.plot_color("quantized"), width=1.5 if is_outline else 2)
        if is_outline:
            self._quantized.setData(edges, heights, connect="all", stepMode="center", pen=pen)
            return
        heights *= min(1.0, top / max(float(heights.max(initial=0)), 1.0))
        is_used = heights > 0
        x = np.repeat(((edges[:-1] + edges[1:]) / 2)[is_used], 2)
        y = np.column_stack((np.zeros(int(is_used.sum())), heights[is_used])).ravel()
        self._quantized.setData(x, y, connect="pairs", stepMode=None, pen=pen)

    def _draw_clip_range(self, found: Histogram) -> None:
        pen = pg.mkPen(self._theme.plot_color("clip"), width=1.5, style=Qt.PenStyle.DashLine)
        for line, position in zip(self._clip_range, (found.range_min, found.range_max), strict=False):
            line.setVisible(bool(found.grid))
            line.setPen(pen)
            line.setValue(position)


def _ends(found: Histogram) -> tuple[float, float]:
    """The values, and the grid unless that is far wider."""
    left, right = found.edges[0], found.edges[-1]
    if found.grid and found.range_max - found.range_min <= MAX_RANGE_SHARE * (right - left):
        return min(left, found.range_min), max(right, found.range_max)
    return left, right
