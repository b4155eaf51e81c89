"""A file that could run code is opened in the window only after a question that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtWidgets import QAbstractButton, QMessageBox
from pytestqt.qtbot import QtBot

from gui.main_window import MainWindow
from tests.gui.conftest import JOB_MS

torch = pytest.importorskip("torch")


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "code_ran"


@pytest.fixture
def hostile(tmp_path: Path, marker: Path) -> Path:
    from tests.engine.pytorch.networks import hostile_blob

    path = tmp_path / "hostile.pt"
    path.write_bytes(hostile_blob(marker))
    return path


def ask(window: MainWindow, qtbot: QtBot, path: Path) -> QMessageBox:
    window.workflow.open_model(str(path))
    qtbot.waitUntil(lambda: bool(window.findChildren(QMessageBox)), timeout=JOB_MS)
    qtbot.waitUntil(lambda: not window.runner.is_busy, timeout=JOB_MS)
    return window.findChildren(QMessageBox)[0]


def test_that_the_question_names_the_file_and_the_danger_and_no_opens_nothing(
    window: MainWindow, qtbot: QtBot, hostile: Path, marker: Path
) -> None:
    box = ask(window, qtbot, hostile)
    assert "hostile.pt can run code" in box.text()
    assert "change or delete your files" in box.text()
    assert box.defaultButton() is box.button(QMessageBox.StandardButton.Cancel)
    box.reject()
    assert not window.runner.is_busy
    assert window.session.model is None
    assert not marker.exists()


def test_that_yes_opens_this_file_with_all_that_is_in_it(
    window: MainWindow, qtbot: QtBot, hostile: Path, marker: Path, message: Callable[[], str]
) -> None:
    box = ask(window, qtbot, hostile)
    button = box.findChild(QAbstractButton, "accept_button")
    assert button is not None
    button.click()
    qtbot.waitUntil(marker.exists, timeout=JOB_MS)
    qtbot.waitUntil(lambda: not window.runner.is_busy, timeout=JOB_MS)
    assert "state dict" in message()
