"""What one model takes in memory, measured where nothing else is: in a fresh child process.

`python -m engine.memory_probe MODEL THREADS NAMES` reads the inputs, an `.npz` stream in the order of
the JSON list NAMES, from standard input and writes one integer to standard output.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.job_context import JobContext

RUNS = 3
TIMEOUT_S = 120.0
_POLL_S = 0.05


def measure_rss_bytes(model: Path, feeds: Mapping[str, NDArray[Any]], threads: int, context: JobContext) -> int | None:
    """Growth of the resident set through loading `model` and running it three times, in bytes.

    The interpreter, the libraries and the inputs are not in it. None if the child fails or takes
    longer than two minutes.

    Raises:
        JobCancelled: cancelled by the user; the child is gone by then.
    """
    command = [sys.executable, "-m", "engine.memory_probe", str(model.resolve()), str(threads), json.dumps(list(feeds))]
    root = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryFile() as stream:
        np.savez(stream, *feeds.values())
        stream.seek(0)
        try:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command, cwd=root, stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            return None
        answer = _await_answer(child, context)
    return int(answer) if answer.strip().isdigit() else None


def _await_answer(child: subprocess.Popen[bytes], context: JobContext) -> bytes:
    """What the child wrote; empty if it failed or took too long. It has ended in any case."""
    deadline = time.monotonic() + TIMEOUT_S
    with child:
        try:
            while time.monotonic() < deadline:
                context.check_cancelled()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    answer, _ = child.communicate(timeout=_POLL_S)
                    return answer if child.returncode == 0 else b""
        finally:
            child.kill()
    return b""


def _measure_here(model: Path, threads: int, names: list[str]) -> int:
    import psutil

    from engine.model.runtime import Session

    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as arrays:
        feeds = {name: arrays[f"arr_{index}"] for index, name in enumerate(names)}
    process = psutil.Process()
    before = int(process.memory_info().rss)
    session = Session(model, threads=threads, is_spinning=False)
    for _ in range(RUNS):
        session.run(feeds)
    return max(0, int(process.memory_info().rss) - before)


if __name__ == "__main__":
    sys.stdout.write(f"{_measure_here(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))}\n")
