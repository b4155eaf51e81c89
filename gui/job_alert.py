"""Tells that a long job has ended while the user looks elsewhere."""

from __future__ import annotations

import time
from functools import partial

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication, QMainWindow, QSystemTrayIcon
from typing_extensions import override

from gui.job_runner import Job, JobRunner

LONG_S = 10.0


class JobAlert(QObject):
    """A message of the system where it has them, else a flashing entry in the task bar; and the title says it.

    Jobs that follow on each other count as one; one that the user cancelled tells nothing.
    """

    def __init__(self, window: QMainWindow, runner: JobRunner) -> None:
        super().__init__(window)
        self._window = window
        self._runner = runner
        self._began: float | None = None
        self._outcome = ""
        self._title = ""
        self._tray: QSystemTrayIcon | None = None
        runner.job_started.connect(self._on_started)
        runner.job_finished.connect(self._on_finished)
        window.installEventFilter(self)

    def _on_started(self, job: Job) -> None:
        if self._began is None:
            self._began = time.monotonic()
        self._outcome = ""
        job.succeeded.connect(lambda _result: self._keep(self.tr("{title}: done").format(title=job.title)))
        failed = partial(self._keep, self.tr("{title}: failed").format(title=job.title))
        job.failed.connect(lambda _text: failed())
        job.crashed.connect(lambda _report: failed())

    def _keep(self, outcome: str) -> None:
        self._outcome = outcome

    def _on_finished(self, _job: Job) -> None:
        QTimer.singleShot(0, self, self._tell)

    def _tell(self) -> None:
        """Once nothing follows."""
        if self._runner.is_busy or self._began is None:
            return
        took_s, self._began = time.monotonic() - self._began, None
        if took_s >= LONG_S and self._outcome and not self._window.isActiveWindow():
            self._alert(self._outcome)

    def _alert(self, text: str) -> None:
        if not self._title:
            self._title = self._window.windowTitle()
        self._window.setWindowTitle(text)
        QApplication.alert(self._window)
        if QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages():
            if self._tray is None:
                self._tray = QSystemTrayIcon(self._window.windowIcon(), self._window)
                self._tray.messageClicked.connect(self._window.activateWindow)
            self._tray.show()
            self._tray.showMessage(self.tr("Bitsmith"), text)

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The user is back: the title is as it was, unless another one was set meanwhile."""
        if event.type() == QEvent.Type.WindowActivate and self._title:
            if self._window.windowTitle() == self._outcome:
                self._window.setWindowTitle(self._title)
            self._title = ""
            if self._tray is not None:
                self._tray.hide()
        return super().eventFilter(watched, event)
