"""What a diagnosis says, in the language of the window."""

from __future__ import annotations

import math

from PySide6.QtCore import QCoreApplication

from engine.diagnosis.report import Finding, FindingKind, Remedy, RemedyKind, format_figures
from engine.numerics.schemes import PerGroup
from engine.units import format_bytes
from gui.units import MINUS, format_delta

CONTEXT = "Diagnosis"
NO_BREAK = "\N{NO-BREAK SPACE}"


def finding_template(kind: FindingKind) -> str:
    """The translated sentence, its figures still in braces; in English it is that of the command line."""
    tr = QCoreApplication.translate
    return {
        FindingKind.NONFINITE_WEIGHT: tr(
            CONTEXT,
            "The weight holds NaN or infinite values: the layer cannot be quantized.",
        ),
        FindingKind.OVERFLOWING_WEIGHT: tr(
            CONTEXT,
            "Some weights are beyond 16-bit floats: the layer has to stay at 32 bits.",
        ),
        FindingKind.NONFINITE_INPUT: tr(
            CONTEXT,
            "The layer's input holds NaN or infinite values: the data or an earlier layer is at fault.",
        ),
        FindingKind.LOW_SQNR: tr(CONTEXT, "The output is {sqnr_db} from float: noise is {noise_share} of its energy."),
        FindingKind.INPUT_ERROR: tr(
            CONTEXT,
            "{error_share} of the error comes from the 8-bit input: with it, no weight gets beyond {input_db}.",
        ),
        FindingKind.CHANNEL_SPREAD: tr(
            CONTEXT,
            "One scale serves {channels} channels, and the widest has {range_ratio} the range of the "
            "median: half of them use at most {codes} of {all_codes} codes.",
        ),
        FindingKind.WIDE_CHANNELS: tr(
            CONTEXT,
            "{error_share} of the error comes from {count} of {channels} output channels, with "
            "{range_ratio} the median's range.",
        ),
        FindingKind.LOUD_CHANNELS: tr(
            CONTEXT,
            "{error_share} of the error comes from {count} of {channels} output channels, with a range "
            "like the others'.",
        ),
        FindingKind.ONE_LARGE_WEIGHT: tr(
            CONTEXT,
            "The one scale is set by the largest weight, {rms_ratio} the RMS of all.",
        ),
        FindingKind.WEIGHT_OUTLIERS: tr(
            CONTEXT,
            "{scale_share} of the scales are set by single large weights, {rms_ratio} the RMS of those "
            "that share them.",
        ),
        FindingKind.CLIPPED_WEIGHTS: tr(
            CONTEXT,
            "{error_share} of the error comes from the {weight_share} of the weights that are clipped.",
        ),
        FindingKind.INPUT_OUTLIERS: tr(
            CONTEXT,
            "The input's range is {range_ratio} what 99.9 % of its values need: they get {codes} of 256 codes.",
        ),
        FindingKind.CLIPPED_INPUT: tr(
            CONTEXT,
            "{error_share} of the input's error comes from the {value_share} of its values that are clipped.",
        ),
        FindingKind.SKEWED_INPUT: tr(
            CONTEXT,
            "The input stays within {least_value} to {most_value}, and zero has to be on its grid: "
            "{code_share} of the codes are never used.",
        ),
        FindingKind.CONSTANT_INPUT: tr(CONTEXT, "The layer's input is always {input_value}."),
        FindingKind.SATURATED_INPUT: tr(
            CONTEXT,
            "{value_share} of the input's values sit at its maximum of {most_value}: what comes before saturates.",
        ),
        FindingKind.DEAD_OUTPUTS: tr(
            CONTEXT,
            "Nothing comes out of {count} of {channels} output channels on any sample, bias left out.",
        ),
        FindingKind.DEAD_INPUTS: tr(CONTEXT, "Nothing but zero comes in on {count} of {channels} input channels."),
        FindingKind.WASTED_BITS: tr(
            CONTEXT,
            "{bits} bits would do: with them, the weight alone would still allow {sqnr_db}.",
        ),
    }[kind]


def describe_finding(finding: Finding) -> str:
    """One sentence with its figures; a figure and its unit stay on one line."""
    figures = {name: text.replace(" ", NO_BREAK) for name, text in format_figures(finding).items()}
    return finding_template(finding.kind).format(**figures)


def name_remedy(remedy: Remedy) -> str:
    """What a click does, in a few words."""
    tr = QCoreApplication.translate
    scheme = remedy.choice.weights
    template = {
        RemedyKind.PER_CHANNEL: tr(CONTEXT, "Per channel"),
        RemedyKind.GROUPS: tr(CONTEXT, "Groups of {size}"),
        RemedyKind.MSE_RANGE: tr(CONTEXT, "MSE range"),
        RemedyKind.FULL_RANGE: tr(CONTEXT, "Full range"),
        RemedyKind.SYMMETRIC: tr(CONTEXT, "Symmetric"),
        RemedyKind.ASYMMETRIC: tr(CONTEXT, "Asymmetric"),
        RemedyKind.STATIC_INPUT: tr(CONTEXT, "Static input"),
        RemedyKind.DYNAMIC_INPUT: tr(CONTEXT, "Dynamic input"),
        RemedyKind.FLOAT_INPUT: tr(CONTEXT, "Float input"),
        RemedyKind.MORE_BITS: tr(CONTEXT, "{bits} bits"),
        RemedyKind.KEEP_FLOAT: tr(CONTEXT, "{bits}-bit float"),
        RemedyKind.FEWER_BITS: tr(CONTEXT, "{bits} bits"),
    }[remedy.kind]
    size = scheme.granularity.group_size if isinstance(scheme.granularity, PerGroup) else 0
    return template.format(size=size, bits=scheme.bits)


def describe_gain(remedy: Remedy) -> str:
    """+2.1 dB; for fewer bits, what they save."""
    if remedy.kind == RemedyKind.FEWER_BITS:
        return _format_change(remedy.stored_bytes_change)
    if math.isinf(remedy.gain_db):
        return QCoreApplication.translate(CONTEXT, "no loss")
    return QCoreApplication.translate(CONTEXT, "{gain} dB").format(gain=format_delta(remedy.gain_db, 1))


def explain_remedy(remedy: Remedy) -> str:
    """The prediction in full, for the tooltip."""
    text = QCoreApplication.translate(
        CONTEXT, "Predicted for this layer: output SQNR {gain}, stored weight {change}. Ctrl+Z takes it back."
    )
    gain = QCoreApplication.translate(CONTEXT, "{gain} dB").format(gain=format_delta(remedy.gain_db, 1))
    if math.isinf(remedy.gain_db):
        gain = QCoreApplication.translate(CONTEXT, "no loss")
    return text.format(gain=gain, change=_format_change(remedy.stored_bytes_change))


def _format_change(count: int) -> str:
    """+1.2 kB, −340 B, ±0 B."""
    sign = "+" if count > 0 else MINUS if count < 0 else "±"
    return sign + format_bytes(abs(count))
