"""Keeps the weight histogram of the selected layer up to date, without getting in the way of jobs."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from engine.jobs.requests import WeightHistogram, WeightHistogramRequest
from engine.plan import LayerPlan
from gui.job_runner import JobRunner
from gui.session import Session

DEBOUNCE_MS = 120
MAX_KEPT = 256


class HistogramFeed(QObject):
    """Asks the worker for a histogram when the selection or its scheme changes, and remembers answers.

    Signals:
        histogram_changed: `current` is another one; None while it is not known.
    """

    histogram_changed = Signal()

    def __init__(self, session: Session, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._kept: dict[tuple[str, LayerPlan], WeightHistogram] = {}
        self.current: WeightHistogram | None = None
        self._timer = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._timer.timeout.connect(self._request)
        session.model_changed.connect(self._on_model_changed)
        session.selection_changed.connect(self._update)
        session.plan_changed.connect(self._on_plan_changed)
        runner.job_finished.connect(self._update)

    def _on_model_changed(self) -> None:
        self._kept.clear()
        self._update()

    def _on_plan_changed(self, names: frozenset[str]) -> None:
        if self._session.selected in names:
            self._update()

    def _key(self) -> tuple[str, LayerPlan] | None:
        if self._session.plan is None or not self._session.selected:
            return None
        # A lock does not change the weights, so it must not ask for them again.
        choice = self._session.plan.layer(self._session.selected)
        return (self._session.selected, LayerPlan(choice.weights, choice.kernel))

    def _update(self) -> None:
        key = self._key()
        found = self._kept.get(key) if key else None
        if found is not self.current:
            self.current = found
            self.histogram_changed.emit()
        if key is not None and found is None:
            self._timer.start()

    def _request(self) -> None:
        """Ask now; while a job of the user runs this is skipped, and asked again when it has finished."""
        key, model, plan = self._key(), self._session.model, self._session.plan
        if key is None or model is None or plan is None or key in self._kept or self._runner.is_busy:
            return
        job = self._runner.create_internal(WeightHistogramRequest(model.path, key[0], plan))
        job.succeeded.connect(lambda histogram: self._keep(key, histogram))
        self._runner.start(job)

    def _keep(self, key: tuple[str, LayerPlan], histogram: WeightHistogram) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = histogram
        self._update()
