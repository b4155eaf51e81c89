"""Requests and results of every job: frozen, picklable, plain. The contract between window and engine.

A request names files, never holds arrays; `engine.jobs.operations` runs it. Paths are strings so that
a request prints and compares well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.latency.figures import Latencies
from engine.numerics.schemes import ActivationRange, CalibrationMethod, Kernel, Rounding
from engine.plan import LayerPlan, Plan
from engine.recovery.targets import Rung, Target
from engine.sensitivity.matrix import Metric, Sensitivity
from engine.summary import ModelSummary

DEFAULT_CALIBRATION_SAMPLES = 128
DEFAULT_EVALUATION_SAMPLES = 1000
DEFAULT_RECOVERY_SAMPLES = 256
DEFAULT_RECOVERY_SECONDS = 900.0
# Below this SQNR against float, in dB, a result is marked as degraded.
DEGRADED_SQNR_DB = 10.0


class AnalysisMethod(StrEnum):
    """How sensitivity is measured: `quick` at each layer's own output, `loss` by gradients, `exact` end to end."""

    QUICK = "quick"
    LOSS = "loss"
    EXACT = "exact"


@dataclass(frozen=True)
class DataChoice:
    """Where samples come from: `.npz`, `.npy`, text or an image folder, how they are prepared, and which are used.

    Which: all in the file's order or, with `seed`, in the order of `engine.data.splitting`; of them those of
    `excluded` are left out, then `skip` are passed over and at most `take` used, so that calibration and
    evaluation can share a file and stay disjoint. All values are JSON's own.

    Attributes:
        preprocess: path of a preprocessing file.
        preprocessing: the same as JSON text, which goes before the file; "" for none.
        seed: of the shuffled, class-balanced order; None for the file's own.
        take: at most so many samples; None for all.
        excluded: numbers of samples in the file's own order that are not used.
        label_file: a CSV file with the labels of an image folder; None finds one in the folder.
        tokenizer: for text files; None finds one beside them.
    """

    path: str
    preprocess: str | None = None
    skip: int = 0
    preprocessing: str = ""
    seed: int | None = None
    take: int | None = None
    excluded: tuple[int, ...] = ()
    label_file: str | None = None
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "excluded", tuple(self.excluded))


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
class GraphRequest:
    """Lay the graph out → `engine.graph_view.drawing.Drawing`.

    Attributes:
        expanded: names of the groups whose nodes are shown; by default all of a small graph, none of a large one.
    """

    model: str
    expanded: frozenset[str] | None = None


class EvaluationSource(StrEnum):
    """What evaluation runs on: the rest of the calibration source, another source, nothing."""

    REST = "rest"
    OTHER = "other"
    NONE = "none"


@dataclass(frozen=True)
class SplitRequest:
    """Divide samples between calibration and evaluation → `DataSplit`.

    Attributes:
        evaluation: for `EvaluationSource.OTHER`.
        samples: how many are to calibrate.
    """

    model: str
    calibration: DataChoice
    evaluation: DataChoice | None = None
    source: EvaluationSource = EvaluationSource.REST
    samples: int = DEFAULT_CALIBRATION_SAMPLES


@dataclass(frozen=True)
class DataSplit:
    """Which samples calibrate and which evaluate; no sample does both.

    Attributes:
        samples: that calibrate, of `total` in the source.
        evaluation_samples: that evaluate.
        shared: samples that both sources have, which evaluation leaves out.
        is_one_source: evaluation uses the rest of the calibration source.
    """

    calibration: DataChoice
    evaluation: DataChoice | None
    samples: int
    evaluation_samples: int
    total: int
    shared: int = 0
    is_one_source: bool = False
    has_labels: bool = False


class GuessReason(StrEnum):
    """What a guess of preprocessing was made from."""

    FILE = "file"
    SHAPE = "shape"
    INSIDE = "inside"
    NAME = "name"
    SIZE = "size"
    LAYOUT = "layout"
    COMMON = "common"
    BACKGROUND = "background"


@dataclass(frozen=True)
class Guess:
    """Preprocessing that a model probably expects.

    Attributes:
        preprocessing: JSON text.
        preset: the name of the preset that it was made from; "" for none.
        file: the name of the preprocessing file that was found, for `GuessReason.FILE`.
    """

    preprocessing: str
    preset: str
    reasons: tuple[GuessReason, ...]
    file: str


class PreviewWarning(StrEnum):
    """What is odd about the values of a sample: all the same; raw pixels; mean far from 0; hardly any contrast."""

    CONSTANT = "constant"
    RAW = "raw"
    OFF_CENTRE = "off_centre"
    SQUEEZED = "squeezed"


