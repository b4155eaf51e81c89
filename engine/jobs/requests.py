"""Requests and results of every job: frozen, picklable, plain. The contract between window and engine.

A request names files, never holds arrays; `engine.jobs.operations` runs it. Paths are strings so that
a request prints and compares well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.latency.figures import Latencies
from engine.numerics.schemes import CalibrationMethod, Kernel
from engine.plan import Plan
from engine.sensitivity.matrix import Metric, Sensitivity
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
class DiagnoseRequest:
    """Why layers lose what they lose under a plan → `Diagnosis`; a `LayerDiagnosis` arrives per layer.

    Attributes:
        layers: names; all layers by default.
    """

    model: str
    data: DataChoice
    plan: Plan
    samples: int = 64
    layers: tuple[str, ...] = ()


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
class Budget:
    """What a plan may cost; at least one limit.

    Attributes:
        size_ratio: file / float file, 0…1.
        file_bytes: of the file.
        bits_per_weight: all stored bits of all layers, scales included, per weight.
        min_sqnr_db: the predicted SQNR must not fall below this.
        max_loss: the predicted metric must not be worse than float by more, in the metric's unit.
        latency_ratio: predicted latency / float's, 0…1; needs measured latencies.
        latency_ms: predicted latency; needs measured latencies.
        ram_bytes: weights in memory while the model runs.
    """

    size_ratio: float | None = None
    file_bytes: int | None = None
    bits_per_weight: float | None = None
    min_sqnr_db: float | None = None
    max_loss: float | None = None
    latency_ratio: float | None = None
    latency_ms: float | None = None
    ram_bytes: int | None = None


@dataclass(frozen=True)
class AllocateRequest:
    """Choose bits per layer for a budget → `AllocateResult`.

    Attributes:
        metric: what is to lose least; by default what the sensitivity ranks by.
        latencies: of this model, for budgets of latency and to predict it.
        forbidden_kernels: never chosen for a free layer.
    """

    model: ModelSummary
    sensitivity: Sensitivity
    plan: Plan
    budget: Budget
    metric: Metric | None = None
    latencies: Latencies | None = None
    forbidden_kernels: frozenset[Kernel] = frozenset()


@dataclass(frozen=True)
class Prediction:
    """What a plan is predicted to cost and to lose.

    Attributes:
        value: of the metric; None while a layer that loses something has not been measured.
        latency_ms: None without measured latencies.
    """

    file_bytes: int
    bits_per_weight: float
    ram_bytes: int
    value: float | None
    latency_ms: float | None = None


@dataclass(frozen=True)
class AllocateResult:
    """A plan within the budget; locked layers kept what they had.

    Every free layer's `LayerPlan.extra["reason"]` says in a sentence why it got its bits.
    """

    plan: Plan
    metric: Metric
    predicted: Prediction


@dataclass(frozen=True)
class PolishRequest:
    """Allocate, measure the whole plan on data, and improve it by real evaluations → `PolishResult`.

    A `PolishStep` arrives as a partial result for every plan that is better than those before, so that a
    cancelled run leaves the best so far.

    Attributes:
        model: the file; `samples` of `data` are evaluated for every plan.
        seconds: no trial starts later than this.
    """

    model: str
    data: DataChoice
    sensitivity: Sensitivity
    plan: Plan
    budget: Budget
    metric: Metric | None = None
    latencies: Latencies | None = None
    forbidden_kernels: frozenset[Kernel] = frozenset()
    samples: int = 128
    seconds: float = 60.0


@dataclass(frozen=True)
class PolishStep:
    """The best plan so far.

    Attributes:
        measured: on the network's outputs against float, weights quantized and activations in float, as in
            the cells.
        evaluations: how many plans were measured until then, this one included.
    """

    plan: Plan
    predicted: Prediction
    measured: Mapping[Metric, float]
    evaluations: int


@dataclass(frozen=True)
class PolishResult:
    """What the search ended with.

    Attributes:
        first: the plan that allocation chose from the cells.
        best: the best measured one within the budget.
        metric: what was improved, of those measured: KL where the cells hold a loss.
    """

    first: PolishStep
    best: PolishStep
    metric: Metric
    evaluations: int


@dataclass(frozen=True)
class FrontRequest:
    """Every plan that nothing beats in both cost and loss → `Front`; the fields are those of `AllocateRequest`.

    Attributes:
        is_latency: trade loss against latency, which must be given, instead of file size.
    """

    model: ModelSummary
    sensitivity: Sensitivity
    plan: Plan
    metric: Metric | None = None
    latencies: Latencies | None = None
    forbidden_kernels: frozenset[Kernel] = frozenset()
    is_latency: bool = False


@dataclass(frozen=True)
class FrontPoint:
    """One plan of the front.

    Attributes:
        bits: of every layer of the model, in its order.
    """

    predicted: Prediction
    bits: tuple[int, ...]


@dataclass(frozen=True)
class Front:
    """The front, smallest file (or fastest plan) first."""

    metric: Metric
    points: tuple[FrontPoint, ...]


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
        sqnr_db: of the written model's outputs against float, on `verified_samples` samples; None if it
            was not compared.
        is_drawn: these samples are random, because no data was given.
        kernel_sqnr_db: of the written model against the engine's own simulation of the plan.
        is_degraded: the result is far from float; `warnings` says it with the figure.
        bits_per_weight: all stored bits of all layers, scales included.
        opset: of the written file; None for packed PyTorch.
        is_portable: whether standard ONNX operators suffice; None for packed PyTorch.
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
    bits_per_weight: float = 0.0
    opset: int | None = None
    is_portable: bool | None = None
    is_drawn: bool = False


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


Request = (
    OpenRequest
    | DataRequest
    | WeightHistogramRequest
    | CalibrateRequest
    | AnalyzeRequest
    | DiagnoseRequest
    | ForecastRequest
    | AllocateRequest
    | FrontRequest
    | PolishRequest
    | ConvertRequest
    | EvaluateRequest
    | BenchmarkRequest
    | LatencyRequest
)
