"""Running a job at a terminal: progress on standard error, Ctrl+C that cancels at once and leaves no file."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from engine.job_context import JobContext

if TYPE_CHECKING:
    from engine.requests.request import Request

TTY_INTERVAL_S = 0.1
LOG_INTERVAL_S = 5.0
WAIT_S = 0.2
EXIT_CANCELLED = 130

ResultT = TypeVar("ResultT")


class ConsoleContext(JobContext):
    """Shows progress as one line that is rewritten, or as a line every five seconds where nobody watches."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream if stream is not None else sys.stderr
        self._is_tty = self._stream.isatty()
        self._last = time.monotonic()
        self._is_line_open = False
        self._temporaries: list[Path] = []
        self._is_asked_to_stop = False
        self.partial_ready: Callable[[object], None] | None = None

    def on_progress(self, done: int, total: int, message: str) -> None:
        now = time.monotonic()
        if now - self._last < (TTY_INTERVAL_S if self._is_tty else LOG_INTERVAL_S):
            return
        self._last = now
        text = f"{message} {done}/{total}" if total > 1 else message
        if not self._is_tty:
            self._stream.write(text + "\n")
            return
        width = shutil.get_terminal_size().columns - 1
        self._stream.write("\r" + text[:width].ljust(width))
        self._stream.flush()
        self._is_line_open = True

    def on_partial(self, payload: object) -> None:
        if self.partial_ready is not None:
            self.partial_ready(payload)

    def note(self, text: str) -> None:
        """A line on standard error."""
        self.clear_line()
        self._stream.write(text + "\n")

    def on_temporary(self, path: Path) -> None:
        self._temporaries.append(path)

    def clear_line(self) -> None:
        """Take the progress line away, so that what follows starts on a clean one."""
        if self._is_line_open:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r" + " " * width + "\r")
            self._stream.flush()
            self._is_line_open = False

    def stop(self) -> None:
        """Cancel politely the first time; end the process at once the second time."""
        if not self._is_asked_to_stop:
            self._is_asked_to_stop = True
            self.cancel()
            return
        for path in self._temporaries:
            shutil.rmtree(path, ignore_errors=True)
        os._exit(EXIT_CANCELLED)


def run_job(request: Request, result_type: type[ResultT], context: JobContext) -> ResultT:
    """Run one request in this process."""
    from engine.jobs.operations import run_request

    result = run_request(request, context)
    assert isinstance(result, result_type)
    return result


def call_interruptibly(work: Callable[[], ResultT], context: ConsoleContext) -> ResultT:
    """Call `work` on a second thread, while this one listens for Ctrl+C.

    Python hears a signal between two instructions of the main thread only; inside a long native call
    it would come too late for `context.cancel`, which stops inferences in flight.
    """
    results: list[ResultT] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  handed to the caller's thread, whatever it is
            errors.append(error)

    thread = threading.Thread(target=run, name="command", daemon=True)
    with _cancel_on_signals(context):
        thread.start()
        while thread.is_alive():
            thread.join(WAIT_S)
    context.clear_line()
    if errors:
        raise errors[0]
    return results[0]


@contextlib.contextmanager
def _cancel_on_signals(context: ConsoleContext) -> Iterator[None]:
    def stop(*_: object) -> None:
        context.stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # which nohup asks for
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
