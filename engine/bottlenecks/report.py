"""What is said of a result's speed: plain data that the window words in its language, and an English wording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class BottleneckKind(StrEnum):
    """What can stand in the way of speed."""

    NO_INTEGER_INSTRUCTIONS = "no_integer_instructions"
    DEQUANTIZED_WEIGHTS = "dequantized_weights"
    WEIGHTS_ONLY = "weights_only"
    FLOAT_LAYERS = "float_layers"
    UNFUSED_PAIRS = "unfused_pairs"
    SLOWER_LAYERS = "slower_layers"
    DYNAMIC_QUANTIZATION = "dynamic_quantization"
    DYNAMIC_KERNELS = "dynamic_kernels"
    LAYOUT_CHANGES = "layout_changes"
    OTHER_OPERATORS = "other_operators"
    TINY_MODEL = "tiny_model"
    OVERSUBSCRIBED = "oversubscribed"
    IDLE_CORES = "idle_cores"


class SpeedRemedyKind(StrEnum):
    """What can be done about it; the first four change the plan."""

    KEEP_FLOAT = "keep_float"
    STATIC_ACTIVATIONS = "static_activations"
    INTEGER_LAYERS = "integer_layers"
    REDUCE_RANGE = "reduce_range"
    SET_THREADS = "set_threads"
    LARGER_BATCH = "larger_batch"
    CONVERT_HERE = "convert_here"
    CHANGE_NETWORK = "change_network"


PLAN_REMEDIES = frozenset(
    {
        SpeedRemedyKind.KEEP_FLOAT,
        SpeedRemedyKind.STATIC_ACTIVATIONS,
        SpeedRemedyKind.INTEGER_LAYERS,
        SpeedRemedyKind.REDUCE_RANGE,
    }
)


@dataclass(frozen=True)
class SpeedRemedy:
    """One thing to do.

    Attributes:
        layers: names of those it is about; empty for the whole model.
        threads: how many to set.
    """

    kind: SpeedRemedyKind
    layers: tuple[str, ...] = ()
    threads: int = 0


@dataclass(frozen=True)
class Bottleneck:
    """One thing that costs time.

    Attributes:
        figures: by the names in `SENTENCES`; the ending says what it is: `_us` microseconds per call,
            `_share` 0…1, `_ratio`, a plain count otherwise.
        layers: names of those it is about, the most costly first.
    """

    kind: BottleneckKind
    figures: Mapping[str, float] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    remedies: tuple[SpeedRemedy, ...] = ()


@dataclass(frozen=True)
class OperatorTime:
    """All nodes of one type in the optimised graphs.

    Attributes:
        operator: type, as ONNX Runtime calls it.
        float_us, result_us: microseconds per call.
        float_nodes, result_nodes: how many there are.
    """

    operator: str
    float_us: float
    result_us: float
    float_nodes: int
    result_nodes: int


@dataclass(frozen=True)
class Bottlenecks:
    """What was found.

    Attributes:
        float_us, result_us: of a call as a whole, the quieter quarter of the runs.
        operators: what takes longest in the result first.
        findings: in the order of `BottleneckKind`.
    """

    model: str
    result: str
    threads: int
    batch: int
    cpu: str
    runtime: str
    float_us: float
    result_us: float
    operators: tuple[OperatorTime, ...]
    findings: tuple[Bottleneck, ...]

    @property
    def speedup(self) -> float:
        """Float time / result's time."""
        return self.float_us / self.result_us if self.result_us else 1.0


SENTENCES: Mapping[BottleneckKind, str] = {
    BottleneckKind.NO_INTEGER_INSTRUCTIONS: "This processor has none of the instructions that make 8-bit products "
    "fast (AVX512-VNNI, AVX-VNNI, AMX, dot product), so integer kernels gain little here.",
    BottleneckKind.DEQUANTIZED_WEIGHTS: "Layers for which ONNX Runtime found no integer kernel: {count}. They "
    "dequantize their weights in every call and compute in float, {cost_us} or {cost_share} of the call.",
    BottleneckKind.WEIGHTS_ONLY: "Layers that store integers and compute in float: {count}. They take {cost_us} or "
    "{cost_share} of the call; that saves size and no time.",
    BottleneckKind.FLOAT_LAYERS: "Layers that are float in this file: {count}. They take {cost_us} or {cost_share} of "
    "the call.",
    BottleneckKind.UNFUSED_PAIRS: "Between operators, {quantize} QuantizeLinear and {dequantize} DequantizeLinear "
    "nodes were not fused into a kernel: {cost_us} or {cost_share} of the call.",
    BottleneckKind.SLOWER_LAYERS: "Layers that are slower than in float: {count}. They take {result_us} instead of "
    "{float_us}, mostly because they are too small to gain.",
    BottleneckKind.DYNAMIC_QUANTIZATION: "Nodes that measure a range anew in every call, because activations "
    "are dynamic: {count}. They take {cost_us} or {cost_share} of the call.",
    BottleneckKind.DYNAMIC_KERNELS: "Kernels that measure a range anew in every call, because activations are "
    "dynamic: {count}. They take {cost_us} or {cost_share} of the call in all.",
    BottleneckKind.LAYOUT_CHANGES: "{count} nodes only change the layout between kernels (Transpose, Reorder): "
    "{cost_us} or {cost_share} of the call.",
    BottleneckKind.OTHER_OPERATORS: "Operators without weights take {cost_share} of the call, mostly "
    "{operators}: even if all layers took no time, the model would be {limit_ratio} faster at most.",
    BottleneckKind.TINY_MODEL: "The model is small: a call takes {float_us} in float, and {fixed_us} of it go to the "
    "call itself and its {nodes} nodes, which no bits can save.",
    BottleneckKind.OVERSUBSCRIBED: "{threads} threads share {cores} processors, so they wait for each other.",
    BottleneckKind.IDLE_CORES: "{threads} of {cores} processors work: with all of them this file takes {all_us} "
    "instead of {result_us}.",
}

