"""What a plan will weigh, in bytes, from plain arithmetic: the live figure of the window.

Payloads are exact. Descriptors (nodes, names, dims of the emitted chains) are counted by the constants
below, which the conversion tests hold to within 1 % of real files.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.numerics.schemes import GroupScales, Kernel, PerGroup, PerTensor, packed_bytes
from engine.placement import SELF_QUANTIZED_OPS, Placement, place
from engine.plan import LayerPlan, Plan
from engine.summary import LayerSummary, ModelSummary

# Emitted names look like "q12.w"; a string costs two bytes more than its letters.
STRING = 7
INT_ATTRIBUTE = 12
METADATA_BYTES = 366
# From so many on, multipliers of groups beside 4-bit codes take half a byte, and scales of channels two bytes:
# what they save outweighs the Cast that brings them back, which takes up to 47 bytes.
PACKED_MULTIPLIERS, HALF_SCALES = 96, 24
ACTIVATION_PARAMETER_BYTES = 2 * 13 + 4 + 1


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


def bits_per_weight(model: ModelSummary, plan: Plan) -> float:
    """All stored bits of all layers, scales included, per weight."""
    stored = sum(stored_weight_bytes(layer, plan.layer(layer.name)) for layer in model.layers)
    return 8 * stored / max(model.parameters, 1)


def predict_file_bytes(model: ModelSummary, plan: Plan) -> int:
    """Size of the converted file."""
    layers = joint_bytes(model.layers, plan.choices(model.layers))
    return model.fixed_bytes + layers + activation_bytes(model, place(model, plan)) + METADATA_BYTES


def joint_bytes(layers: Sequence[LayerSummary], choices: Sequence[LayerPlan]) -> int:
    """What these layers add to the file together: a weight that they share in one form is stored once."""
    own = sum(layer_bytes(layer, choice) for layer, choice in zip(layers, choices, strict=True))
    return own - shared_bytes(layers, choices)


def shared_bytes(layers: Sequence[LayerSummary], choices: Sequence[LayerPlan]) -> int:
    """What layers save by sharing a weight that they take in the same form."""
    seen: set[tuple[object, ...]] = set()
    saved = 0
    for layer, choice in zip(layers, choices, strict=True):
        form = _stored_form(layer, choice) if layer.shares_weight else None
        if form is None:
            continue
        if (layer.weight_name, form) in seen:
            saved += _saved_bytes(layer, choice)
        seen.add((layer.weight_name, form))
    return saved


def _stored_form(layer: LayerSummary, choice: LayerPlan) -> tuple[object, ...] | None:
    """Equal for layers that store a shared weight once; None where each stores its own."""
    if choice.weights.bits >= layer.float_bits:
        return None if layer.keeps_weight else (32,)
    if choice.weights.bits == 16:
        return (16, layer.weight_shape)
    if choice.kernel in (Kernel.QLINEAR, Kernel.DYNAMIC) or layer.op == "Gather":
        return None if layer.op in ("LSTM", "GRU", "RNN") else ("int8", choice.weights)
    return ("float", choice.weights, layer.weight_shape) if choice.kernel == Kernel.FLOAT else None


def _saved_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """What a layer does not store because another one has."""
    rank = len(layer.weight_shape)
    if choice.weights.bits >= layer.float_bits:
        return layer.float_bytes + _constant(rank) + len(layer.weight_name)
    weight = stored_weight_bytes(layer, choice)
    if choice.weights.bits == 16:
        return weight + _constant(rank) + _folded("Cast", 1, INT_ATTRIBUTE)
    if choice.kernel == Kernel.FLOAT and layer.op != "Gather":
        return weight + _integer_chain_bytes(layer, choice, to_float=True) + _half_scale_bytes(layer, choice)
    own_scales = scale_count(layer, choice) if not has_multipliers(layer, choice) else layer.channels
    return weight - _scale_bytes(layer, choice) * own_scales + _integer_chain_bytes(layer, choice)


def layer_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """Everything that one layer adds to the file: weight, bias and the nodes of its chain."""
    weight = stored_weight_bytes(layer, choice)
    rank = len(layer.weight_shape)
    if choice.weights.bits >= layer.float_bits:
        own = 2 * layer.constant_name_bytes + _constant(rank) + (_constant(1) if layer.bias_elements else 0)
        weight = 0 if layer.keeps_weight else weight
        return weight + 4 * layer.bias_elements + own
    if choice.weights.bits == 16:
        return weight + _float_bias(layer) + _constant(rank) + _folded("Cast", 1, INT_ATTRIBUTE) + STRING
    parts = {
        Kernel.FLOAT: _gather_bytes if layer.op == "Gather" else _float_bytes,
        Kernel.QLINEAR: _qlinear_bytes,
        Kernel.DYNAMIC: _recurrent_bytes if layer.op == "LSTM" else _dynamic_bytes,
        Kernel.NBITS: _nbits_bytes,
    }[choice.kernel]
    return weight + parts(layer, choice) + _half_scale_bytes(layer, choice)


def _node(op: str, inputs: int, attributes: int = 0) -> int:
    return 4 + STRING * (inputs + 2) + len(op) + attributes


def _folded(op: str, inputs: int, attributes: int = 0) -> int:
    """A node that is folded away at load, and has no name."""
    return _node(op, inputs, attributes) - STRING


def _constant(rank: int) -> int:
    """An initializer without its payload."""
    return 8 + STRING + rank


def _shape(rank: int) -> int:
    return _constant(1) + 8 * rank


def _float_bias(layer: LayerSummary) -> int:
    """The bias as it was in the source."""
    return 4 * layer.bias_elements + (_constant(1) + layer.constant_name_bytes if layer.bias_elements else 0)


def _integer_chain_bytes(layer: LayerSummary, choice: LayerPlan, *, to_float: bool = False) -> int:
    """From the packed codes to the operator's weight."""
    scheme, rank = choice.weights, len(layer.weight_shape)
    granularity = scheme.granularity
    is_grouped = isinstance(granularity, PerGroup)
    if to_float and isinstance(granularity, PerGroup):  # channels of one group each are stored per channel
        is_grouped = layer.inputs_per_channel > granularity.group_size
    total = _constant(3 if is_grouped else rank)
    if scheme.bits < 8 or to_float:
        total += _folded("Cast", 1, INT_ATTRIBUTE)
    spread = _spread_bytes(layer, choice) if is_grouped else 0
    if not scheme.symmetric:
        total += _constant(rank) + _folded("Cast", 1, INT_ATTRIBUTE) + _folded("Sub", 2) + spread
    if is_grouped or to_float:
        total += _constant(3) + _folded("Mul", 2) + spread
    if packs_multipliers(layer, choice):
        total += _folded("Cast", 1, INT_ATTRIBUTE)
    if to_float and has_multipliers(layer, choice):
        total += _constant(3) + _folded("Cast", 1, INT_ATTRIBUTE) + _folded("Mul", 2)
    if is_grouped:
        total += _folded("Reshape", 2)
        if layer.op in ("MatMul", "ConvTranspose") or (layer.op == "Gemm" and choice.kernel == Kernel.DYNAMIC):
            total += _folded("Transpose", 1, 10 + rank)
    return total


