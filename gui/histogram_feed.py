"""Keeps the histograms that are looked at up to date, without getting in the way of jobs."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from engine.plan import LayerPlan
from engine.requests.histograms import (
    ActivationHistogram,
    ActivationHistogramRequest,
    WeightHistogram,
    WeightHistogramRequest,
)
from gui.job_runner import Job, JobRunner
from gui.session import Session

DEBOUNCE_MS = 120
PREVIEW_MS = 25
MAX_KEPT = 64
MAX_KEPT_CHANNELS = 200_000

HistogramRequest = WeightHistogramRequest | ActivationHistogramRequest
AnyHistogram = WeightHistogram | ActivationHistogram


class HistogramFeed(QObject):
    """Asks the worker for histograms, one at a time, and remembers answers.

    Signals:
        histogram_changed: `current`, the whole weight of the selected layer under the plan, is another one.
        focus_changed: `focused` or `problem` is another one.

    Attributes:
        current: None while it is not known.
        focused: what the Distributions page asked for; None while it is not known.
        problem: why it cannot be had, as a sentence; "" otherwise.
    """

    histogram_changed = Signal()
    focus_changed = Signal()

    def __init__(self, session: Session, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._kept: dict[HistogramRequest, AnyHistogram] = {}
        self._problems: dict[HistogramRequest, str] = {}
        self._focus: HistogramRequest | None = None
        self._running: Job | None = None
        self.current: WeightHistogram | None = None
        self.focused: AnyHistogram | None = None
        self.problem = ""
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._request)
        session.model_changed.connect(self._on_model_changed)
        session.selection_changed.connect(self._update)
        session.plan_changed.connect(self._on_plan_changed)
        runner.job_finished.connect(self._update)

    def focus(self, request: HistogramRequest | None, *, is_preview: bool = False) -> None:
        """Look at this one, too; a preview is asked for while the mouse still moves."""
        if request == self._focus:
            return
        self._focus = request
        self._update(is_preview=is_preview)

    def weight_request(self, choice: LayerPlan, channel: int | None = None) -> WeightHistogramRequest | None:
        """For the selected layer under `choice`; a lock does not change weights, so it is left out."""
        model = self._session.model
        if model is None or not self._session.selected:
            return None
        kept = LayerPlan(choice.weights, choice.kernel)
        return WeightHistogramRequest(model.path, self._session.selected, kept, channel)

    def _on_model_changed(self) -> None:
        self._kept.clear()
        self._problems.clear()
        self._update()

    def _on_plan_changed(self, names: frozenset[str]) -> None:
        if self._session.selected in names:
            self._update()

    def _own(self) -> HistogramRequest | None:
        plan = self._session.plan
        return None if plan is None else self.weight_request(plan.layer(self._session.selected))

    def _update(self, _job: object = None, *, is_preview: bool = False) -> None:
        own = self._own()
        current = self._kept.get(own) if own is not None else None
        if current is not self.current:
            assert current is None or isinstance(current, WeightHistogram)
            self.current = current
            self.histogram_changed.emit()
        focused = self._kept.get(self._focus) if self._focus is not None else None
        problem = self._problems.get(self._focus, "") if self._focus is not None else ""
        if focused is not self.focused or problem != self.problem:
            self.focused, self.problem = focused, problem
            self.focus_changed.emit()
        if self._next_missing() is None:
            return
        if not is_preview:
            self._timer.start(DEBOUNCE_MS)
        elif not self._timer.isActive():
            self._timer.start(PREVIEW_MS)

    def _next_missing(self) -> HistogramRequest | None:
        wanted = (self._focus, self._own())
        return next((one for one in wanted if one and one not in self._kept and one not in self._problems), None)

    def _request(self) -> None:
        """Ask now; while a job of the user runs this is skipped, and asked again when it has finished."""
        request = self._next_missing()
        if request is None or self._running is not None or self._runner.is_busy:
            return
        job = self._runner.create_internal(request)
        job.succeeded.connect(lambda histogram: self._keep(request, histogram))
        bug = self.tr("This cannot be shown, because of a bug in Bitsmith.")
        job.failed.connect(lambda sentence: self._problems.update({request: sentence}))
        job.crashed.connect(lambda _report: self._problems.update({request: bug}))  # else it is asked for again
        job.finished.connect(self._on_finished)
        self._running = job
        self._runner.start(job)

    def _on_finished(self) -> None:
        self._running = None
        self._update(is_preview=True)

    def _keep(self, request: HistogramRequest, histogram: AnyHistogram) -> None:
        self._kept[request] = histogram
        while len(self._kept) > MAX_KEPT or (len(self._kept) > 2 and self._kept_channels > MAX_KEPT_CHANNELS):
            self._kept.pop(next(iter(self._kept)))

    @property
    def _kept_channels(self) -> int:
        return sum(len(found.channel_min) for found in self._kept.values() if isinstance(found, WeightHistogram))
