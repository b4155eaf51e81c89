"""What all plots have in common: pyqtgraph's plot without what is slow in it and never asked for here."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PySide6.QtGui import QColor, QPainter, QShowEvent
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.theme import Theme
from gui.turns import Piece

SIDES = ("bottom", "left")
GRID_ALPHA = 0.12
LEGEND_ALPHA = 190
WIDE_TEXT = "00000 "


class PlainAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis whose grid has lines at the main ticks only: those between are hardly seen, and most of the work."""

    def drawPicture(self, painter: QPainter, line: object, ticks: list[Any], texts: object) -> None:
        """Draw what `generateDrawSpecs` has found; ticks are (pen, from, to), the main ones first."""
        if self.grid and ticks:
            main = ticks[0][0].color()
            ticks = [tick for tick in ticks if tick[0].color() == main]
        super().drawPicture(painter, line, ticks, texts)


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """A plot in the colours of the theme. It has no menu and no buttons, and the mouse neither moves nor zooms it."""

    def __init__(self, theme: Theme, parent: QWidget | None = None, *, ground: str = "window") -> None:
        """Make it, with no colours yet; `ground` is the theme's name of its background."""
        super().__init__(parent, enableMenu=False, axisItems={side: PlainAxis(side) for side in SIDES})
        self._theme = theme
        self._ground = ground
        self.getPlotItem().hideButtons()
        self.getViewBox().setMouseEnabled(False, False)
        for side in SIDES:
            axis = self.getPlotItem().getAxis(side)
            axis.enableAutoSIPrefix(False)
            # Ticks of a third size are many and hardly seen. A label that gets shorter moves nothing, because the
            # whole plot would be laid out and painted once more.
            axis.setStyle(maxTickLevel=1, autoReduceTextSpace=False)

    def show_grid(self) -> None:
        """Draw thin lines at the ticks."""
        self.getPlotItem().showGrid(x=True, y=True, alpha=GRID_ALPHA)

    def reserve_text_width(self) -> None:
        """Leave room for five digits at the left axis, so that the plot stays where it is when figures change."""
        axis = self.getPlotItem().getAxis("left")
        axis.textWidth = max(axis.textWidth, self.fontMetrics().horizontalAdvance(WIDE_TEXT))

    def paint_frame(self) -> None:
        """Take the colours of the theme; axes are drawn anew whenever they get one, so this is for other themes."""
        self.setBackground(self._theme.color(self._ground))
        item = self.getPlotItem()
        for side in SIDES:
            item.getAxis(side).setPen(self._theme.color("line"))
            item.getAxis(side).setTextPen(self._theme.color("text_dim"))
        if item.legend is not None:
            item.legend.setLabelTextColor(self._theme.color("text"))
            item.legend.setBrush(_see_through(self._theme.color(self._ground)))
            for _, label in item.legend.items:
                label.setText(label.text)  # which takes the colour over


class DrawnPlot(Plot):
    """A plot that fills itself by `_redraw`, in a turn of its own, once somebody looks."""

    def __init__(self, theme: Theme, parent: QWidget | None = None, *, ground: str = "window") -> None:
        super().__init__(theme, parent, ground=ground)
        self._is_stale = False
        self._drawing = Piece(self._draw_stale, self)
        theme.changed.connect(self._on_theme_changed)
        self.paint_frame()

    @property
    def is_drawn(self) -> bool:
        """Whether it shows what it was given last."""
        return not self._is_stale

    def _redraw(self) -> None:
        """Show what is known now."""
        raise NotImplementedError

    def _redraw_later(self) -> None:
        self._is_stale = True
        if self.isVisible():
            self._drawing.run_later()

    def _redraw_now(self) -> None:
        """In this turn, if anybody looks."""
        self._redraw_later()
        self._drawing.run()

    def _draw_stale(self) -> None:
        if self._is_stale:
            self._is_stale = False
            self._redraw()

    def _on_theme_changed(self) -> None:
        self.paint_frame()
        self._redraw_later()

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._is_stale:
            self._drawing.run_later()


def _see_through(color: QColor) -> QColor:
    """What keeps a legend readable over curves without hiding them."""
    result = QColor(color)
    result.setAlpha(LEGEND_ALPHA)
    return result
