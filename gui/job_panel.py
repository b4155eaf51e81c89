"""The job at work: what is being done, how far it is, how long it will take; the log unfolds below."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QAction, QFontDatabase
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from gui.elided_label import ElidedLabel
from gui.engine_texts import translate_progress
from gui.job_runner import Job, JobRunner
from gui.log_book import MAX_LINES, LogBook
from gui.naming import named
from gui.units import format_time

LOG_HEIGHT = 130
ETA_AFTER_S = 1.0


class JobPanel(QWidget):
    """Shows the job that the user started."""

    def __init__(self, runner: JobRunner, log: LogBook, cancel: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("job_panel")
        self._log = log
        self._counted_from: tuple[float, int] | None = None
        self._total = 0
        self._name = named(ElidedLabel(self.tr("Ready")), "job_name")
        self._progress = named(QProgressBar(textVisible=False), "job_progress")
        self._progress.setAccessibleName(self.tr("Progress of the job"))
        self._detail = named(QLabel(), "job_detail")
        self._detail.setProperty("role", "dim")
        self._cancel_button = named(QPushButton(self.tr("Cancel")), "cancel_button")
        self._cancel_button.setToolTip(self.tr("Stop the job; what is finished is kept (Esc)"))
        self._cancel_button.clicked.connect(cancel.trigger)
        self._log_button = named(QPushButton(self.tr("Log")), "log_button")
        self._log_button.setCheckable(True)
        self._log_button.setToolTip(self.tr("Show or hide what happened so far"))
        self._text = named(QPlainTextEdit(readOnly=True), "log")
        self._text.setAccessibleName(self.tr("Log"))
        self._build_layout()
        self._text.setPlainText("\n".join(log.lines))
        log.line_added.connect(self._text.appendPlainText)
        runner.job_started.connect(self._on_started)
        self._show_idle()

    def _build_layout(self) -> None:
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._text.setMaximumBlockCount(MAX_LINES)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._text.setFixedHeight(LOG_HEIGHT)
        self._text.hide()
        self._log_button.toggled.connect(self._text.setVisible)
        for button in (self._cancel_button, self._log_button):
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self._name)
        row.addWidget(self._progress, 1)
        row.addWidget(self._detail)
        row.addWidget(self._cancel_button)
        row.addWidget(self._log_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 8, 14, 8)
        layout.addLayout(row)
        layout.addWidget(self._text)

    def _show_idle(self) -> None:
        self._progress.setVisible(False)
        self._cancel_button.setVisible(False)

    @Slot(object)
    def _on_started(self, job: Job) -> None:
        self._counted_from = None
        self._log.add(job.title)
        self._name.setText(job.title)
        self._detail.setText("")
        self._progress.setRange(0, 0)
        self._progress.setVisible(True)
        self._cancel_button.setVisible(True)
        job.progressed.connect(lambda done, total, message: self._on_progressed(job, done, total, message))
        job.succeeded.connect(lambda _result: self._end(job, job.summary or self.tr("done")))
        job.failed.connect(lambda text: self._end(job, self.tr("failed: {text}").format(text=text)))
        job.crashed.connect(lambda _report: self._end(job, self.tr("failed: a bug in Bitsmith")))
        job.cancelled.connect(lambda: self._end(job, self.tr("cancelled")))

    def _on_progressed(self, job: Job, done: int, total: int, message: str) -> None:
        if job.is_cancelling:
            self._detail.setText(self.tr("cancelling…"))
            return
        self._name.setText(f"{job.title} · {translate_progress(message)}" if message else job.title)
        self._progress.setRange(0, max(total, 1))
        self._progress.setValue(done)
        self._detail.setText(self._describe(done, total))

    def _describe(self, done: int, total: int) -> str:
        """The count, and the time left in this phase as measured from its first progress on."""
        count = self.tr("{done} of {total}").format(done=done, total=total)
        is_new_phase = self._counted_from is None or total != self._total or done < self._counted_from[1]
        if is_new_phase or self._counted_from is None:
            self._counted_from, self._total = (time.monotonic(), done), total
            return count
        began_at, began_with = self._counted_from
        elapsed, gained = time.monotonic() - began_at, done - began_with
        if elapsed < ETA_AFTER_S or gained <= 0:
            return count
        left = format_time(elapsed / gained * (total - done))
        return self.tr("{count} · {left} left").format(count=count, left=left)

    def _end(self, job: Job, outcome: str) -> None:
        seconds = time.monotonic() - job.started_at
        text = self.tr("{title}: {outcome}").format(title=job.title, outcome=outcome)
        self._log.add(self.tr("{text} ({time})").format(text=text, time=format_time(seconds)))
        self._name.setText(text.split("\n")[0])
        self._detail.setText("")
        self._show_idle()
