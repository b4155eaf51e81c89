"""Projects in the real window: save, start again, open; crash, start again, restore; and leaving in good manners."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QAbstractButton, QDialog, QFileDialog, QLabel, QMessageBox
from pytestqt.qtbot import QtBot

from engine.project.file import ProjectEncoder, load_project, save_project
from engine.project.recovery import find_leftovers
from gui.main_window import MainWindow
from gui.project.files import SaveJob
from gui.settings import Settings
from main import wants_window

JOB_MS = 60_000
Start = Callable[[], MainWindow]
Message = Callable[[], str]


def dialog_of(window: MainWindow, name: str) -> QDialog:
    found = [dialog for dialog in window.findChildren(QDialog, name) if dialog.isVisible()]
    assert found, f"{name} is not open"
    return found[-1]


def press(parent: QDialog | MainWindow, name: str) -> None:
    button = parent.findChild(QAbstractButton, name)
    assert button is not None, name
    assert button.isEnabled(), name
    button.click()


def finish_jobs(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not window.runner.is_busy, timeout=JOB_MS)


def open_sample(window: MainWindow, qtbot: QtBot) -> MainWindow:
    window.actions_["action_open_sample"].trigger()
    qtbot.waitUntil(lambda: window.session.data is not None and not window.runner.is_busy, timeout=JOB_MS)
    return window


def analyse(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_["action_analyse"].trigger()
    press(dialog_of(window, "analyse_dialog"), "accept_button")
    finish_jobs(window, qtbot)


def convert(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_["action_convert"].trigger()
    with qtbot.waitSignal(window.workflow.converted, timeout=JOB_MS):
        press(dialog_of(window, "convert_dialog"), "accept_button")
    finish_jobs(window, qtbot)


def choose_file(window: MainWindow, name: str, path: Path) -> None:
    dialog = dialog_of(window, name)
    assert isinstance(dialog, QFileDialog)
    dialog.fileSelected.emit(str(path))
    dialog.reject()


def save(window: MainWindow, qtbot: QtBot, path: Path) -> Path:
    window.actions_["action_save_as"].trigger()
    choose_file(window, "save_project_dialog", path)
    qtbot.waitUntil(lambda: window.desk.path == path and not window.desk.is_modified, timeout=JOB_MS)
    return path


def open_project(window: MainWindow, qtbot: QtBot, path: Path) -> None:
    with qtbot.waitSignal(window.desk.opened, timeout=JOB_MS):
        window.open_path(str(path))
    finish_jobs(window, qtbot)


def shut(window: MainWindow) -> None:
    assert window.close()


def restore_text(window: MainWindow) -> str:
    label = window.restore_bar.findChild(QLabel, "restore_text")
    assert label is not None
    return label.text()


def cells_of(window: MainWindow) -> list[list[str]]:
    model = window.layers_page.view.model()
    return [
        [str(model.index(row, column).data()) for column in range(model.columnCount())]
        for row in range(model.rowCount())
    ]


def all_bits(window: MainWindow) -> set[int]:
    plan = window.session.plan
    assert plan is not None
    return {layer.weights.bits for layer in plan.layers.values()}


def test_that_a_saved_project_is_there_after_a_restart_and_goes_on(start: Start, qtbot: QtBot, tmp_path: Path) -> None:
    first = open_sample(start(), qtbot)
    analyse(first, qtbot)
    convert(first, qtbot)
    first.session.assign_bits([layer.name for layer in first.session.layers], 4)
    convert(first, qtbot)
    with qtbot.waitSignal(first.workflow.compared, timeout=JOB_MS):
        first.actions_["action_compare"].trigger()
    finish_jobs(first, qtbot)
    first.session.change_run(dataclasses.replace(first.session.history[0], note="eight", is_pinned=True))
    first.session.select(first.session.layers[3].name)
    first.tabs.setCurrentWidget(first.history_page)
    path = save(first, qtbot, tmp_path / "digits.bitsmith")
    plan, history, cells = first.session.plan, first.session.history, cells_of(first)
    assert "digits.bitsmith" in first.windowTitle()
    shut(first)

    second = start()
    open_project(second, qtbot, path)
    session = second.session
    assert session.plan == plan
    assert session.history == history
    assert [run.evaluation is not None for run in session.results] == [True, True]
    assert session.history[1].parent == session.history[0].id
    assert cells_of(second) == cells
    assert session.is_analysed
    assert session.data is not None
    assert session.selected == session.layers[3].name
    qtbot.waitUntil(lambda: second.tabs.currentWidget().objectName() == "history_page")
    assert not second.desk.is_modified
    assert Settings().recent_files[0] == str(path)
    second.actions_["action_undo"].trigger()
    assert all_bits(second) == {8}
    second.actions_["action_redo"].trigger()
    assert all_bits(second) == {4}

    jobs: list[str] = []
    second.runner.job_started.connect(lambda job: jobs.append(type(job.request).__name__))
    session.assign_bits([session.selected], 8)
    convert(second, qtbot)
    assert jobs == ["ConvertRequest"], "the calibration came along"
    assert [run.number for run in session.history] == [1, 2, 3]
    assert session.history[2].parent == session.history[1].id
    assert all(Path(run.converted.output).is_file() for run in session.history)


def test_that_a_kept_calibration_gives_the_same_bytes(start: Start, qtbot: QtBot) -> None:
    window = open_sample(start(), qtbot)
    convert(window, qtbot)
    convert(window, qtbot)
    assert window.session.plan is not None
    window.workflow.workplace = None
    window.session.calibration = None
    convert(window, qtbot)
    digests = {run.files[0].sha256 for run in window.session.history}
    assert len(window.session.history) == 3
    assert len(digests) == 1


CRASHING = """
import os, sys
from pathlib import Path
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication
def main():
    for kind in (QSettings.Format.NativeFormat, QSettings.Format.IniFormat):
        QSettings.setPath(kind, QSettings.Scope.UserScope, sys.argv[1])
    application = QApplication(["bitsmith"])
    import gui.project.desk
    gui.project.desk.AUTOSAVE_MS = 50
    from gui.analysis_choice import AnalysisChoice
    from engine.requests.analysis import AnalysisMethod
    from gui.app import build_main_window
    window = build_main_window()
    window.show()
    window.open_sample()
    session = window.session
    steps = []
    def tick():
        if window.runner.is_busy or session.data is None:
            return
        if not steps:
            steps.append("analyse")
            session.assign_bits([session.layers[2].name], 2)
            window.workflow.analyse(AnalysisChoice(AnalysisMethod.QUICK, 8))
        elif len(steps) == 1 and session.is_analysed:
            steps.append("job")
            window.workflow.benchmark(1)
    def watch():
        saved = window.desk._recovery.autosave
        if len(steps) == 2 and window.runner.is_busy and saved.is_file() and not window.desk._timer.isActive() \
                and not window.desk._writer.is_busy:
            print("READY", window.runner.worker_pid, flush=True)
    timers = [QTimer(interval=20), QTimer(interval=200)]
    timers[0].timeout.connect(tick)
    timers[1].timeout.connect(watch)
    for timer in timers:
        timer.start()
    application.exec()
