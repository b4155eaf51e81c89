"""Asks how long every method would take, without getting in the way of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from PySide6.QtCore import QObject, QTimer, Signal

from engine.recovery.report import RecoverForecast
from engine.recovery.targets import Rung
from engine.requests.recovery import RecoverForecastRequest, RecoverRequest
from gui.job_runner import JobRunner

DEBOUNCE_MS = 300
UNKNOWN: Mapping[Rung, float] = MappingProxyType({})


class RecoverForecastFeed(QObject):
    """Small jobs in the background; only the answer to the last question counts.

    Signals:
        forecast_changed: `seconds` are others.

    Attributes:
        seconds: of every method that has an end of its own; empty while they are not known.
    """

    forecast_changed = Signal()

    def __init__(self, runner: JobRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._runner = runner
        self._wanted: RecoverRequest | None = None
        self._asked: RecoverRequest | None = None
        self._answer: tuple[RecoverRequest | None, Mapping[Rung, float]] = (None, UNKNOWN)
        self.seconds = UNKNOWN
        self._timer = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._timer.timeout.connect(self._request)
        runner.job_finished.connect(self._timer.start)

    def ask(self, request: RecoverRequest | None) -> None:
        """How long this would take; None if there is nothing to ask for."""
        if request == self._wanted:
            return
        self._wanted = request
        answered, seconds = self._answer
        self._keep(seconds if request == answered else UNKNOWN)
        self._timer.start()

    def _request(self) -> None:
        """Ask now; while a job of the user runs this is skipped, and asked again when it has finished."""
        request = self._wanted
        if request is None or request == self._asked or self._runner.is_busy:
            return
        self._asked = request
        job = self._runner.create_internal(RecoverForecastRequest(request))
        job.succeeded.connect(lambda forecast: self._take(request, forecast))
        job.cancelled.connect(lambda: self._on_cancelled(request))
        self._runner.start(job)

    def _on_cancelled(self, request: RecoverRequest) -> None:
        """The user started a job; ask again when it has finished."""
        if request == self._asked:
            self._asked = None

    def _take(self, request: RecoverRequest, forecast: RecoverForecast) -> None:
        self._answer = (request, MappingProxyType(dict(forecast.seconds)))
        if request == self._wanted:
            self._keep(self._answer[1])

    def _keep(self, seconds: Mapping[Rung, float]) -> None:
        if seconds != self.seconds:
            self.seconds = seconds
            self.forecast_changed.emit()
