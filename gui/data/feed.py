"""Asks the worker what the Data dialog shows: a sample, the division of samples, and whether preprocessing fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, SignalInstance

from engine.requests.data import CheckRequest, DataChoice, PreviewRequest, SplitRequest
from engine.requests.opening import FitRequest
from gui.job_runner import Job, JobRunner

if TYPE_CHECKING:
    from engine.requests.request import Request


class DataFeed(QObject):
    """Small jobs in the background; of every kind only the answer to the last question counts.

    Signals:
        preview_ready(DataPreview), preview_failed(str): one sample.
        split_ready(DataSplit), split_failed(str): who gets which samples.
        check_ready(DataCheck), fits_ready(PresetFits), check_failed(str): the model's own top-1.
        check_progressed(int, int): samples or presets done, of all.
    """

    preview_ready = Signal(object)
    preview_failed = Signal(str)
    split_ready = Signal(object)
    split_failed = Signal(str)
    check_ready = Signal(object)
    fits_ready = Signal(object)
    check_failed = Signal(str)
    check_progressed = Signal(int, int)

    def __init__(self, model: str, runner: JobRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._model = model
        self._runner = runner
        self._last: dict[SignalInstance, Job] = {}

    def ask_preview(self, data: DataChoice, index: int) -> None:
        """Look at a sample."""
        self._ask(PreviewRequest(self._model, data, index), self.preview_ready, self.preview_failed)

    def ask_split(self, request: SplitRequest) -> None:
        """Divide the samples."""
        self._ask(request, self.split_ready, self.split_failed)

    def ask_check(self, data: DataChoice) -> None:
        """Run the float model on a few labelled samples."""
        self._ask(CheckRequest(self._model, data), self.check_ready, self.check_failed)

    def ask_fits(self, data: DataChoice) -> None:
        """Run it with every preset of preprocessing."""
        self._ask(FitRequest(self._model, data), self.fits_ready, self.check_failed)

    def stop_checks(self) -> None:
        """The answer of a check that still runs is not wanted any more."""
        self._stop(self.check_failed)

    def stop(self) -> None:
        """Nobody waits for any answer."""
        for failed in tuple(self._last):
            self._stop(failed)

    def _stop(self, failed: SignalInstance) -> None:
        job = self._last.pop(failed, None)
        if job is not None:
            self._runner.drop(job)

    def _ask(self, request: Request, ready: SignalInstance, failed: SignalInstance) -> None:
        """Answers of one kind share their signal of failure."""
        job = self._last[failed] = self._runner.create_internal(request)

        def tell(signal: SignalInstance, *values: object) -> None:
            if self._last.get(failed) is job:
                signal.emit(*values)

        def end(signal: SignalInstance, value: object) -> None:
            tell(signal, value)
            if self._last.get(failed) is job:
                del self._last[failed]

        bug = self.tr("That could not be found out, because of a bug in Bitsmith.")
        job.succeeded.connect(lambda result: end(ready, result))
        job.failed.connect(lambda sentence: end(failed, sentence))
        job.crashed.connect(lambda _report: end(failed, bug))
        if failed is self.check_failed:
            job.progressed.connect(lambda done, total, _: tell(self.check_progressed, done, total))
        self._runner.start(job)
