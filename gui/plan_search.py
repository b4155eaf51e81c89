"""Choosing bits for a budget, by what is predicted of plans or by what is measured of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from engine.requests.allocation import AllocateRequest, AllocateResult, Budget, PolishRequest, PolishResult, PolishStep
from engine.sensitivity.matrix import Metric
from engine.units import format_bytes
from gui.job_runner import JobRunner
from gui.measured_plans import MeasuredPlan, describe_pair, describe_search
from gui.notify import Notifier
from gui.session import Session


class PlanSearch(QObject):
    """Starts the jobs that choose bits, and makes what they find the plan.

    Signals:
        allocated, allocation_refused(str): the plan has its bits, or the budget is out of reach.
    """

    allocated = Signal()
    allocation_refused = Signal(str)

    def __init__(self, session: Session, runner: JobRunner, notifier: Notifier) -> None:
        super().__init__(notifier)
        self._session = session
        self._runner = runner
        self._notifier = notifier

    def allocate(self, budget: Budget) -> None:
        """Choose bits for a budget, in the metric that the cells show; one undoable step."""
        session = self._session
        sensitivity = session.sensitivity()
        if session.model is None or session.plan is None or sensitivity is None:
            return

        def allocated(result: AllocateResult) -> None:
            session.change_plan(
                result.plan, self.tr("auto-assign {size}").format(size=format_bytes(result.predicted.file_bytes))
            )
            self.allocated.emit()

        request = AllocateRequest(session.model, sensitivity, session.plan, budget, session.metric, session.latencies)
        self._runner.run(request, self.tr("Auto-assign"), allocated, self.allocation_refused.emit)

    def polish(self, budget: Budget, seconds: float) -> None:
        """Choose bits for a budget, measure the whole plan on data and improve it; a cancel keeps the best so far.

        `allocated` follows the first measured plan, so that the dialog does not stand before the search.
        """
        request = self._build_polish(budget, seconds)
        if request is None:
            return
        found: list[MeasuredPlan] = []

        def step_ready(payload: object) -> None:
            if isinstance(payload, PolishStep):
                found.append(self._session.add_measured(payload))
                self.allocated.emit()

        def polished(result: PolishResult) -> None:
            text = self._take_best(found)
            if job is not None:
                job.summary = self.tr("plans measured: {n}; {text}").format(n=result.evaluations, text=text)

        def cancelled() -> None:
            if found:
                text = self._take_best(found)
                self._notifier.note(self.tr("The best plan so far is kept: {text}").format(text=text))
            else:
                self.allocation_refused.emit(self.tr("Cancelled before a plan was measured."))

        def failed(sentence: str) -> None:
            if found:
                self._notifier.error(sentence)
            else:
                self.allocation_refused.emit(sentence)

        job = self._runner.run(request, self.tr("Measure and improve"), polished, failed, step_ready)
        if job is not None:
            job.cancelled.connect(cancelled)

    def _take_best(self, found: Sequence[MeasuredPlan]) -> str:
        """Make the last of these, which is the best, the plan, in one undoable step; returns what it gained."""
        session, first, best = self._session, found[0], found[-1]
        size = format_bytes(best.step.predicted.file_bytes)
        session.change_plan(best.step.plan, self.tr("auto-assign {size}, measured").format(size=size))
        metric = session.metric if best.value(session.metric) is not None else Metric.SQNR
        predicted = session.predicted_weights(best.step.plan) if metric == session.metric else None
        return describe_search(metric, first, best, predicted)

    def measure_plan(self) -> None:
        """Run the current plan on data as it is."""
        session = self._session
        if session.plan is None or session.figures is None:
            return
        as_it_is = Budget(file_bytes=session.figures.file_bytes)
        locked = session.plan.with_lock([layer.name for layer in session.layers], locked=True)
        request = self._build_polish(as_it_is, 0.0)
        if request is None:
            return

        def measured(result: PolishResult) -> None:
            plan = session.add_measured(result.best)
            value = plan.value(session.metric)
            if value is not None:
                pair = describe_pair(session.metric, value, session.predicted_weights(result.best.plan))
                if job is not None:
                    job.summary = pair

        title = self.tr("Measure this plan")
        job = self._runner.run(dataclasses.replace(request, plan=locked), title, measured, self._notifier.error)

    def _build_polish(self, budget: Budget, seconds: float) -> PolishRequest | None:
        session, sensitivity = self._session, self._session.sensitivity()
        if session.model is None or session.plan is None or session.data is None or sensitivity is None:
            return None
        return PolishRequest(
            session.model.path,
            session.data.calibration,
            sensitivity,
            session.plan,
            budget,
            session.metric,
            session.latencies,
            samples=session.data.samples,
            seconds=seconds,
        )
