"""The Data dialog: a folder of images is chosen, looked at, checked and used; and the menu of presets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDropEvent
from PySide6.QtWidgets import QAbstractButton, QComboBox, QDialog, QLabel, QLineEdit
from pytestqt.qtbot import QtBot

from engine.data.preprocessing import load_preprocessing
from engine.jobs.supervisor import JobFailed, WorkerProcess
from engine.numerics.schemes import Kernel
from engine.requests.data import CheckRequest
from engine.requests.request import Request
from gui.main_window import MainWindow
from gui.preset_menu import PresetMenu
from tests.engine.models import colour_classifier, save_model
from tests.gui.conftest import build_row

JOB_MS = 20_000


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve pictures in three class folders, which the model tells by their colour."""
    generator = np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "zblue")):
        order = {"red": "b_red", "green": "c_green", "zblue": "d_blue"}[name]
        (tmp_path / "images" / order).mkdir(parents=True)
        for index in range(4):
            pixels = generator.integers(0, 100, (8, 8, 3)).astype(np.uint8)
            pixels[..., channel] += 60
            Image.fromarray(pixels).save(tmp_path / "images" / order / f"{index}.png")
    return tmp_path / "images"


@pytest.fixture
def dialog(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> QDialog:
    """The dialog over a window with the colour model."""
    window.workflow.open_model(str(save_model(colour_classifier(), tmp_path, "colours.onnx")))
    qtbot.waitUntil(lambda: window.session.model is not None and not window.runner.is_busy, timeout=JOB_MS)
    window.actions_["action_data"].trigger()
    (found,) = [dialog for dialog in window.findChildren(QDialog, "data_dialog") if dialog.isVisible()]
    return found


def text_of(dialog: QDialog, name: str) -> str:
    label = dialog.findChild(QLabel, name)
    assert label is not None
    return label.text()


def picture_of(dialog: QDialog, name: str) -> bool:
    label = dialog.findChild(QLabel, name)
    assert label is not None
    return not label.pixmap().isNull()


def line_of(dialog: QDialog, name: str) -> QLineEdit:
    line = dialog.findChild(QLineEdit, name)
    assert line is not None
    return line


def press(dialog: QDialog, name: str) -> None:
    button = dialog.findChild(QAbstractButton, name)
    assert button is not None
    assert button.isEnabled(), name
    button.click()


def drop(target: QDialog, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    action, button, keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    target.dropEvent(QDropEvent(QPointF(5, 5), action, data, button, keys))


def choose_images(dialog: QDialog, qtbot: QtBot, images: Path) -> None:
    drop(dialog, images)
    qtbot.waitUntil(lambda: "none is used twice" in text_of(dialog, "split_statement"), timeout=JOB_MS)


def test_that_a_dropped_folder_is_shown_and_its_samples_are_divided(
    dialog: QDialog, qtbot: QtBot, images: Path
) -> None:
    choose_images(dialog, qtbot, images)
    assert picture_of(dialog, "preview_before")
    assert picture_of(dialog, "preview_after")
    assert "6 of 12 samples for calibration, the other 6 for evaluation" in text_of(dialog, "split_statement")
    assert "class by class" in text_of(dialog, "split_statement")
    assert "b_red/0.png" in text_of(dialog, "preview_name")
    assert text_of(dialog, "preview_label") == "label 0"
    assert "1 × 3 × 8 × 8, float32" in text_of(dialog, "preview_tensor")
    assert "[N, 3, 8, 8]" in text_of(dialog, "preprocess_guess")
    press(dialog, "preview_next")
    qtbot.waitUntil(lambda: "c_green/0.png" in text_of(dialog, "preview_name"), timeout=JOB_MS)
    assert text_of(dialog, "preview_label") == "label 1"


def test_that_accepting_makes_analysis_the_next_step_and_keeps_the_parts_apart(
    window: MainWindow, dialog: QDialog, qtbot: QtBot, images: Path
) -> None:
    line_of(dialog, "calibration_path").setText(str(images))
    press(dialog, "accept_button")  # before anything was looked at
    qtbot.waitUntil(lambda: window.session.data is not None and not window.runner.is_busy, timeout=JOB_MS)
    data = window.session.data
    assert data is not None
    assert data.evaluation is not None
    assert data.evaluation_summary is not None
    assert (data.samples, data.calibration_summary.samples, data.evaluation_summary.samples) == (6, 6, 6)
    assert (data.calibration.take, data.evaluation.skip) == (6, 6)
    assert data.calibration.seed == data.evaluation.seed is not None
    assert window.actions_["action_analyse"].isEnabled()
    qtbot.waitUntil(lambda: not any(found.isVisible() for found in window.findChildren(QDialog, "data_dialog")))
    used = data
    window.actions_["action_data"].trigger()
    again = next(found for found in window.findChildren(QDialog, "data_dialog") if found.isVisible())
    qtbot.waitUntil(lambda: "none is used twice" in text_of(again, "split_statement"), timeout=JOB_MS)
    assert line_of(again, "preprocess_scale").text() == "1/255"
    press(again, "accept_button")
    assert window.session.data is used


def test_that_values_that_do_not_suit_are_warned_of_and_checked_on_the_model(
    dialog: QDialog, qtbot: QtBot, images: Path
) -> None:
    choose_images(dialog, qtbot, images)
    presets = dialog.findChild(QComboBox, "preprocess_preset")
    warning = dialog.findChild(QLabel, "preview_warning")
    assert presets is not None
    assert warning is not None
    index = presets.findData("raw_255")
    presets.setCurrentIndex(index)
    presets.activated.emit(index)
    qtbot.waitUntil(lambda: "raw pixels" in warning.text() and warning.isVisible(), timeout=JOB_MS)
    press(dialog, "check_samples")
    qtbot.waitUntil(lambda: "12 of 12 right: the preprocessing fits" in text_of(dialog, "check_result"), timeout=JOB_MS)
    line_of(dialog, "preprocess_scale").setText("x")
    assert "'x' is no number" in warning.text()


def test_that_trying_all_presets_takes_one_that_fits(dialog: QDialog, qtbot: QtBot, images: Path) -> None:
    choose_images(dialog, qtbot, images)
    line_of(dialog, "preprocess_mean").setText("0, 200, 0")
    qtbot.waitUntil(lambda: "none is used twice" in text_of(dialog, "split_statement"), timeout=JOB_MS)
    press(dialog, "try_presets")
    qtbot.waitUntil(lambda: "12 of 12 right" in text_of(dialog, "check_result"), timeout=JOB_MS)
    assert line_of(dialog, "preprocess_mean").text() != "0, 200, 0"


def test_that_the_same_folder_given_twice_is_said_and_divided(dialog: QDialog, qtbot: QtBot, images: Path) -> None:
    choose_images(dialog, qtbot, images)
    press(dialog, "evaluate_other")
    line_of(dialog, "evaluation_path").setText(str(images))
    qtbot.waitUntil(lambda: "Both sources are the same data" in text_of(dialog, "split_statement"), timeout=JOB_MS)
    assert "none is used twice" in text_of(dialog, "split_statement")


def test_that_preprocessing_is_written_for_the_command_line(dialog: QDialog, qtbot: QtBot, images: Path) -> None:
    choose_images(dialog, qtbot, images)
    line_of(dialog, "preprocess_mean").setText("0.1, 0.2, 0.3")
    press(dialog, "preprocess_save")
    saving = dialog.findChild(QDialog, "save_preprocessing")
    assert saving is not None
    target = images.parent / "preprocess.json"
    saving.fileSelected.emit(str(target))  # type: ignore[attr-defined]
    saving.close()
    assert load_preprocessing(target).mean == (0.1, 0.2, 0.3)
    assert [path.name for path in images.parent.glob("*.json")] == ["preprocess.json"]


def test_that_a_folder_without_images_is_explained(dialog: QDialog, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    line_of(dialog, "calibration_path").setText(str(tmp_path / "empty"))
    press(dialog, "accept_button")
    qtbot.waitUntil(lambda: "empty has no images" in text_of(dialog, "problem"), timeout=JOB_MS)
    assert dialog.isVisible()


# --- presets for targets ---------------------------------------------------------------------------


def action_of(menu: PresetMenu, name: str) -> QAction:
    menu.aboutToShow.emit()
    return next(action for action in menu.actions() if action.objectName() == name)


def test_that_a_preset_changes_the_plan_in_one_step_and_says_so(loaded_window: MainWindow) -> None:
    window, session = loaded_window, loaded_window.session
    menu = window.findChild(PresetMenu, "menu_presets")
    assert menu is not None
    locked = session.layers[1].name
    session.assign_bits([locked], 4)
    session.toggle_lock([locked])
    before, steps = session.plan, session.undo_stack.count()
    said: list[str] = []
    window.log.line_added.connect(said.append)
    action_of(menu, "preset_older-cpu").trigger()
    assert session.plan is not None
    assert session.undo_stack.count() == steps + 1
    assert session.plan.layer(locked).weights.bits == 4
    others = [session.plan.layer(layer.name) for layer in session.layers if layer.name != locked]
    assert all(layer.weights.reduce_range and layer.kernel == Kernel.QLINEAR for layer in others)
    assert "layers changed: 3, locked ones kept: 1" in said[-1]
    window.actions_["action_undo"].trigger()
    assert session.plan == before


def test_that_a_malformed_preset_of_the_user_is_named(
    loaded_window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "bitsmith" / "presets"
    folder.mkdir(parents=True)
    (folder / "mine.json").write_text(json.dumps({"title": "Mine", "weights": {"bits": 5}}))
    menu = loaded_window.findChild(PresetMenu, "menu_presets")
    assert menu is not None
    assert "mine.json is malformed: 'bits' is 5" in action_of(menu, "preset_problem").toolTip()


def test_that_an_answer_to_a_closed_dialog_is_dropped(
    window: MainWindow, dialog: QDialog, qtbot: QtBot, images: Path
) -> None:
    choose_images(dialog, qtbot, images)
    press(dialog, "try_presets")
    qtbot.waitUntil(lambda: window.runner._current is not None, timeout=JOB_MS)
    with qtbot.waitSignal(dialog.destroyed, timeout=JOB_MS):
        dialog.reject()
    qtbot.waitUntil(lambda: window.runner._current is None, timeout=JOB_MS)


def test_that_a_check_that_the_worker_did_not_survive_can_be_asked_again(
    window: MainWindow, dialog: QDialog, qtbot: QtBot, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_images(dialog, qtbot, images)
    run = WorkerProcess.run

    def fail(worker: WorkerProcess, request: Request, *arguments: Any) -> object:
        if isinstance(request, CheckRequest):
            raise JobFailed("a bug")
        return run(worker, request, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(WorkerProcess, "run", fail)
        press(dialog, "check_samples")
        qtbot.waitUntil(lambda: bool(window.findChildren(QDialog, "crash_dialog")), timeout=JOB_MS)
    assert "Running" not in text_of(dialog, "check_result")
    press(dialog, "check_samples")
    qtbot.waitUntil(lambda: "right" in text_of(dialog, "check_result"), timeout=JOB_MS)


def test_that_a_field_that_is_no_number_is_not_passed_over(
    window: MainWindow, dialog: QDialog, qtbot: QtBot, images: Path
) -> None:
    choose_images(dialog, qtbot, images)
    line_of(dialog, "preprocess_scale").setText("1/x")
    press(dialog, "accept_button")
    assert "'1/x' is no number" in text_of(dialog, "problem")
    assert not window.runner.is_busy
    line_of(dialog, "preprocess_scale").setText("1/255")
    press(dialog, "accept_button")
    qtbot.waitUntil(lambda: window.session.data is not None and not window.runner.is_busy, timeout=JOB_MS)


def test_that_cancel_while_data_is_checked_leaves_the_data_alone(
    window: MainWindow, dialog: QDialog, qtbot: QtBot, images: Path
) -> None:
    choose_images(dialog, qtbot, images)
    press(dialog, "accept_button")
    assert window.runner.is_busy
    dialog.reject()
    qtbot.waitUntil(lambda: not window.runner.is_busy, timeout=JOB_MS)
    assert window.session.data is None


def test_that_data_whose_content_changed_is_taken_anew(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, sample_model: Path, sample_test_data: Path
) -> None:
    data = Path(shutil.copy(sample_test_data, tmp_path / "data.npz"))
    window.open_model(str(sample_model), str(data))
    qtbot.waitUntil(lambda: window.session.data is not None and not window.runner.is_busy, timeout=JOB_MS)
    session = window.session
    session.add_rows([build_row(session.layers[0].name)])
    accept_data_again(window, qtbot)
    assert session.rows  # nothing changed, nothing is dropped
    before = session.data
    with np.load(data) as arrays:
        changed = {name: array[::-1] for name, array in arrays.items()}
    np.savez(data, **changed)
    accept_data_again(window, qtbot)
    assert session.data is not None
    assert before is not None
    assert session.data.calibration_summary.digest != before.calibration_summary.digest
    assert session.data.calibration == before.calibration
    assert not session.rows


def accept_data_again(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_["action_data"].trigger()
    dialog = next(found for found in window.findChildren(QDialog, "data_dialog") if found.isVisible())
    with qtbot.waitSignal(dialog.accepted, timeout=JOB_MS):
        press(dialog, "accept_button")
    qtbot.waitUntil(lambda: not window.runner.is_busy, timeout=JOB_MS)
