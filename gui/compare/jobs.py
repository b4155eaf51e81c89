"""The jobs of the Compare page: each starts one and puts what comes back into the store."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject

from engine.requests.benchmark import BottlenecksRequest
from engine.requests.comparison import ChangedSamplesRequest, LayerErrorsRequest
from engine.requests.conversion import EvaluateRequest, Evaluation
from engine.requests.data import DataChoice
from gui.compare.store import Comparisons, Subject
from gui.job_runner import Job, JobRunner
from gui.notify import Notifier
from gui.session import Session


class CompareJobs(QObject):
    """What the buttons of the page do; while another job runs they do nothing."""

    def __init__(self, session: Session, store: Comparisons, runner: JobRunner, notifier: Notifier) -> None:
        super().__init__(store)
        self._session = session
        self._store = store
        self.runner = runner
        self._notifier = notifier
        self._is_evaluating = False
        self._failed: set[str] = set()
        runner.job_finished.connect(self._on_job_finished)

    def evaluate_added(self) -> None:
        """Evaluate files from elsewhere that have not been, one after the other; one that fails stops no other."""
        self._failed.clear()
        self._evaluate_next()

    def _evaluate_next(self) -> None:
        model, data = self._session.model, self._session.evaluation_data
        added = self._store.added
        pending = [subject for subject in added if subject.evaluation is None and subject.path not in self._failed]
        if model is None or data is None or not pending:
            return
        path = pending[0].path

        def evaluated(evaluation: Evaluation) -> None:
            self._store.set_evaluation(path, evaluation)
            self._is_evaluating = True

        def failed(sentence: str) -> None:
            self._notifier.error(sentence)
            self._failed.add(path)
            self._is_evaluating = True

        request = EvaluateRequest(path, data, reference=model.path)
        self.runner.run(request, self.tr("Evaluate {name}").format(name=pending[0].name), evaluated, failed)

    def compare_layers(self) -> None:
        """Measure the error of every layer in all ticked results."""
        model, data = self._session.model, self._data
        results = tuple(subject.path for subject in self._store.results if self._store.is_ticked(subject))
        if model is None or data is None or not results:
            return
        request = LayerErrorsRequest(model.path, results, data)
        self.runner.run(request, self.tr("Compare layers"), self._store.set_layer_errors, self._notifier.error)

    def find_samples(self, subject: Subject) -> None:
        """Find the samples that one result changed most."""
        model, data = self._session.model, self._session.evaluation_data
        if model is None or data is None:
            return
        title = self.tr("Samples that {name} changed").format(name=subject.name)
        request = ChangedSamplesRequest(model.path, subject.path, data)
        self.runner.run(request, title, self._store.set_samples, self._notifier.error)

    def find_bottlenecks(self, subject: Subject, threads: int) -> None:
        """Find what costs one result its speed."""
        model = self._session.model
        if model is None:
            return
        title = self.tr("Why {name} is not faster").format(name=Path(subject.path).name)
        request = BottlenecksRequest(model.path, subject.path, self._data, threads)
        self.runner.run(request, title, self._store.set_bottlenecks, self._notifier.error)

    @property
    def _data(self) -> DataChoice | None:
        data = self._session.data
        return self._session.evaluation_data or (data.calibration if data else None)

    def _on_job_finished(self, _job: Job) -> None:
        if self._is_evaluating:
            self._is_evaluating = False
            self._evaluate_next()
