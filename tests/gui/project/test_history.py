"""The History page: notes, pins, Compare, plans that come back, and deleting with care."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QLineEdit, QMessageBox, QTableView
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from engine.project.runs import read_run_files
from engine.requests.conversion import ConvertResult
from gui.main_window import MainWindow
from gui.project.history_model import Column, HistoryModel
from gui.session import Session
from gui.theme import Theme


def add_run(session: Session, folder: Path, name: str, bits: int) -> None:
    """A conversion of the hand-made model, files and manifest included."""
    session.assign_bits([layer.name for layer in session.layers], bits)
    folder.mkdir(exist_ok=True)
    output = folder / f"{name}.onnx"
    output.write_bytes(b"12345")
    files = [{"name": output.name, "bytes": 5, "sha256": "f" * 64}]
    (folder / f"{name}.manifest.json").write_text(json.dumps({"files": files}))
    (folder / f"{name}.plan.json").write_text("{}")
    assert session.plan is not None
    result = ConvertResult(str(output), 5, 5, 20, 30.0 + bits, None, 4, ())
    session.add_result(result, session.plan, session.origin, read_run_files(output))


@pytest.fixture
def history(loaded_window: MainWindow, tmp_path: Path) -> MainWindow:
    """A window with three runs of a hand-made model: 8, 4 and 2 bits."""
    for name, bits in (("eight", 8), ("four", 4), ("two", 2)):
        add_run(loaded_window.session, tmp_path / "out", name, bits)
    loaded_window.tabs.setCurrentWidget(loaded_window.history_page)
    return loaded_window


def table(window: MainWindow) -> QTableView:
    found = window.findChild(QTableView, "history_table")
    assert found is not None
    return found


def texts(window: MainWindow, column: Column) -> list[str]:
    model = window.history_page.model
    return [str(model.index(row, column).data()) for row in range(model.rowCount())]


def press(window: MainWindow, name: str) -> None:
    button = window.findChild(QAbstractButton, name)
    assert button is not None, name
    assert button.isEnabled(), name
    button.click()


def box_of(window: MainWindow) -> QMessageBox:
    (box,) = [box for box in window.findChildren(QMessageBox) if box.isVisible()]
    return box


def test_that_runs_are_listed_with_their_lineage_newest_first(history: MainWindow) -> None:
    assert texts(history, Column.NUMBER) == ["3", "2", "1"]
    assert texts(history, Column.PARENT) == ["2", "1", "–"]
    assert texts(history, Column.BITS) == ["2 bits", "4 bits", "8 bits"]
    assert texts(history, Column.MODEL) == ["two.onnx", "four.onnx", "eight.onnx"]


def test_that_a_note_is_edited_in_place(history: MainWindow, qtbot: QtBot) -> None:
    view = table(history)
    view.selectRow(1)
    press(history, "history_action_run_note")
    editor = view.findChild(QLineEdit)
    assert editor is not None
    qtbot.keyClicks(editor, "Tip of the day")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: history.session.history[1].note == "Tip of the day")
    assert texts(history, Column.NOTE) == ["", "Tip of the day", ""]
    assert [run.number for run in history.history_page.selected_runs] == [2], "letters in a note are no shortcuts"
    assert not history.session.history[1].is_pinned


def test_that_pinned_runs_stand_first_and_stay_selected(history: MainWindow) -> None:
    table(history).selectRow(2)
    press(history, "history_action_run_pin")
    assert texts(history, Column.NUMBER) == ["1", "3", "2"]
    assert [run.number for run in history.history_page.selected_runs] == [1]
    press(history, "history_action_run_pin")
    assert texts(history, Column.NUMBER) == ["3", "2", "1"]


def test_that_a_plan_comes_back_and_the_next_run_knows_its_parent(history: MainWindow, tmp_path: Path) -> None:
    session = history.session
    table(history).selectRow(2)
    press(history, "history_action_run_plan")
    assert session.plan is not None
    assert session.plan == session.history[0].plan
    assert session.origin == session.history[0].id
    history.actions_["action_undo"].trigger()
    assert session.plan == session.history[2].plan
    assert session.origin == session.history[2].id
    history.actions_["action_redo"].trigger()
    add_run(session, tmp_path / "out", "again", 4)
    assert session.history[3].parent == session.history[0].id


def test_that_buttons_say_that_a_run_has_to_be_selected_first(history: MainWindow) -> None:
    table(history).clearSelection()
    button = history.findChild(QAbstractButton, "history_action_run_plan")
    assert button is not None
    assert not button.isEnabled()
    assert "Select a run" in button.toolTip()
    table(history).selectRow(0)
    assert button.isEnabled()
    assert button.toolTip() == "Make the plan of this run the plan (T)"


def test_that_compare_shows_what_is_chosen(history: MainWindow) -> None:
    table(history).selectRow(0)
    press(history, "history_action_run_compare")
    assert [run.name for run in history.session.results] == ["eight.onnx", "four.onnx"]
    assert history.compare_page.model.rowCount() == 3
    press(history, "history_action_run_compare")
    assert len(history.session.results) == 3


def test_that_a_run_without_its_file_cannot_be_compared(history: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "out" / "two.onnx").unlink()
    history.tabs.setCurrentIndex(0)
    history.tabs.setCurrentWidget(history.history_page)
    table(history).selectRow(0)
    press(history, "history_action_run_compare")
    press(history, "history_action_run_compare")
    assert "two.onnx" in box_of(history).text()
    assert len(history.session.results) == 2


def test_that_deleting_asks_and_leaves_files_outside_the_projects_folder(history: MainWindow, tmp_path: Path) -> None:
    table(history).selectRow(0)
    press(history, "history_action_run_delete")
    box = box_of(history)
    assert box.findChild(QAbstractButton, "choice_1_button") is None, "there is no project's folder yet"
    box.close()
    assert len(history.session.history) == 3
    press(history, "history_action_run_delete")
    accept = box_of(history).findChild(QAbstractButton, "accept_button")
    assert accept is not None
    accept.click()
    assert texts(history, Column.NUMBER) == ["2", "1"]
    assert (tmp_path / "out" / "two.onnx").exists()
    add_run(history.session, tmp_path / "out", "five", 16)
    assert history.session.history[-1].number == 4, "numbers are not given again"


def test_that_files_in_the_projects_folder_go_when_that_is_wanted(history: MainWindow, tmp_path: Path) -> None:
    history.desk.path = tmp_path / "p.bitsmith"
    history.session.change_run(dataclasses.replace(history.session.history[0], note="stays"))
    table(history).selectRow(1)
    press(history, "history_action_run_delete")
    box = box_of(history)
    assert "four.onnx" in box.text()
    button = box.findChild(QAbstractButton, "choice_1_button")
    assert button is not None
    button.click()
    history.desk.path = None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "eight.manifest.json", "eight.onnx", "eight.plan.json", "two.manifest.json", "two.onnx", "two.plan.json",
    ]  # fmt: skip
    assert texts(history, Column.NUMBER) == ["3", "1"]
    assert texts(history, Column.PARENT) == ["deleted", "–"]


def test_that_actions_need_a_selected_run(history: MainWindow) -> None:
    table(history).clearSelection()
    assert not history.actions_["action_run_delete"].isEnabled()
    table(history).selectRow(0)
    assert history.actions_["action_run_delete"].isEnabled()


def test_that_the_model_keeps_qts_rules_while_runs_come_and_go(
    session: Session, theme: Theme, tmp_path: Path, qtmodeltester: ModelTester, make_model: Callable[[int], object]
) -> None:
    model = HistoryModel(session, theme)
    qtmodeltester.check(model)
    for name, bits in (("a", 8), ("b", 4), ("c", 2)):
        add_run(session, tmp_path / "out", name, bits)
    assert model.setData(model.index(0, Column.NOTE), "<b>note</b>")
    assert model.index(0, Column.NOTE).data(Qt.ItemDataRole.ToolTipRole) == "&lt;b&gt;note&lt;/b&gt;"
    checked = Qt.CheckState.Unchecked.value
    assert model.setData(model.index(0, Column.COMPARED), checked, Qt.ItemDataRole.CheckStateRole)
    assert len(session.results) == 2
    session.delete_runs(frozenset([session.history[1].id]))
    assert model.rowCount() == 2
