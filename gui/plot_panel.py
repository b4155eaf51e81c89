"""A plot in its place on a page: built and drawn when somebody looks at it, with a hint while there is nothing."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget
from typing_extensions import override

from gui.naming import named
from gui.plot_widget import Plot
from gui.saving import PlotSaver
from gui.theme import Theme
from gui.turns import Piece

MINIMUM_HEIGHT = 170
SIZE = QSize(256, 192)
LABEL_ROOM = 8
"""Pixels above a plot, so that the highest label of the axis is not cut off."""
REDRAW_MS = 100
"""Figures of a running job come more often than anybody can read them."""


def build_plot(theme: Theme, name: str, accessible_name: str, labels: tuple[str, str], parent: QWidget) -> Plot:
    """A plot that can be saved; `labels` are those of the bottom and the left axis."""
    plot = named(Plot(theme, parent), name)
    plot.setAccessibleName(accessible_name)
    plot.setMinimumHeight(MINIMUM_HEIGHT)
    item = plot.getPlotItem()
    item.layout.setContentsMargins(0, LABEL_ROOM, 0, 0)
    item.setLabel("bottom", labels[0])
    item.setLabel("left", labels[1])
    PlotSaver(plot)
    return plot


class PlotPanel(QWidget):
    """Holds a plot that `_build` makes and `_draw` fills, each in a turn of its own.

    A subclass keeps what is to be drawn, and calls `redraw` whenever that is something else.
    """

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._plot: Plot | None = None
        self._hint = QLabel(wordWrap=True, alignment=Qt.AlignmentFlag.AlignCenter)
        self._hint.setProperty("role", "dim")
        self._hint.hide()
        self._is_stale = self._is_empty = False
        self._building = Piece(self._ensure_plot, self)
        self._drawing = Piece(self._draw_now, self)
        self._pause = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._pause.timeout.connect(self._draw_stale)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self._hint)
        theme.changed.connect(self._on_theme_changed)

    @property
    def plot(self) -> Plot:
        """The plot as it is to be seen now, even if nobody has looked at it yet."""
        self._draw_now()
        return self._ensure_plot()

    def show_hint(self, name: str, text: str) -> None:
        """Say why there is nothing yet, in the place of the plot."""
        self._hint.setObjectName(name)
        self._hint.setText(text)
        self.redraw(is_empty=True)

    def redraw(self, *, is_empty: bool = False) -> None:
        """Draw anew once somebody looks, several times per second at most; or say that there is nothing."""
        self._is_stale, self._is_empty = not is_empty, is_empty
        self._hint.setVisible(is_empty)
        if self._plot is not None:
            self._plot.setVisible(not is_empty)
        if not self._pause.isActive():
            self._draw_stale()

    def _build(self) -> Plot:
        """Make the plot, a child of this."""
        raise NotImplementedError

    def _draw(self, plot: Plot) -> None:
        """Fill the plot with what is to be seen."""
        raise NotImplementedError

    def _ensure_plot(self) -> Plot:
        if self._plot is None:
            self._plot = self._build()
            self._plot.paint_frame()
            self._plot.setVisible(not self._is_empty)
            self._column.addWidget(self._plot)
        return self._plot

    def _on_theme_changed(self) -> None:
        if self._plot is not None:
            self._plot.paint_frame()
            self.redraw(is_empty=self._is_empty)

    def _draw_stale(self) -> None:
        if self._is_stale and self.isVisible():
            if self._plot is None:
                self._building.run_later()
            self._drawing.run_later()
            self._pause.start()

    def _draw_now(self) -> None:
        if self._is_stale:
            self._is_stale = False
            self._draw(self._ensure_plot())

    @override
    def sizeHint(self) -> QSize:
        """That of a plot, even while there is none yet."""
        return SIZE

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._draw_stale()
