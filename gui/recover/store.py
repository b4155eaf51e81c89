"""What a climb has found so far, and the job that climbs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from PySide6.QtCore import QObject, Signal

from engine.conversion.manifest import plan_path_for
from engine.errors import BitsmithError
from engine.plan import load_plan
from engine.project.runs import read_run_files
from engine.recovery.report import RecoverResult, RecoverStep
from engine.recovery.targets import Ending
from engine.requests.conversion import (
    BlockPoint,
    BlockReconstruction,
    Change,
    ConvertResult,
    DistillationPoint,
    LayerChange,
    LayerRounding,
)
from engine.requests.recovery import RecoverRequest
from gui.job_runner import JobRunner
from gui.notify import Notifier
from gui.recover.figures import LayerFigure, Training, figure_of
from gui.recover.texts import describe_ending, format_reached, step_title
from gui.session import Session

Layers = Mapping[tuple[str, Change | None], LayerFigure]
NO_LAYERS: Layers = MappingProxyType({})


class Recovery(QObject):
    """The last climb on the open model; another climb takes its place.

    When it ends, the best file joins the results, and the best plan becomes the plan in one undoable step, unless
    the plan was changed meanwhile. A cancelled climb ends the same way with what it has.

    Signals:
        changed: a step was measured, or the climb began, ended or was dropped.
        layers_changed: a layer was changed, by the conversion that is running.
        training_changed: the conversion that is running has another point of a curve, or another block.
        finished: the climb is over, and the best file is a result.

    Attributes:
        request: what was asked for; None before the first climb.
        ending: None while it runs, and of one that was cancelled or failed.
        layers: of the conversion that is running.
        training: of the conversion that is running.
    """

    changed = Signal()
    layers_changed = Signal()
    training_changed = Signal()
    finished = Signal()

    def __init__(self, session: Session, runner: JobRunner, notifier: Notifier) -> None:
        super().__init__(notifier)
        self._session, self._runner, self._notifier = session, runner, notifier
        self._origin = ""
        self._began = 0.0
        self._forget()
        session.model_changed.connect(self._on_model_changed)

    def _forget(self) -> None:
        self.request: RecoverRequest | None = None
        self.steps: list[RecoverStep] = []
        self.ending: Ending | None = None
        self.is_running = False
        self.layers: dict[tuple[str, Change | None], LayerFigure] = {}
        self.training = Training()
        self._layers_of: list[Layers] = []
        self._training_of: list[Training] = []

    def _on_model_changed(self) -> None:
        self._forget()
        self._announce()

    def _announce(self) -> None:
        self.changed.emit()
        self.layers_changed.emit()
        self.training_changed.emit()

    @property
    def best(self) -> RecoverStep | None:
        """The best step so far."""
        return next((step for step in reversed(self.steps) if step.is_best), None)

    @property
    def elapsed(self) -> float:
        """Seconds since the climb began, at its last step once it is over."""
        if self.is_running:
            return time.monotonic() - self._began
        return self.steps[-1].elapsed if self.steps else 0.0

    @property
    def last_training(self) -> Training:
        """Of the last step that trained anything; empty if none did."""
        return next(filter(None, reversed(self._training_of)), Training())

    def layers_of(self, step: RecoverStep) -> Layers:
        """The layers as a step changed them; of a step that an earlier climb measured that is not known."""
        return self._layers_of[self.place_of(step)]

    def training_of(self, step: RecoverStep) -> Training:
        """What a step trained; of a step that an earlier climb measured that is not known."""
        return self._training_of[self.place_of(step)]

    def place_of(self, step: RecoverStep) -> int:
        """The index of one of the steps; plans are large, so they are told apart, not compared."""
        return next(at for at, known in enumerate(self.steps) if known is step)

    def start(self, request: RecoverRequest) -> None:
        """Climb; while another job runs this does nothing."""
        if self._runner.is_busy:
            return
        self._forget()
        self.request, self.is_running = request, True
        self._origin, self._began = self._session.origin, time.monotonic()
        job = self._runner.create(request, self.tr("Recover"))
        job.partial_ready.connect(self.take)

        def succeeded(result: RecoverResult) -> None:
            for step in result.steps[len(self.steps) :]:  # of a cancel that came too late
                self.take(step)
            self.ending = result.ending
            job.summary = describe_ending(result.ending)
            self._end(self.best, result.conversion)

        job.succeeded.connect(succeeded)
        job.cancelled.connect(self._on_cancelled)
        job.failed.connect(self._on_failed)
        job.crashed.connect(lambda _report: self._on_cancelled())
        self._announce()
        self._runner.start(job)

    def take_plan(self, step: RecoverStep) -> None:
        """Make the plan of a step the plan, in one undoable step."""
        assert self.request is not None
        reached = format_reached(self.request.target, step.found)
        text = self.tr("recover {method}, {reached}").format(method=step_title(step, self._session), reached=reached)
        self._session.change_plan(step.plan, text)

    def take(self, payload: object) -> None:
        """Keep what arrived while it ran."""
        if isinstance(payload, RecoverStep):
            self.steps.append(payload)
            self._layers_of.append(self.layers or NO_LAYERS)
            self._training_of.append(self.training)
            self._forget_conversion()
            self.changed.emit()
        elif isinstance(payload, ConvertResult):
            self._take_written(payload)
        elif isinstance(payload, LayerRounding | LayerChange):
            figure = figure_of(payload)
            self.layers[figure.key] = figure
            self.layers_changed.emit()
        elif isinstance(payload, BlockPoint | BlockReconstruction | DistillationPoint):
            self.training.add(payload)
            self.training_changed.emit()

    def _forget_conversion(self) -> None:
        """Another one begins, or none."""
        self.training.end_blocks()
        self.layers, self.training = {}, Training()

    def _take_written(self, conversion: ConvertResult) -> None:
        """The best step, which an earlier climb measured, now lies at the output, too."""
        best = self.best
        assert best is not None
        place = self.place_of(best)
        self.steps[place] = dataclasses.replace(best, conversion=conversion)
        self._layers_of[place], self._training_of[place] = self.layers or NO_LAYERS, self.training
        self._forget_conversion()
        self.changed.emit()

    def _on_failed(self, sentence: str) -> None:
        self._on_cancelled()
        self._notifier.error(sentence)

    def _on_cancelled(self) -> None:
        written = next((step for step in reversed(self.steps) if step.conversion is not None), None)
        if written is None or not self._lies_at_output(written):
            self._end(None, None)
        else:
            self._end(written, written.conversion)

    def _lies_at_output(self, step: RecoverStep) -> bool:
        """Not if a better one was moved there that was never heard of, because the cancel came first."""
        assert self.request is not None
        try:
            return load_plan(plan_path_for(Path(self.request.output))).digest == step.plan.digest
        except BitsmithError:
            return False

    def _end(self, written: RecoverStep | None, conversion: ConvertResult | None) -> None:
        """Take the best plan over if the user has not gone on meanwhile, and list what was written."""
        self.is_running = False
        self._forget_conversion()
        self._take_best()
        if written is not None and conversion is not None:
            files = read_run_files(Path(conversion.output))
            self._session.add_result(conversion, written.plan, self._origin, files)
            self._session.set_evaluation(conversion.output, written.found)
        self._announce()
        self.finished.emit()

    def _take_best(self) -> None:
        assert self.request is not None
        best = self.best
        if best is None or best.plan.digest == self.request.plan.digest:
            return
        if self._session.plan == self.request.plan:
            self.take_plan(best)
        else:
            self._notifier.note(self.tr("The plan was changed while Recover ran, so it stays as it is."))
