"""Time models against each other: in one process, run by run in turn, so that a busy machine slows all alike."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from engine.affinity import keep_to
from engine.data.binding import fixed_batch_of
from engine.data.dataset import open_dataset
from engine.errors import BitsmithError, DataError, ModelError
from engine.job_context import JobContext
from engine.machine import describe_cpu, describe_runtime
from engine.memory_probe import MemoryUse, measure_memory
from engine.model.opening import external_tensors, resolve_onnx
from engine.model.runtime import Session
from engine.requests.benchmark import Benchmark, BenchmarkPoint, BenchmarkRequest, RunSetting, SweepPoint
from engine.requests.data import DataChoice
from engine.summary import TensorSpec

Feeds = dict[str, NDArray[Any]]

MIN_ROUNDS = 30
MIN_SLOW_ROUNDS = 5
"""Rounds that are enough where `MIN_ROUNDS` would take more than four times what was asked for."""
_OVERTIME = 4.0
_PROGRESS_STEPS = 1000
_PROGRESS_INTERVAL_NS = 50_000_000
_PARTIAL_INTERVAL_NS = 1_000_000_000
_HISTOGRAM_POINTS = 200
_BATCHES_OF_DATA = 4
_WARM_UP_RUNS = 3
_WARM_UP_NS = 200_000_000
_SLOW_RUN_NS = 50_000_000
_LARGEST_PARSED_BYTES = 256 << 20


@dataclass
class _Contender:
    """One model with its inputs and what was measured of it; `latencies_ns` has one entry per round."""

    path: Path
    onnx_path: Path
    session: Session
    feeds: list[Feeds]
    file_bytes: int
    is_slow: bool = False
    memory: MemoryUse | None = None
    latencies_ns: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.name

    def run(self, turn: int, context: JobContext) -> int:
        """One call → nanoseconds. Only slow models carry the few microseconds that make a run cancellable."""
        feeds = self.feeds[turn % len(self.feeds)]
        stoppable = context if self.is_slow else None
        start = time.perf_counter_ns()
        self.session.run(feeds, stoppable)
        return time.perf_counter_ns() - start


def benchmark(request: BenchmarkRequest, context: JobContext) -> Benchmark:
    """Time all models → `Benchmark`; about once a second a `BenchmarkPoint` per model is handed out.

    Every round runs each model once, and the order rotates from round to round. Rounds go on until
    `seconds` per model have passed and 30 rounds are done, or 5 where 30 would take more than four
    times as long. `latency_ms` holds percentiles over the rounds, `throughput_per_s` is samples at
    the median latency, `speedup` the median over the rounds of baseline / model, which a drift of
    the machine does not touch. Memory and load time are those that `engine.memory_probe` measures.

    A setting of the sweep that a model or the data cannot take becomes a note.

    Raises:
        ModelError: a model that cannot be loaded or run.
        DataError: data that does not fit, a batch that a model does not take, or drawn inputs that
            it cannot run.
        JobCancelled: cancelled by the user.
    """
    _ensure_valid(request)
    setting = RunSetting(request.threads, request.batch, request.cores)
    with keep_to(setting.cores):
        contenders = [_load(path, request.data, setting, context) for path in request.models]
        for contender in contenders:
            context.report(0, _PROGRESS_STEPS, f"Measuring the memory of {contender.name}")
            _warm_up(contender, request, context)
            contender.memory = measure_memory(contender.onnx_path, contender.feeds[0], request.threads, context)
        _run_rounds(contenders, request.seconds, f"Timing {len(contenders)} models", context, batch=request.batch)
    points = _build_points(contenders, request.batch)
    for point in points:
        context.partial(point)
    del contenders
    swept, notes = _sweep(request, context)
    context.report(_PROGRESS_STEPS, _PROGRESS_STEPS, f"Timed {len(points)} models")
    return Benchmark(
        points=points,
        threads=request.threads,
        batch=request.batch,
        cpu=describe_cpu(),
        runtime=describe_runtime(),
        cores=request.cores,
        sweep=swept,
        notes=notes,
    )


def _sweep(request: BenchmarkRequest, context: JobContext) -> tuple[tuple[SweepPoint, ...], tuple[str, ...]]:
    """Time the further settings one by one; only one setting's sessions are in memory."""
    points: list[SweepPoint] = []
    notes: list[str] = []
    for setting in request.sweep:
        words = setting.description
        try:
            points += _time_setting(request, setting, words, context)
        except BitsmithError as error:
            notes.append(f"Not measured with {words}: {error}")
    return tuple(points), tuple(notes)


