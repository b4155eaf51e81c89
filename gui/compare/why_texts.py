"""What is said of a result's speed, in the language of the window; in English it is what the command line says."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from engine.bottlenecks.report import (
    Bottleneck,
    BottleneckKind,
    Bottlenecks,
    SpeedRemedy,
    SpeedRemedyKind,
    format_figure,
    format_figures,
    weightless_operators,
)

CONTEXT = "Bottlenecks"
NO_BREAK = "\N{NO-BREAK SPACE}"


def bottleneck_template(kind: BottleneckKind) -> str:
    """The translated sentence, its figures still in braces."""
    tr = QCoreApplication.translate
    return {
        BottleneckKind.NO_INTEGER_INSTRUCTIONS: tr(
            CONTEXT,
            "This processor has none of the instructions that make 8-bit products fast (AVX512-VNNI, "
            "AVX-VNNI, AMX, dot product), so integer kernels gain little here.",
        ),
        BottleneckKind.DEQUANTIZED_WEIGHTS: tr(
            CONTEXT,
            "Layers for which ONNX Runtime found no integer kernel: {count}. They dequantize their weights "
            "in every call and compute in float, {cost_us} or {cost_share} of the call.",
        ),
        BottleneckKind.WEIGHTS_ONLY: tr(
            CONTEXT,
            "Layers that store integers and compute in float: {count}. They take {cost_us} or {cost_share} "
            "of the call; that saves size and no time.",
        ),
        BottleneckKind.FLOAT_LAYERS: tr(
            CONTEXT,
            "Layers that are float in this file: {count}. They take {cost_us} or {cost_share} of the call.",
        ),
        BottleneckKind.UNFUSED_PAIRS: tr(
            CONTEXT,
            "Between operators, {quantize} QuantizeLinear and {dequantize} DequantizeLinear nodes were not "
            "fused into a kernel: {cost_us} or {cost_share} of the call.",
        ),
        BottleneckKind.SLOWER_LAYERS: tr(
            CONTEXT,
            "Layers that are slower than in float: {count}. They take {result_us} instead of {float_us}, "
            "mostly because they are too small to gain.",
        ),
        BottleneckKind.DYNAMIC_QUANTIZATION: tr(
            CONTEXT,
            "Nodes that measure a range anew in every call, because activations are dynamic: {count}. They "
            "take {cost_us} or {cost_share} of the call.",
        ),
        BottleneckKind.DYNAMIC_KERNELS: tr(
            CONTEXT,
            "Kernels that measure a range anew in every call, because activations are dynamic: {count}. "
            "They take {cost_us} or {cost_share} of the call in all.",
        ),
        BottleneckKind.LAYOUT_CHANGES: tr(
            CONTEXT,
            "{count} nodes only change the layout between kernels (Transpose, Reorder): {cost_us} or "
            "{cost_share} of the call.",
        ),
        BottleneckKind.OTHER_OPERATORS: tr(
            CONTEXT,
            "Operators without weights take {cost_share} of the call, mostly {operators}: even if all "
            "layers took no time, the model would be {limit_ratio} faster at most.",
        ),
        BottleneckKind.TINY_MODEL: tr(
            CONTEXT,
            "The model is small: a call takes {float_us} in float, and {fixed_us} of it go to the call "
            "itself and its {nodes} nodes, which no bits can save.",
        ),
        BottleneckKind.OVERSUBSCRIBED: tr(
            CONTEXT,
            "{threads} threads share {cores} processors, so they wait for each other.",
        ),
        BottleneckKind.IDLE_CORES: tr(
            CONTEXT,
            "{threads} of {cores} processors work: with all of them this file takes {all_us} instead of {result_us}.",
        ),
    }[kind]


def remedy_template(kind: SpeedRemedyKind) -> str:
    """The translated sentence of a remedy."""
    tr = QCoreApplication.translate
    return {
        SpeedRemedyKind.KEEP_FLOAT: tr(
            CONTEXT,
            "Compute them in float; their weights stay small in the file.",
        ),
        SpeedRemedyKind.STATIC_ACTIVATIONS: tr(
            CONTEXT,
            "Use static activations, whose ranges are known beforehand.",
        ),
        SpeedRemedyKind.INTEGER_LAYERS: tr(
            CONTEXT,
            "Give them 8 bits.",
        ),
        SpeedRemedyKind.REDUCE_RANGE: tr(
            CONTEXT,
            "Use the reduced range, which such processors compute without saturation.",
        ),
        SpeedRemedyKind.SET_THREADS: tr(
            CONTEXT,
            "Run with {threads} threads.",
        ),
        SpeedRemedyKind.LARGER_BATCH: tr(
            CONTEXT,
            "Run several samples per call.",
        ),
        SpeedRemedyKind.CONVERT_HERE: tr(
            CONTEXT,
            "Convert the float model with Bitsmith, whose files unpack weights once, at load.",
        ),
        SpeedRemedyKind.CHANGE_NETWORK: tr(
            CONTEXT,
            "Only another network, or a runtime that fuses these operators, would help.",
        ),
    }[kind]


def describe_bottleneck(finding: Bottleneck, report: Bottlenecks) -> str:
    """One sentence with its figures; a figure and its unit stay on one line."""
    figures = format_figures(finding, weightless_operators(report))
    texts = {name: text if name == "operators" else text.replace(" ", NO_BREAK) for name, text in figures.items()}
    return bottleneck_template(finding.kind).format(**texts)


def describe_remedy(remedy: SpeedRemedy) -> str:
    """The remedy as a sentence."""
    return remedy_template(remedy.kind).format(threads=remedy.threads)


def describe_verdict(report: Bottlenecks) -> str:
    """Both times and their ratio."""
    tr = QCoreApplication.translate
    faster = tr(CONTEXT, "{result} a call, float {float}: {ratio}× as fast.")
    slower = tr(CONTEXT, "{result} a call, float {float}: slower, {ratio}× as fast.")
    return (faster if report.speedup >= 1 else slower).format(
        result=format_figure("us", report.result_us).replace(" ", NO_BREAK),
        float=format_figure("us", report.float_us).replace(" ", NO_BREAK),
        ratio=f"{report.speedup:.2f}",
    )