REMEDIES: Mapping[SpeedRemedyKind, str] = {
    SpeedRemedyKind.KEEP_FLOAT: "Compute them in float; their weights stay small in the file.",
    SpeedRemedyKind.STATIC_ACTIVATIONS: "Use static activations, whose ranges are known beforehand.",
    SpeedRemedyKind.INTEGER_LAYERS: "Give them 8 bits.",
    SpeedRemedyKind.REDUCE_RANGE: "Use the reduced range, which such processors compute without saturation.",
    SpeedRemedyKind.SET_THREADS: "Run with {threads} threads.",
    SpeedRemedyKind.LARGER_BATCH: "Run several samples per call.",
    SpeedRemedyKind.CONVERT_HERE: "Convert the float model with Bitsmith, whose files unpack weights once, at load.",
    SpeedRemedyKind.CHANGE_NETWORK: "Only another network, or a runtime that fuses these operators, would help.",
}


def format_figures(finding: Bottleneck, operators: tuple[OperatorTime, ...] = ()) -> dict[str, str]:
    """The figures as text with their units, to be put into a sentence."""
    texts = {name: format_figure(name, value) for name, value in finding.figures.items()}
    return {**texts, "operators": ", ".join(item.operator for item in operators)}


def format_figure(name: str, value: float) -> str:
    """One figure; the ending of its name says the unit."""
    unit = name.rpartition("_")[2]
    if unit == "share":
        return f"{100 * value:.0f} %" if value >= 0.0995 else f"{100 * value:.2g} %"
    if unit == "ratio":
        return f"{value:.0f}×" if value >= 9.95 else f"{value:.1f}×"
    if unit == "us":
        return f"{value / 1e3:.3g} ms" if value >= 999.5 else f"{value:.3g} µs"
    return f"{value:,.0f}"


def describe_bottleneck(finding: Bottleneck, report: Bottlenecks) -> str:
    """The finding as an English sentence."""
    return SENTENCES[finding.kind].format(**format_figures(finding, weightless_operators(report)))


def describe_remedy(remedy: SpeedRemedy) -> str:
    """The remedy as an English sentence."""
    return REMEDIES[remedy.kind].format(threads=remedy.threads)


def describe_verdict(report: Bottlenecks) -> str:
    """Both times and their ratio, in an English sentence."""
    times = f"{format_figure('us', report.result_us)} a call and the float model {format_figure('us', report.float_us)}"
    if report.speedup >= 1:
        return f"The result takes {times}: {report.speedup:.2f}× as fast."
    return f"The result takes {times}: it is slower, {report.speedup:.2f}× as fast."


SHOWN_OPERATORS = 3
WEIGHTED_OPS = frozenset(
    {
        "Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "LSTM", "GRU", "RNN",
        "NhwcFusedConv", "QLinearConv", "QLinearMatMul", "QGemm", "MatMulIntegerToFloat", "DynamicQuantizeMatMul",
        "MatMulNBits", "MatMulInteger", "ConvInteger", "DynamicQuantizeLSTM",
    }
)  # fmt: skip
QUANTIZING_OPS = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})
LAYOUT_OPS = frozenset({"Transpose", "ReorderInput", "ReorderOutput"})
# Their bodies may hold layers, whose times are not told apart.
CONTROL_OPS = frozenset({"If", "Loop", "Scan"})


def weightless_operators(report: Bottlenecks) -> tuple[OperatorTime, ...]:
    """The operators without weights that take longest in the result."""
    others = [item for item in report.operators if is_weightless(item.operator)]
    return tuple(others[:SHOWN_OPERATORS])


def is_weightless(operator: str) -> bool:
    """Whether an operator computes, and has no weights that could be quantized."""
    return operator not in WEIGHTED_OPS | QUANTIZING_OPS | LAYOUT_OPS | CONTROL_OPS
