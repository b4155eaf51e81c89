"""A job inside a job that ends when its time is up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from engine.errors import JobCancelled
from engine.job_context import JobContext, Terminable


class TimeIsUp(JobCancelled):
    """The time limit was reached, not the user's patience."""


class TimeLimit(JobContext):
    """Passes everything on to another context, with a word before each message, and raises `TimeIsUp` in time."""

    def __init__(self, outer: JobContext, seconds: float) -> None:
        super().__init__()
        self._outer = outer
        self._start = time.monotonic()
        self._deadline = self._start + seconds
        self.prefix = ""

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds until the end, 0 at the least."""
        return max(0.0, self._deadline - time.monotonic())

    def check_cancelled(self) -> None:
        self._outer.check_cancelled()
        if time.monotonic() >= self._deadline:
            raise TimeIsUp

    @contextlib.contextmanager
    def terminable(self, run: Terminable) -> Iterator[None]:
        with self._outer.terminable(run):
            yield

    def on_progress(self, done: int, total: int, message: str) -> None:
        self._outer.on_progress(done, total, f"{self.prefix}: {message}" if self.prefix else message)

    def on_partial(self, payload: object) -> None:
        self._outer.on_partial(payload)

    def on_temporary(self, path: Path) -> None:
        self._outer.on_temporary(path)
