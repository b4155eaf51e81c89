"""One measured step in a fresh process: its time, and the peak memory of it and of what it starts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_S = 0.05
REPORT = "measured:"


@dataclass(frozen=True)
class Measured:
    """What one child process took.

    Attributes:
        seconds: of the step itself, imports excluded.
        cpu_seconds: of all cores, in the child and in its own children that have ended, imports included.
        peak_bytes: high-water mark of the child's resident set (VmHWM), pages of mapped files included.
        tree_bytes: largest sum of resident sets seen over the child and its own children.
        private_bytes: largest sum seen without the pages that are files (RssAnon), which are no demand on memory.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    tree_bytes: int
    private_bytes: int


def read_status(field: str, pid: int | str = "self") -> int:
    """A figure of /proc/<pid>/status, in bytes; 0 if the process is gone or the system has none.

    Not `ru_maxrss`: that one inherits the peak of the process that started this one.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), 0)


def report_measured(started: float) -> None:
    """Called by the child when its step is done: `started` is a `time.perf_counter()`."""
    cpu_seconds = sum(os.times()[:4])
    print(REPORT, time.perf_counter() - started, cpu_seconds, read_status("VmHWM"), flush=True)


def run_measured(module: str, arguments: Sequence[str]) -> Measured:
    """Run `python -m module arguments`, which ends with `report_measured`.

    Raises:
        RuntimeError: the child failed; the text is the end of what it said.
    """
    command = [sys.executable, "-m", module, *arguments]
    tree = private = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:  # a pipe that nobody empties stops a chatty child
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while child.poll() is None:
            pids = _tree(child.pid)
            tree = max(tree, sum(read_status("VmRSS", pid) for pid in pids))
            private = max(private, sum(read_status("RssAnon", pid) for pid in pids))
            time.sleep(POLL_S)
        output.seek(0)
        lines = output.read().splitlines()
    found = next((line.split()[1:] for line in reversed(lines) if line.startswith(REPORT)), None)
    if child.returncode or found is None:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}:\n" + "\n".join(lines[-15:]))
    seconds, cpu_seconds, peak_bytes = float(found[0]), float(found[1]), int(found[2])
    return Measured(seconds, cpu_seconds, peak_bytes, max(tree, peak_bytes), private)


def _tree(pid: int) -> list[int]:
    try:
        return [pid, *(process.pid for process in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return [pid]