def _time_setting(
    request: BenchmarkRequest, setting: RunSetting, words: str, context: JobContext
) -> tuple[SweepPoint, ...]:
    with keep_to(setting.cores):
        contenders = [_load(path, request.data, setting, context) for path in request.models]
        for contender in contenders:
            _warm_up(contender, request, context)
        _run_rounds(contenders, request.sweep_seconds, f"Timing {words}", context)
    points = tuple(
        SweepPoint(
            point.path, setting, point.latency_ms, point.throughput_per_s, speedup=point.speedup, runs=point.runs
        )
        for point in _build_points(contenders, setting.batch)
    )
    for point in points:
        context.partial(point)
    return points


def draw_feeds(inputs: tuple[TensorSpec, ...], batch: int) -> Feeds:
    """Inputs without data: floats standard normal (seed 0), integers and booleans 0.

    A dynamic first dimension, and every dimension of that name, becomes `batch`; other dynamic ones 1.

    Raises:
        DataError: an input that is no tensor of numbers.
    """
    generator = np.random.default_rng(0)
    batch_names = {spec.shape[0] for spec in inputs if spec.shape and isinstance(spec.shape[0], str)}
    feeds: Feeds = {}
    for spec in inputs:
        shape = [size if isinstance(size, int) else batch if size in batch_names else 1 for size in spec.shape]
        try:
            dtype = np.dtype(spec.dtype)
        except TypeError as error:
            raise DataError(f"The input '{spec.name}' is {spec.dtype}, which cannot be drawn. Choose data.") from error
        is_float = dtype.kind == "f"
        feeds[spec.name] = generator.standard_normal(shape).astype(dtype) if is_float else np.zeros(shape, dtype)
    return feeds


def count_file_bytes(path: Path) -> int:
    """Bytes of a model file and of the external data it names; files above 256 MB are taken to hold their weights."""
    size = path.stat().st_size
    if size > _LARGEST_PARSED_BYTES:
        return size
    tensors = external_tensors(ir.load(path))
    files = {path.parent / str(tensor.location) for tensor in tensors}
    return size + sum(file.stat().st_size for file in files if file.is_file())


def _ensure_valid(request: BenchmarkRequest) -> None:
    if not request.models:
        raise ModelError("There is no model to time. Choose at least one.")
    settings = (RunSetting(request.threads, request.batch), *request.sweep)
    is_valid = all(setting.batch >= 1 and setting.threads >= 0 for setting in settings)
    if not is_valid or request.seconds <= 0 or request.sweep_seconds <= 0:
        raise DataError("Batch, threads and seconds must be positive. Correct them.")


def _load(name: str, data: DataChoice | None, setting: RunSetting, context: JobContext) -> _Contender:
    path, batch = Path(name), setting.batch
    context.report(0, _PROGRESS_STEPS, f"Loading {path.name}")
    onnx_path = resolve_onnx(path)
    session = Session(onnx_path, threads=setting.threads, is_spinning=False)
    fixed = fixed_batch_of(session.inputs)
    if fixed is not None and fixed != batch:
        raise DataError(f"{path.name} takes batches of exactly {fixed}, not {batch}. Set the batch to {fixed}.")
    feeds = [draw_feeds(session.inputs, batch)] if data is None else read_feeds(data, session, batch)
    file_bytes = count_file_bytes(path) if onnx_path == path else path.stat().st_size
    return _Contender(path, onnx_path, session, feeds, file_bytes)


