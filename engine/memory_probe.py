"""What one model takes in memory, measured where nothing else is: in a fresh child process.

`python -m engine.memory_probe MODEL THREADS NAMES` reads the inputs, an `.npz` stream in the order of
the JSON list NAMES, from standard input and writes one JSON object to standard output.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.job_context import JobContext

RUNS = 3
TIMEOUT_S = 120.0
_POLL_S = 0.05


@dataclass(frozen=True)
class MemoryUse:
    """What loading a model and running it three times adds to a process; interpreter and inputs are not in it.

    Attributes:
        rss_bytes: resident set. Pages of a memory-mapped file count in it.
        uss_bytes: of which no other process shares; None where the system does not tell.
        pss_bytes: shared pages divided among those who share them; None outside Linux.
        load_ms: from the call to the loaded session, the file in the system's cache or not, as it was.
    """

    rss_bytes: int
    uss_bytes: int | None
    pss_bytes: int | None
    load_ms: float


def measure_memory(
    model: Path, feeds: Mapping[str, NDArray[Any]], threads: int, context: JobContext
) -> MemoryUse | None:
    """Memory and load time of `model` in a process where nothing else is.

    None if the child fails or takes longer than two minutes.

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
    try:
        return MemoryUse(**json.loads(answer))
    except (ValueError, TypeError):
        return None


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


def _measure_here(model: Path, threads: int, names: list[str]) -> MemoryUse:
    import psutil

    from engine.model.runtime import Session

    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as arrays:
        feeds = {name: arrays[f"arr_{index}"] for index, name in enumerate(names)}
    process = psutil.Process()
    before = process.memory_full_info()
    start = time.perf_counter()
    session = Session(model, threads=threads, is_spinning=False)
    load_ms = 1e3 * (time.perf_counter() - start)
    for _ in range(RUNS):
        session.run(feeds)
    after = process.memory_full_info()
    rss, uss, pss = (_growth(before, after, kind) for kind in ("rss", "uss", "pss"))
    return MemoryUse(rss or 0, uss, pss, load_ms)


def _growth(before: Any, after: Any, kind: str) -> int | None:
    """Bytes more than before; None for what this system does not count."""
    if not hasattr(after, kind):
        return None
    return max(0, int(getattr(after, kind)) - int(getattr(before, kind)))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_measure_here(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])))))