@dataclass(frozen=True)
class PreviewRequest:
    """Look at one sample before and after preprocessing → `DataPreview`.

    Attributes:
        index: among the samples that `data` uses.
    """

    model: str
    data: DataChoice
    index: int = 0


@dataclass(frozen=True)
class ChannelStatistics:
    """Of one channel of one sample."""

    minimum: float
    maximum: float
    mean: float
    std: float


@dataclass(frozen=True)
class DataPreview:
    """One sample.

    Attributes:
        samples: that `data` uses.
        label: class number, `label_offset` included.
        before, after: PNG files; the second is the tensor itself, scaled to black and white.
        before_size: height and width before preprocessing, in pixels.
        shape, dtype: of the tensor that the model gets for one sample.
        channels: of the first eight channels.
        guess: what preprocessing was guessed, if none was given.
        preprocessing: what was used, as JSON text.
        text: the first token ids of a token sequence.
        problem: why there is nothing but a guess.
    """

    index: int = 0
    samples: int = 0
    name: str = ""
    label: int | None = None
    before: bytes | None = None
    before_size: tuple[int, int] | None = None
    after: bytes | None = None
    input: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    channels: tuple[ChannelStatistics, ...] = ()
    warnings: tuple[PreviewWarning, ...] = ()
    guess: Guess | None = None
    is_image: bool = False
    is_tokens: bool = False
    has_labels: bool = False
    preprocessing: str = ""
    text: str = ""
    problem: str = ""


@dataclass(frozen=True)
class CheckRequest:
    """How many labelled samples the float model gets right → `DataCheck`."""

    model: str
    data: DataChoice
    samples: int = 64


@dataclass(frozen=True)
class DataCheck:
    """Right answers, if labels were shifted by −1, 0 or 1.

    Attributes:
        classes: that the model tells apart.
        class_folders: folders whose sorted names gave the labels their numbers; 0 if something else did.
    """

    samples: int
    right_by_offset: Mapping[int, int]
    classes: int
    class_folders: int = 0

    @property
    def right(self) -> int:
        """With the labels as they are."""
        return self.right_by_offset[0]

    @property
    def best_offset(self) -> int:
        """The shift with most right answers; 0 unless another is better."""
        return max(self.right_by_offset, key=lambda offset: (self.right_by_offset[offset], offset == 0))


@dataclass(frozen=True)
class FitRequest:
    """Try every preset of preprocessing on labelled images → `PresetFits`."""

    model: str
    data: DataChoice
    samples: int = 64


@dataclass(frozen=True)
class PresetFit:
    """One preset, adapted to the model.

    Attributes:
        preprocessing: JSON text, with the label offset that suits best.
        right: samples that the float model got right.
    """

    preset: str
    title: str
    preprocessing: str
    right: int


@dataclass(frozen=True)
class PresetFits:
    """All presets, the best first; `samples` were tried with each; `classes`, `class_folders` as in `DataCheck`."""

    fits: tuple[PresetFit, ...]
    samples: int
    classes: int = 0
    class_folders: int = 0


@dataclass(frozen=True)
class WeightHistogramRequest:
    """Histogram of one layer's weight, or of one output channel of it → `WeightHistogram`."""

    model: str
    layer: str
    choice: LayerPlan
    channel: int | None = None
    bins: int = 128


@dataclass(frozen=True)
class ActivationHistogramRequest:
    """Histogram of what a layer with a static kernel reads → `ActivationHistogram`.

    Attributes:
        calibration: the file.
        activation_range: with the layer's own range, if that is set by hand.
    """

    model: str
    layer: str
    calibration: str
    activation_range: ActivationRange
    bins: int = 128


@dataclass(frozen=True)
class Histogram:
    """Values before and after fake quantization.

    Attributes:
        edges: bins + 1 bin edges, in the unit of the values.
        counts: values per bin, float.
        quantized_counts: values per bin after quantize and dequantize, clipped to the edges; empty for floats.
        grid: what a value can become (at most 256 numbers), rising; where there are several scales, under the one
            with the widest full range. Empty for floats.
        range_min, range_max: the clipping range that `grid` spans.
        full_min, full_max: the same without clipping: minimum and maximum with 0, of equal size if symmetric.
        below_fraction, above_fraction: share of the values that lie below or above their own clipping range.
        levels_used: how many different codes occur.
        sqnr_db: of the values themselves, not of the layer's output; None without noise.
    """

    layer: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    quantized_counts: tuple[int, ...]
    grid: tuple[float, ...]
    range_min: float
    range_max: float
    full_min: float
    full_max: float
    below_fraction: float
    above_fraction: float
    levels_used: int
    sqnr_db: float | None

    @property
    def clipped_fraction(self) -> float:
        """Share of values outside their own clipping range."""
        return self.below_fraction + self.above_fraction

    @property
    def scale(self) -> float | None:
        """Of `grid`."""
        return self.grid[1] - self.grid[0] if len(self.grid) > 1 else None


