"""What one layer adds to a converted file, counted as `engine.conversion` writes it.

Values are not known here, and neither are other layers' choices: constants that layers have in common are counted
for one of them, the one that most likely needs them (`Common`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from engine.numerics.schemes import DEFAULT_GROUP_SIZE, Kernel, PerGroup, PerTensor, packed_bytes
from engine.plan import LayerPlan
from engine.stored_weights import group_count, has_half_scales, has_multipliers, packs_multipliers, scale_count
from engine.summary import Common, LayerSummary
from engine.wire import (
    AXIS,
    CAST,
    MICROSOFT_DOMAIN_BYTES,
    Tally,
    field,
    integer_attribute,
    list_attribute,
    node_bytes,
    tensor_bytes,
    varint,
)

DOMAIN_BYTES = field(MICROSOFT_DOMAIN_BYTES + 2)
# Letters before the dot in names of constants that layers have in common: those of the first that needs them.
COMMON_PREFIX = len("q0.")
# Letters in the name of the scale of a layer's input.
INPUT_SCALE = len("a1.s")
NBITS_ATTRIBUTES = ("bits", "block_size", "accuracy_level")
RECURRENT_OPS = frozenset({"LSTM", "GRU", "RNN"})


def layer_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """Everything that one layer adds to the file: weight, bias, the nodes of its chain and the names of its inputs.

    Nodes of the source that the layer's kernel replaces count negative: they are in the model's `fixed_bytes`.
    """
    if choice.weights.bits >= layer.float_bits:
        name = layer.constant_name_bytes - layer.bias_name_bytes
        weight = 0 if layer.keeps_weight else tensor_bytes(layer.weight_shape, layer.float_bytes, name)
        return name + weight + _float_bias(layer)
    tally = Tally(layer.prefix_bytes)
    if choice.weights.bits == 16:
        tally.add(_half_weight(tally, layer) + _float_bias(layer))
    elif choice.kernel == Kernel.QLINEAR:
        _qlinear(tally, layer, choice)
    elif choice.kernel == Kernel.DYNAMIC:
        (_recurrent if layer.op in RECURRENT_OPS else _dynamic)(tally, layer, choice)
    elif choice.kernel == Kernel.NBITS:
        _nbits(tally, layer, choice)
    elif layer.op == "Gather":
        _gather(tally, layer, choice)
    else:
        name = _float_weight(tally, layer, choice)
        name = tally.folded("Cast", (name,), "h", CAST) if layer.float_bits == 16 else name
        tally.add(name + _float_bias(layer))
    return tally.total


def saved_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """What a layer does not store because another one has."""
    if choice.weights.bits >= layer.float_bits:
        return tensor_bytes(layer.weight_shape, layer.float_bytes, len(layer.weight_name))
    tally = Tally(layer.prefix_bytes)
    if choice.weights.bits == 16:
        _half_weight(tally, layer)
    elif choice.kernel == Kernel.FLOAT and layer.op != "Gather":
        _float_weight(tally, layer, choice)
    else:
        _integer_matrix(tally, layer, choice)
    return tally.total


def restored_shape(layer: LayerSummary) -> tuple[int, ...]:
    """The shape that conversion gives to a matrix [channels, inputs] on its way back to the operator's layout."""
    shape = layer.weight_shape
    if layer.op == "ConvTranspose":
        shape = (layer.groups, shape[1], shape[0] // layer.groups, *shape[2:])
    elif layer.axis > 0 and layer.op not in RECURRENT_OPS:
        shape = (*shape[:-2], shape[-1], shape[-2])
    return (0, -1, *shape[2:]) if shape[0] == layer.channels else shape


def mark_common(layers: Sequence[LayerSummary]) -> tuple[LayerSummary, ...]:
    """The layers with `common` filled in: of what several have, the one that most likely needs it counts it."""
    first_readers: dict[str, str] = {}
    shapes: dict[tuple[int, ...], LayerSummary] = {}
    bounds: dict[int, str] = {}
    for layer in layers:
        if Kernel.DYNAMIC in layer.kernels and layer.op not in RECURRENT_OPS:
            first_readers.setdefault(layer.input_name, layer.name)
        widest = shapes.setdefault(restored_shape(layer), layer)
        if layer.inputs_per_channel > widest.inputs_per_channel:
            shapes[restored_shape(layer)] = layer
        bounds.setdefault(layer.inputs_per_channel, layer.name)
    uneven = [layer for layer in layers if _is_uneven(layer)]
    evenness = {layer.name: layer.inputs_per_channel & -layer.inputs_per_channel for layer in uneven or layers}
    if uneven:  # it has that shape in any case; a Gemm may be on a kernel that has none
        shapes.pop((0, -1), None)
    extended = [layer.name for layer in layers if _may_extend(layer)]
    marks = {
        Common.INPUT: set(first_readers.values()),
        Common.SHAPE: {layer.name for layer in shapes.values()},
        Common.BOUND: set(bounds.values()),
        Common.SPREAD: set(sorted(evenness, key=evenness.__getitem__)[:1]),
        Common.DOMAIN: {extended[0]} if extended else set(),
    }
    return tuple(
        replace(layer, common=frozenset(common for common, names in marks.items() if layer.name in names))
        for layer in layers
    )


def _may_extend(layer: LayerSummary) -> bool:
    """Whether the layer can become an operator of com.microsoft."""
    return Kernel.NBITS in layer.kernels or (layer.op == "LSTM" and Kernel.DYNAMIC in layer.kernels)


def _is_uneven(layer: LayerSummary) -> bool:
    """Whether groups of the usual size do not divide the inputs, where there are several."""
    return layer.inputs_per_channel > DEFAULT_GROUP_SIZE and layer.inputs_per_channel % DEFAULT_GROUP_SIZE != 0


def _half_weight(tally: Tally, layer: LayerSummary) -> int:
    name = tally.constant("w", layer.weight_shape, 2 * layer.parameters)
    return tally.folded("Cast", (name,), "c", CAST)


def _bias_payload(layer: LayerSummary) -> int:
    """int32 where the layer computes on integers, else as it was in the source; float16 layers never do."""
    return layer.float_bits // 8 * layer.bias_elements


def _float_bias(layer: LayerSummary) -> int:
    """The bias as it was in the source, and the name of it in the node that reads it."""
    if not layer.bias_elements:
        return layer.bias_name_bytes
    return tensor_bytes((layer.bias_elements,), _bias_payload(layer), layer.bias_name_bytes) + layer.bias_name_bytes


def _has_axis(layer: LayerSummary) -> bool:
    """Whether one dimension of the stored weight holds the channels."""
    if layer.op == "ConvTranspose":
        return layer.groups == 1
    return layer.weight_shape[0] == 1 if layer.op in RECURRENT_OPS else layer.axis < 2


def _per_channel_shape(layer: LayerSummary, choice: LayerPlan) -> tuple[int, ...]:
    """Of what has one value per channel, beside a weight as it is stored."""
    if scale_count(layer, choice) == 1:
        return ()
    return tuple(size if index == layer.axis else 1 for index, size in enumerate(layer.weight_shape))


def _grouping(layer: LayerSummary, choice: LayerPlan) -> tuple[int, int]:
    """Groups per channel, and inputs per group."""
    granularity = choice.weights.granularity
    if not isinstance(granularity, PerGroup):
        return 1, layer.inputs_per_channel
    return group_count(layer, granularity), granularity.group_size


def _is_spread(layer: LayerSummary, choice: LayerPlan) -> bool:
    """Whether groups do not divide the inputs, so that what they have one of is spread over them."""
    return layer.inputs_per_channel % _grouping(layer, choice)[1] != 0


def _per_group_shape(layer: LayerSummary, choice: LayerPlan) -> tuple[int, ...]:
    if isinstance(choice.weights.granularity, PerTensor):
        return (1, 1, 1)
    return (layer.channels, _grouping(layer, choice)[0], 1)


def _codes(tally: Tally, layer: LayerSummary, choice: LayerPlan, shape: tuple[int, ...]) -> int:
    return tally.constant("w", shape, packed_bytes(layer.parameters, choice.weights.bits))


def _matrix_codes(tally: Tally, layer: LayerSummary, choice: LayerPlan) -> int:
    inputs = (layer.inputs_per_channel,) if _is_spread(layer, choice) else _grouping(layer, choice)
    return _codes(tally, layer, choice, (layer.channels, *inputs))


def _zero_points(tally: Tally, layer: LayerSummary, choice: LayerPlan, shape: tuple[int, ...]) -> int:
    packed = tally.constant("z", shape, packed_bytes(scale_count(layer, choice), choice.weights.bits))
    return tally.folded("Cast", (packed,), "j", CAST)


def _scales(tally: Tally, layer: LayerSummary, choice: LayerPlan, tag: str, shape: tuple[int, ...]) -> int:
    """Scales as float32, whatever they are stored as."""
    is_half = has_half_scales(layer, choice)
    name = tally.constant(tag, shape, (2 if is_half else 4) * prod(shape))
    return tally.folded("Cast", (name,), f"{tag}f", CAST) if is_half else name


def _spread(tally: Tally, layer: LayerSummary, choice: LayerPlan, name: int, tag: str) -> int:
    """One value per group, spread over the inputs where the groups do not divide."""
    if not _is_spread(layer, choice):
        return name
    common = COMMON_PREFIX + 2
    name = tally.folded("Expand", (name, common), f"{tag}d")
    name = tally.folded("Reshape", (name, common), f"{tag}g")
    return tally.folded("Slice", (name, common, common, common), f"{tag}h")


def _common_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """Shapes and bounds of which the model has one each, where they are counted for this layer."""
    total, name = 0, COMMON_PREFIX + 2
    if Common.SHAPE in layer.common:
        rank = len(restored_shape(layer))
        total += tensor_bytes((rank,), 8 * rank, name - 1)
    if not _is_spread(layer, choice):
        return total
    if Common.BOUND in layer.common:
        total += tensor_bytes((1,), 8, name)
    if Common.SPREAD in layer.common:
        total += tensor_bytes((3,), 24, name) + tensor_bytes((2,), 16, name) + 2 * tensor_bytes((1,), 8, name)
    return total


def _restore(tally: Tally, layer: LayerSummary, choice: LayerPlan, name: int) -> int:
    """From the matrix back to the operator's layout."""
    tally.add(_common_bytes(layer, choice))
    has_name = restored_shape(layer) == (0, -1) and _is_spread(layer, choice)  # of two letters, such as "sr"
    name = tally.folded("Reshape", (name, COMMON_PREFIX + 1 + has_name), "x")
    is_turned = choice.kernel == Kernel.DYNAMIC or (layer.axis > 0 and layer.op not in RECURRENT_OPS)
    if not is_turned:
        return name
    name = tally.folded("Transpose", (name,), "t", list_attribute("perm", len(restored_shape(layer))))
    if layer.op != "ConvTranspose":
        return name
    rank = len(layer.weight_shape)
    return tally.folded("Reshape", (name, tally.constant("o", (rank,), 8 * rank)), "n")


def _integer_matrix(tally: Tally, layer: LayerSummary, choice: LayerPlan) -> int:
    """As `engine.conversion.emission.emit_integer_matrix`."""
    shape = _per_group_shape(layer, choice)
    name = _matrix_codes(tally, layer, choice)
    if choice.weights.bits < 8:
        name = tally.folded("Cast", (name,), "c", CAST)
    if not choice.weights.symmetric:
        zero_point = _spread(tally, layer, choice, _zero_points(tally, layer, choice, shape), "z")
        name = tally.folded("Sub", (name, zero_point), "u")
    if has_multipliers(layer, choice):
        is_packed = packs_multipliers(layer, choice)
        multiplier = tally.constant("m", shape, packed_bytes(scale_count(layer, choice), 4 if is_packed else 8))
        if is_packed:
            multiplier = tally.folded("Cast", (multiplier,), "p", CAST)
        name = tally.folded("Mul", (name, _spread(tally, layer, choice, multiplier, "m")), "v")
    return name


def _integer_weight(tally: Tally, layer: LayerSummary, choice: LayerPlan) -> int:
    """As `engine.conversion.sharing.Share.integer_weight`."""
    is_dynamic_recurrent = layer.op in RECURRENT_OPS
    if layer.shares_weight or has_multipliers(layer, choice) or is_dynamic_recurrent or not _has_axis(layer):
        return _restore(tally, layer, choice, _integer_matrix(tally, layer, choice))
    name = _codes(tally, layer, choice, layer.weight_shape)
    if choice.weights.bits < 8:
        name = tally.folded("Cast", (name,), "c", CAST)
    if choice.weights.symmetric:
        return name
    zero_point = _zero_points(tally, layer, choice, _per_channel_shape(layer, choice))
    return tally.folded("Sub", (name, zero_point), "u")


def _float_weight(tally: Tally, layer: LayerSummary, choice: LayerPlan) -> int:
    """As `engine.conversion.emission.emit_float_weight`."""
    is_direct = _grouping(layer, choice)[0] == 1 and _has_axis(layer)
    if is_direct:
        shape = _per_channel_shape(layer, choice)
        codes = _codes(tally, layer, choice, layer.weight_shape)
    else:
        shape = _per_group_shape(layer, choice)
        codes = _matrix_codes(tally, layer, choice)
    name = tally.folded("Cast", (codes,), "c", CAST)
    if has_multipliers(layer, choice):
        stored = tally.constant("m", shape, scale_count(layer, choice))
        scale = tally.folded("Cast", (stored,), "p", CAST)
    else:
        scale = _scales(tally, layer, choice, "s", shape)
    scale = scale if is_direct else _spread(tally, layer, choice, scale, "s")
    if not choice.weights.symmetric:
        zero_point = _zero_points(tally, layer, choice, shape)
        zero_point = zero_point if is_direct else _spread(tally, layer, choice, zero_point, "z")
        name = tally.folded("Sub", (name, zero_point), "u")
    name = tally.folded("Mul", (name, scale), "v")
    if has_multipliers(layer, choice):
        per_channel = (layer.channels, *(1,) * (1 if _is_spread(layer, choice) else 2))
        name = tally.folded("Mul", (name, _scales(tally, layer, choice, "k", per_channel)), "l")
    return name if is_direct else _restore(tally, layer, choice, name)


def _operator_scales(tally: Tally, layer: LayerSummary, choice: LayerPlan) -> tuple[int, tuple[int, ...]]:
    """Scales of the int8 weight, and their shape: [channels], or of one number."""
    is_one = layer.channels == 1 or isinstance(choice.weights.granularity, PerTensor)
    shape = () if is_one else (layer.channels,)
    return _scales(tally, layer, choice, "s", shape), shape


def _qlinear(tally: Tally, layer: LayerSummary, choice: LayerPlan) -> None:
    scale, shape = _operator_scales(tally, layer, choice)
    inputs = [_integer_weight(tally, layer, choice), scale]
    if layer.op != "Conv":
        inputs.append(tally.constant("zp", shape, layer.channels if shape else 1))
    axis = AXIS if shape else 0
    tally.add(tally.folded("DequantizeLinear", tuple(inputs), "d", axis))
    if layer.bias_elements:
        product = tally.folded("Mul", (scale, INPUT_SCALE), "bs")
        codes = tally.constant("b", (layer.bias_elements,), _bias_payload(layer))
        tally.add(tally.folded("DequantizeLinear", (codes, product), "bd", axis))


def _take_over(tally: Tally, layer: LayerSummary, result: int) -> None:
    """The value named with `result` letters, which was counted, takes the place of the layer's nodes."""
    tally.add(-layer.operator_bytes)
    if layer.output_reads:
        tally.add(layer.output_reads * result)
    else:  # it takes the name of the graph's output
        tally.add(len(layer.output_name) - result)


def _dynamic(tally: Tally, layer: LayerSummary, choice: LayerPlan) -> None:
    codes, first, second = (tally.prefix + length for length in (1, 2, 2))
    if Common.INPUT in layer.common:
        tally.add(node_bytes("DynamicQuantizeLinear", (len(layer.input_name),), (codes, first, second), codes))
    weight = _integer_weight(tally, layer, choice)
    tally.add(node_bytes("MatMulInteger", (codes, weight, second), (codes,), len(layer.name)))
    wide = tally.node("Cast", (codes,), "f", CAST)
    scale, _ = _operator_scales(tally, layer, choice)
    name = tally.node("Mul", (wide, tally.node("Mul", (first, scale), "k")), "y")
    if layer.bias_elements:
        bias = tally.constant("b", (layer.bias_elements,), _bias_payload(layer))
        name = tally.node("Add", (name, bias), "a")
    _take_over(tally, layer, name)


def _recurrent(tally: Tally, layer: LayerSummary, choice: LayerPlan) -> None:
    """One of the two weights of a DynamicQuantizeLSTM."""
    tally.add(DOMAIN_BYTES if Common.DOMAIN in layer.common else 0)
    directions, rows, _ = layer.weight_shape
    shape = (directions,) if isinstance(choice.weights.granularity, PerTensor) else (directions, rows)
    scale = _scales(tally, layer, choice, "s", shape)
    name = _integer_weight(tally, layer, choice)
    zero_point = tally.constant("zp", shape, prod(shape))
    tally.add(-layer.operator_bytes)
    tally.add(name + field(scale) + field(zero_point) + (MICROSOFT_DOMAIN_BYTES + len("DynamicQuantize")) // 2)


def _nbits(tally: Tally, layer: LayerSummary, choice: LayerPlan) -> None:
    blocks, size = _grouping(layer, choice)
    blob, bits = packed_bytes(size, choice.weights.bits), choice.weights.bits
    inputs = [
        len(layer.input_name),
        tally.constant("w", (layer.channels, blocks, blob), layer.channels * blocks * blob),
        tally.constant("s", (layer.channels * blocks,), layer.float_bits // 8 * layer.channels * blocks),
    ]
    if not choice.weights.symmetric:
        row = packed_bytes(blocks, bits)
        inputs.append(tally.constant("z", (layer.channels, row), layer.channels * row))
    if layer.bias_elements:
        inputs += [0] * (5 - len(inputs))
        inputs.append(tally.constant("b", (layer.bias_elements,), _bias_payload(layer)))
    attributes = integer_attribute("K", layer.inputs_per_channel) + integer_attribute("N", layer.channels)
    attributes += sum(map(integer_attribute, NBITS_ATTRIBUTES)) + varint(size) - 1 + MICROSOFT_DOMAIN_BYTES
    tally.add(DOMAIN_BYTES if Common.DOMAIN in layer.common else 0)
    result = tally.prefix + 1
    tally.add(node_bytes("MatMulNBits", tuple(inputs), (result,), len(layer.name), attributes))
    _take_over(tally, layer, result)


def _gather(tally: Tally, layer: LayerSummary, choice: LayerPlan) -> None:
    indices, rows = len(layer.input_name), tally.prefix + 1
    table = _integer_weight(tally, layer, choice)
    tally.add(node_bytes("Gather", (table, indices), (rows,), len(layer.name)))
    wide = tally.node("Cast", (rows,), "f", CAST)
    is_one = layer.channels == 1 or isinstance(choice.weights.granularity, PerTensor)
    shape = () if is_one else (layer.channels, 1)
    if layer.float_bits == 16:
        scale = tally.constant("s", shape, 2 * layer.channels)
    else:
        scale = _scales(tally, layer, choice, "s", shape)
    scale = scale if is_one else tally.node("Gather", (scale, indices), "k")
    _take_over(tally, layer, tally.node("Mul", (wide, scale), "y"))
