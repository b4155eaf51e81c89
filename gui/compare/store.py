"""What Compare knows beyond the session: files added from disk, ticks, the baseline, and what was found in detail."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from engine.bottlenecks.report import Bottlenecks
from engine.conversion.manifest import manifest_path_for
from engine.requests.benchmark import Benchmark, BenchmarkPoint, SweepPoint
from engine.requests.comparison import ChangedSamples, LayerErrors
from engine.requests.conversion import ConvertResult, Evaluation
from gui.session import Session


@dataclass(frozen=True)
class Subject:
    """One model of the table.

    Attributes:
        converted: what conversion said of it; None for the float model and for files from elsewhere.
        bits_per_weight: None where it is not known.
        sqnr_db: measured by evaluation, else by the conversion's own check.
        is_packed: packed PyTorch weights, which nothing here runs.
    """

    path: str
    file_bytes: int
    bits_per_weight: float | None = None
    converted: ConvertResult | None = None
    evaluation: Evaluation | None = None
    benchmark: BenchmarkPoint | None = None
    sqnr_db: float | None = None
    is_float: bool = False
    is_packed: bool = False

    @property
    def name(self) -> str:
        """The file name."""
        return Path(self.path).name


class Comparisons(QObject):
    """State of the Compare page; it is another one for every model.

    Signals:
        changed: anything is another one.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._added: tuple[Subject, ...] = ()
        self._parts: tuple[object, ...] | None = None
        self._subjects: tuple[Subject, ...] = ()
        self._unticked: frozenset[str] = frozenset()
        self._baseline = ""
        self._measured_on = self._data_in_use
        self.layer_errors: LayerErrors | None = None
        self.samples: dict[str, ChangedSamples] = {}
        self.bottlenecks: dict[str, Bottlenecks] = {}
        self.sweep: tuple[SweepPoint, ...] = ()
        self.notes: tuple[str, ...] = ()
        session.model_changed.connect(self._reset)
        session.data_changed.connect(self._on_data_changed)
        session.results_changed.connect(self.changed)

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The float model, the results, then files from elsewhere; built anew when one of them is another one."""
        session = self._session
        parts = (session.model, session.baseline, session.results, self._added)
        if self._parts is None or any(new is not old for new, old in zip(parts, self._parts, strict=True)):
            self._parts, self._subjects = parts, self._build_subjects()
        return self._subjects

    def _build_subjects(self) -> tuple[Subject, ...]:
        model = self._session.model
        if model is None:
            return ()
        evaluations = [run.evaluation for run in self._session.results if run.evaluation]
        own = Subject(
            model.path,
            model.file_bytes,
            evaluation=_evaluation_of_float(evaluations[-1]) if evaluations else None,
            benchmark=self._session.baseline,
            is_float=True,
        )
        results = [
            Subject(
                run.converted.output,
                run.converted.file_bytes,
                run.bits_per_weight,
                run.converted,
                run.evaluation,
                run.benchmark,
                run.sqnr_db,
                is_packed=run.is_packed,
            )
            for run in self._session.results
        ]
        return (own, *results, *self._added)

    @property
    def results(self) -> tuple[Subject, ...]:
        """All that can be run, the float model left out."""
        return tuple(subject for subject in self.subjects if not subject.is_float and not subject.is_packed)

    @property
    def added(self) -> tuple[Subject, ...]:
        """Files from elsewhere."""
        return self._added

    @property
    def baseline(self) -> Subject | None:
        """What the others are compared with: the float model unless another one was chosen."""
        subjects = self.subjects
        return next(
            (subject for subject in subjects if subject.path == self._baseline), subjects[0] if subjects else None
        )

    def set_baseline(self, path: str) -> None:
        """Compare with another model."""
        if path != self._baseline:
            self._baseline = path
            self.changed.emit()

    def is_ticked(self, subject: Subject) -> bool:
        """Whether the plots and details show it."""
        return subject.path not in self._unticked

    @property
    def ticked(self) -> tuple[Subject, ...]:
        """What the plots and details show."""
        return tuple(subject for subject in self.subjects if self.is_ticked(subject))

    def set_ticked(self, subject: Subject, *, is_ticked: bool) -> None:
        """Show or hide a model in plots and details."""
        self._unticked = self._unticked - {subject.path} if is_ticked else self._unticked | {subject.path}
        self.changed.emit()

    def add_file(self, path: str) -> bool:
        """Take a model from elsewhere into the table; False if it is there already."""
        absolute = str(Path(path).absolute())
        if absolute in {subject.path for subject in self.subjects}:
            return False
        subject = Subject(absolute, Path(absolute).stat().st_size, _read_bits_per_weight(Path(absolute)))
        self._added = (*self._added, subject)
        self.changed.emit()
        return True

    def remove_file(self, path: str) -> None:
        """Take a model from elsewhere out of the table; the file stays."""
        self._added = tuple(subject for subject in self._added if subject.path != path)
        self.changed.emit()

    def set_evaluation(self, path: str, evaluation: Evaluation) -> None:
        """Keep what was measured on a file from elsewhere."""
        self._added = tuple(
            dataclasses.replace(subject, evaluation=evaluation, sqnr_db=evaluation.sqnr_db)
            if subject.path == path
            else subject
            for subject in self._added
        )
        self.changed.emit()

    def add_benchmark_point(self, point: BenchmarkPoint) -> None:
        """Keep the figures of a file from elsewhere; those of others are the session's."""
        if any(subject.path == point.path for subject in self._added):
            self._added = tuple(
                dataclasses.replace(subject, benchmark=point, file_bytes=point.file_bytes)
                if subject.path == point.path
                else subject
                for subject in self._added
            )
            self.changed.emit()

    def set_benchmark(self, benchmark: Benchmark) -> None:
        """Keep a finished benchmark: points of files from elsewhere, and the sweep."""
        for point in benchmark.points:
            self.add_benchmark_point(point)
        self.sweep, self.notes = benchmark.sweep, benchmark.notes
        self.changed.emit()

    def set_layer_errors(self, found: LayerErrors) -> None:
        """Keep the errors of the layers."""
        self.layer_errors = found
        self.changed.emit()

    def set_samples(self, found: ChangedSamples) -> None:
        """Keep the samples that a result changed."""
        self.samples[found.result] = found
        self.changed.emit()

    def set_bottlenecks(self, found: Bottlenecks) -> None:
        """Keep what costs a result its speed."""
        self.bottlenecks[found.result] = found
        self.changed.emit()

    def _on_data_changed(self) -> None:
        if self._data_in_use != self._measured_on:
            self._forget_evaluations()

    @property
    def _data_in_use(self) -> object:
        """What models are measured on: the evaluation data, or the calibration data where there is none."""
        data = self._session.data
        return self._session.evaluation_key or (data.calibration if data else None)

    def _reset(self) -> None:
        self._added, self._unticked, self._baseline = (), frozenset(), ""
        self.bottlenecks, self.sweep, self.notes = {}, (), ()
        self._forget_evaluations()

    def _forget_evaluations(self) -> None:
        """What was measured on other data says nothing any more."""
        self._added = tuple(dataclasses.replace(subject, evaluation=None, sqnr_db=None) for subject in self._added)
        self.layer_errors, self.samples = None, {}
        self._measured_on = self._data_in_use
        self.changed.emit()


def _evaluation_of_float(found: Evaluation) -> Evaluation:
    """The float model's own figures, which every evaluation against it has."""
    return Evaluation(
        found.reference or "",
        None,
        found.samples,
        top1=found.reference_top1,
        top5=found.reference_top5,
        perplexity=found.reference_perplexity,
    )


def _read_bits_per_weight(path: Path) -> float | None:
    """What a manifest beside the file says; None without one."""
    try:
        return float(json.loads(manifest_path_for(path).read_text(encoding="utf-8"))["bits_per_weight"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
