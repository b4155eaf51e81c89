"""What a plan will weigh, in bytes, from plain arithmetic: the live figure of the window.

Payloads are exact. Descriptors (nodes, names, dims of the emitted chains) are counted by the constants
below, which the conversion tests hold to within 1 % of real files.
"""

from __future__ import annotations

from engine.numerics.packing import packed_bytes
from engine.numerics.schemes import Kernel, PerGroup, PerTensor
from engine.placement import place
from engine.plan import LayerPlan, Plan
from engine.summary import LayerSummary, ModelSummary

FLOAT_DESCRIPTOR = 2 * 30
CAST_DESCRIPTOR = 40
DEQUANTIZE_DESCRIPTOR = 60
GROUP_DESCRIPTOR = 160
ACTIVATION_DESCRIPTOR = 200
METADATA_BYTES = 700


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


def is_progressive(layer: LayerSummary, choice: LayerPlan) -> bool:
    """Whether group scales are stored as int8 multiples of a channel scale, for an integer kernel."""
    is_integer = choice.kernel in (Kernel.QLINEAR, Kernel.DYNAMIC) or layer.op == "Gather"
    return is_integer and choice.weights.is_integer and isinstance(choice.weights.granularity, PerGroup)


def stored_weight_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """Bytes of the weight in the file: codes, scales, zero points; without the bias."""
    scheme = choice.weights
    if not scheme.is_integer:
        return layer.parameters * scheme.bits // 8
    codes = packed_bytes(layer.parameters, scheme.bits)
    count = scale_count(layer, choice)
    if choice.kernel == Kernel.NBITS and isinstance(scheme.granularity, PerGroup):
        blocks = group_count(layer, scheme.granularity)
        codes = layer.channels * blocks * packed_bytes(scheme.granularity.group_size, scheme.bits)
        zero_points = 0 if scheme.symmetric else layer.channels * packed_bytes(blocks, scheme.bits)
        return codes + 4 * count + zero_points
    scales = layer.channels * 4 + count if is_progressive(layer, choice) else 4 * count
    return codes + scales + (0 if scheme.symmetric else count)


def bits_per_weight(model: ModelSummary, plan: Plan) -> float:
    """All stored bits of all layers, scales included, per weight."""
    stored = sum(stored_weight_bytes(layer, plan.layer(layer.name)) for layer in model.layers)
    return 8 * stored / max(model.parameters, 1)


def predict_file_bytes(model: ModelSummary, plan: Plan) -> int:
    """Size of the converted file."""
    layers = sum(layer_bytes(layer, plan.layer(layer.name)) for layer in model.layers)
    activations = ACTIVATION_DESCRIPTOR * len(place(model, plan).range_source)
    return model.fixed_bytes + layers + activations + METADATA_BYTES


def layer_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """Everything that one layer adds to the file: weight, bias and the descriptors of its chain."""
    total = stored_weight_bytes(layer, choice) + 4 * layer.bias_elements + FLOAT_DESCRIPTOR
    if not choice.weights.is_integer:
        return total + (CAST_DESCRIPTOR if choice.weights.bits == 16 else 0)
    total += CAST_DESCRIPTOR + DEQUANTIZE_DESCRIPTOR
    if choice.kernel == Kernel.QLINEAR:
        total += 4 * layer.bias_elements
    if isinstance(choice.weights.granularity, PerGroup) and choice.kernel != Kernel.NBITS:
        total += GROUP_DESCRIPTOR
    return total
