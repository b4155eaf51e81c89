"""What a layer's weight and its input are turned into: frozen values, validated once, here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import PlanError

FLOAT_BITS = 32
WEIGHT_BITS = (32, 16, 8, 4, 2)
INTEGER_BITS = (8, 4, 2)
DEFAULT_GROUP_SIZE = 32
DEFAULT_WEIGHT_PERCENTILE = 99.9


class Kernel(StrEnum):
    """How a layer is computed in the exported model (DESIGN section 4)."""

    FLOAT = "float"
    QLINEAR = "qlinear"
    DYNAMIC = "dynamic"
    NBITS = "nbits"


class GroupScales(StrEnum):
    """How the scales of groups are stored.

    `FLOAT`: one float32 each. `BYTE`: int8 multiples, up to 127, of one float scale per channel, a quarter of
    the bytes. `PRODUCT`: the same, and so small that code times multiple is an int8, as integer kernels need
    it (QServe, arXiv 2405.04532); beside 4-bit codes, no multiple exceeds 15, so that it is stored in 4 bits.
    """

    FLOAT = "float"
    BYTE = "byte"
    PRODUCT = "product"


class RangeMethod(StrEnum):
    """How the clipping range of a weight is chosen."""

    MINMAX = "minmax"
    MSE = "mse"
    PERCENTILE = "percentile"


class Rounding(StrEnum):
    """How the codes of a weight are chosen once its scales are.

    `GPTQ` (arXiv 2210.17323) and `ADAROUND` (arXiv 2004.10568) need samples of what the layer reads.
    """

    NEAREST = "nearest"
    GPTQ = "gptq"
    ADAROUND = "adaround"


class CalibrationMethod(StrEnum):
    """How the clipping range of an activation is read from its statistics."""

    MINMAX = "minmax"
    AVERAGE = "average"
    PERCENTILE = "percentile"
    ENTROPY = "entropy"
    MSE = "mse"


class InputScaling(StrEnum):
    """What moves ranges between the inputs of a product and its weights, in transformers.

    smooth: SmoothQuant, for 8-bit activations; awq: AWQ, for weights of 4 and 2 bits.
    """

    NONE = "none"
    SMOOTH = "smooth"
    AWQ = "awq"


@dataclass(frozen=True)
class PerTensor:
    """One scale for the whole weight: shape ()."""


@dataclass(frozen=True)
class PerChannel:
    """One scale per output channel: shape [channels]."""


@dataclass(frozen=True)
class PerGroup:
    """One scale per `group_size` elements along the input dimension of every output channel.

    The scale has shape [channels, ceil(inputs / group_size)]; the last group may be shorter.
    """

    group_size: int = DEFAULT_GROUP_SIZE

    def __post_init__(self) -> None:
        if self.group_size < 2:
            raise PlanError(f"A group size of {self.group_size} is too small. Use 2 or more.")


Granularity = PerTensor | PerChannel | PerGroup


@dataclass(frozen=True)
class WeightScheme:
    """Storage of one weight. 32 and 16 bits are floats and ignore the other fields.

    Attributes:
        reduce_range: keep the int8 weights that kernels multiply with within ±63, so that processors
            without VNNI, which add pairs of products in 16 bits, do not saturate.
        percentile: of the weights that share a scale, for that range method; what lies beyond is clipped.
        clip: set by hand, in place of the range method: the share of the full range (min to max, 0 included) that
            every scale keeps, 0 < clip ≤ 1. A share means something for one scale and for thousands.
    """

    bits: int = 8
    symmetric: bool = True
    granularity: Granularity = PerChannel()
    range_method: RangeMethod = RangeMethod.MINMAX
    reduce_range: bool = False
    percentile: float = DEFAULT_WEIGHT_PERCENTILE
    clip: float | None = None

    def __post_init__(self) -> None:
        if not 50 < self.percentile <= 100:
            raise PlanError(
                f"A weight percentile of {self.percentile} is out of range. Give more than 50, at most 100."
            )
        if self.clip is not None and not 0 < self.clip <= 1:
            raise PlanError(
                f"A weight clip of {self.clip} is out of range. Give the share of the full range to keep: more than 0, "
                "at most 1."
            )
        if self.bits not in WEIGHT_BITS:
            raise PlanError(f"Weights cannot have {self.bits} bits. Choose one of {', '.join(map(str, WEIGHT_BITS))}.")

    @property
    def is_integer(self) -> bool:
        """Whether the weight is stored as integers."""
        return self.bits in INTEGER_BITS


class ActivationMode(StrEnum):
    """When the range of a layer's input is known: before (static), at run time (dynamic), never (float)."""

    STATIC = "static"
    DYNAMIC = "dynamic"
    FLOAT = "float"


class ActivationType(StrEnum):
    """What static activations are stored as; the grids, and with them the results, are the same.

    ONNX Runtime 1.31 computes on integers with both on ARM; on x86 much runs in float with int8, unless the session
    allows it (`session.qdqisint8allowed`), and then on slow kernels. Its CPU kernels have no 16-bit activations.
    """

    UINT8 = "uint8"
    INT8 = "int8"


@dataclass(frozen=True)
class ActivationRange:
    """How static activation ranges are read from a calibration; the grids have 256 levels and are asymmetric.

    Attributes:
        fixed: range_min and range_max of one tensor, set by hand, in place of what the method finds.
    """

    method: CalibrationMethod = CalibrationMethod.MSE
    percentile: float = 99.999
    fixed: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not 50 < self.percentile <= 100:
            raise PlanError(f"An activation percentile of {self.percentile} is out of range. Use 50 to 100.")
        if self.fixed is not None and not _is_range(*self.fixed):
            low, high = self.fixed
            raise PlanError(
                f"An input range of {low} to {high} cannot be used. Give two finite numbers, the first at most 0, the "
                "second at least 0 and larger."
            )


def _is_range(low: float, high: float) -> bool:
    """Zero is always on the grid, because padding and Relu need it there."""
    return math.isfinite(low) and math.isfinite(high) and low <= 0 <= high and low < high


def packed_bytes(elements: int, bits: int) -> int:
    """Bytes that `elements` integers of `bits` take."""
    return -(-elements * bits // 8)
