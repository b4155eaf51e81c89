"""What is exported and how: a queue of copies and jobs, and one sentence for each in the end."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot

from engine.numerics.schemes import Kernel
from engine.plan import Plan, choose_layer_plan, is_portable
from engine.project.runs import Run
from engine.requests.analysis import CalibrateRequest, CalibrateResult
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.handing_over import BundleRequest, BundleResult, ReportRequest, ReportResult
from engine.summary import ModelSummary
from engine.units import format_bytes
from gui.export_files import ExportThread
from gui.job_runner import Job, JobRunner
from gui.notify import Notifier
from gui.session import Session

if TYPE_CHECKING:
    from engine.requests.request import Request

CALIBRATION_SUFFIX = ".calib"
Scratch = tempfile.TemporaryDirectory[str]


class ExportKind(StrEnum):
    """In which form a result leaves."""

    MODEL = "model"
    PORTABLE = "portable"
    PACKED = "packed"
    FOLDER = "folder"
    ZIP = "zip"

    @property
    def is_bundle(self) -> bool:
        """Whether a script and a service come with the model."""
        return self in (ExportKind.FOLDER, ExportKind.ZIP)


@dataclass(frozen=True)
class ExportChoice:
    """What the user asked for; `name` and `version` are those of a bundle."""

    run: Run
    kind: ExportKind
    target: Path
    name: str = ""
    version: str = ""
    with_calibration: bool = False
    with_report: bool = False


def report_beside(choice: ExportChoice) -> Path:
    """Where the report of an export goes; a bundle's name is no file name whose end could be cut off."""
    name = f"{choice.name}-{choice.version}" if choice.kind.is_bundle else choice.target.stem
    return choice.target.with_name(f"{name}.report.html")


