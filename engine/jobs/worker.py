"""The worker process: receives requests, runs them, sends back what they say.

Imports of the heavy libraries happen in `serve`, so that the parent can import this module for free.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from engine.errors import BitsmithError, JobCancelled
from engine.job_context import JobContext

PROGRESS_INTERVAL_S = 0.04


class PipeContext(JobContext):
    """Forwards progress, at most 25 times a second, and everything else at once."""

    def __init__(self, connection: Connection, lock: threading.Lock) -> None:
        super().__init__()
        self._connection = connection
        self._send_lock = lock
        self._last = 0.0

    def send(self, *message: object) -> None:
        with self._send_lock:
            self._connection.send(message)

    def on_progress(self, done: int, total: int, message: str) -> None:
        now = time.monotonic()
        if done >= total or now - self._last >= PROGRESS_INTERVAL_S:
            self._last = now
            self.send("progress", done, total, message)

    def on_partial(self, payload: object) -> None:
        self.send("partial", payload)

    def on_temporary(self, path: Path) -> None:
        self.send("temporary", str(path))


def serve(connection: Connection) -> None:
    """Run requests until the parent goes away. The main thread works, a second one listens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    run_request = _load_engine()
    inbox = _Inbox(connection)
    while True:
        request, context = inbox.next_job()
        try:
            answer: tuple[object, ...] = ("result", run_request(request, context))
        except JobCancelled:
            answer = ("cancelled",)
        except BitsmithError as error:
            answer = ("user_error", error)
        except Exception:  # noqa: BLE001 - the worker's edge: whatever is left is our bug, and the window must hear of it
            answer = ("bug", traceback.format_exc())
        context.send(*answer)


def _load_engine() -> Callable[[object, JobContext], object]:
    """What runs a request; it and what opens a model are loaded as fast as can be: the window waits for a model.

    Imports leave no garbage, but a hundred thousand objects that stay, over which collections would walk in vain.
    """
    gc.disable()
    from engine.late_modules import load_late

    load_late()
    from engine.jobs.operations import load_operations, run_request

    load_operations("opening")
    gc.freeze()
    gc.enable()
    return run_request


class _Inbox:
    """Listens on a thread, so that a cancel is heard while a job runs; it reaches the job asked for last."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._jobs: queue.SimpleQueue[tuple[object, PipeContext]] = queue.SimpleQueue()
        self._send_lock = threading.Lock()
        self._latest: PipeContext | None = None
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # the parent is gone: nothing is worth finishing
            if message == "cancel":
                if self._latest is not None:
                    self._latest.cancel()
                continue
            self._latest = PipeContext(self._connection, self._send_lock)
            self._jobs.put((message, self._latest))

    def next_job(self) -> tuple[object, PipeContext]:
        return self._jobs.get()
