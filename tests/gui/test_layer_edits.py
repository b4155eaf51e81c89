"""Many layers at once: what an edit reaches, the lists in the cells, the dialog, hidden columns, and copying."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import pytest
from PySide6.QtCore import QItemSelectionModel, QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QDialog, QLabel, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from engine.numerics.schemes import Kernel, PerChannel, PerGroup, PerTensor, Rounding
from engine.plan import build_plan
from engine.summary import ModelSummary
from gui.layer_edits import LayerEdit, match_layers, plan_edit
from gui.layers.columns import OPTIONS, Column
from gui.layers.page import LayersPage
from gui.main_window import MainWindow
from gui.session import Session
from gui.settings import Settings
from gui.theme import Theme

AnyWidget = TypeVar("AnyWidget", bound=QWidget)
MakeModel = Callable[[int], ModelSummary]


@pytest.fixture
def page(session: Session, theme: Theme, qtbot: QtBot) -> LayersPage:
    made = LayersPage(session, theme)
    qtbot.addWidget(made)
    made.resize(1100, 400)
    made.show()
    qtbot.waitExposed(made)
    return made


def pick(page: LayersPage, rows: list[int], column: Column) -> None:
    """Select rows, and make a cell of the last one current."""
    page.view.clearSelection()
    model = page.view.selectionModel()
    flags = QItemSelectionModel.SelectionFlag
    for row in rows:
        model.select(page.order.index(row, 0), flags.Select | flags.Rows)
    model.setCurrentIndex(page.order.index(rows[-1], column), flags.NoUpdate)
    page.view.setFocus()


def editor_of(page: LayersPage, qtbot: QtBot) -> QComboBox:
    qtbot.waitUntil(lambda: page.view.findChild(QComboBox, "cell_editor") is not None)
    box = page.view.findChild(QComboBox, "cell_editor")
    assert isinstance(box, QComboBox)
    return box


def choose(box: QComboBox, text: str) -> None:
    at = box.findText(text)
    assert at >= 0, [box.itemText(number) for number in range(box.count())]
    box.setCurrentIndex(at)
    box.activated.emit(at)


def child(dialog: QDialog, kind: type[AnyWidget], name: str) -> AnyWidget:
    found = dialog.findChild(kind, name)
    assert found is not None, name
    return found


def test_that_an_edit_passes_over_locked_layers_and_those_that_cannot(make_model: MakeModel) -> None:
    model = make_model(5)
    plan = build_plan(model, 8).with_lock(["conv0", "conv1"], locked=True)
    effect = plan_edit(plan, model.layers, LayerEdit(kernel=Kernel.DYNAMIC))
    assert (effect.reached, effect.locked, len(effect.refused)) == (0, ("conv0", "conv1"), 3)
    assert "no dynamic kernel" in effect.refused[0][1]

    effect = plan_edit(plan, model.layers, LayerEdit(bits=4, granularity=PerGroup(64), rounding=Rounding.GPTQ))
    assert sorted(effect.changes) == ["conv2", "conv3", "conv4"]
    for choice in effect.changes.values():
        assert (choice.weights.bits, choice.weights.granularity, choice.rounding) == (4, PerGroup(64), Rounding.GPTQ)
        assert choice.kernel == Kernel.QLINEAR


def test_that_freeing_reaches_locked_layers(make_model: MakeModel) -> None:
    model = make_model(3)
    plan = build_plan(model, 8).with_lock(["conv0"], locked=True)
    effect = plan_edit(plan, model.layers, LayerEdit(bits=4, is_locked=False))
    assert effect.reached == len(effect.changes) == 3
    assert plan_edit(plan, model.layers, LayerEdit(is_locked=True)).changes.keys() == {"conv1", "conv2"}


def test_that_choices_that_need_each_other_are_made_together(make_model: MakeModel) -> None:
    """Eight bits refuse groups on integer kernels, so groups must go in the same edit."""
    (layer,) = make_model(1).layers
    model = dataclasses.replace(make_model(1), layers=(layer,))
    plan = build_plan(model, 4).with_layers(
        {layer.name: dataclasses.replace(build_plan(model, 4).layer(layer.name), kernel=Kernel.FLOAT)}
    )
    refused = plan_edit(plan, [layer], LayerEdit(bits=8, granularity=PerGroup(32), kernel=Kernel.QLINEAR)).refused
    assert "in groups" in refused[0][1]
    effect = plan_edit(plan, [layer], LayerEdit(bits=8, granularity=PerTensor(), kernel=Kernel.QLINEAR))
    assert effect.changes[layer.name].weights.granularity == PerTensor()


def test_that_float_weights_take_no_scales(make_model: MakeModel) -> None:
    model = make_model(2)
    effect = plan_edit(build_plan(model, 32), model.layers, LayerEdit(granularity=PerChannel()))
    assert len(effect.refused) == 2
    assert "float weights" in effect.refused[0][1]


def test_that_a_clip_comes_and_goes(make_model: MakeModel) -> None:
    model = make_model(1)
    plan = build_plan(model, 4)
    clipped = plan_edit(plan, model.layers, LayerEdit(clip=0.8)).changes["conv0"]
    assert clipped.weights.clip == 0.8
    assert plan_edit(plan.with_layers({"conv0": clipped}), model.layers, LayerEdit(clip=1.0)).changes == {
        "conv0": plan.layer("conv0")
    }


def test_that_patterns_match_parts_and_wholes(make_model: MakeModel) -> None:
    layers = make_model(12).layers
    assert [layer.name for layer in match_layers(layers, "LAYER1")] == ["conv1", "conv10", "conv11"]
    assert [layer.name for layer in match_layers(layers, "layer?.conv")] == [f"conv{at}" for at in range(10)]
    assert match_layers(layers, " ") == ()
    assert match_layers(layers, "fc") == ()


def test_that_f2_edits_all_selected_layers_in_one_step(page: LayersPage, session: Session, qtbot: QtBot) -> None:
    session.toggle_lock(["conv1"])
    before = session.undo_stack.count()
    pick(page, [0, 1, 2], Column.SCALES)
    QTest.keyClick(page.view, Qt.Key.Key_F2)
    box = editor_of(page, qtbot)
    assert [box.itemText(at) for at in range(box.count())] == ["tensor", "channel"]
    assert box.currentText() == "channel"
    with qtbot.waitSignal(page.edited) as told:
        choose(box, "tensor")
    assert told.args == ["Reaches 2 layers, 1 locked"]
    plan = session.plan
    assert plan is not None
    found = [plan.layer(layer.name).weights.granularity for layer in session.layers]
    assert found == [PerTensor(), PerChannel(), PerTensor(), PerChannel()]
    assert session.undo_stack.count() == before + 1
    session.undo_stack.undo()
    assert session.plan is not None
    assert session.plan.layer("conv0").weights.granularity == PerChannel()


def test_that_leaving_a_list_changes_nothing(page: LayersPage, session: Session, qtbot: QtBot) -> None:
    pick(page, [0, 1], Column.KERNEL)
    QTest.keyClick(page.view, Qt.Key.Key_Return)
    box = editor_of(page, qtbot)
    box.hidePopup()
    box.setCurrentIndex(1 - box.currentIndex())
    QTest.keyClick(box, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: page.view.findChild(QComboBox, "cell_editor") is None)
    assert session.undo_stack.count() == 0


def test_that_a_list_offers_only_what_the_layer_has(page: LayersPage, session: Session) -> None:
    offered = {column: [text for text, *_rest in page.order.options_at(0, column)] for column in OPTIONS}
    assert offered[Column.KERNEL] == ["float", "qlinear"]
    assert offered[Column.SCALES] == ["tensor", "channel"]
    session.assign_bits(["conv0"], 4)
    assert "group 64" in [text for text, *_rest in page.order.options_at(0, Column.SCALES)]
    session.assign_bits(["conv0"], 32)
    assert page.order.options_at(0, Column.SCALES) == []


def test_that_columns_are_hidden_and_remembered(loaded_window: MainWindow) -> None:
    page = loaded_window.layers_page
    assert page.view.isColumnHidden(Column.ROUNDING)
    actions = {action.objectName(): action for action in page.columns_menu.actions()}
    actions["column_rounding"].trigger()
    actions["column_weights"].trigger()
    assert not page.view.isColumnHidden(Column.ROUNDING)
    assert page.view.isColumnHidden(Column.WEIGHTS)
    assert set(Settings().hidden_columns) == {"bits", "weights"}


def test_that_selected_rows_are_copied_with_their_header(loaded_window: MainWindow) -> None:
    page, session = loaded_window.layers_page, loaded_window.session
    session.assign_bits(["conv1"], 4)
    session.toggle_lock(["conv1"])
    pick(page, [3, 1], Column.NAME)
    QTest.keyClick(page.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    header, *rows = [line.split("\t") for line in QGuiApplication.clipboard().text().splitlines()]
    assert [row[0] for row in rows] == ["layer1.conv", "layer3.conv"]
    first = dict(zip(header, rows[0], strict=True))
    assert (first["Bits"], first["Lock"], first["Kernel"], first["Scales"]) == ("4", "locked", "qlinear", "group 32")
    assert "Rounding" not in header


def test_that_the_dialog_says_whom_it_reaches_and_reaches_them(loaded_window: MainWindow) -> None:
    session = loaded_window.session
    session.toggle_lock(["conv3"])
    loaded_window.actions_["action_edit_layers"].trigger()
    (dialog,) = [box for box in loaded_window.findChildren(QDialog, "edit_layers_dialog") if box.isVisible()]
    scope, bits, kernel, operator = (
        child(dialog, QComboBox, name) for name in ("edit_scope", "edit_bits", "edit_kernel", "edit_operator")
    )
    sentence, accept = child(dialog, QLabel, "edit_sentence"), child(dialog, QPushButton, "accept_button")
    scope.setCurrentIndex(scope.findData("operator"))
    operator.setCurrentIndex(operator.findData("Conv 3×3"))
    assert sentence.text() == "2 layers are meant. Choose what they get."
    assert not accept.isEnabled()
    bits.setCurrentIndex(bits.findText("4 bits"))
    assert sentence.text().startswith("Reaches 1 layer")
    assert "1 locked" in sentence.text()
    kernel.setCurrentIndex(kernel.findText("nbits"))
    assert "1 cannot" in sentence.text()
    assert not accept.isEnabled()
    kernel.setCurrentIndex(0)
    scope.setCurrentIndex(scope.findData("pattern"))
    assert sentence.text() == "No layer is meant yet."
    child(dialog, QLineEdit, "edit_pattern").setText("layer")
    assert sentence.text() == "Reaches 3 layers, 1 locked."
    before = session.undo_stack.count()
    accept.click()
    assert session.plan is not None
    assert [session.plan.layer(layer.name).weights.bits for layer in session.layers] == [4, 4, 4, 8]
    assert session.undo_stack.count() == before + 1


def test_that_a_click_on_a_header_sorts(page: LayersPage, qtbot: QtBot) -> None:
    header = page.view.horizontalHeader()
    for column, first in ((Column.WEIGHTS, "conv3"), (Column.NAME, "conv0")):
        where = QPoint(header.sectionViewportPosition(column) + 5, header.height() // 2)
        qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=where)
        assert page.order.name_at(0) == first
