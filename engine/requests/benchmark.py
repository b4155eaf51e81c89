"""Speed: whole models over settings, single layers, and what holds a model back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.plan import Plan
from engine.requests.data import DataChoice


@dataclass(frozen=True)
class RunSetting:
    """How a model is run.

    Attributes:
        threads: of ONNX Runtime for one call; 0 means all cores.
        batch: samples per call.
        cores: numbers of the logical processors that it may use; all if empty.
    """

    threads: int = 1
    batch: int = 1
    cores: tuple[int, ...] = ()

    @property
    def description(self) -> str:
        """2 threads, batch 8, cores 0,1."""
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        cores = f", cores {','.join(map(str, self.cores))}" if self.cores else ""
        return f"{threads}, batch {self.batch}{cores}"


@dataclass(frozen=True)
class BenchmarkRequest:
    """Time models in turn, run by run, in one process → `Benchmark`; the first is the baseline.

    `data` gives real inputs; without it they are drawn (floats normal, integers 0). A
    `BenchmarkPoint` arrives as a partial result as the figures settle, then a `SweepPoint` per model
    and further setting.

    Attributes:
        cores: the logical processors to keep to; all if empty.
        sweep: further settings, timed for `sweep_seconds` per model each.
    """

    models: tuple[str, ...]
    data: DataChoice | None = None
    threads: int = 1
    batch: int = 1
    seconds: float = 5.0
    cores: tuple[int, ...] = ()
    sweep: tuple[RunSetting, ...] = ()
    sweep_seconds: float = 1.0


@dataclass(frozen=True)
class BenchmarkPoint:
    """One model's figures. Latencies are wall-clock milliseconds per call.

    `load_ms` and the bytes are of a process that does nothing else (`engine.memory_probe`); None where
    they could not be measured.
    """

    path: str
    file_bytes: int
    latency_ms: Mapping[str, float]
    """p50, p90, p99."""
    throughput_per_s: float
    speedup: float
    rss_bytes: int | None
    runs: int
    histogram_ms: tuple[float, ...] = field(default=())
    """Up to 200 latencies, evenly spaced quantiles, to draw the distribution."""
    uss_bytes: int | None = None
    pss_bytes: int | None = None
    load_ms: float | None = None


@dataclass(frozen=True)
class SweepPoint:
    """One model in one setting; `speedup` is against the first model in the same setting."""

    path: str
    setting: RunSetting
    latency_ms: Mapping[str, float]
    throughput_per_s: float
    speedup: float
    runs: int


@dataclass(frozen=True)
class Benchmark:
    """The figures of all models, and where they were measured.

    Attributes:
        notes: sentences about settings that could not be measured.
    """

    points: tuple[BenchmarkPoint, ...]
    threads: int
    batch: int
    cpu: str
    runtime: str
    cores: tuple[int, ...] = ()
    sweep: tuple[SweepPoint, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BottlenecksRequest:
    """Why a result is not faster than its float model on this computer → `Bottlenecks`."""

    model: str
    result: str
    data: DataChoice | None = None
    threads: int = 1
    batch: int = 1
    seconds: float = 3.0


@dataclass(frozen=True)
class LatencyRequest:
    """Time every layer on every kernel it has → `Latencies`; a `LayerLatency` arrives per layer.

    Attributes:
        plan: its defaults say how weights are grouped; its layers do not matter.
        bits: of weights; 32 is always there.
        data: the first samples are the inputs; without it they are drawn.
        is_fresh: measure anew what an earlier run on this machine has measured already.
    """

    model: str
    plan: Plan
    bits: tuple[int, ...] = (16, 8, 4, 2)
    threads: int = 1
    batch: int = 1
    data: DataChoice | None = None
    is_fresh: bool = False
