"""The layers × bits table: an honest item model, and painting that follows it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from engine.sensitivity.matrix import SensitivityRow
from engine.summary import ModelSummary
from gui.layers.model import Column, LayerRole, LayersModel
from gui.layers.order import LayerOrder, Order
from gui.layers.page import LayersPage
from gui.session import Session
from gui.theme import Theme, ThemeMode

MakeRow = Callable[..., SensitivityRow]
MakeModel = Callable[[int], ModelSummary]


@pytest.fixture
def model(session: Session) -> LayersModel:
    return LayersModel(session)


@pytest.fixture
def page(session: Session, theme: Theme, qtbot: QtBot) -> LayersPage:
    made = LayersPage(session, theme)
    qtbot.addWidget(made)
    made.resize(1100, 400)
    made.show()
    qtbot.waitExposed(made)
    return made


def click(page: LayersPage, qtbot: QtBot, row: int, column: Column) -> None:
    where: QPoint = page.view.visualRect(page.order.index(row, column)).center()
    qtbot.mouseClick(page.view.viewport(), Qt.MouseButton.LeftButton, pos=where)


def test_that_the_model_is_sound_while_everything_changes(
    session: Session, make_model: MakeModel, make_row: MakeRow, qtmodeltester: ModelTester
) -> None:
    model = LayersModel(session)
    qtmodeltester.check(model)
    session.assign_bits(["conv1", "conv3"], 4)
    session.add_row(make_row("conv2"))
    session.toggle_lock(["conv0"])
    session.undo_stack.undo()
    session.set_model(make_model(7))
    assert model.rowCount() == 7
    qtmodeltester.check(model)


def test_that_the_sorted_and_filtered_model_is_sound(
    session: Session, make_row: MakeRow, qtmodeltester: ModelTester
) -> None:
    order = LayerOrder(LayersModel(session))
    qtmodeltester.check(order)
    order.set_order(Order.SENSITIVITY)
    for number, layer in enumerate(session.layers):
        session.add_row(make_row(layer.name, 40.0 - number))
    order.setFilterFixedString("3×3")
    assert order.shown_names() == ["conv3", "conv1"]


def test_that_rows_can_be_sorted_by_size_and_back(session: Session) -> None:
    order = LayerOrder(LayersModel(session))
    order.set_order(Order.SIZE)
    assert order.shown_names() == ["conv3", "conv2", "conv1", "conv0"]
    order.set_order(Order.GRAPH)
    assert order.shown_names() == ["conv0", "conv1", "conv2", "conv3"]


def test_that_one_edit_announces_one_row(session: Session, model: LayersModel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(model.dataChanged) as changed:
        session.assign_bits(["conv2"], 4)
    top_left, bottom_right = changed.args[0], changed.args[1]
    assert (top_left.row(), bottom_right.row()) == (2, 2)


def test_that_a_cell_without_measurement_has_no_value(model: LayersModel) -> None:
    assert model.index(0, Column.BITS_4).data(LayerRole.SQNR_DB) is None
    assert model.index(0, Column.BITS_32).data(LayerRole.SQNR_DB) == math.inf


def test_that_a_measured_cell_shows_its_decibels(session: Session, model: LayersModel, make_row: MakeRow) -> None:
    session.add_row(make_row("conv0"))
    assert model.index(0, Column.BITS_8).data() == "44"
    assert "44.0 dB" in model.index(0, Column.BITS_8).data(Qt.ItemDataRole.ToolTipRole)


def test_that_clicking_a_cell_gives_the_layer_these_bits(page: LayersPage, session: Session, qtbot: QtBot) -> None:
    click(page, qtbot, 2, Column.BITS_4)
    assert session.plan is not None
    assert session.plan.layer("conv2").weights.bits == 4
    assert session.selected == "conv2"


def test_that_clicking_inside_a_selection_assigns_all_of_it(page: LayersPage, session: Session, qtbot: QtBot) -> None:
    page.view.selectAll()
    click(page, qtbot, 1, Column.BITS_2)
    assert session.plan is not None
    assert {session.plan.layer(layer.name).weights.bits for layer in session.layers} == {2}
    assert session.undo_stack.count() == 1


def test_that_clicking_the_lock_locks(page: LayersPage, session: Session, qtbot: QtBot) -> None:
    click(page, qtbot, 1, Column.LOCK)
    assert session.plan is not None
    assert session.plan.layer("conv1").is_locked


def test_that_enter_chooses_the_current_cell(page: LayersPage, session: Session, qtbot: QtBot) -> None:
    page.view.setCurrentIndex(page.order.index(3, Column.BITS_16))
    qtbot.keyClick(page.view, Qt.Key.Key_Return)
    assert session.plan is not None
    assert session.plan.layer("conv3").weights.bits == 16


def test_that_typing_filters_and_says_when_nothing_matches(page: LayersPage, qtbot: QtBot) -> None:
    qtbot.keyClicks(page.filter, "layer2")
    assert page.order.shown_names() == ["conv2"]
    qtbot.keyClicks(page.filter, "x")
    assert page.findChild(object, "no_match").isVisible()


def test_that_the_chosen_cell_is_outlined_and_measured_cells_are_coloured(
    page: LayersPage, session: Session, theme: Theme, make_row: MakeRow
) -> None:
    session.add_row(make_row("conv0"))
    picture = page.view.viewport().grab().toImage()
    chosen = page.view.visualRect(page.order.index(0, Column.BITS_8))
    other = page.view.visualRect(page.order.index(0, Column.BITS_2))
    assert picture.pixelColor(chosen.left() + 2, chosen.center().y()) == theme.color("cell_chosen")
    assert picture.pixelColor(other.left() + 8, other.top() + 8) == theme.sqnr_color(6.0)


def test_that_the_table_paints_in_the_light_theme_too(page: LayersPage, theme: Theme) -> None:
    before = page.grab().toImage()
    theme.set_mode(ThemeMode.LIGHT)
    assert page.grab().toImage() != before


def test_that_text_on_every_cell_colour_is_readable(theme: Theme) -> None:
    for step in range(101):
        ground = theme.sqnr_color(step / 2)
        text = theme.text_color_on(ground)
        assert contrast(luminance(ground.getRgbF()), luminance(text.getRgbF())) >= 4.5


def test_that_an_edit_of_a_thousand_layers_is_quick(
    page: LayersPage, session: Session, make_model: MakeModel, qtbot: QtBot
) -> None:
    session.set_model(make_model(1000))
    names = [layer.name for layer in session.layers]
    began = time.perf_counter()
    session.assign_bits(names[500:501], 4)
    assert time.perf_counter() - began < 0.1  # 16 ms is the budget; busy machines get some room


def luminance(channels: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