@dataclass(frozen=True)
class WeightHistogram(Histogram):
    """One layer's weight, or one channel of it.

    Attributes:
        channel: None for the whole weight.
        channel_min, channel_max: per output channel, of the float weight.
        channel_range_min, channel_range_max: the widest clipping range per output channel; empty for floats.
    """

    channel: int | None
    channel_min: tuple[float, ...]
    channel_max: tuple[float, ...]
    channel_range_min: tuple[float, ...]
    channel_range_max: tuple[float, ...]


@dataclass(frozen=True)
class ActivationHistogram(Histogram):
    """What a layer read while calibration data ran; figures are read from bins that are 3 % wide.

    Attributes:
        tensor: whose values these are; it may stand before operators that only move them.
        samples: of data.
        automatic_min, automatic_max: the range that the plan's method finds.
    """

    tensor: str
    samples: int
    automatic_min: float
    automatic_max: float


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
class DistillationPoint:
    """A point of the curves of a conversion that distills, handed out as a partial result.

    Losses are KL(float ‖ quantized) per prediction, in nats, or the noise of outputs that are no class scores, by
    their energy.

    Attributes:
        step: how many were made; 0 for the start.
        loss: mean of the steps since the last point; the held-out one at the start.
        held_out_loss: on samples that are not learned from.
        is_best: the lowest held-out loss so far.
    """

    step: int
    steps: int
    loss: float
    held_out_loss: float
    is_best: bool
    seconds: float


@dataclass(frozen=True)
class LayerRounding:
    """A layer whose codes were chosen by what it reads, handed out as a partial result of a conversion.

    Its output is compared with that of the float layer in the float network, in dB of SQNR; infinite where nothing is
    lost.

    Attributes:
        nearest_sqnr_db: with the nearest codes.
        sqnr_db: with the codes that were chosen, and the bias that goes with them.
    """

    layer: str
    rounding: Rounding
    nearest_sqnr_db: float
    sqnr_db: float


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
class RecoverRequest:
    """Climb from cheap to costly methods until the target is met or time is up → `RecoverResult`.

    A `RecoverStep` arrives for every plan that was converted and measured. Whenever one is the best so far, its
    model, plan and manifest are moved to `output`, so that a cancelled run leaves them there.

    Attributes:
        plan: bits, kernels and schemes are kept; how codes are chosen is what changes.
        data: what layers read is learnt from it; labels are not used.
        evaluation: what every plan is measured on; must have no sample of `data`.
        samples, evaluation_samples: at most so many of either.
        rungs: those that may be tried; all by default.
        is_fresh: measure anew what an earlier, cancelled run has measured.
    """

    model: str
    plan: Plan
    data: DataChoice
    evaluation: DataChoice
    output: str
    target: Target
    samples: int = DEFAULT_RECOVERY_SAMPLES
    evaluation_samples: int = DEFAULT_EVALUATION_SAMPLES
    seconds: float = DEFAULT_RECOVERY_SECONDS
    rungs: tuple[Rung, ...] = tuple(Rung)
    is_fresh: bool = False


@dataclass(frozen=True)
class RecoverForecastRequest:
    """How long each rung would take, from a timed trial → `RecoverForecast`."""

    recovery: RecoverRequest


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
class LayerErrorsRequest:
    """Error of every layer's output, float against results → `LayerErrors`.

    Attributes:
        model: the float model; `results` were made from it.
    """

    model: str
    results: tuple[str, ...]
    data: DataChoice
    samples: int = 16


@dataclass(frozen=True)
class LayerError:
    """One layer's output.

    Attributes:
        sqnr_db: 10·log10(Σ float² / Σ (float − result)²) per result; infinite where nothing differs, None
            where the result has no tensor that could be matched.
    """

    layer: str
    title: str
    sqnr_db: tuple[float | None, ...]


@dataclass(frozen=True)
class LayerErrors:
    """All layers in graph order, the figures of a layer in the order of `results`."""

    results: tuple[str, ...]
    samples: int
    layers: tuple[LayerError, ...]


