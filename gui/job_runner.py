"""The one bridge between the window and the engine: one worker process, one job at a time.

A job's thread blocks on the worker and turns what comes back into signals; all signals of `Job` are
emitted in the window's thread. `finished` is the last one and means that nothing of the job still runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot
from typing_extensions import override

from engine.errors import BitsmithError, JobCancelled
from engine.jobs.supervisor import JobFailed, WorkerProcess

if TYPE_CHECKING:
    from engine.requests.request import Request

CANCEL_REPEAT_MS = 100


class _JobThread(QThread):
    """Blocks on the worker. Its signals are emitted in its own thread and delivered queued."""

    progressed = Signal(int, int, str)
    partial_ready = Signal(object)
    ended = Signal(str, object)

    def __init__(self, worker: WorkerProcess, request: Request, parent: QObject) -> None:
        super().__init__(parent)
        self._worker = worker
        self._request = request

    @override
    def run(self) -> None:
        try:
            result = self._worker.run(self._request, self.progressed.emit, self.partial_ready.emit)
        except JobCancelled:
            self.ended.emit("cancelled", None)
        except BitsmithError as error:
            self.ended.emit("failed", str(error))
        except JobFailed as error:
            self.ended.emit("crashed", str(error))
        else:
            self.ended.emit("succeeded", result)


class Job(QObject):
    """One request on its way.

    Signals:
        progressed(done, total, message), partial_ready(payload): while it runs.
        succeeded(result), failed(sentence), crashed(report), cancelled: exactly one of them.
        finished: always last.

    Attributes:
        summary: what came of it in a sentence, if whoever takes the result says so.
    """

    progressed = Signal(int, int, str)
    partial_ready = Signal(object)
    succeeded = Signal(object)
    failed = Signal(str)
    crashed = Signal(str)
    cancelled = Signal()
    finished = Signal()

    def __init__(self, request: Request, title: str, *, is_internal: bool, parent: QObject) -> None:
        super().__init__(parent)
        self.request = request
        self.title = title
        self.is_internal = is_internal
        self.summary = ""
        self.is_cancelling = False
        self.started_at = time.monotonic()
        self._thread: _JobThread | None = None
        self._outcome: tuple[str, object] | None = None
        self._cancel_timer = QTimer(self, interval=CANCEL_REPEAT_MS)

    def start(self, worker: WorkerProcess) -> None:
        """Run on `worker`."""
        queued = Qt.ConnectionType.QueuedConnection
        self._thread = _JobThread(worker, self.request, self)
        self._thread.progressed.connect(self._on_progressed, queued)
        self._thread.partial_ready.connect(self._on_partial, queued)
        self._thread.ended.connect(self._on_ended, queued)
        self._thread.finished.connect(self._on_thread_finished, queued)
        # Repeated, because a cancel that arrives before the worker has taken the request is lost.
        self._cancel_timer.timeout.connect(worker.cancel)
        self._thread.start()

    def cancel(self, worker: WorkerProcess) -> None:
        """Ask it to stop; `cancelled` follows, within two seconds."""
        self.is_cancelling = True
        worker.cancel()
        self._cancel_timer.start()

    def wait(self) -> None:
        """Block until the thread is over; for shutting down."""
        if self._thread is not None:
            self._thread.wait()

    @Slot(int, int, str)
    def _on_progressed(self, done: int, total: int, message: str) -> None:
        self.progressed.emit(done, total, message)

    @Slot(object)
    def _on_partial(self, payload: object) -> None:
        if not self.is_cancelling:
            self.partial_ready.emit(payload)

    @Slot(str, object)
    def _on_ended(self, outcome: str, value: object) -> None:
        self._outcome = (outcome, value)

    @Slot()
    def _on_thread_finished(self) -> None:
        self._cancel_timer.stop()
        outcome, value = self._outcome or ("crashed", "The job's thread ended without an outcome.")
        if outcome == "succeeded":
            self.succeeded.emit(value)
        elif outcome == "failed":
            self.failed.emit(str(value))
        elif outcome == "crashed":
            self.crashed.emit(str(value))
        else:
            self.cancelled.emit()
        self.finished.emit()


class JobRunner(QObject):
    """Owns the worker process and lets one job run at a time.

    An internal job (a histogram, a front) gives way: it is cancelled when the user starts something, and
    of every kind the last one asked for waits until the worker is idle.

    Signals:
        job_started(Job), job_finished(Job): jobs the user started; internal ones stay silent. One that waits for an
            internal job to give way has started, too, and can be cancelled.
        crashed(report): a bug in the engine, in any job.
    """

    job_started = Signal(object)
    job_finished = Signal(object)
    crashed = Signal(str)

    def __init__(self, worker: WorkerProcess | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = worker or WorkerProcess()
        self._current: Job | None = None
        self._next: Job | None = None
        self._waiting: dict[type, Job] = {}
        self._is_closed = False

    @property
    def is_busy(self) -> bool:
        """Whether a job of the user runs or is about to."""
        return any(job is not None and not job.is_internal for job in (self._current, self._next))

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing runs or waits, internal jobs included."""
        return self._current is None and self._next is None and not self._waiting

    @property
    def worker_pid(self) -> int | None:
        """Process id of the living worker."""
        return self._worker.pid

    def warm_up(self) -> None:
        """Spawn the worker if there is none, so that its imports are done before it is needed."""
        if self._current is None and not self._is_closed:
            self._worker.start()

    def create(self, request: Request, title: str) -> Job:
        """A job of the user; connect to it, then `start` it."""
        return Job(request, title, is_internal=False, parent=self)

    def create_internal(self, request: Request) -> Job:
        """A small job that stays in the background; connect to it, then `start` it."""
        return Job(request, "", is_internal=True, parent=self)

    def run(
        self,
        request: Request,
        title: str,
        succeeded: Callable[[Any], None],
        failed: Callable[[str], None],
        partial_ready: Callable[[object], None] | None = None,
    ) -> Job | None:
        """Create, connect and start a job of the user; while another one runs this does nothing."""
        if self.is_busy:
            return None
        job = self.create(request, title)
        job.succeeded.connect(succeeded)
        job.failed.connect(failed)
        if partial_ready is not None:
            job.partial_ready.connect(partial_ready)
        self.start(job)
        return job

    def start(self, job: Job) -> None:
        """Run `job` now or as soon as the worker is idle."""
        assert job.is_internal or not self.is_busy, "one job at a time: the actions are disabled meanwhile"
        if job.is_internal:
            dropped = self._waiting.pop(type(job.request), None)
            if dropped is not None:
                dropped.deleteLater()
            self._waiting[type(job.request)] = job
        else:
            self._next = job
            if self._current is not None:
                self._current.cancel(self._worker)
            self.job_started.emit(job)
        self._start_next()

    def cancel(self) -> None:
        """Cancel what the user started."""
        if self._next is not None:
            job, self._next = self._next, None
            job.cancelled.emit()
            job.finished.emit()
            self.job_finished.emit(job)
        elif self._current is not None and not self._current.is_internal:
            self._current.cancel(self._worker)

    def drop(self, job: Job) -> None:
        """Give up on an internal job whose answer nobody waits for; one that is over is left alone."""
        if job is self._current:
            job.cancel(self._worker)
        elif self._waiting.get(type(job.request)) is job:
            del self._waiting[type(job.request)]
            job.deleteLater()

    def close(self) -> None:
        """End the running job, its thread and the worker; blocks for up to two seconds."""
        self._is_closed = True
        self._next = None
        self._waiting.clear()
        if self._current is not None:
            self._current.cancel(self._worker)
            self._current.wait()
        self._worker.terminate()

    def _start_next(self) -> None:
        if self._current is not None or self._is_closed:
            return
        if self._next is not None:
            self._current, self._next = self._next, None
        elif self._waiting:
            self._current = self._waiting.pop(next(iter(self._waiting)))
        else:
            return
        job = self._current
        job.crashed.connect(self.crashed)
        job.finished.connect(self._on_finished)
        job.start(self._worker)

    @Slot()
    def _on_finished(self) -> None:
        job, self._current = self._current, None
        assert job is not None
        if not job.is_internal:
            self.job_finished.emit(job)
        job.deleteLater()
        self._start_next()
        self.warm_up()
