"""What a diagnosis says: plain data that the window words in its language, and an English wording."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.numerics.schemes import PerGroup
from engine.plan import LayerPlan


class FindingKind(StrEnum):
    """What can be said of a layer, the gravest first."""

    NONFINITE_WEIGHT = "nonfinite_weight"
    OVERFLOWING_WEIGHT = "overflowing_weight"
    NONFINITE_INPUT = "nonfinite_input"
    LOW_SQNR = "low_sqnr"
    INPUT_ERROR = "input_error"
    CHANNEL_SPREAD = "channel_spread"
    WIDE_CHANNELS = "wide_channels"
    LOUD_CHANNELS = "loud_channels"
    ONE_LARGE_WEIGHT = "one_large_weight"
    WEIGHT_OUTLIERS = "weight_outliers"
    CLIPPED_WEIGHTS = "clipped_weights"
    INPUT_OUTLIERS = "input_outliers"
    CLIPPED_INPUT = "clipped_input"
    SKEWED_INPUT = "skewed_input"
    CONSTANT_INPUT = "constant_input"
    SATURATED_INPUT = "saturated_input"
    DEAD_OUTPUTS = "dead_outputs"
    DEAD_INPUTS = "dead_inputs"
    WASTED_BITS = "wasted_bits"


# True of the data or of the network, and no loss: worth knowing, nothing to mend here.
HARMLESS = frozenset(
    {FindingKind.CONSTANT_INPUT, FindingKind.SATURATED_INPUT, FindingKind.DEAD_OUTPUTS, FindingKind.DEAD_INPUTS}
)


class RemedyKind(StrEnum):
    """What can be done for a layer."""

    PER_CHANNEL = "per_channel"
    GROUPS = "groups"
    MSE_RANGE = "mse_range"
    FULL_RANGE = "full_range"
    SYMMETRIC = "symmetric"
    ASYMMETRIC = "asymmetric"
    STATIC_INPUT = "static_input"
    DYNAMIC_INPUT = "dynamic_input"
    FLOAT_INPUT = "float_input"
    MORE_BITS = "more_bits"
    KEEP_FLOAT = "keep_float"
    FEWER_BITS = "fewer_bits"


@dataclass(frozen=True)
class Finding:
    """One thing that is unusual about a layer.

    Attributes:
        figures: by the names in `SENTENCES`; the ending says what it is: `_share` 0…1, `_ratio`, `_db`,
            `_value` in the unit of the tensor, a plain count otherwise.
    """

    kind: FindingKind
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Remedy:
    """One change of the layer's choices.

    Attributes:
        choice: what the layer would get.
        gain_db: predicted change of the SQNR of the layer's output; infinite where nothing would be lost.
        stored_bytes_change: of the weight in the file, scales included.
    """

    kind: RemedyKind
    choice: LayerPlan
    gain_db: float
    stored_bytes_change: int


@dataclass(frozen=True)
class LayerDiagnosis:
    """What was found at one layer under one plan.

    Attributes:
        sqnr_db: of the layer's output, bias left out; None if nothing shows the layer's input, infinite if
            nothing is lost.
        findings: the gravest first; none if nothing is unusual.
        remedies: those that keep the bits first, the best of them first.
    """

    layer: str
    sqnr_db: float | None
    findings: tuple[Finding, ...] = ()
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """All layers that were asked for, in graph order."""

    samples: int
    layers: Mapping[str, LayerDiagnosis]


SENTENCES: Mapping[FindingKind, str] = {
    FindingKind.NONFINITE_WEIGHT: "The weight holds NaN or infinite values: the layer cannot be quantized.",
    FindingKind.OVERFLOWING_WEIGHT: "Some weights are beyond 16-bit floats: the layer has to stay at 32 bits.",
    FindingKind.NONFINITE_INPUT: "The layer's input holds NaN or infinite values: the data or an earlier layer is at "
    "fault.",
    FindingKind.LOW_SQNR: "The output is {sqnr_db} from float: noise is {noise_share} of its energy.",
    FindingKind.INPUT_ERROR: "{error_share} of the error comes from the 8-bit input: with it, no weight gets beyond "
    "{input_db}.",
    FindingKind.CHANNEL_SPREAD: "One scale serves {channels} channels, and the widest has {range_ratio} the range of "
    "the median: half of them use at most {codes} of {all_codes} codes.",
    FindingKind.WIDE_CHANNELS: "{error_share} of the error comes from {count} of {channels} output channels, with "
    "{range_ratio} the median's range.",
    FindingKind.LOUD_CHANNELS: "{error_share} of the error comes from {count} of {channels} output channels, with a "
    "range like the others'.",
    FindingKind.ONE_LARGE_WEIGHT: "The one scale is set by the largest weight, {rms_ratio} the RMS of all.",
    FindingKind.WEIGHT_OUTLIERS: "{scale_share} of the scales are set by single large weights, {rms_ratio} the RMS of "
    "those that share them.",
    FindingKind.CLIPPED_WEIGHTS: "{error_share} of the error comes from the {weight_share} of the weights that are "
    "clipped.",
    FindingKind.INPUT_OUTLIERS: "The input's range is {range_ratio} what 99.9 % of its values need: they get "
    "{codes} of 256 codes.",
    FindingKind.CLIPPED_INPUT: "{error_share} of the input's error comes from the {value_share} of its values that "
    "are clipped.",
    FindingKind.SKEWED_INPUT: "The input stays within {least_value} to {most_value}, and zero has to be on its grid: "
    "{code_share} of the codes are never used.",
    FindingKind.CONSTANT_INPUT: "The layer's input is always {input_value}.",
    FindingKind.SATURATED_INPUT: "{value_share} of the input's values sit at its maximum of {most_value}: what comes "
    "before saturates.",
    FindingKind.DEAD_OUTPUTS: "Nothing comes out of {count} of {channels} output channels on any sample, bias left "
    "out.",
    FindingKind.DEAD_INPUTS: "Nothing but zero comes in on {count} of {channels} input channels.",
    FindingKind.WASTED_BITS: "{bits} bits would do: with them, the weight alone would still allow {sqnr_db}.",
}


def format_figures(finding: Finding) -> dict[str, str]:
    """The figures as text with their units, to be put into a sentence."""
    return {name: _format(name, value) for name, value in finding.figures.items()}


def _format(name: str, value: float) -> str:
    unit = name.rpartition("_")[2]
    if unit == "share":
        text = f"{100 * value:.0f} %" if value >= 0.0995 else f"{100 * value:.2g} %"
    elif unit == "ratio":
        text = f"{value:.0f}×" if value >= 9.95 else f"{value:.1f}×"
    elif unit == "db":
        text = f"{value:.1f} dB"
    else:
        text = f"{value:.3g}" if unit == "value" else f"{value:,.0f}"
    return text.replace("-", "−")


def describe_finding(finding: Finding) -> str:
    """The finding as an English sentence."""
    return SENTENCES[finding.kind].format(**format_figures(finding))


def describe_remedy(remedy: Remedy) -> str:
    """What would be done, in a few English words."""
    scheme = remedy.choice.weights
    size = scheme.granularity.group_size if isinstance(scheme.granularity, PerGroup) else 0
    return {
        RemedyKind.PER_CHANNEL: "per channel",
        RemedyKind.GROUPS: f"groups of {size}",
        RemedyKind.MSE_RANGE: "MSE range",
        RemedyKind.FULL_RANGE: "full range",
        RemedyKind.SYMMETRIC: "symmetric",
        RemedyKind.ASYMMETRIC: "asymmetric",
        RemedyKind.STATIC_INPUT: "static input",
        RemedyKind.DYNAMIC_INPUT: "dynamic input",
        RemedyKind.FLOAT_INPUT: "float input",
        RemedyKind.MORE_BITS: f"{scheme.bits} bits",
        RemedyKind.KEEP_FLOAT: f"{scheme.bits}-bit float",
        RemedyKind.FEWER_BITS: f"{scheme.bits} bits",
    }[remedy.kind]


def format_gain(gain_db: float) -> str:
    """+2.1 dB, −0.3 dB, or that nothing is lost."""
    return "no loss" if math.isinf(gain_db) else f"{gain_db:+.1f} dB".replace("-", "−")
