"""Building the window, and running it as a program."""

from __future__ import annotations

import gc
import sys

from PySide6.QtCore import QTimer
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from engine.jobs.supervisor import WorkerProcess
from gui.collecting import INTERVAL_MS, GarbageCollector, collection_paused
from gui.crash import install_crash_hook
from gui.job_runner import JobRunner
from gui.main_window import MainWindow
from gui.resource_files import APP_ICON
from gui.session import Session
from gui.settings import Settings
from gui.theme import Theme
from gui.translation import read_language, use_language

START_MS = INTERVAL_MS - 100
"""After which the window and its pages are there, and garbage was not collected yet."""

SWITCH_INTERVAL_S = 0.001
"""How long a job's thread may hold the interpreter while the window wants it."""


def build_main_window(
    model: str | None = None, data: str | None = None, *, worker: WorkerProcess | None = None
) -> MainWindow:
    """The window with session and worker; a QApplication exists. Opens `model`, with `data`, if given."""
    settings = Settings()
    use_language(read_language(settings.language))
    with collection_paused():
        QApplication.setStyle("Fusion")
    theme = Theme(settings)
    theme.apply()
    window = MainWindow(Session(), JobRunner(worker), theme, settings)
    GarbageCollector(window)
    if model is not None:
        path = model
        QTimer.singleShot(0, window, lambda: window.open_model(path, data))
    return window


def run_window(
    model: str | None = None, data: str | None = None, *, is_sample: bool = False, worker: WorkerProcess | None = None
) -> int:
    """Run the program until its window is closed; returns the exit status.

    `worker` may have been started before Qt was imported, so that both load at the same time.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("Bitsmith")
    application.setDesktopFileName("bitsmith")
    application.setWindowIcon(QIcon(str(APP_ICON)))
    install_crash_hook()
    window = build_main_window(model, data, worker=worker)
    window.show()
    QTimer.singleShot(START_MS, gc.freeze)  # what is there by now stays: collections need not look at it
    if is_sample:
        QTimer.singleShot(0, window, window.open_sample)
    return application.exec()
