"""How a weight is stored under a scheme, and in how many bytes: codes, scales, zero points."""

from __future__ import annotations

from engine.numerics.schemes import GroupScales, Kernel, PerGroup, PerTensor, packed_bytes
from engine.plan import LayerPlan
from engine.summary import LayerSummary

# From so many on, multipliers of groups beside 4-bit codes take half a byte, and scales of channels two bytes:
# what they save outweighs the Cast that brings them back, which takes up to 47 bytes.
PACKED_MULTIPLIERS, HALF_SCALES = 96, 24


def scale_count(layer: LayerSummary, choice: LayerPlan) -> int:
    """How many scales the weight has."""
    granularity = choice.weights.granularity
    if isinstance(granularity, PerTensor):
        return 1
    if isinstance(granularity, PerGroup):
        return layer.channels * group_count(layer, granularity)
    return layer.channels


def group_count(layer: LayerSummary, granularity: PerGroup) -> int:
    """Groups per channel, a shorter last one included."""
    return -(-layer.inputs_per_channel // granularity.group_size)


def group_scales(layer: LayerSummary, choice: LayerPlan) -> GroupScales:
    """How the layer stores the scales of its groups: MatMulNBits takes floats, integer kernels int8 products."""
    granularity = choice.weights.granularity
    if not (choice.weights.is_integer and isinstance(granularity, PerGroup)) or choice.kernel == Kernel.NBITS:
        return GroupScales.FLOAT
    if choice.kernel in (Kernel.QLINEAR, Kernel.DYNAMIC) or layer.op == "Gather":
        return GroupScales.PRODUCT
    return GroupScales.BYTE if layer.inputs_per_channel > granularity.group_size else GroupScales.FLOAT


def has_multipliers(layer: LayerSummary, choice: LayerPlan) -> bool:
    """Whether a group's scale takes a byte."""
    return group_scales(layer, choice) != GroupScales.FLOAT


def packs_multipliers(layer: LayerSummary, choice: LayerPlan) -> bool:
    """Whether a group's scale takes half a byte."""
    is_product = group_scales(layer, choice) == GroupScales.PRODUCT
    return is_product and choice.weights.bits == 4 and scale_count(layer, choice) >= PACKED_MULTIPLIERS


def has_half_scales(layer: LayerSummary, choice: LayerPlan) -> bool:
    """Whether a channel's scale takes two bytes; the rare weight whose scales float16 does not hold keeps four."""
    scheme = choice.weights
    is_low = scheme.is_integer and scheme.bits < 8 and not isinstance(scheme.granularity, PerTensor)
    return is_low and choice.kernel != Kernel.NBITS and layer.channels >= HALF_SCALES


def _scale_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    is_half_operator = layer.float_bits == 16 and (choice.kernel == Kernel.NBITS or layer.op == "Gather")
    return 2 if is_half_operator or has_half_scales(layer, choice) else 4


def stored_weight_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """Bytes of the weight in the file: codes, scales, zero points; without the bias."""
    scheme = choice.weights
    if not scheme.is_integer:
        return layer.parameters * min(scheme.bits, layer.float_bits) // 8
    scale_bytes = _scale_bytes(layer, choice)
    codes = packed_bytes(layer.parameters, scheme.bits)
    count = scale_count(layer, choice)
    if choice.kernel == Kernel.NBITS and isinstance(scheme.granularity, PerGroup):
        blocks = group_count(layer, scheme.granularity)
        codes = layer.channels * blocks * packed_bytes(scheme.granularity.group_size, scheme.bits)
        zero_points = 0 if scheme.symmetric else layer.channels * packed_bytes(blocks, scheme.bits)
        return codes + scale_bytes * count + zero_points
    if has_multipliers(layer, choice):
        multiplier_bits = 4 if packs_multipliers(layer, choice) else 8
        scales = layer.channels * scale_bytes + packed_bytes(count, multiplier_bits)
    else:
        scales = scale_bytes * count
    return codes + scales + (0 if scheme.symmetric else packed_bytes(count, scheme.bits))
