"""The runs that were made of the open model, and what was measured on them."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from engine.plan import Plan
from engine.project.project import LoadedData
from engine.project.runs import (
    Run,
    RunFile,
    data_key,
    new_run_id,
    now,
    with_benchmark,
    with_evaluation,
    without_output,
)
from engine.requests.benchmark import Benchmark, BenchmarkPoint
from engine.requests.conversion import ConvertResult, Evaluation
from engine.requests.data import DataChoice
from engine.sizes import bits_per_weight
from engine.summary import ModelSummary


class RunHistory(QObject):
    """The part of the session that results belong to.

    Signals:
        results_changed: a run was added, evaluated, benchmarked, marked or deleted.

    Attributes:
        results: the runs that Compare and Benchmark show, without evaluations on other data than the current.
        origin: the run that the plan was derived from, "" for none.
        baseline: the float model's figures.
        benchmark: the last one, with where and how it was measured.
    """

    results_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model: ModelSummary | None = None
        self.data: LoadedData | None = None
        self._forget_runs()

    def _forget_runs(self) -> None:
        self.history: tuple[Run, ...] = ()
        self.results: tuple[Run, ...] = ()
        self.runs_made = 0
        self.origin = ""
        self.baseline: BenchmarkPoint | None = None
        self.benchmark: Benchmark | None = None

    def add_result(
        self, converted: ConvertResult, plan: Plan, parent: str = "", files: tuple[RunFile, ...] = ()
    ) -> None:
        """Keep a conversion; older ones stay.

        Args:
            parent: the run that `plan` was derived from when the conversion began.
        """
        if self.model is None:
            return
        self.runs_made += 1
        run = Run(
            converted,
            plan,
            bits_per_weight(self.model, plan),
            id=new_run_id(),
            number=self.runs_made,
            created=now(),
            parent=parent,
            data_digest=self.data.calibration_summary.digest if self.data else "",
            files=files,
        )
        if self.origin == parent:
            self.origin = run.id
        self._set_history((*without_output(self.history, converted.output), run))

    def change_run(self, *runs: Run) -> None:
        """Replace runs by what they are now: another note, a mark."""
        changed = {run.id: run for run in runs}
        self._set_history(tuple(changed.get(known.id, known) for known in self.history))

    def delete_runs(self, names: frozenset[str]) -> None:
        """Take runs out of the history for good."""
        self._set_history(tuple(run for run in self.history if run.id not in names))

    def set_evaluation(self, output: str, evaluation: Evaluation) -> None:
        """Keep what was measured on one result."""
        self._set_history(with_evaluation(self.history, output, evaluation, self.evaluation_key))

    def set_benchmark(self, benchmark: Benchmark) -> None:
        """Keep the figures of a benchmark: the first point is the float model."""
        self.benchmark = benchmark
        runs = self.history
        for point in benchmark.points:
            self._keep_baseline(point)
            runs = with_benchmark(runs, point)
        self._set_history(runs)

    def add_benchmark_point(self, point: BenchmarkPoint) -> None:
        """Keep one model's figures, also while the benchmark is still running."""
        self._keep_baseline(point)
        self._set_history(with_benchmark(self.history, point))

    def _keep_baseline(self, point: BenchmarkPoint) -> None:
        if self.model is not None and point.path == self.model.path:
            self.baseline = point

    def _set_history(self, runs: tuple[Run, ...]) -> None:
        self._take_history(runs)
        self.results_changed.emit()

    def _take_history(self, runs: tuple[Run, ...]) -> None:
        self.history = runs
        self.results = tuple(run.measured_on(self.evaluation_key) for run in runs if run.is_compared)

    @property
    def pending_results(self) -> tuple[Run, ...]:
        """Results that can be evaluated and have not been, on the current data."""
        return tuple(entry for entry in self.results if entry.evaluation is None and not entry.is_packed)

    @property
    def evaluation_data(self) -> DataChoice | None:
        """Data to evaluate on, if any was given."""
        return self.data.evaluation if self.data else None

    @property
    def evaluation_key(self) -> str:
        """Which samples results are evaluated on, "" for none."""
        data = self.data
        if data is None or data.evaluation is None or data.evaluation_summary is None:
            return ""
        return data_key(data.evaluation, data.evaluation_summary.digest)