def _half_scale_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """The Cast of float16 scales; float16 embeddings take them as they are."""
    is_taken = layer.op == "Gather" and layer.float_bits == 16
    return _folded("Cast", 1, INT_ATTRIBUTE) + 2 if has_half_scales(layer, choice) and not is_taken else 0


def _spread_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """Nodes that spread one value per group over the inputs where the groups do not divide."""
    granularity = choice.weights.granularity
    if not isinstance(granularity, PerGroup) or layer.inputs_per_channel % granularity.group_size == 0:
        return 0
    return _folded("Expand", 2) + _folded("Reshape", 2) + _shape(1) + _folded("Slice", 4)


def _float_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    return _integer_chain_bytes(layer, choice, to_float=True) + _float_bias(layer) + STRING


def _gather_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    lookups = _node("Gather", 2) + _node("Cast", 1, INT_ATTRIBUTE) + _constant(2) + _node("Mul", 2)
    return _integer_chain_bytes(layer, choice) + lookups


def _qlinear_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    total = _integer_chain_bytes(layer, choice) + _constant(1) + _folded("DequantizeLinear", 2, INT_ATTRIBUTE) + STRING
    if layer.op != "Conv":
        total += _constant(1) + (1 if isinstance(choice.weights.granularity, PerTensor) else layer.channels)
    if layer.bias_elements:
        axis = 0 if isinstance(choice.weights.granularity, PerTensor) else INT_ATTRIBUTE
        total += 4 * layer.bias_elements + _constant(1) + _folded("Mul", 2) + STRING
        total += _folded("DequantizeLinear", 2, axis) + STRING
    return total


