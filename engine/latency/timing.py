"""Timing of several versions of one model in one process: each as a whole, and its nodes one by one.

Runs take turns, so that a busy machine slows all alike. ONNX Runtime's profiler adds two to three
microseconds to every node; as every session also runs without it, the nodes are brought to the sum that
the whole takes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from engine.job_context import JobContext
from engine.model.runtime import Session

Feeds = Mapping[str, npt.NDArray[Any]]

MIN_PROFILED_RUNS = 5
MAX_PROFILED_RUNS = 40
MIN_RUNS = 12
MAX_RUNS = 2000
PROFILED_SHARE = 0.3
# What other programs take from a run is always added, so the quieter runs tell more. On one thread, the time
# that the thread ran is counted, where the clock for that is fine: it stands still while others run.
QUIET_PERCENTILE = 25
_IS_THREAD_CLOCK_FINE = time.get_clock_info("thread_time").resolution < 1e-6
# A call takes no longer than its profiled nodes and this.
MAX_CALL_US = 20.0
MAX_PROFILER_US = 3.0
_SLOW_RUN_NS = 50_000_000
# One event per line; names are not escaped, so this is no JSON where they hold quotes.
_EVENT = re.compile(r'"cat" *: *"Node".*?"dur" *: *(\d+).*?"name" *: *"(.*?)_kernel_time"')


@dataclass(frozen=True)
class NodeTime:
    """One node of the optimised graph and its microseconds per run."""

    node: onnx.NodeProto
    us: float


@dataclass
class Stopwatch:
    """One version of the model.

    Attributes:
        clock: nanoseconds.
        wall_us: microseconds per call as a whole.
        nodes: of the main graph.
    """

    session: Session
    optimized: Path
    clock: Callable[[], int] = time.perf_counter_ns
    wall_us: float = 0.0
    nodes: list[NodeTime] = field(default_factory=list)
    _laps_ns: list[int] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path, threads: int) -> Stopwatch:
        """Load a model file on `threads` threads, as `engine.benchmark` does; files are written beside it.

        Raises:
            ModelError: ONNX Runtime refuses it.
        """
        optimized = path.with_name(f"{path.stem}.optimized.onnx")
        session = Session(
            path,
            threads=threads,
            is_spinning=False,
            optimized_model_path=optimized,
            profile_prefix=path.with_suffix(""),
        )
        is_thread_clock = threads == 1 and _IS_THREAD_CLOCK_FINE
        return cls(session, optimized, time.thread_time_ns if is_thread_clock else time.perf_counter_ns)

    def run(self, feeds: Feeds, context: JobContext) -> int:
        """One call → nanoseconds. Only slow models carry the few microseconds that make a run cancellable."""
        is_slow = not self._laps_ns or self._laps_ns[-1] > _SLOW_RUN_NS
        start = self.clock()
        self.session.run(feeds, context if is_slow else None)
        lap = self.clock() - start
        self._laps_ns.append(lap)
        return lap

    def finish_profile(self) -> None:
        """Read the nodes' times; what runs from now on is timed as a whole."""
        times = read_profile(self.session.end_profiling())
        graph = onnx.load(str(self.optimized), load_external_data=False).graph
        self.nodes = [NodeTime(node, times[node.name]) for node in graph.node if node.name in times]
        self._laps_ns.clear()

    def finish(self) -> None:
        """Settle the figures."""
        laps = self._laps_ns[1:] or self._laps_ns
        quiet_us = float(np.percentile(laps, QUIET_PERCENTILE)) / 1e3
        self.wall_us = min(quiet_us, sum(item.us for item in self.nodes) + MAX_CALL_US)
        scaled = take_out_profiler([item.us for item in self.nodes], self.wall_us)
        self.nodes = [NodeTime(item.node, us) for item, us in zip(self.nodes, scaled, strict=True)]


def time_in_turn(watches: Sequence[Stopwatch], feeds: Feeds, seconds: float, context: JobContext) -> None:
    """Run all in turn for about `seconds` altogether, first with the profiler, then without.

    Raises:
        ModelError: a model cannot run these inputs.
        JobCancelled: cancelled.
    """
    for watch in watches:
        watch.run(feeds, context)
    _run_rounds(watches, feeds, (seconds * PROFILED_SHARE, MIN_PROFILED_RUNS, MAX_PROFILED_RUNS), context)
    for watch in watches:
        watch.finish_profile()
    _run_rounds(watches, feeds, (seconds * (1 - PROFILED_SHARE), MIN_RUNS, MAX_RUNS), context)
    for watch in watches:
        watch.finish()


def _run_rounds(
    watches: Sequence[Stopwatch], feeds: Feeds, limits: tuple[float, int, int], context: JobContext
) -> None:
    seconds, least, most = limits
    start = time.monotonic()
    rounds = 0
    while rounds < least or (rounds < most and time.monotonic() - start < seconds):
        for turn in range(len(watches)):
            watches[(rounds + turn) % len(watches)].run(feeds, context)
            context.check_cancelled()
        rounds += 1


def read_profile(path: Path) -> dict[str, float]:
    """Microseconds per run by node, the mean of the quieter half of its runs: the clock counts whole ones."""
    durations: dict[str, list[int]] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for found in filter(None, map(_EVENT.search, lines)):
            durations.setdefault(found[2], []).append(int(found[1]))
    return {name: float(np.mean(np.sort(laps)[: (len(laps) + 1) // 2])) for name, laps in durations.items()}


def take_out_profiler(times: Sequence[float], total: float) -> list[float]:
    """Node times that sum up to `total` at most: first less the same for each, then in proportion."""
    if not times:
        return []
    excess = max(sum(times) - total, 0.0) / len(times)
    overhead = min(excess, MAX_PROFILER_US)
    reduced = [max(us - overhead, us / 10) for us in times]
    return [us * min(total / sum(reduced), 1.0) for us in reduced]
