"""Keeps the diagnosis of the selected layer up to date, without getting in the way of jobs."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from engine.diagnosis.report import Diagnosis, LayerDiagnosis
from engine.plan import LayerPlan, PlanDefaults
from engine.requests.analysis import DiagnoseRequest
from engine.requests.data import DataChoice
from gui.job_runner import JobRunner
from gui.session import Session

# Longer than a key takes to repeat: nothing is computed for layers that are only passed by.
DEBOUNCE_MS = 300
# Few samples give the figures to a few tenths of a decibel, and a large network in a second.
SAMPLES = 16
# Above these sizes a look takes long enough to be in the way; `bitsmith diagnose` does it.
MAX_PARAMETERS = 8 << 20
MAX_MODEL_BYTES = 512 << 20
MAX_KEPT = 256
Key = tuple[str, LayerPlan, PlanDefaults, DataChoice, str, str]


class DiagnosisFeed(QObject):
    """Asks the worker about the selected layer when it, its choices or the data change, and remembers answers.

    Signals:
        diagnosis_changed: `current` is another one; None while it is not known.
    """

    diagnosis_changed = Signal()

    def __init__(self, session: Session, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._kept: dict[Key, LayerDiagnosis | None] = {}
        self.current: LayerDiagnosis | None = None
        self._timer = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._timer.timeout.connect(self._request)
        session.model_changed.connect(self._forget)
        session.data_changed.connect(self._update)
        session.selection_changed.connect(self._update)
        session.plan_changed.connect(self._update)
        runner.job_finished.connect(self._update)

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to look at, and no answer yet."""
        key = self._key()
        return key is not None and key not in self._kept

    def _forget(self) -> None:
        self._kept.clear()
        self._update()

    def _key(self) -> Key | None:
        """Everything that the answer depends on; locks and reasons are left out."""
        session = self._session
        layer = session.layer(session.selected)
        if session.model is None or session.plan is None or session.data is None or layer is None:
            return None
        if layer.parameters > MAX_PARAMETERS or session.model.file_bytes > MAX_MODEL_BYTES:
            return None
        choice = session.plan.layer(session.selected)
        plain = LayerPlan(choice.weights, choice.kernel, choice.is_locked, choice.rounding)
        data, contents = session.data, (session.model.sha256, session.data.calibration_summary.digest)
        return session.selected, plain, session.plan.defaults, data.calibration, *contents

    def _update(self) -> None:
        key = self._key()
        self.current = self._kept.get(key) if key else None
        self.diagnosis_changed.emit()
        if self.is_waiting:
            self._timer.start()

    def _request(self) -> None:
        """Ask now; while a job of the user runs this is skipped, and asked again when it has finished."""
        key, model, plan = self._key(), self._session.model, self._session.plan
        if key is None or model is None or plan is None or key in self._kept or self._runner.is_busy:
            return
        job = self._runner.create_internal(DiagnoseRequest(model.path, key[3], plan, SAMPLES, (key[0],)))
        job.succeeded.connect(lambda found: self._keep(key, found))
        job.failed.connect(lambda _: self._keep(key, None))
        self._runner.start(job)

    def _keep(self, key: Key, found: Diagnosis | None) -> None:
        """Remember the answer, also that there is none: the user's own jobs say what is wrong with the data."""
        if len(self._kept) >= MAX_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = found.layers[key[0]] if found is not None else None
        self._update()
