"""One warm worker process and the loop that feeds it; used by the window's job thread and by tests.

The worker is spawned, engine only, niced; it dies with this process. Everything crosses one duplex
pipe as small picklable tuples, so a worker that crashes is an end of file here, never a crash.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BitsmithError, JobCancelled, WorkerCrashed
from engine.jobs.worker import serve

if TYPE_CHECKING:
    from engine.requests.request import Request

CANCEL_GRACE_S = 1.5
POLL_S = 0.05


class JobFailed(Exception):
    """A bug in the engine: the text is the worker's traceback, for the report."""


class WorkerProcess:
    """Runs one request at a time. Not thread-safe, except `cancel` and `terminate`."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._connection: Connection | None = None
        self._cancelled = threading.Event()
        self._is_busy = False

    def start(self) -> None:
        """Spawn the worker now, so that its imports are done before it is needed."""
        if self._process is not None and self._process.is_alive():
            return
        self._close()
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(target=serve, args=(theirs,), name="bitsmith-worker", daemon=True)
        with _hidden_main():
            self._process.start()
        theirs.close()
        self._connection = ours

    @property
    def pid(self) -> int | None:
        """Process id of the living worker."""
        return self._process.pid if self._process is not None and self._process.is_alive() else None

    def cancel(self) -> None:
        """Ask the running request to stop; from any thread."""
        self._cancelled.set()

    def run(
        self,
        request: Request,
        progressed: Callable[[int, int, str], None] = lambda done, total, message: None,
        partial_ready: Callable[[object], None] = lambda payload: None,
    ) -> object:
        """Run `request` and return its result; blocks.

        Raises:
            JobCancelled: `cancel` was called; nothing of the job is left running.
            BitsmithError: the user can fix it; `WorkerCrashed` if the process died.
            JobFailed: a bug, with the traceback.
        """
        self._cancelled.clear()
        self.start()
        temporaries: list[Path] = []
        try:
            return self._exchange(request, progressed, partial_ready, temporaries)
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            code = self._end_process()
            if self._cancelled.is_set():
                raise JobCancelled from error
            raise WorkerCrashed(
                f"The worker process ended without a result ({_describe_exit(code)}). "
                "Nothing was written; try again, with fewer samples if memory was short."
            ) from error
        finally:
            if self._is_busy:  # a callback failed: what the worker still has to say must not answer the next request
                self._end_process()
            for path in temporaries:
                shutil.rmtree(path, ignore_errors=True)

    def _exchange(
        self,
        request: Request,
        progressed: Callable[[int, int, str], None],
        partial_ready: Callable[[object], None],
        temporaries: list[Path],
    ) -> object:
        connection = self._connection
        assert connection is not None
        connection.send(request)
        self._is_busy = True
        asked_at: float | None = None
        while True:
            if self._cancelled.is_set() and asked_at is None:
                connection.send("cancel")
                asked_at = time.monotonic()
            if asked_at is not None and time.monotonic() - asked_at > CANCEL_GRACE_S:
                raise EOFError
            if not connection.poll(POLL_S):
                continue
            kind, *values = connection.recv()
            self._is_busy = kind in ("progress", "partial", "temporary")
            if kind == "progress":
                progressed(*values)
            elif kind == "partial":
                partial_ready(*values)
            elif kind == "temporary":
                temporaries.append(Path(values[0]))
            elif kind == "result":
                return values[0]
            elif kind == "cancelled":
                raise JobCancelled
            elif kind == "user_error":
                error: BitsmithError = values[0]
                raise error
            else:
                raise JobFailed(values[0])

    def terminate(self) -> None:
        """End the worker by force and wait for it; a later `run` starts a new one."""
        self._end_process()

    def _end_process(self) -> int | None:
        if self._process is None:
            return None
        self._process.join(0.2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(5)
        code: int | None = self._process.exitcode
        self._close()
        return code

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._process = None
        self._is_busy = False


@contextlib.contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep `spawn` from running the host's main script again in the worker, which needs nothing of it.

    A script without `if __name__ == "__main__"` would otherwise start its window, or itself, once more.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "unknown reason"
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