def _dynamic_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    product = _node("Cast", 1, INT_ATTRIBUTE) + 2 * _node("Mul", 2) + _constant(1) + len("Integer") + 4 * STRING
    source = _node("DynamicQuantizeLinear", 1) + 2 * STRING
    bias = 4 * layer.bias_elements + _constant(1) + _node("Add", 2) if layer.bias_elements else 0
    return _integer_chain_bytes(layer, choice) + product + source + bias


def _recurrent_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """One of the two weights of a DynamicQuantizeLSTM."""
    is_per_tensor = isinstance(choice.weights.granularity, PerTensor)
    zero_points = layer.weight_shape[0] if is_per_tensor else layer.channels
    scales = 4 * (layer.weight_shape[0] - 1) if is_per_tensor else 0
    chain = _integer_chain_bytes(layer, choice) + 4 * STRING + len("DynamicQuantize") // 2
    if not isinstance(choice.weights.granularity, PerGroup):
        chain += _shape(3) + _folded("Reshape", 2) + _folded("Transpose", 1, 13)
    return chain + zero_points + scales + 2 * _constant(2)


def _nbits_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    constants = _constant(3) + _constant(1) + (0 if choice.weights.symmetric else _constant(2))
    bias = 4 * layer.bias_elements + _constant(1) if layer.bias_elements else 0
    return constants + bias + 5 * INT_ATTRIBUTE + 45 + 4 * STRING


def activation_bytes(model: ModelSummary, placement: Placement) -> int:
    """QuantizeLinear/DequantizeLinear pairs; their readers get a shorter name than the tensor had."""
    pair = _node("QuantizeLinear", 2) + _node("DequantizeLinear", 3)
    total = ACTIVATION_PARAMETER_BYTES * len(set(placement.range_source.values()))
    for tensor in placement.range_source:
        readers = len(model.consumers.get(tensor, ()))
        total += pair + 2 + len(tensor) - readers * (len(tensor) + 2 - STRING)
    return total + _float_reader_bytes(model, placement)


def _float_reader_bytes(model: ModelSummary, placement: Placement) -> int:
    """A DequantizeLinear of their own, with scales per axis, for float layers that read a quantized tensor."""
    total = 0
    for tensor in placement.range_source:
        readers = [node.name for node in model.consumers.get(tensor, ())]
        if tensor not in placement.integer_producers:
            readers = [name for name in readers if name in placement.readers[tensor]]
        spared = [
            layer for name in readers if (layer := model.layer_by_name.get(name)) and _is_spared(layer, placement)
        ]
        if spared:
            channels = {_input_channels(layer) for layer in spared}
            total += sum(5 * size + 2 * _constant(1) for size in channels)
            # The common one goes if nobody else reads it.
            is_replaced = len(spared) == len(readers)
            total += (len(channels) - is_replaced) * _node("DequantizeLinear", 3, INT_ATTRIBUTE)
    return total


def _is_spared(layer: LayerSummary, placement: Placement) -> bool:
    return layer.op in SELF_QUANTIZED_OPS and layer.name not in placement.static_layers


def _input_channels(layer: LayerSummary) -> int:
    """Size of the input axis that the weight multiplies."""
    if layer.op == "Conv":
        return layer.weight_shape[1] * layer.groups
    return layer.weight_shape[0] if layer.op == "ConvTranspose" else layer.inputs_per_channel