class Exporter(QObject):
    """Does what `ExportChoice` says, one thing after the other; a failure or a cancel ends the rest.

    Copies are no jobs, so the user can start a job or another export meanwhile: the next part waits for it.
    """

    def __init__(self, session: Session, runner: JobRunner, notifier: Notifier, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._notifier = notifier
        self._waiting: deque[tuple[list[Callable[[], None]], Path, Scratch | None]] = deque()
        self._steps: deque[Callable[[], None]] = deque()
        self._sentences: list[str] = []
        self._is_working = self._is_held_up = False
        self._job: Job | None = None
        self._is_done = False
        self._copies: set[ExportThread] = set()
        self._scratch: Scratch | None = None
        self._written: Path | None = None
        runner.job_finished.connect(self._on_job_finished)
        session.model_changed.connect(self._drop_rest)

    def export(self, choice: ExportChoice) -> None:
        """Start; the sentences are shown when the last part is there."""
        steps: list[Callable[[], None]] = []
        calibration = scratch = None
        if choice.with_calibration:
            calibration = choice.target.with_suffix(CALIBRATION_SUFFIX)
            if choice.kind.is_bundle:
                scratch = tempfile.TemporaryDirectory(prefix="bitsmith-export-", ignore_cleanup_errors=True)
                calibration = Path(scratch.name) / f"calibration{CALIBRATION_SUFFIX}"
            steps.append(lambda path=calibration: self._calibrate(path))  # type: ignore[misc]
        if choice.kind.is_bundle:
            steps.append(lambda: self._bundle(choice, calibration))
        elif choice.kind == ExportKind.MODEL:
            steps.append(lambda: self._copy(choice))
        else:
            steps.append(lambda: self._convert(choice))
        if choice.with_report:
            steps.append(lambda: self._report(report_beside(choice)))
        self._begin(steps, choice.target.parent, scratch)

    def report(self, output: Path) -> None:
        """Write the report of this session."""
        self._begin([lambda: self._report(output)], output)

    def finish(self) -> None:
        """Wait for copies that are still being written; for shutting down."""
        for thread in self._copies:
            thread.wait()

    def _begin(self, steps: list[Callable[[], None]], written: Path, scratch: Scratch | None = None) -> None:
        self._waiting.append((steps, written, scratch))
        self._begin_next()

    def _begin_next(self) -> None:
        if self._waiting and not self._is_working:
            steps, self._written, self._scratch = self._waiting.popleft()
            self._steps, self._sentences, self._is_working = deque(steps), [], True
            self._advance()

    def _advance(self) -> None:
        self._is_held_up = bool(self._steps) and self._runner.is_busy
        if self._is_held_up:
            return
        if self._steps:
            self._steps.popleft()()
            return
        if self._sentences:
            self._notifier.info("\n".join(self._sentences), self._written)
        self._clear()

    def _clear(self) -> None:
        self._steps.clear()
        self._is_working = self._is_held_up = False
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None
        self._begin_next()

    def _drop_rest(self) -> None:
        """Another model is open: what was still to be done was about the old one."""
        self._waiting.clear()
        self._steps.clear()
        if self._is_held_up:
            self._advance()

    # --- the parts -----------------------------------------------------------------------------

    def _copy(self, choice: ExportChoice) -> None:
        thread = ExportThread(Path(choice.run.converted.output), choice.target, choice.run.plan, self)
        self._copies.add(thread)
        thread.failed.connect(self._notifier.error)
        thread.finished.connect(lambda: self._on_copied(thread))
        thread.start()

    def _on_copied(self, thread: ExportThread) -> None:
        self._copies.discard(thread)
        if thread.is_done:
            text = self.tr("{name}, its plan and its manifest are in {folder}.")
            self._sentences.append(text.format(name=thread.target.name, folder=thread.target.parent))
            self._advance()
        else:
            self._clear()
        thread.deleteLater()

    def _calibrate(self, path: Path) -> None:
        model, data = self._session.model, self._session.data
        assert model is not None
        assert data is not None

        def describe(result: CalibrateResult) -> str:
            text = self.tr("Calibration ranges are written. Tensors: {tensors}, samples: {samples}.")
            return text.format(tensors=result.tensors, samples=result.samples)

        request = CalibrateRequest(model.path, data.calibration, str(path), data.samples)
        self._run(request, self.tr("Collect activation ranges"), describe)

    def _convert(self, choice: ExportChoice) -> None:
        model, data, plan = self._session.model, self._session.data, choice.run.plan
        assert model is not None
        if choice.kind == ExportKind.PORTABLE:
            plan = portable_plan(plan, model)
        request = ConvertRequest(model.path, plan, str(choice.target), data.calibration if data else None)
        if data is not None:
            request = dataclasses.replace(request, samples=data.samples)

        def describe(result: ConvertResult) -> str:
            text = self.tr("{name} ({size}), its plan and its manifest are in {folder}.")
            return text.format(
                name=choice.target.name, size=format_bytes(result.file_bytes), folder=choice.target.parent
            )

        self._run(request, self.tr("Convert to {name}").format(name=choice.target.name), describe)

    def _bundle(self, choice: ExportChoice, calibration: Path | None) -> None:
        data = self._session.data
        request = BundleRequest(
            choice.run.converted.output,
            str(choice.target),
            self._session.evaluation_data or (data.calibration if data else None),
            choice.name,
            choice.version,
            calibration=str(calibration) if calibration else None,
            evaluation=choice.run.evaluation,
            benchmark=choice.run.benchmark,
        )
        title = self.tr("Bundle {name} {version}").format(name=choice.name, version=choice.version)
        self._run(request, title, self._describe_bundle)

    def _describe_bundle(self, result: BundleResult) -> str:
        text = self.tr("{path}: {count} files, {size}.").format(
            path=result.output, count=len(result.files), size=format_bytes(result.file_bytes)
        )
        if result.predicted_class is None:
            answer = self.tr("Verified: predict.py and the service gave the outputs of the workbench for {sample}.")
            return f"{text}\n{answer.format(sample=result.sample)}"
        answer = self.tr("Verified: predict.py and the service answered class {number}{name}, as here, for {sample}.")
        name = f" ({result.predicted_name})" if result.predicted_name else ""
        return f"{text}\n{answer.format(number=result.predicted_class, name=name, sample=result.sample)}"

    def _report(self, output: Path) -> None:
        session = self._session
        assert session.model is not None
        data = session.data
        request = ReportRequest(
            session.model.path,
            str(output),
            results=tuple(run.converted.output for run in session.results),
            plan=session.plan,
            sensitivity=session.sensitivity(),
            metric=session.metric,
            evaluations=tuple(run.evaluation for run in session.results if run.evaluation is not None),
            benchmark=session.benchmark,
            data=data.calibration if data else None,
            evaluation_data=session.evaluation_data,
            calibration_samples=data.samples if data else None,
        )

        def describe(result: ReportResult) -> str:
            text = self.tr("The report is {path} ({size}, one file).")
            return text.format(path=result.output, size=format_bytes(result.file_bytes))

        self._run(request, self.tr("Report"), describe)

    # --- jobs ----------------------------------------------------------------------------------

    def _run(self, request: Request, title: str, describe: Callable[[Any], str]) -> None:
        """Start a job; the next part waits until nothing of it is left running."""
        job = self._runner.create(request, title)
        self._job, self._is_done = job, False
        job.succeeded.connect(lambda result: self._on_succeeded(describe(result)))
        job.failed.connect(self._notifier.error)
        self._runner.start(job)

    def _on_succeeded(self, sentence: str) -> None:
        self._sentences.append(sentence)
        self._is_done = True

    @Slot(object)
    def _on_job_finished(self, job: Job) -> None:
        """Go on if the job succeeded; else drop the rest."""
        if job is not self._job:
            if self._is_held_up:
                self._advance()
            return
        self._job = None
        if self._is_done:
            self._advance()
        else:
            self._clear()


def portable_plan(plan: Plan, model: ModelSummary) -> Plan:
    """The plan with standard ONNX operators only: layers on others get what the defaults then give them."""
    defaults = dataclasses.replace(plan.defaults, portable=True, weight_only_kernel=Kernel.FLOAT)
    changes = {}
    for layer in model.layers:
        choice = plan.layer(layer.name)
        if choice.weights.is_integer and not is_portable(layer, choice.kernel):
            changes[layer.name] = choose_layer_plan(layer, choice.weights.bits, defaults)
    return dataclasses.replace(plan, defaults=defaults).with_layers(changes)
