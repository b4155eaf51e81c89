"""Whole stories in the real window, with the real engine in its worker, on the bundled sample."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QDialog, QLabel, QLineEdit, QTableView, QWidget
from pytestqt.qtbot import QtBot

from engine.numerics.schemes import Kernel
from gui.main_window import MainWindow
from gui.output_names import create_folder, ensure_new
from gui.settings import Settings
from gui.theme import ThemeMode

JOB_MS = 60_000
CANCEL_MS = 2_000
Message = Callable[[], str]


def dialog_of(window: MainWindow, name: str) -> QDialog:
    found = [dialog for dialog in window.findChildren(QDialog, name) if dialog.isVisible()]
    assert found, f"{name} is not open"
    return found[-1]


def press(parent: QWidget, name: str) -> None:
    button = parent.findChild(QAbstractButton, name)
    assert button is not None
    assert button.isEnabled()
    button.click()


def fill(parent: QWidget, name: str, text: str) -> None:
    line = parent.findChild(QLineEdit, name)
    assert line is not None
    line.setText(text)


def run_action(window: MainWindow, qtbot: QtBot, name: str) -> None:
    window.actions_[name].trigger()
    finish_jobs(window, qtbot)


def analyse(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_["action_analyse"].trigger()
    press(dialog_of(window, "analyse_dialog"), "accept_button")
    finish_jobs(window, qtbot)


def finish_jobs(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not window.runner.is_busy, timeout=JOB_MS)


def convert(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_["action_convert"].trigger()
    with qtbot.waitSignal(window.workflow.converted, timeout=JOB_MS):
        press(dialog_of(window, "convert_dialog"), "accept_button")
    finish_jobs(window, qtbot)


def test_that_the_window_starts_with_a_page_that_offers_the_sample(window: MainWindow) -> None:
    assert window.start_page.isVisible()
    assert window.actions_["action_open_sample"].isEnabled()
    assert not window.actions_["action_convert"].isEnabled()


def test_that_the_whole_loop_works_on_the_sample(sample_window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window, session = sample_window, sample_window.session
    analyse(window, qtbot)
    assert session.measured_fraction == 1.0
    assert session.figures is not None
    assert session.figures.sqnr_db is not None

    window.actions_["action_auto_assign"].trigger()
    with qtbot.waitSignal(session.plan_changed, timeout=JOB_MS):
        press(dialog_of(window, "allocate_dialog"), "accept_button")
    finish_jobs(window, qtbot)
    assert session.undo_stack.count() == 1

    convert(window, qtbot)
    session.assign_bits([layer.name for layer in session.layers], 8)
    convert(window, qtbot)
    assert [Path(entry.converted.output).exists() for entry in session.results] == [True, True]
    assert len({entry.name for entry in session.results}) == 2

    with qtbot.waitSignal(window.workflow.compared, timeout=JOB_MS):
        window.actions_["action_compare"].trigger()
    assert all(entry.evaluation is not None for entry in session.results)
    assert window.compare_page.model.rowCount() == 3
    assert session.results[-1].top1_delta == pytest.approx(0.0, abs=1.0)

    window.actions_["action_export"].trigger()
    dialog = dialog_of(window, "export_dialog")
    fill(dialog, "export_path", str(tmp_path / "out.onnx"))
    press(dialog, "accept_button")
    qtbot.waitUntil((tmp_path / "out.onnx").exists, timeout=JOB_MS)
    plan = json.loads((tmp_path / "out.plan.json").read_text(encoding="utf-8"))
    assert {layer["bits"] for layer in plan["layers"].values()} == {8}
    assert (tmp_path / "out.onnx").stat().st_size == session.results[-1].converted.file_bytes
    (file,) = json.loads((tmp_path / "out.manifest.json").read_text(encoding="utf-8"))["files"]
    assert file["name"] == "out.onnx"
    assert file["sha256"] == hashlib.sha256((tmp_path / "out.onnx").read_bytes()).hexdigest()


def test_that_a_benchmark_fills_the_table(
    sample_window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.workflow.BENCHMARK_S", 0.5)
    with qtbot.waitSignal(sample_window.workflow.benchmarked, timeout=JOB_MS):
        sample_window.actions_["action_benchmark"].trigger()
    assert sample_window.session.baseline is not None
    table = sample_window.findChild(QTableView, "benchmark_table")
    assert table is not None
    assert float(table.model().index(0, 2).data()) > 0
    finish_jobs(sample_window, qtbot)


def test_that_the_keys_assign_bits_and_lock(loaded_window: MainWindow, qtbot: QtBot) -> None:
    window = loaded_window
    window.activateWindow()
    window.layers_page.view.setFocus()
    window.layers_page.view.selectRow(2)
    name = window.session.selected
    qtbot.keyClick(window.layers_page.view, Qt.Key.Key_4)
    qtbot.keyClick(window.layers_page.view, Qt.Key.Key_L)
    assert window.session.plan is not None
    assert window.session.plan.layer(name).weights.bits == 4
    assert window.session.plan.layer(name).is_locked
    window.actions_["action_undo"].trigger()
    window.actions_["action_undo"].trigger()
    assert window.session.plan.layer(name).weights.bits == 8


def test_that_the_histogram_of_the_selected_layer_arrives_and_follows_the_plan(
    sample_window: MainWindow, qtbot: QtBot
) -> None:
    window = sample_window
    qtbot.waitUntil(lambda: window.feed.current is not None, timeout=JOB_MS)
    with qtbot.waitSignal(window.feed.histogram_changed, timeout=JOB_MS):
        window.session.assign_bits([window.session.selected], 4)
    qtbot.waitUntil(lambda: window.feed.current is not None, timeout=JOB_MS)
    assert window.feed.current is not None
    assert 0 < len(window.feed.current.grid) <= 16


def test_that_the_inspector_changes_the_plan_and_offers_only_what_works(loaded_window: MainWindow) -> None:
    window = loaded_window
    box = window.findChild(QComboBox, "inspector_kernel")
    assert box is not None
    box.setCurrentIndex(box.findData(Kernel.FLOAT))
    box.activated.emit(box.currentIndex())
    assert window.session.plan is not None
    assert window.session.plan.layer(window.session.selected).kernel == Kernel.FLOAT
    nbits = box.model().index(box.findData(Kernel.NBITS), 0)
    assert not nbits.flags() & Qt.ItemFlag.ItemIsEnabled
    assert nbits.data(Qt.ItemDataRole.ToolTipRole)


def test_that_cancelling_an_analysis_leaves_the_window_idle_within_two_seconds(
    sample_window: MainWindow, qtbot: QtBot
) -> None:
    window = sample_window
    window.actions_["action_benchmark"].trigger()
    with qtbot.waitSignal(window.runner.job_finished, timeout=CANCEL_MS):
        window.actions_["action_cancel"].trigger()
    assert window.actions_["action_analyse"].isEnabled()
    assert window.session.baseline is None


def test_that_a_worker_killed_from_outside_is_a_sentence_and_the_next_job_works(
    sample_window: MainWindow, qtbot: QtBot, message: Message
) -> None:
    window = sample_window
    window.actions_["action_benchmark"].trigger()
    qtbot.waitUntil(lambda: window.runner.worker_pid is not None, timeout=JOB_MS)
    pid = window.runner.worker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert "worker process ended" in message()
    finish_jobs(window, qtbot)
    analyse(window, qtbot)
    assert window.session.measured_fraction == 1.0


def test_that_a_file_that_is_no_model_is_refused_with_a_sentence(
    window: MainWindow, tmp_path: Path, message: Message
) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"this is not a model")
    window.workflow.open_model(str(path))
    text = message()
    assert "broken.onnx" in text
    assert "Traceback" not in text
    assert window.session.model is None


def test_that_analysing_without_data_asks_for_it(window: MainWindow, sample_model: Path, qtbot: QtBot) -> None:
    window.workflow.open_model(str(sample_model))
    qtbot.waitUntil(lambda: window.session.model is not None and not window.runner.is_busy, timeout=JOB_MS)
    window.actions_["action_analyse"].trigger()
    problem = dialog_of(window, "data_dialog").findChild(QLabel, "problem")
    assert problem is not None
    assert "Choose calibration data" in problem.text()


def test_that_data_that_does_not_fit_is_explained_in_the_dialog(
    sample_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    np.savez(tmp_path / "wrong.npz", x=np.zeros((4, 5), np.float32))
    before = sample_window.session.data
    sample_window.actions_["action_data"].trigger()
    dialog = dialog_of(sample_window, "data_dialog")
    fill(dialog, "calibration_path", str(tmp_path / "wrong.npz"))
    press(dialog, "accept_button")
    problem = dialog.findChild(QLabel, "problem")
    assert problem is not None
    qtbot.waitUntil(lambda: "wrong.npz" in problem.text(), timeout=JOB_MS)
    assert dialog.isVisible()
    assert sample_window.session.data == before
    finish_jobs(sample_window, qtbot)


def test_that_the_source_model_is_never_overwritten(sample_window: MainWindow) -> None:
    sample_window.actions_["action_convert"].trigger()
    dialog = dialog_of(sample_window, "convert_dialog")
    assert sample_window.session.model is not None
    fill(dialog, "output_path", sample_window.session.model.path)
    button = dialog.findChild(QAbstractButton, "accept_button")
    assert button is not None
    assert not button.isEnabled()


def test_that_activations_are_stored_as_int8_where_the_user_wants_them_so(
    sample_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    sample_window.actions_["action_convert"].trigger()
    dialog = dialog_of(sample_window, "convert_dialog")
    activations = dialog.findChild(QComboBox, "activations")
    assert activations is not None
    qtbot.keyClick(activations, Qt.Key.Key_Down)
    assert "signed" in activations.currentText()
    fill(dialog, "output_path", str(tmp_path / "signed.onnx"))
    with qtbot.waitSignal(sample_window.workflow.converted, timeout=JOB_MS):
        press(dialog, "accept_button")
    finish_jobs(sample_window, qtbot)
    graph = onnx.load(tmp_path / "signed.onnx").graph
    grids = {item.data_type for item in graph.initializer if item.name.startswith("a") and item.name.endswith(".z")}
    assert grids == {onnx.TensorProto.INT8}


def test_that_packed_weights_need_no_data_and_are_left_out_of_comparisons(
    sample_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window, data = sample_window, sample_window.session.data
    window.session.set_data(None)
    window.actions_["action_convert"].trigger()
    dialog = dialog_of(window, "convert_dialog")
    activations = dialog.findChild(QComboBox, "activations")
    assert activations is not None
    assert activations.isEnabled()
    fill(dialog, "output_path", str(tmp_path / "net.safetensors"))
    assert not activations.isEnabled()
    with qtbot.waitSignal(window.workflow.converted, timeout=JOB_MS):
        press(dialog, "accept_button")
    finish_jobs(window, qtbot)
    assert (tmp_path / "net.safetensors.manifest.json").is_file()
    assert [entry.is_packed for entry in window.session.results] == [True]
    window.session.set_data(data)
    with qtbot.waitSignal(window.workflow.compared, timeout=JOB_MS):
        window.workflow.compare()
    assert not window.runner.is_busy


def test_that_a_name_whose_plan_exists_is_taken(sample_window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "net.plan.json").write_text("{}")
    sample_window.actions_["action_convert"].trigger()
    dialog = dialog_of(sample_window, "convert_dialog")
    fill(dialog, "output_path", str(tmp_path / "net.onnx"))
    problem = dialog.findChild(QLabel, "problem")
    assert problem is not None
    assert "net.plan.json" in problem.text()
    assert ensure_new(tmp_path / "net.onnx").name == "net-2.onnx"


def test_that_a_results_folder_is_made_or_why_not_is_said(
    sample_window: MainWindow, qtbot: QtBot, message: Message, tmp_path: Path
) -> None:
    window = sample_window
    kept = Settings().results_folder
    (tmp_path / "file").write_text("no folder")
    window.actions_["action_convert"].trigger()
    dialog = dialog_of(window, "convert_dialog")
    fill(dialog, "output_path", str(tmp_path / "file" / "net.onnx"))
    press(dialog, "accept_button")
    text = message()
    assert str(tmp_path / "file") in text
    assert "Not a directory" in text or "File exists" in text
    assert not window.runner.is_busy
    assert Settings().results_folder == kept
    assert create_folder(tmp_path / "new" / "folder") == ""
    assert (tmp_path / "new" / "folder").is_dir()


def test_that_a_dropped_model_is_opened(window: MainWindow, sample_model: Path, qtbot: QtBot) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(sample_model))])
    event = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    with qtbot.waitSignal(window.session.model_changed, timeout=JOB_MS):
        window.dropEvent(event)
    finish_jobs(window, qtbot)
    assert Settings().recent_files == [str(sample_model)]


def test_that_closing_during_a_job_asks_first(sample_window: MainWindow, qtbot: QtBot) -> None:
    window = sample_window
    window.actions_["action_benchmark"].trigger()
    assert not window.close()
    assert window.isVisible()
    press(dialog_of(window, "message_box"), "accept_button")
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=CANCEL_MS)
    assert window.runner.worker_pid is None


def test_that_a_bug_opens_a_report_that_can_be_copied(window: MainWindow, qapp: QApplication) -> None:
    window.runner.crashed.emit("Traceback: a bug")
    dialog = dialog_of(window, "crash_dialog")
    press(dialog, "copy_report")
    assert "Traceback: a bug" in qapp.clipboard().text()
    dialog.close()


def test_that_the_theme_is_switched_and_remembered(window: MainWindow) -> None:
    window.actions_["action_theme_light"].trigger()
    assert not window.theme.is_dark
    window.actions_["action_theme_dark"].trigger()
    assert window.theme.is_dark
    assert Settings().theme == ThemeMode.DARK


def test_that_everything_the_user_can_press_has_a_name_and_a_tip(loaded_window: MainWindow) -> None:
    nameless = [action.text() for action in loaded_window.actions_.all() if not action.objectName()]
    assert not nameless
    pages = (loaded_window.layers_page, loaded_window.inspector, loaded_window.compare_page)
    for page in pages:
        for box in page.findChildren(QComboBox):
            assert box.objectName()
            assert box.toolTip()
            assert box.accessibleName()