if __name__ == "__main__":
    main()
"""


def test_that_a_window_that_is_killed_in_mid_job_can_be_restored_and_finished(
    start: Start, qtbot: QtBot, tmp_path: Path
) -> None:
    script = tmp_path / "crashing.py"
    script.write_text(CRASHING)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    child = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "other_settings")], stdout=subprocess.PIPE, env=environment
    )
    assert child.stdout is not None
    assert child.stdout.readline().startswith(b"READY")
    child.kill()
    child.wait()
    child.stdout.close()

    window = start()
    qtbot.waitUntil(window.restore_bar.isVisible, timeout=JOB_MS)
    assert "ended unexpectedly" in restore_text(window)
    assert "digits.onnx: 12 of 12 layers" in restore_text(window)
    with qtbot.waitSignal(window.desk.opened, timeout=JOB_MS):
        press(window, "restore_button")
    finish_jobs(window, qtbot)
    session = window.session
    assert len(session.rows) == len(session.layers) == 12
    assert session.is_analysed
    assert session.plan is not None
    assert session.plan.layer(session.layers[2].name).weights.bits == 2
    assert not window.restore_bar.isVisible()
    assert window.desk.is_modified
    convert(window, qtbot)
    assert Path(session.history[-1].converted.output).is_file()


def test_that_work_without_a_name_is_offered_again_and_a_look_is_not(start: Start, qtbot: QtBot) -> None:
    looked = open_sample(start(), qtbot)
    shut(looked)
    assert find_leftovers() == ()

    worked = open_sample(start(), qtbot)
    assert not worked.restore_bar.isVisible()
    worked.session.assign_bits([worked.session.selected], 2)
    shut(worked)
    assert len(find_leftovers()) == 1

    third = start()
    qtbot.waitUntil(third.restore_bar.isVisible, timeout=JOB_MS)
    assert "Unsaved work" in restore_text(third)
    press(third, "later_button")
    assert not third.restore_bar.isVisible()
    shut(third)

    third = start()
    qtbot.waitUntil(third.restore_bar.isVisible, timeout=JOB_MS)
    press(third, "discard_button")
    press(dialog_of(third, "message_box"), "accept_button")
    assert not third.restore_bar.isVisible()
    assert find_leftovers() == ()


def test_that_opening_another_model_keeps_work_without_a_name(start: Start, qtbot: QtBot, sample_model: Path) -> None:
    window = open_sample(start(), qtbot)
    window.session.assign_bits([window.session.selected], 2)
    window.open_path(str(sample_model))
    finish_jobs(window, qtbot)
    assert window.session.undo_stack.count() == 0
    assert len(find_leftovers()) == 1


def test_that_leaving_a_changed_project_asks(start: Start, qtbot: QtBot, tmp_path: Path) -> None:
    window = open_sample(start(), qtbot)
    path = save(window, qtbot, tmp_path / "p.bitsmith")
    name = window.session.selected
    window.session.assign_bits([name], 2)
    assert window.isWindowModified()
    assert not window.close()
    dialog_of(window, "message_box").close()
    assert window.isVisible(), "cancelled"

    assert not window.close()
    press(dialog_of(window, "message_box"), "accept_button")
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=JOB_MS)
    assert find_leftovers() == ()
    assert load_project(path, tmp_path).plan.layer(name).weights.bits == 2

    second = start()
    open_project(second, qtbot, path)
    second.session.assign_bits([name], 4)
    assert not second.close()
    press(dialog_of(second, "message_box"), "choice_1_button")
    assert not second.isVisible()
    assert load_project(path, tmp_path).plan.layer(name).weights.bits == 2, "discarded"
    assert find_leftovers() == ()


def test_that_undoing_to_what_was_saved_is_no_change(start: Start, qtbot: QtBot, tmp_path: Path) -> None:
    window = open_sample(start(), qtbot)
    save(window, qtbot, tmp_path / "p.bitsmith")
    window.session.assign_bits([window.session.selected], 2)
    assert window.desk.is_modified
    window.actions_["action_undo"].trigger()
    assert not window.desk.is_modified
    assert not window.isWindowModified()


def make_project(window: MainWindow, qtbot: QtBot, folder: Path, sample_model: Path) -> Path:
    """A project about a copy of the sample, closed again."""
    folder.mkdir()
    model = Path(shutil.copy(sample_model, folder / "net.onnx"))
    window.open_path(str(model))
    qtbot.waitUntil(lambda: window.session.model is not None, timeout=JOB_MS)
    finish_jobs(window, qtbot)
    window.session.assign_bits([window.session.selected], 2)
    path = save(window, qtbot, folder / "p.bitsmith")
    shut(window)
    return path


def test_that_a_model_that_moved_is_found_or_located(
    start: Start, qtbot: QtBot, tmp_path: Path, sample_model: Path, message: Message
) -> None:
    path = make_project(start(), qtbot, tmp_path / "a", sample_model)
    (tmp_path / "a").rename(tmp_path / "b")
    together = start()
    open_project(together, qtbot, tmp_path / "b" / path.name)
    assert together.session.model is not None
    assert together.session.model.path == str(tmp_path / "b" / "net.onnx")
    shut(together)

    (tmp_path / "b" / "net.onnx").rename(tmp_path / "elsewhere.onnx")
    window = start()
    window.open_path(str(tmp_path / "b" / path.name))
    qtbot.waitUntil(lambda: bool(_boxes(window)), timeout=JOB_MS)
    assert "not where it was" in _boxes(window)[0].text()
    press(_boxes(window)[0], "accept_button")
    with qtbot.waitSignal(window.desk.opened, timeout=JOB_MS):
        choose_file(window, "locate_dialog", tmp_path / "elsewhere.onnx")
    assert 2 in all_bits(window)


def test_that_another_model_in_its_place_is_refused(
    start: Start, qtbot: QtBot, tmp_path: Path, sample_model: Path
) -> None:
    path = make_project(start(), qtbot, tmp_path / "a", sample_model)
    content = bytearray((tmp_path / "a" / "net.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a" / "net.onnx").write_bytes(content)
    window = start()
    window.open_path(str(path))
    qtbot.waitUntil(lambda: bool(_boxes(window)), timeout=JOB_MS)
    assert "another model" in _boxes(window)[0].text()
    _boxes(window)[0].close()
    assert window.session.model is None


def _boxes(window: MainWindow) -> list[QMessageBox]:
    return [box for box in window.findChildren(QMessageBox) if box.isVisible()]


def test_that_a_broken_project_is_a_sentence_and_leaves_the_window_as_it_is(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, message: Message
) -> None:
    open_sample(window, qtbot)
    broken = tmp_path / "broken.bitsmith"
    broken.write_bytes(b"PK\x03\x04 no")
    window.open_path(str(broken))
    text = message()
    assert "broken.bitsmith" in text
    assert "Traceback" not in text
    assert window.session.model is not None
    assert window.desk.path is None


def test_that_missing_data_is_told(
    start: Start, qtbot: QtBot, tmp_path: Path, message: Message, window: MainWindow
) -> None:
    open_sample(window, qtbot)
    path = save(window, qtbot, tmp_path / "p.bitsmith")
    project = load_project(path, tmp_path)
    assert project.data is not None
    gone = dataclasses.replace(project.data.calibration, path=str(tmp_path / "gone.npz"))
    moved = dataclasses.replace(project, data=dataclasses.replace(project.data, calibration=gone))
    save_project(moved, path, ProjectEncoder())
    window.open_path(str(path))
    assert "gone.npz" in message()


def test_that_data_that_changed_since_is_told(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, sample_model: Path, sample_test_data: Path, message: Message
) -> None:
    data = Path(shutil.copy(sample_test_data, tmp_path / "data.npz"))
    window.open_model(str(sample_model), str(data))
    qtbot.waitUntil(lambda: window.session.data is not None and not window.runner.is_busy, timeout=JOB_MS)
    path = save(window, qtbot, tmp_path / "p.bitsmith")
    with np.load(data) as arrays:
        changed = {name: array[::-1] for name, array in arrays.items()}
    np.savez(data, **changed)
    window.open_path(str(path))
    assert "data.npz was changed" in message()


def test_that_a_dropped_project_is_opened(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    open_sample(window, qtbot)
    window.session.assign_bits([window.session.selected], 2)
    path = save(window, qtbot, tmp_path / "p.bitsmith")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    with qtbot.waitSignal(window.desk.opened, timeout=JOB_MS):
        window.dropEvent(QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, mime, left, none))
    assert 2 in all_bits(window)


def test_that_the_command_line_opens_a_project() -> None:
    assert wants_window(["any.bitsmith"])


def test_that_a_model_opened_instead_of_the_one_that_is_missing_has_no_name(
    start: Start, qtbot: QtBot, tmp_path: Path, sample_model: Path
) -> None:
    path = make_project(start(), qtbot, tmp_path / "a", sample_model)
    (tmp_path / "a" / "net.onnx").unlink()
    window = start()
    window.open_path(str(path))
    qtbot.waitUntil(lambda: bool(_boxes(window)), timeout=JOB_MS)
    _boxes(window)[0].close()
    window.open_path(str(sample_model))
    qtbot.waitUntil(lambda: window.session.model is not None, timeout=JOB_MS)
    finish_jobs(window, qtbot)
    assert window.desk.path is None
    assert all_bits(window) == {8}
    assert not window.desk.is_modified


def test_that_a_double_click_on_a_recent_project_opens_it(
    start: Start, qtbot: QtBot, tmp_path: Path, sample_model: Path
) -> None:
    make_project(start(), qtbot, tmp_path / "a", sample_model)
    window = start()
    button = window.start_page.findChild(QAbstractButton, "recent_0")
    assert button is not None
    with qtbot.waitSignal(window.desk.opened, timeout=JOB_MS):
        button.click()
        button.click()
    finish_jobs(window, qtbot)
    assert 2 in all_bits(window)


def test_that_work_whose_model_cannot_be_opened_is_offered_again(
    start: Start, qtbot: QtBot, tmp_path: Path, sample_model: Path, message: Message
) -> None:
    model = Path(shutil.copy(sample_model, tmp_path / "net.onnx"))
    first = start()
    first.open_path(str(model))
    qtbot.waitUntil(lambda: first.session.model is not None, timeout=JOB_MS)
    finish_jobs(first, qtbot)
    first.session.assign_bits([first.session.selected], 2)
    shut(first)
    model.write_bytes(b"no model any more")
    window = start()
    qtbot.waitUntil(window.restore_bar.isVisible, timeout=JOB_MS)
    for _ in range(2):
        with qtbot.waitSignal(window.desk.settled, timeout=JOB_MS):
            press(window, "restore_button")
        finish_jobs(window, qtbot)
        assert len(find_leftovers()) == 1
        qtbot.waitUntil(lambda: bool(_boxes(window)), timeout=JOB_MS)
        assert "net.onnx" in _boxes(window)[0].text()
        _boxes(window)[0].close()
        qtbot.waitUntil(lambda: not _boxes(window))


def test_that_a_save_that_ends_late_names_only_what_it_saved(
    start: Start, qtbot: QtBot, tmp_path: Path, sample_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_sample(start(), qtbot)
    other = Path(shutil.copy(sample_model, tmp_path / "other.onnx"))
    released = threading.Event()
    run = SaveJob.run

    def run_late(job: SaveJob, encoder: ProjectEncoder) -> str:
        released.wait(JOB_MS / 1000)
        return run(job, encoder)

    monkeypatch.setattr(SaveJob, "run", run_late)
    window.actions_["action_save_as"].trigger()
    choose_file(window, "save_project_dialog", tmp_path / "first.bitsmith")
    threading.Timer(0.2, released.set).start()
    window.session.set_model(dataclasses.replace(window.session.model, path=str(other)))
    qtbot.waitUntil(lambda: not window.desk._writer.is_busy, timeout=JOB_MS)
    assert (tmp_path / "first.bitsmith").is_file()
    assert window.desk.path is None


def test_that_a_project_that_is_read_while_a_job_begins_is_not_lost_without_a_word(
    start: Start, qtbot: QtBot, tmp_path: Path, sample_model: Path, message: Message
) -> None:
    path = make_project(start(), qtbot, tmp_path / "a", sample_model)
    window = open_sample(start(), qtbot)
    with qtbot.waitSignal(window.desk.settled, timeout=JOB_MS):
        window.open_path(str(path))
        window.workflow.measure_latency(1)
    boxes = _boxes(window)
    assert boxes
    assert "p.bitsmith" in boxes[0].text()
    boxes[0].close()
    finish_jobs(window, qtbot)
    assert window.desk.path is None
    open_project(window, qtbot, path)
    assert window.desk.path == path
