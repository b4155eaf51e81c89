"""Plots are built and drawn piece by piece, only for who looks, and seldom while figures pour in."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QObject
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from engine.requests.histograms import Histogram, WeightHistogram
from gui.distributions.channel_strip import ChannelStrip
from gui.distributions.key import Key
from gui.histogram_plot import HistogramPlot
from gui.late_tabs import LateTabs
from gui.plot_panel import REDRAW_MS, PlotPanel, build_plot
from gui.plot_widget import Plot
from gui.theme import Theme, ThemeMode
from gui.tradeoff.axes import Axis
from gui.tradeoff.plot import TradeoffPlot
from gui.tradeoff.points import PlanPoint, Quantity, Series
from gui.turns import Piece


class Curve(PlotPanel):
    """Draws how often it was drawn."""

    drawn = 0

    def _build(self) -> Plot:
        return build_plot(self._theme, "curve", "A curve", ("x", "y"), self)

    def _draw(self, plot: Plot) -> None:
        self.drawn += 1
        plot.plot([0, 1], [0, self.drawn])


def build_histogram(counts: tuple[int, ...], edges: tuple[float, ...], grid: tuple[float, ...] = ()) -> Histogram:
    low, high = (grid[0], grid[-1]) if grid else (edges[0], edges[-1])
    return Histogram("conv", edges, counts, counts, grid, low, high, low, high, 0.0, 0.0, len(grid), None)


def build_channels(low: tuple[float, ...], high: tuple[float, ...]) -> WeightHistogram:
    return WeightHistogram(
        "conv", (-1.0, 1.0), (1,), (), (), -1.0, 1.0, -1.0, 1.0, 0.0, 0.0, 1, None, None, low, high, (), ()
    )


def test_that_two_pieces_run_in_turns_of_their_own_with_other_work_in_between(qtbot: QtBot) -> None:
    owner, order = QObject(), list[str]()
    pieces = [Piece(lambda name=name: order.append(name), owner) for name in ("first", "second")]
    for piece in (*pieces, pieces[0]):
        piece.run_later()
    order.append("here")
    qtbot.waitUntil(lambda: len(order) == 2)
    order.append("between")
    qtbot.waitUntil(lambda: len(order) == 4)
    assert order == ["here", "first", "between", "second"]


def test_that_a_piece_does_not_outlive_its_owner(qtbot: QtBot) -> None:
    order, owner, other = list[str](), QWidget(), QObject()
    Piece(lambda: order.append("gone"), owner).run_later()
    Piece(lambda: order.append("alive"), other).run_later()
    owner.deleteLater()
    qtbot.waitUntil(lambda: bool(order))
    assert order == ["alive"]


def test_that_a_panel_is_built_and_drawn_when_it_is_looked_at(theme: Theme, qtbot: QtBot) -> None:
    panel = Curve(theme)
    qtbot.addWidget(panel)
    panel.redraw()
    assert panel.findChild(Plot) is None
    panel.show()
    qtbot.waitUntil(lambda: panel.drawn == 1)
    assert panel.findChild(Plot).isVisible()
    panel.hide()
    panel.redraw()
    panel.show()
    qtbot.waitUntil(lambda: panel.drawn == 2)
    panel.show_hint("curve_hint", "Nothing yet.")
    assert panel.findChild(Plot).isHidden()


def test_that_figures_that_pour_in_are_drawn_a_few_times_and_the_last_of_them(theme: Theme, qtbot: QtBot) -> None:
    panel, asked = Curve(theme), 0
    qtbot.addWidget(panel)
    panel.show()
    began = time.monotonic()
    while time.monotonic() - began < 4 * REDRAW_MS / 1000:
        panel.redraw()
        asked += 1
        QApplication.processEvents()
    elapsed = time.monotonic() - began
    assert 0 < panel.drawn <= 1000 * elapsed / REDRAW_MS + 1 < asked
    drawn = panel.drawn
    panel.redraw()
    qtbot.waitUntil(lambda: panel.drawn == drawn + 1)


def test_that_another_theme_colours_a_plot_anew(theme: Theme, qtbot: QtBot) -> None:
    panel = Curve(theme)
    qtbot.addWidget(panel)
    panel.redraw()
    plot = panel.plot
    before = plot.backgroundBrush().color(), plot.getPlotItem().getAxis("left").textPen().color()
    theme.set_mode(ThemeMode.LIGHT)
    after = plot.backgroundBrush().color(), plot.getPlotItem().getAxis("left").textPen().color()
    assert after == (theme.color("window"), theme.color("text_dim"))
    assert after != before


def test_that_a_histogram_keeps_the_zoom_for_the_same_values_and_its_place_while_there_are_none(
    theme: Theme, qtbot: QtBot
) -> None:
    plot = HistogramPlot(theme, is_small=False)
    qtbot.addWidget(plot)
    plot.resize(600, 300)
    plot.show()
    edges = (0.0, 1.0, 2.0, 3.0)

    def show(found: Histogram | None) -> list[list[float]]:
        plot.show_histogram(found)
        qtbot.waitUntil(lambda: plot.is_drawn)
        return plot.viewRange()

    assert show(build_histogram((3, 2, 1), edges))[0] == pytest.approx([-0.09, 3.09])
    plot.setXRange(1.0, 2.0, padding=0)
    across, upwards = show(build_histogram((30, 20, 10), edges))
    assert across == [1.0, 2.0]
    assert upwards == pytest.approx([0.0, 31.5])
    QApplication.processEvents()
    place = plot.getViewBox().geometry()
    show(None)
    assert not [drawn for drawn in plot.getPlotItem().items if drawn.isVisible()]
    QApplication.processEvents()
    assert plot.getViewBox().geometry() == place
    across, _ = show(build_histogram((1, 2), (-4.0, 0.0, 4.0), grid=(-5.0, 0.0, 5.0)))
    assert across == pytest.approx([-5.3, 5.3])


def test_that_the_strip_is_drawn_once_it_is_seen(theme: Theme, qtbot: QtBot) -> None:
    strip = ChannelStrip(theme)
    qtbot.addWidget(strip)
    strip.show_channels(build_channels((-1.0, -1.0, -9.0), (1.0, 1.0, 1.0)), 1)
    strip.show()
    qtbot.waitUntil(lambda: strip.viewRange()[0][1] > 2.0)
    assert strip.outliers == (2,)
    assert strip.viewRange()[1][0] < -9.0


def test_that_axes_stand_still_while_points_move_a_little(theme: Theme, qtbot: QtBot) -> None:
    plot = TradeoffPlot(theme)
    qtbot.addWidget(plot)
    axes = Axis(Quantity.FILE_BYTES, "size"), Axis(Quantity.QUALITY, "quality")

    def show(highest: float) -> list[list[float]]:
        points = [
            PlanPoint(Series.FRONT, "", {Quantity.FILE_BYTES: size, Quantity.QUALITY: value}, (8,))
            for size, value in ((1.0, 0.0), (2.0, highest))
        ]
        plot.show_points(axes, points)
        plot.show_current(None)
        return plot.viewRange()

    first = show(10.0)
    assert first[1] == pytest.approx([-0.6, 10.6])
    assert show(10.2) == first
    assert show(9.0) == first
    assert show(12.0)[1] == pytest.approx([-0.72, 12.72])
    assert show(6.0)[1] == pytest.approx([-0.36, 6.36])


def test_that_a_late_page_is_built_for_who_stays_on_its_tab(qtbot: QtBot) -> None:
    outer, built = QWidget(), list[str]()
    qtbot.addWidget(outer)
    tabs = LateTabs(outer, documentMode=True)
    tabs.addTab(QWidget(), "first")

    def build(name: str) -> QWidget:
        built.append(name)
        return QWidget()

    passed, stayed = (tabs.add_late(lambda name=name: build(name), name, name) for name in ("passed", "stayed"))
    outer.show()
    tabs.setCurrentIndex(1)
    tabs.setCurrentIndex(2)
    assert built == []
    qtbot.waitUntil(lambda: tabs.currentWidget() is not stayed.place)
    assert built == ["stayed"]
    assert tabs.currentWidget() is stayed.page
    assert [tabs.tabText(at) for at in range(3)] == ["first", "passed", "stayed"]
    assert tabs.indexOf(passed.page) == 1


def test_that_a_key_shows_a_sample_of_every_kind_in_its_colour(theme: Theme, qtbot: QtBot) -> None:
    key = Key(theme)
    qtbot.addWidget(key)
    key.resize(key.sizeHint())
    image = key.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    seen = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
    assert {theme.plot_color(kind).name() for kind in ("weight", "quantized", "overflow", "clip")} <= seen
    assert "clip range" in key.accessibleName()
