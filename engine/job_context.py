"""How a long operation reports progress, hands out partial results and is cancelled."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from engine.errors import JobCancelled, OutputError
from engine.units import format_bytes

SYSTEM_FOLDERS = ("/dev", "/proc", "/sys")
"""Where a new file would take the place of a device."""


class Terminable(Protocol):
    """What a run in flight must offer to be stopped from another thread (onnxruntime.RunOptions)."""

    terminate: bool


class JobContext:
    """Progress, partial results and the cancel point of one job; this base class stays silent.

    Subclasses override the ``on_…`` methods to show or forward what they are told. `cancel` may be
    called from any thread, the rest belongs to the thread that runs the job.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._runs: set[Terminable] = set()
        self._lock = threading.Lock()

    def report(self, done: int, total: int, message: str) -> None:
        """Say that `done` of `total` steps are finished and what is being done now.

        Raises:
            JobCancelled: the user asked for it; the job unwinds from here.
        """
        self.check_cancelled()
        self.on_progress(done, total, message)

    def partial(self, payload: object) -> None:
        """Hand out a finished piece (a heatmap row, a benchmark point): small, plain, picklable."""
        self.check_cancelled()
        self.on_partial(payload)

    def check_cancelled(self) -> None:
        """Raise `JobCancelled` if the user asked for it."""
        if self._cancelled.is_set():
            raise JobCancelled

    def cancel(self) -> None:
        """Ask the job to stop: at its next report, or inside the inference that is running."""
        self._cancelled.set()
        with self._lock:
            for run in self._runs:
                run.terminate = True

    @contextlib.contextmanager
    def terminable(self, run: Terminable) -> Iterator[None]:
        """Let `cancel` stop `run` while the block executes; an aborted run raises `JobCancelled`."""
        with self._lock:
            self._runs.add(run)
        try:
            self.check_cancelled()
            yield
        except Exception:
            self.check_cancelled()
            raise
        finally:
            with self._lock:
                self._runs.discard(run)

    @contextlib.contextmanager
    def output(self, target: Path, expected_bytes: int = 0) -> Iterator[Path]:
        """Yield a temporary path of the same name, in a folder beside `target`.

        When the block succeeds, every file in that folder (external data too) is moved beside
        `target`, the file itself last. Nothing is left behind when the block fails or is cancelled,
        and an existing file stays as it was until the new one is complete. `expected_bytes` is
        checked against the free space first.

        Raises:
            OutputError: the folder is missing, read-only or too full.
        """
        ensure_writable(target, expected_bytes)
        folder = target.parent / f".{target.name}.{os.getpid()}.bitsmith-tmp"
        self.on_temporary(folder)
        try:
            remove_leftovers(target)
            folder.mkdir()
            yield folder / target.name
            self.check_cancelled()
            for file in sorted(folder.iterdir(), key=lambda file: file.name == target.name):
                os.replace(file, target.with_name(file.name))
        except OSError as error:
            raise OutputError(f"Cannot write {target}: {error.strerror or error}. Choose another folder.") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def on_progress(self, done: int, total: int, message: str) -> None:
        """Show progress; called often, must be cheap."""

    def on_partial(self, payload: object) -> None:
        """Show a partial result."""

    def on_temporary(self, path: Path) -> None:
        """Remember a folder that has to go if this process is ended by force."""


def remove_leftovers(target: Path) -> None:
    """Delete what processes that were killed left of the same target, so that it does not pile up."""
    prefix, suffix = f".{target.name}.", ".bitsmith-tmp"
    for folder in target.parent.glob(f"{glob.escape(prefix)}*{suffix}"):
        owner = folder.name[len(prefix) : -len(suffix)]
        if owner.isdecimal() and not _is_other_process(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_other_process(pid: int) -> bool:
    """Whether this number is that of another process that runs; one's own may have been a dead process's before."""
    if pid == os.getpid():
        return False
    import psutil  # for leftovers, not for every start

    return bool(psutil.pid_exists(pid))


def ensure_writable(target: Path, expected_bytes: int = 0) -> None:
    """Raise `OutputError` unless a file of `expected_bytes` can be created at `target`."""
    folder = target.parent
    try:
        str(target).encode()  # ONNX's own reader takes no other names
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = stat.S_IFREG
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is no UTF-8 text"
        raise OutputError(f"Cannot write {target}: {reason}. Choose another output path.") from error
    if stat.S_ISDIR(mode):
        raise OutputError(f"{target} is a folder. Give the name of a file to write.")
    if not stat.S_ISREG(mode) or str(folder.resolve()) in SYSTEM_FOLDERS:
        raise OutputError(f"{target} is not a place for a file. Choose another output path.")
    if not folder.is_dir():
        raise OutputError(f"The folder {folder} does not exist. Create it or choose another output path.")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"The folder {folder} is not writable. Choose another output path.")
    free = shutil.disk_usage(folder).free
    if free < expected_bytes:
        raise OutputError(
            f"{folder} has {format_bytes(free)} free and {target.name} needs {format_bytes(expected_bytes)}. "
            "Free some space or choose another folder."
        )


class CallbackContext(JobContext):
    """A context that calls plain functions: for scripts, tests and the command line."""

    def __init__(
        self,
        progressed: Callable[[int, int, str], None] | None = None,
        partial_ready: Callable[[object], None] | None = None,
    ) -> None:
        super().__init__()
        self._progressed = progressed
        self._partial_ready = partial_ready

    def on_progress(self, done: int, total: int, message: str) -> None:
        if self._progressed:
            self._progressed(done, total, message)

    def on_partial(self, payload: object) -> None:
        if self._partial_ready:
            self._partial_ready(payload)
