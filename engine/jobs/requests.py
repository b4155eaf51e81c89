"""Requests and results of every job: frozen, picklable, plain. The contract between window and engine.

A request names files, never holds arrays; `engine.jobs.operations` runs it. Paths are strings so that
a request prints and compares well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.numerics.schemes import CalibrationMethod
from engine.plan import Plan
from engine.sensitivity.matrix import Sensitivity
from engine.summary import ModelSummary

DEFAULT_CALIBRATION_SAMPLES = 128
DEFAULT_EVALUATION_SAMPLES = 1000
# Below this SQNR against float, in dB, a result is marked as degraded.
DEGRADED_SQNR_DB = 10.0


class AnalysisMethod(StrEnum):
    """How sensitivity is measured: `quick` at each layer's own output, `loss` by gradients, `exact` end to end."""

    QUICK = "quick"
    LOSS = "loss"
    EXACT = "exact"


@dataclass(frozen=True)
class DataChoice:
    """Where samples come from: `.npz`, `.npy` or an image folder, and how they are prepared.

    `skip` samples are passed over at the start, so that calibration and evaluation can share a file
    and stay disjoint.
    """

    path: str
    preprocess: str | None = None
    skip: int = 0


@dataclass(frozen=True)
class OpenRequest:
    """Open a model and list its layers → `ModelSummary`.

    Attributes:
        trusted_sha256: of a PyTorch file that may run code when it is loaded; the user consented to this one.
        input_shapes: for TorchScript files that do not say them; name and shape each.
    """

    model: str
    trusted_sha256: str | None = None
    input_shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class DataRequest:
    """Check that data fits a model → `DataSummary`."""

    model: str
    data: DataChoice


@dataclass(frozen=True)
class DataSummary:
    """What was found in the data."""

    samples: int
    has_labels: bool
    digest: str
    description: str
    is_tokens: bool = False


@dataclass(frozen=True)
class WeightHistogramRequest:
    """Histogram of one layer's weight → `WeightHistogram`."""

    model: str
    layer: str
    plan: Plan
    bins: int = 128


@dataclass(frozen=True)
class WeightHistogram:
    """One layer's weight before and after fake quantization.

    Attributes:
        edges: bins + 1 bin edges, in the unit of the weight.
        counts: weights per bin, float.
        quantized_counts: weights per bin after quantize and dequantize; empty at 32 bits.
        grid: the values that the weight can take, if one scale serves the whole weight or for the
            channel with the widest range otherwise (at most 256 values).
        range_min, range_max: the clipping range that `grid` spans.
        clipped_fraction: share of weights outside their own clipping range.
        sqnr_db: of the weight itself, not of the layer's output.
        channel_min, channel_max: per output channel.
    """

    layer: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    quantized_counts: tuple[int, ...]
    grid: tuple[float, ...]
    range_min: float
    range_max: float
    clipped_fraction: float
    sqnr_db: float | None
    channel_min: tuple[float, ...]
    channel_max: tuple[float, ...]


@dataclass(frozen=True)
class CalibrateRequest:
    """Collect activation statistics into a file → `CalibrateResult`.

    `method` is a note in the file: how ranges are read from it unless a plan says otherwise.
    """

    model: str
    data: DataChoice
    output: str
    samples: int = DEFAULT_CALIBRATION_SAMPLES
    method: CalibrationMethod | None = None


@dataclass(frozen=True)
class CalibrateResult:
    """A calibration file."""

    output: str
    samples: int
    tensors: int
    digest: str


@dataclass(frozen=True)
class AnalyzeRequest:
    """What every layer loses at every bit width → `Sensitivity`; a `SensitivityRow` arrives per finished layer.

    Attributes:
        is_racing: exact only: stop a cell as soon as its place is decided; figures get rougher, not ranks.
        is_fresh: exact only: measure anew what an earlier, cancelled run has measured already.
    """

    model: str
    data: DataChoice
    plan: Plan
    bits: tuple[int, ...] = (16, 8, 4, 2)
    samples: int = 64
    method: AnalysisMethod = AnalysisMethod.QUICK
    is_racing: bool = False
    is_fresh: bool = False


