"""More than one window, one after the other, as a user starts the program again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtWidgets import QDialog
from pytestqt.qtbot import QtBot

from gui.app import build_main_window
from gui.main_window import MainWindow
from tests.gui.conftest import JOB_MS


@pytest.fixture(autouse=True)
def quick_autosave(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment instead of seconds."""
    monkeypatch.setattr("gui.project.desk.AUTOSAVE_MS", 50)


@pytest.fixture
def start(qtbot: QtBot) -> Iterator[Callable[[], MainWindow]]:
    """Starts a window; nothing of it is left afterwards."""
    windows = []

    def build() -> MainWindow:
        window = build_main_window()
        windows.append(window)
        window.show()
        qtbot.waitExposed(window)
        return window

    yield build
    for window in windows:
        if window.runner.is_busy:
            window.runner.cancel()
            qtbot.waitUntil(lambda window=window: not window.runner.is_busy, timeout=JOB_MS)
        for dialog in window.findChildren(QDialog):
            dialog.close()
        window._is_closing = True
        window.close()
        window.deleteLater()
