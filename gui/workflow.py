"""One method per step of the loop: each starts a job and puts what comes back into the session."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from engine.plan import Plan
from engine.project.project import CalibrationFile, LoadedData
from engine.project.runs import read_run_files
from engine.pytorch import is_packed_path
from engine.pytorch.consent import CONSENT_ACCEPT, CONSENT_QUESTION, read_danger, read_fingerprint
from engine.requests.analysis import AnalyzeRequest, CalibrateRequest, CalibrateResult, ForecastRequest
from engine.requests.benchmark import Benchmark, BenchmarkPoint, BenchmarkRequest, LatencyRequest, RunSetting
from engine.requests.conversion import ConvertRequest, ConvertResult, EvaluateRequest, Evaluation
from engine.requests.data import DataChoice, DataRequest, DataSummary
from engine.requests.opening import OpenRequest
from engine.sensitivity.matrix import Sensitivity, SensitivityRow
from engine.summary import ModelSummary
from engine.units import format_bytes
from gui.analysis_choice import AnalysisChoice
from gui.data.feed import DataFeed
from gui.engine_texts import translate_warning
from gui.gathering import Gathering
from gui.job_runner import Job, JobRunner
from gui.measurements import AnalysisOrigin
from gui.notify import Notifier
from gui.plan_search import PlanSearch
from gui.results import WantedData
from gui.session import Session
from gui.settings import Settings
from gui.units import format_db, join_sentences

if TYPE_CHECKING:
    from engine.requests.request import Request

BENCHMARK_S = 5.0


class Workflow(QObject):
    """What the actions of the window do.

    Signals:
        data_loaded: the data that was asked for fits the model and is in use.
        data_refused(str): it does not; the sentence says why, "" if the check was cancelled.
        forecast_ready(AnalysisChoice, Forecast), forecast_refused(str): the answer to `forecast`.
        benchmark_taken(Benchmark): the figures of a finished benchmark.
        converted, compared, benchmarked: the step was completed.
    """

    data_loaded = Signal()
    data_refused = Signal(str)
    forecast_ready = Signal(object, object)
    forecast_refused = Signal(str)
    converted = Signal()
    compared = Signal()
    benchmark_taken = Signal(object)
    benchmarked = Signal()

    def __init__(self, session: Session, runner: JobRunner, notifier: Notifier, settings: Settings) -> None:
        super().__init__(notifier)
        self._session = session
        self._runner = runner
        self._notifier = notifier
        self._settings = settings
        self._afterwards: Callable[[], None] | None = None
        self._data_job: Job | None = None
        self.search = PlanSearch(session, runner, notifier)
        self.workplace: Callable[[], Path] | None = None
        """Gives the folder for what is kept from one job to the next; without it nothing is."""
        runner.job_finished.connect(self._on_job_finished)

    # --- model and data ------------------------------------------------------------------------

    def open_model(
        self,
        path: str,
        data: WantedData | None = None,
        trusted_sha256: str | None = None,
        take: Callable[[ModelSummary], None] | None = None,
        give_up: Callable[[], None] = lambda: None,
    ) -> bool:
        """Open a model, and load its data afterwards if some is given; False if another job runs.

        A file that could run code is opened only after the user said yes to this one (`trusted_sha256`).

        Args:
            take: what to do with the model instead of showing it as a new one.
            give_up: called if the job has begun and no model comes of it.
        """

        def opened(model: ModelSummary) -> None:
            if take is not None:
                take(model)
                return
            self._session.set_model(model)
            self._settings.add_recent_file(path)
            if data is not None:
                self._afterwards = lambda: self.load_data(data)

        def refused(sentence: str) -> None:
            fingerprint = read_fingerprint(sentence)
            if fingerprint is None:
                self._notifier.error(sentence)
                give_up()
                return
            question = self.tr(CONSENT_QUESTION).format(danger=read_danger(sentence))

            def trust() -> None:
                self.open_model(path, data, fingerprint, take, give_up)

            self._notifier.choose(question, {self.tr(CONSENT_ACCEPT): trust}, cancelled=give_up)

        title = self.tr("Open {name}").format(name=Path(path).name)
        job = self._run(OpenRequest(str(Path(path).absolute()), trusted_sha256), title, opened, failed=refused)
        if job is not None:
            job.cancelled.connect(give_up)
            job.crashed.connect(lambda _report: give_up())
        return job is not None

    def create_data_feed(self, model: ModelSummary) -> DataFeed:
        """What answers the questions of a Data dialog, which takes it over."""
        return DataFeed(model.path, self._runner, self)

    def load_data(self, wanted: WantedData) -> None:
        """Check calibration data, then evaluation data; both are in use once both fit."""

        def checked(summary: DataSummary) -> None:
            if wanted.evaluation is None:
                self._take_data(wanted, summary, None)
            else:
                self._afterwards = lambda: self._load_evaluation(wanted, summary)

        self._check_data(wanted.calibration, self.tr("Check calibration data"), checked)

    def _load_evaluation(self, wanted: WantedData, calibration: DataSummary) -> None:
        assert wanted.evaluation is not None

        def checked(summary: DataSummary) -> None:
            self._take_data(wanted, calibration, summary)

        self._check_data(wanted.evaluation, self.tr("Check evaluation data"), checked)

    def _check_data(self, choice: DataChoice, title: str, checked: Callable[[Any], None]) -> None:
        model = self._session.model
        if model is None:
            return

        def take(summary: DataSummary) -> None:
            if job is self._data_job:  # a cancel may come too late for the worker
                checked(summary)

        job = self._run(DataRequest(model.path, choice), title, take, failed=self.data_refused.emit)
        self._data_job = job
        if job is not None:
            bug = self.tr("The data could not be checked, because of a bug in Bitsmith.")
            job.crashed.connect(lambda _report: self.data_refused.emit(bug))
            job.cancelled.connect(lambda: self.data_refused.emit(""))

    def stop_loading(self) -> None:
        """Cancel a check of data that is on its way; what is in use stays so."""
        if self._data_job is not None:
            self._data_job = None
            self._runner.cancel()

    def _take_data(self, wanted: WantedData, found: DataSummary, evaluation: DataSummary | None) -> None:
        samples = min(wanted.samples, found.samples)
        self._session.set_data(LoadedData(wanted.calibration, found, wanted.evaluation, evaluation, samples))
        self.data_loaded.emit()

    def check_data_again(self, changed: Callable[[str], None]) -> None:
        """Look in the background whether the calibration data is still what it was; `changed` gets its path if not."""
        model, data = self._session.model, self._session.data
        if model is None or data is None:
            return

        def checked(summary: DataSummary) -> None:
            if self._session.data is data and summary.digest != data.calibration_summary.digest:
                changed(data.calibration.path)

        job = self._runner.create_internal(DataRequest(model.path, data.calibration))
        job.succeeded.connect(checked)
        self._runner.start(job)

    # --- choose bits ---------------------------------------------------------------------------

    def analyse(self, choice: AnalysisChoice) -> None:
        """Measure every layer at every bit width; rows appear as they are finished and stay after a cancel."""
        session = self._session
        request = self._build_analysis(choice)
        if request is None or session.data is None:
            return
        digest = session.data.calibration_summary.digest
        rows = Gathering(session.add_rows)

        def row_ready(payload: object) -> None:
            if isinstance(payload, SensitivityRow):
                rows.add(payload)

        def analysed(sensitivity: Sensitivity) -> None:
            rows.drop()
            session.set_sensitivity(sensitivity)

        session.begin_analysis(AnalysisOrigin(str(choice.method), request.samples, digest))
        job = self._run(request, self.tr("Sensitivity analysis"), analysed, row_ready)
        if job is not None:
            rows.setParent(job)
            job.finished.connect(rows.hand_over)

    def forecast(self, choice: AnalysisChoice) -> None:
        """Time a trial of an analysis in the background; `forecast_ready` or `forecast_refused` follows."""
        request = self._build_analysis(choice)
        if request is None:
            return
        job = self._runner.create_internal(ForecastRequest(request))
        job.succeeded.connect(lambda forecast: self.forecast_ready.emit(choice, forecast))
        job.failed.connect(self.forecast_refused)
        self._runner.start(job)

    def _build_analysis(self, choice: AnalysisChoice) -> AnalyzeRequest | None:
        session = self._session
        if session.model is None or session.data is None or session.plan is None:
            return None
        choice = dataclasses.replace(choice, samples=min(choice.samples, session.data.samples))
        return choice.build_request(session.model.path, session.data.calibration, session.plan)

    def collect_activations(self) -> None:
        """Run the calibration data once, and keep statistics of what every layer reads."""
        if self._session.data is not None:
            self._calibrate(self._session.data.samples, lambda: None)

    def measure_latency(self, threads: int) -> None:
        """Time every layer on every kernel it has; rows appear as they are finished."""
        session = self._session
        if session.model is None or session.plan is None:
            return
        data = session.data.calibration if session.data else None
        request = LatencyRequest(session.model.path, session.plan, threads=threads, data=data)
        self._run(request, self.tr("Measure layer times"), session.set_latencies)

    # --- convert and compare -------------------------------------------------------------------

    def convert(self, output: Path, samples: int) -> None:
        """Convert with the plan as it is now into a new file."""
        if self._session.plan is not None:
            self._convert(output, samples, self._session.plan, self._session.origin)

    def _convert(self, output: Path, samples: int, plan: Plan, parent: str) -> None:
        """`parent` is the run that the plan was derived from."""
        session, calibration = self._session, None
        if session.model is None:
            return
        if plan.needs_calibration and not is_packed_path(output):
            if self._calibrate(samples, lambda: self._convert(output, samples, plan, parent)):
                return
            calibration = session.calibration
        request = ConvertRequest(
            session.model.path,
            plan,
            str(output),
            data=session.data.calibration if session.data else None,
            calibration=str(calibration.path) if calibration else None,
            samples=samples,
        )

        def done(result: ConvertResult) -> None:
            session.add_result(result, plan, parent, read_run_files(Path(result.output)))
            self._tell_converted(result)
            self.converted.emit()

        self._run(request, self.tr("Convert to {name}").format(name=output.name), done)

    def _calibrate(self, samples: int, afterwards: Callable[[], None]) -> bool:
        """Collect statistics for this conversion and those to come; False if there are some or none are needed."""
        session, data, folder = self._session, self._session.data, self.workplace
        if session.model is None or data is None or folder is None:
            return False
        digest, known = data.calibration_summary.digest, session.calibration
        if known is not None and (known.data_digest, known.samples) == (digest, samples) and known.path.is_file():
            return False
        try:
            target = folder() / f"calibration-{digest[:16]}-{samples}.npz"
        except OSError:  # then every conversion collects its own
            return False

        def calibrated(_result: CalibrateResult) -> None:
            session.set_calibration(CalibrationFile(target, digest, samples))
            self._afterwards = afterwards

        request = CalibrateRequest(session.model.path, data.calibration, str(target), samples)
        self._run(request, self.tr("Calibrate"), calibrated)
        return True

    def _tell_converted(self, result: ConvertResult) -> None:
        text = self.tr("{name} is {size}, {ratio:.1f}× smaller than the float file.").format(
            name=Path(result.output).name,
            size=format_bytes(result.file_bytes),
            ratio=result.source_bytes / max(result.file_bytes, 1),
        )
        if result.sqnr_db is not None and not result.is_drawn and not result.is_degraded:
            outputs = self.tr("Its outputs have {db} dB SQNR against float.").format(db=format_db(result.sqnr_db))
            text = join_sentences(text, outputs)
        if result.is_degraded or result.warnings:
            self._notifier.warning("\n".join((text, *map(translate_warning, result.warnings))))
        else:
            self._notifier.note(text)

    def compare(self) -> None:
        """Evaluate every result that has not been evaluated, one after the other; one that fails stops no other."""
        self._compare_next({})

    def _compare_next(self, problems: dict[str, str]) -> None:
        """`problems` says by their files why results could not be evaluated."""
        session = self._session
        data = session.evaluation_data
        if session.model is None or data is None:
            return
        entry = next((run for run in session.pending_results if run.converted.output not in problems), None)
        if entry is None:
            if problems:
                self._notifier.error("\n\n".join(problems.values()))
            self.compared.emit()
            return

        def evaluated(evaluation: Evaluation) -> None:
            session.set_evaluation(entry.converted.output, evaluation)
            self._afterwards = lambda: self._compare_next(problems)

        def failed(sentence: str) -> None:
            problems[entry.converted.output] = sentence
            self._afterwards = lambda: self._compare_next(problems)

        request = EvaluateRequest(entry.converted.output, data, reference=session.model.path)
        self._run(request, self.tr("Evaluate {name}").format(name=entry.name), evaluated, failed=failed)

    def benchmark(self, threads: int, more: Sequence[str] = (), sweep: Sequence[RunSetting] = ()) -> None:
        """Time the float model, all results and `more` files, then in the settings of `sweep`."""
        session = self._session
        if session.model is None:
            return
        results = [entry.converted.output for entry in session.results if not entry.is_packed]
        models = (session.model.path, *results, *more)
        data = session.evaluation_data or (session.data.calibration if session.data else None)

        def point_ready(payload: object) -> None:
            if isinstance(payload, BenchmarkPoint):
                session.add_benchmark_point(payload)

        def done(result: Benchmark) -> None:
            session.set_benchmark(result)
            self.benchmark_taken.emit(result)
            self.benchmarked.emit()

        request = BenchmarkRequest(models, data, threads=threads, seconds=BENCHMARK_S, sweep=tuple(sweep))
        self._run(request, self.tr("Benchmark"), done, point_ready)

    # --- jobs ----------------------------------------------------------------------------------

    def _run(
        self,
        request: Request,
        title: str,
        succeeded: Callable[[Any], None],
        partial_ready: Callable[[object], None] | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> Job | None:
        """Start a job; while another one runs this does nothing, as the actions are disabled then."""
        return self._runner.run(request, title, succeeded, failed or self._notifier.error, partial_ready)

    @Slot(object)
    def _on_job_finished(self, job: Job) -> None:
        """Go on with the next part of a step; a job that crashed or was cancelled has none."""
        afterwards, self._afterwards = self._afterwards, None
        if job is self._data_job:
            self._data_job = None
        if afterwards is not None:
            afterwards()