@dataclass(frozen=True)
class ForecastRequest:
    """How long an exact analysis would take, from a timed trial → `Forecast`."""

    analysis: AnalyzeRequest


@dataclass(frozen=True)
class Forecast:
    """Cost of an analysis.

    Attributes:
        seconds: of what is left to measure.
        cells: to measure in all; `done_cells` of them were found from an earlier run.
    """

    seconds: float
    cells: int
    done_cells: int = 0


@dataclass(frozen=True)
class AllocateRequest:
    """Choose bits per layer for a size ratio (result / float file, 0…1) → `AllocateResult`."""

    model: ModelSummary
    sensitivity: Sensitivity
    plan: Plan
    size_ratio: float


@dataclass(frozen=True)
class AllocateResult:
    """A plan within the budget; locked layers kept what they had."""

    plan: Plan
    predicted_bytes: int
    predicted_sqnr_db: float


@dataclass(frozen=True)
class ConvertRequest:
    """Convert, verify and write a model → `ConvertResult`.

    A static plan needs `calibration` (a file) or `data` (calibrated on the way).
    """

    model: str
    plan: Plan
    output: str
    data: DataChoice | None = None
    calibration: str | None = None
    samples: int = DEFAULT_CALIBRATION_SAMPLES


@dataclass(frozen=True)
class LayerOutcome:
    """What became of one layer in the written file.

    `is_integer` says whether ONNX Runtime runs it on an integer kernel, read from its optimised graph.
    """

    name: str
    bits: int
    kernel: str
    is_integer: bool


@dataclass(frozen=True)
class ConvertResult:
    """A written model and what verification found.

    Attributes:
        sqnr_db: of the written model's outputs against float, on `verified_samples` samples; None
            without data.
        kernel_sqnr_db: of the written model against the engine's own simulation of the plan.
        is_degraded: the result is far from float; `warnings` says it with the figure.
    """

    output: str
    file_bytes: int
    predicted_bytes: int
    source_bytes: int
    sqnr_db: float | None
    kernel_sqnr_db: float | None
    verified_samples: int
    layers: tuple[LayerOutcome, ...]
    warnings: tuple[str, ...] = ()
    is_degraded: bool = False


@dataclass(frozen=True)
class EvaluateRequest:
    """Measure a model on data, and against a reference model → `Evaluation`."""

    model: str
    data: DataChoice
    reference: str | None = None
    samples: int = DEFAULT_EVALUATION_SAMPLES


@dataclass(frozen=True)
class Evaluation:
    """What was measured. Percentages are 0…100; fields that do not apply are None.

    `reference_top1` and `reference_perplexity` belong to the reference on the same samples.
    """

    model: str
    reference: str | None
    samples: int
    top1: float | None = None
    top5: float | None = None
    agreement: float | None = None
    sqnr_db: float | None = None
    cosine: float | None = None
    kl: float | None = None
    perplexity: float | None = None
    reference_top1: float | None = None
    reference_top5: float | None = None
    reference_perplexity: float | None = None


@dataclass(frozen=True)
class BenchmarkRequest:
    """Time models in turn, run by run, in one process → `Benchmark`; the first is the baseline.

    `data` gives real inputs; without it they are drawn (floats normal, integers 0). A
    `BenchmarkPoint` arrives as a partial result as the figures settle.
    """

    models: tuple[str, ...]
    data: DataChoice | None = None
    threads: int = 1
    batch: int = 1
    seconds: float = 5.0


@dataclass(frozen=True)
class BenchmarkPoint:
    """One model's figures. Latencies are wall-clock milliseconds per call."""

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


@dataclass(frozen=True)
class Benchmark:
    """The figures of all models, and where they were measured."""

    points: tuple[BenchmarkPoint, ...]
    threads: int
    batch: int
    cpu: str
    runtime: str


Request = (
    OpenRequest
    | DataRequest
    | WeightHistogramRequest
    | CalibrateRequest
    | AnalyzeRequest
    | ForecastRequest
    | AllocateRequest
    | ConvertRequest
    | EvaluateRequest
    | BenchmarkRequest
)
