"""Values as a histogram with the grid they are rounded to and the range they are clipped to."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from engine.requests.histograms import ActivationHistogram, Histogram
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


class HistogramPlot(pg.PlotWidget):  # type: ignore[misc]
    """Shows one `Histogram`."""

    def __init__(self, theme: Theme, *, is_small: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._histogram: Histogram | None = None
        self._is_small = is_small
        self._is_log = False
        self._shows_quantized = not is_small
        self._drawn: list[pg.GraphicsObject] = []
        self._labels = ("", "")
        self._set_up_plot()
        theme.changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    def show_histogram(self, histogram: Histogram | None) -> None:
        """Draw it; None leaves the plot empty. What was zoomed into stays while the values are the same."""
        before, self._histogram = self._histogram, histogram
        self._redraw()
        if histogram is not None and (before is None or before.edges != histogram.edges):
            self.fit()

    def set_log(self, is_log: bool) -> None:  # noqa: FBT001 - a slot of a check box
        """Draw log10(1 + count), so that the tails are seen."""
        self._is_log = is_log
        self._redraw()

    def set_quantized_shown(self, is_shown: bool) -> None:  # noqa: FBT001 - a slot of a check box
        """Draw what the values become as a line over the bars."""
        self._shows_quantized = is_shown
        self._redraw()

    def fit(self) -> None:
        """All values in sight, and the grid unless that is far wider."""
        found = self._histogram
        if found is None:
            return
        left, right = found.edges[0], found.edges[-1]
        is_near = found.range_max - found.range_min <= MAX_RANGE_SHARE * (right - left)
        if found.grid and is_near:
            left, right = min(left, found.range_min), max(right, found.range_max)
        self.setXRange(left, right, padding=0.03)

    def _set_up_plot(self) -> None:
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        for side in ("bottom", "left"):
            item.getAxis(side).enableAutoSIPrefix(False)
        if self._is_small:
            item.hideAxis("left")
        else:
            item.layout.setContentsMargins(*LABEL_ROOM)
        self.getViewBox().setMouseEnabled(not self._is_small, False)
        self.setAccessibleName(self.tr("Histogram of the weights"))

    def _heights(self, counts: tuple[int, ...]) -> np.ndarray:
        heights = np.asarray(counts, dtype=float)
        return np.log10(1 + heights) if self._is_log else heights

    def _on_theme_changed(self) -> None:
        """Axes are drawn anew whenever they get a colour, so they get one only here."""
        item = self.getPlotItem()
        self.setBackground(self._theme.color("panel" if self._is_small else "window"))
        for name in ("bottom", "left"):
            item.getAxis(name).setPen(self._theme.color("line"))
            item.getAxis(name).setTextPen(self._theme.color("text_dim"))
        self._redraw()

    def _redraw(self) -> None:
        for drawn in self._drawn:
            self.removeItem(drawn)
        self._drawn = []
        item = self.getPlotItem()
        found = self._histogram
        item.getAxis("bottom").setVisible(found is not None)
        if not self._is_small:
            item.getAxis("left").setVisible(found is not None)
        if found is None:
            return
        if not self._is_small:
            self._name_axes(isinstance(found, ActivationHistogram))
        top = self._choose_top(found)
        self._draw_grid(found, top)
        self._draw_tails(found, top)
        self._draw_bars(found)
        if self._shows_quantized and found.quantized_counts:
            self._draw_quantized(found, top)
        self._draw_clip_range(found)
        self.setYRange(0, top * 1.05, padding=0)

    def _choose_top(self, found: Histogram) -> float:
        """Height of the plot; a bar that towers over all others is cut off there, and says how high it is."""
        heights = self._heights(found.counts)
        highest = float(heights.max(initial=0))
        second = float(np.sort(heights)[-2]) if len(heights) > 1 else 0.0
        if self._is_small or not 0 < TOWERING * second < highest:
            return max(highest, 1.0)
        at = int(np.argmax(heights))
        top = TOWERING / 2 * second
        count = pg.TextItem(f"{found.counts[at]:,} ↑", color=self._theme.color("text"), anchor=(0, 0))
        count.setPos(found.edges[at + 1], top * 1.04)
        self._draw(count)
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

    def _draw(self, drawn: pg.GraphicsObject) -> None:
        self.addItem(drawn)
        self._drawn.append(drawn)

    def _draw_grid(self, found: Histogram, top: float) -> None:
        if not 0 < len(found.grid) <= MAX_GRID_LINES:
            return
        x = np.repeat(np.asarray(found.grid, dtype=float), 2)
        y = np.tile([0.0, top * 1.05], len(found.grid))
        self._draw(pg.PlotCurveItem(x, y, connect="pairs", pen=self._theme.plot_color("grid")))

    def _draw_tails(self, found: Histogram, top: float) -> None:
        """Hatch what lies outside of the range, so that a tail of few values is seen, too."""
        color = self._theme.plot_color("overflow")
        color.setAlpha(TAIL_ALPHA)
        spans = ((found.edges[0], min(found.range_min, found.edges[-1])), (found.range_max, found.edges[-1]))
        for left, right in spans:
            if not self._is_small and found.grid and right > left:
                brush = pg.mkBrush(color)
                brush.setStyle(Qt.BrushStyle.BDiagPattern)
                self._draw(
                    pg.BarGraphItem(x0=[left], x1=[right], y0=0, height=[top * 1.05], brush=brush, pen=pg.mkPen(None))
                )

    def _draw_bars(self, found: Histogram) -> None:
        edges = np.asarray(found.edges)
        centers = (edges[:-1] + edges[1:]) / 2
        is_outside = np.zeros(len(centers), dtype=bool)
        if found.grid:
            is_outside = (centers < found.range_min) | (centers > found.range_max)
        heights = self._heights(found.counts)
        self._add_bars(edges, heights, ~is_outside, self._theme.plot_color("weight"), Qt.BrushStyle.SolidPattern)
        self._add_bars(edges, heights, is_outside, self._theme.plot_color("overflow"), Qt.BrushStyle.Dense3Pattern)

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
        self._draw(bars)

    def _draw_quantized(self, found: Histogram, top: float) -> None:
        """Stems where few levels pile up, lowered to fit if they tower over the bars; an outline otherwise."""
        heights = self._heights(found.quantized_counts)
        edges = np.asarray(found.edges)
        pen = pg.mkPen(self._theme.plot_color("quantized"), width=2 if len(found.grid) <= MAX_GRID_LINES else 1.5)
        if len(found.grid) > MAX_GRID_LINES or not found.grid:
            self._draw(pg.PlotCurveItem(edges, heights, stepMode="center", pen=pen))
            return
        heights *= min(1.0, top / max(float(heights.max(initial=0)), 1.0))
        is_used = heights > 0
        x = np.repeat(((edges[:-1] + edges[1:]) / 2)[is_used], 2)
        y = np.column_stack((np.zeros(int(is_used.sum())), heights[is_used])).ravel()
        self._draw(pg.PlotCurveItem(x, y, connect="pairs", pen=pen))

    def _draw_clip_range(self, found: Histogram) -> None:
        if not found.grid:
            return
        pen = pg.mkPen(self._theme.plot_color("clip"), width=1.5, style=Qt.PenStyle.DashLine)
        for position in (found.range_min, found.range_max):
            self._draw(pg.InfiniteLine(position, angle=90, pen=pen))
