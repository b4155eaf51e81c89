"""Keeps the trade-off front up to date, without getting in the way of jobs."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from engine.plan import Plan
from engine.requests.allocation import Front, FrontRequest
from engine.summary import ModelSummary
from gui.job_runner import JobRunner
from gui.session import Session

DEBOUNCE_MS = 120
Key = tuple[object, ...]


class FrontFeed(QObject):
    """Asks the worker for the front when what it depends on has changed: cells, metric, defaults, locked layers.

    Bits of free layers do not matter to it, so clicking through the table asks for nothing. It trades loss
    against file size, or against latency once `trade_latency` was asked for.

    Signals:
        front_changed: `current` or `problem` is another one.
    """

    front_changed = Signal()

    def __init__(self, session: Session, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._asked: Key | None = None
        self._is_latency = False
        self.current: Front | None = None
        self.problem = ""
        """Why there is none, where the engine refuses to find it."""
        self._timer = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._timer.timeout.connect(self._request)
        session.model_changed.connect(self._forget)
        session.metric_changed.connect(self._on_metric_changed)
        session.latencies_changed.connect(self._on_latencies_changed)
        for changed in (session.sensitivity_changed, session.plan_changed, runner.job_finished):
            changed.connect(self._timer.start)

    def trade_latency(self, *, is_wanted: bool) -> None:
        """Find the fastest plans instead of the smallest; needs measured layer times."""
        if is_wanted != self._is_latency:
            self._is_latency = is_wanted
            self._timer.start()

    def _on_latencies_changed(self) -> None:
        """Every point has another latency."""
        self._asked = None
        self._timer.start()

    def _forget(self) -> None:
        self._asked = None
        self._keep(None)

    def _on_metric_changed(self) -> None:
        """Figures in two metrics never stand in one picture."""
        if self.current is not None and self.current.metric != self._session.metric:
            self._forget()
        self._timer.start()

    def _request(self) -> None:
        """Ask now; while a job of the user runs this is skipped, and asked again when it has finished."""
        session = self._session
        sensitivity, model, plan = session.sensitivity(), session.model, session.plan
        if self._runner.is_busy or model is None or plan is None:
            return
        if sensitivity is None:
            self._forget()
            return
        key = self._key(model, plan)
        if key == self._asked:
            return
        self._asked = key
        is_latency = self._is_latency and session.latencies is not None
        request = FrontRequest(model, sensitivity, plan, session.metric, session.latencies, is_latency=is_latency)
        job = self._runner.create_internal(request)
        job.succeeded.connect(lambda front: self._keep_if_asked(key, front))
        job.failed.connect(lambda text: self._keep_if_asked(key, None, text))
        job.cancelled.connect(lambda: self._on_cancelled(key))
        self._runner.start(job)

    def _key(self, model: ModelSummary, plan: Plan) -> Key:
        """Everything that the front depends on."""
        rows = self._session.rows
        kept = tuple(
            (layer.name, choice.weights, choice.kernel)
            for layer in model.layers
            if (choice := plan.layer(layer.name)).is_locked or not (layer.name in rows and rows[layer.name].cells)
        )
        session = self._session
        return (model.sha256, session.measurement_revision, session.metric, self._is_latency, plan.defaults, kept)

    def _on_cancelled(self, key: Key) -> None:
        """The user started a job; ask again when it has finished."""
        if key == self._asked:
            self._asked = None

    def _keep_if_asked(self, key: Key, front: Front | None, problem: str = "") -> None:
        if key == self._asked:
            self._keep(front, problem)

    def _keep(self, front: Front | None, problem: str = "") -> None:
        if front is not self.current or problem != self.problem:
            self.current, self.problem = front, problem
            self.front_changed.emit()