@dataclass(frozen=True)
class ChangedSamplesRequest:
    """Which samples a result treats most differently from the float model → `ChangedSamples`.

    Attributes:
        count: how many to keep, 24 at most.
    """

    model: str
    result: str
    data: DataChoice
    samples: int = DEFAULT_EVALUATION_SAMPLES
    count: int = 24


@dataclass(frozen=True)
class ClassGuess:
    """A class and its probability, 0…1."""

    number: int
    probability: float


@dataclass(frozen=True)
class ChangedSample:
    """One sample.

    Attributes:
        index: in the file or folder, skipped samples counted.
        kl: KL(float ‖ result) in nats, of token sequences the mean over tokens; None without class scores.
        sqnr_db: of this sample's float outputs; infinite where nothing differs.
        before, after: the class that float and result prefer; None without class scores, and for tokens.
        changed_tokens: tokens with another prediction, of token sequences only.
        label: the right class, if the data say so.
        picture: PNG, at most 96 × 96, if the sample is one.
    """

    index: int
    kl: float | None
    sqnr_db: float
    before: ClassGuess | None = None
    after: ClassGuess | None = None
    changed_tokens: int | None = None
    label: int | None = None
    picture: bytes | None = None

    @property
    def is_changed(self) -> bool:
        """Whether a prediction is another one."""
        if self.changed_tokens is not None:
            return self.changed_tokens > 0
        return self.before is not None and self.after is not None and self.before.number != self.after.number


@dataclass(frozen=True)
class ChangedSamples:
    """The samples with other predictions first, then by KL, or by SQNR where there are no classes.

    Attributes:
        samples: how many were looked at; `changed` of them have another prediction (None without classes).
    """

    result: str
    samples: int
    changed: int | None
    worst: tuple[ChangedSample, ...]


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


@dataclass(frozen=True)
class BundleRequest:
    """Put a converted model and all that serves it into a folder or a .zip, and run it → `BundleResult`.

    Attributes:
        model: an ONNX file; its plan and manifest are taken from beside it.
        output: the folder or .zip to write, which must not be there yet.
        data: what the bundle is tried on, and where its preprocessing and class names come from; drawn without it.
        labels: a file with one class name per line, instead of the names in the data.
        calibration: a calibration file to put in.
        evaluation, benchmark: what was measured, for the manifest.
    """

    model: str
    output: str
    data: DataChoice | None = None
    name: str = "model"
    version: str = "1.0.0"
    labels: str | None = None
    calibration: str | None = None
    evaluation: Evaluation | None = None
    benchmark: BenchmarkPoint | None = None


@dataclass(frozen=True)
class BundleResult:
    """A written bundle that was run before it got its name.

    Attributes:
        files: names in the bundle.
        sample: what it was tried on, in words.
        predicted_class: of the model on that sample, the same by the workbench, predict.py and the service; None for
            models that give no class.
        predicted_name: of that class; "" if unknown.
        seconds: how long the service took to start and to answer the first request.
    """

    output: str
    files: tuple[str, ...]
    file_bytes: int
    sample: str
    predicted_class: int | None
    predicted_name: str
    seconds: float


@dataclass(frozen=True)
class ReportRequest:
    """Write one HTML file that says what was done and measured, without loading anything → `ReportResult`.

    Attributes:
        model: the float model.
        results: converted models; their plans and manifests are read from beside them.
        plan: shown if it is not the plan of a result.
        metric: what the heatmap and the front show; by default what the sensitivity ranks by.
        data: of analysis and calibration, `evaluation_data` of evaluation: for the commands.
        calibration_samples: that the results were made with; None if that is not known.
        worst_layers: how many distributions to show.
    """

    model: str
    output: str
    results: tuple[str, ...] = ()
    plan: Plan | None = None
    sensitivity: Sensitivity | None = None
    metric: Metric | None = None
    evaluations: tuple[Evaluation, ...] = ()
    benchmark: Benchmark | None = None
    data: DataChoice | None = None
    evaluation_data: DataChoice | None = None
    calibration_samples: int | None = None
    worst_layers: int = 6


@dataclass(frozen=True)
class ReportResult:
    """A written report."""

    output: str
    file_bytes: int


Request = (
    OpenRequest
    | DataRequest
    | SplitRequest
    | PreviewRequest
    | CheckRequest
    | FitRequest
    | GraphRequest
    | WeightHistogramRequest
    | ActivationHistogramRequest
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
    | LayerErrorsRequest
    | ChangedSamplesRequest
    | BottlenecksRequest
    | LatencyRequest
    | BundleRequest
    | ReportRequest
    | RecoverRequest
    | RecoverForecastRequest
)