def read_feeds(data: DataChoice, session: Session, batch: int) -> list[Feeds]:
    """The first batches of the data.

    Raises:
        DataError: the data does not fit, or not this batch.
    """
    dataset = open_dataset(data, session.inputs)
    size = dataset.batch_size_for(batch)
    if size != batch:
        raise DataError(
            f"{dataset.path.name} gives this model batches of {size}, not {batch}. Set the batch to {size}."
        )
    if dataset.samples < batch:
        raise DataError(
            f"{dataset.path.name} has {dataset.samples:,} samples, fewer than the batch of {batch}. Lower it."
        )
    batches = dataset.batches(batch, _BATCHES_OF_DATA * batch)
    return [item.inputs for item in batches if len(item) == batch]


def _warm_up(contender: _Contender, request: BenchmarkRequest, context: JobContext) -> None:
    contender.is_slow = True  # not known yet, so let the first runs be stopped
    spent = runs = latest = 0
    try:
        while runs < _WARM_UP_RUNS or spent < min(_WARM_UP_NS, request.seconds * 1e8):
            latest = contender.run(runs, context)
            spent, runs = spent + latest, runs + 1
    except BitsmithError as error:
        if request.data is not None:
            raise
        raise DataError(
            f"{contender.name} does not run on drawn inputs ({error}). Choose data with real samples."
        ) from error
    contender.is_slow = latest > _SLOW_RUN_NS


def _run_rounds(
    contenders: list[_Contender], seconds: float, words: str, context: JobContext, *, batch: int | None = None
) -> None:
    """Run all in turn; with `batch`, points are handed out meanwhile."""
    budget_ns = seconds * 1e9 * len(contenders)
    start = last_report = last_partial = time.perf_counter_ns()
    rounds, elapsed = 0, 0
    while not _is_enough(rounds, elapsed / budget_ns):
        for turn in range(len(contenders)):
            contender = contenders[(rounds + turn) % len(contenders)]
            contender.latencies_ns.append(contender.run(rounds, context))
            context.check_cancelled()
        rounds += 1
        now = time.perf_counter_ns()
        elapsed = now - start
        if now - last_report >= _PROGRESS_INTERVAL_NS:
            last_report = now
            done = min(elapsed / budget_ns, rounds / MIN_ROUNDS, 1.0)
            context.report(int(_PROGRESS_STEPS * done), _PROGRESS_STEPS, words)
        if batch is not None and now - last_partial >= _PARTIAL_INTERVAL_NS:
            for point in _build_points(contenders, batch):
                context.partial(point)
            last_partial = time.perf_counter_ns()


def _is_enough(rounds: int, budget_share: float) -> bool:
    if budget_share < 1.0:
        return False
    return rounds >= MIN_ROUNDS or (rounds >= MIN_SLOW_ROUNDS and budget_share >= _OVERTIME)


def _build_points(contenders: list[_Contender], batch: int) -> tuple[BenchmarkPoint, ...]:
    baseline = np.asarray(contenders[0].latencies_ns, np.float64)
    return tuple(_build_point(contender, baseline, batch) for contender in contenders)


def _build_point(contender: _Contender, baseline_ns: NDArray[np.float64], batch: int) -> BenchmarkPoint:
    latencies_ms = np.asarray(contender.latencies_ns, np.float64) / 1e6
    p50, p90, p99 = (float(value) for value in np.percentile(latencies_ms, [50, 90, 99]))
    points = np.linspace(0.0, 1.0, min(_HISTOGRAM_POINTS, len(latencies_ms)))
    memory = contender.memory
    return BenchmarkPoint(
        path=str(contender.path),
        file_bytes=contender.file_bytes,
        latency_ms={"p50": p50, "p90": p90, "p99": p99},
        throughput_per_s=batch / (p50 / 1e3),
        speedup=float(np.median(baseline_ns / 1e6 / latencies_ms)),
        rss_bytes=memory.rss_bytes if memory else None,
        runs=len(latencies_ms),
        histogram_ms=tuple(float(value) for value in np.quantile(latencies_ms, points)),
        uss_bytes=memory.uss_bytes if memory else None,
        pss_bytes=memory.pss_bytes if memory else None,
        load_ms=memory.load_ms if memory else None,
    )
