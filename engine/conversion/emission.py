"""Nodes and constants that conversion adds, under short systematic names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.model.graph import add_initializer
from engine.model.layout import WeightLayout
from engine.numerics.packing import pack
from engine.numerics.weights import UINT4_MAX, QuantizedWeight
from engine.stored_weights import PACKED_MULTIPLIERS

FOLDED = "folded"
PACKED_DTYPES = {4: ir.DataType.INT4, 2: ir.DataType.INT2}


class Emitter:
    """Adds constants to a graph, and nodes before `anchor`, all named `prefix` + tag.

    The anchor may be in a body (If, Loop, Scan) of the graph; bodies see the graph's constants. `common` holds
    what `shared` has made, for the whole graph.
    """

    def __init__(self, graph: ir.Graph, prefix: str, anchor: ir.Node, common: dict[bytes, ir.Value]) -> None:
        self.graph = graph
        self._common = common
        self._prefix = prefix
        self._anchor = anchor

    def at(self, anchor: ir.Node) -> Emitter:
        """An emitter of the same names that puts its nodes elsewhere."""
        return Emitter(self.graph, self._prefix, anchor, self._common)

    def constant(self, tag: str, tensor: ir.TensorProtocol | npt.NDArray[Any]) -> ir.Value:
        """A new initializer."""
        return add_initializer(self.graph, f"{self._prefix}{tag}", tensor)

    def shared(self, tag: str, values: npt.NDArray[Any]) -> ir.Value:
        """A small constant that all layers share: one that is folded away at load, and tells nothing of the layer."""
        key = f"{values.dtype}{values.shape}".encode() + values.tobytes()
        if key not in self._common:
            self._common[key] = self.constant(tag, values)
        return self._common[key]

    def packed(self, tag: str, codes: npt.NDArray[np.int8], bits: int, dtype: ir.DataType | None = None) -> ir.Value:
        """Integer codes: INT8, or packed INT4 / INT2, unless `dtype` is another, of the same shape."""
        if bits == 8:
            return self.constant(tag, codes)
        name = f"{self._prefix}{tag}"
        tensor = ir.PackedTensor(pack(codes, bits), dtype or PACKED_DTYPES[bits], shape=codes.shape, name=name)
        return self.constant(tag, tensor)

    def node(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        tag: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        domain: str = "",
        outputs: int = 1,
        name: str | None = None,
    ) -> ir.Node:
        """A new node; its outputs are named after the tag, and it too if it is not folded away at load."""
        is_folded = all(value is None or _is_folded(value) for value in inputs)
        suffixes = [""] + [str(index) for index in range(1, outputs)]
        values = [ir.Value(name=f"{self._prefix}{tag}{suffix}") for suffix in suffixes]
        for value in values:
            value.meta[FOLDED] = is_folded
        name = name or ("" if is_folded else f"{self._prefix}{tag}")
        made = ir.node(op, inputs, attributes or {}, domain=domain, outputs=values, name=name)
        assert isinstance(self._anchor.graph, ir.Graph)
        self._anchor.graph.insert_before(self._anchor, made)
        return made

    def apply(
        self, op: str, inputs: Sequence[ir.Value | None], tag: str, attributes: Mapping[str, Any] | None = None
    ) -> ir.Value:
        """The first output of a new node."""
        return self.node(op, inputs, tag, attributes).outputs[0]


def _is_folded(value: ir.Value) -> bool:
    """Whether ONNX Runtime computes it when it loads the model: a constant, or made of constants."""
    return value.const_value is not None or bool(value.meta.get(FOLDED))


def emit_integer_weight(emit: Emitter, weight: QuantizedWeight, layout: WeightLayout) -> ir.Value:
    """The int8 weight with zero point 0, in the operator's layout, from packed storage.

    ONNX Runtime folds the chain (Cast, Sub, Mul, Reshape, Transpose on constants) when it loads the model.
    """
    if weight.multiplier is None and layout.axis is not None:
        codes = emit.packed("w", layout.from_matrix(weight.codes), weight.bits)
        value = codes if weight.bits == 8 else _cast(emit, codes, ir.DataType.INT8, "c")
        if weight.zero_point is None:
            return value
        zero_point = emit.packed("z", _per_channel(weight.zero_point, layout), weight.bits)
        return emit.apply("Sub", [value, _cast(emit, zero_point, ir.DataType.INT8, "j")], "u")
    return emit_restore(emit, emit_integer_matrix(emit, weight), layout)


def emit_integer_matrix(emit: Emitter, weight: QuantizedWeight) -> ir.Value:
    """The same before it is brought to a layout: [channels, groups, group_size] or [channels, inputs]."""
    value = _emit_matrix_codes(emit, weight, ir.DataType.INT8)
    if weight.zero_point is not None:
        value = emit.apply("Sub", [value, _emit_zero_point(emit, weight, ir.DataType.INT8)], "u")
    if weight.multiplier is not None:
        multiplier = _emit_per_group(
            emit, weight, _emit_multiplier(emit, weight.multiplier[..., None], weight.bits), "m"
        )
        value = emit.apply("Mul", [value, multiplier], "v")
    return value


def _emit_multiplier(emit: Emitter, multiplier: npt.NDArray[np.int8], bits: int) -> ir.Value:
    """int8 multipliers of groups; beside 4-bit codes, where they fit, they are stored in 4 bits, too."""
    if bits != 4 or multiplier.max() > UINT4_MAX or multiplier.size < PACKED_MULTIPLIERS:
        return emit.constant("m", multiplier)
    return _cast(emit, emit.packed("m", multiplier, 4, ir.DataType.UINT4), ir.DataType.INT8, "p")


def emit_scales(emit: Emitter, weight: QuantizedWeight, scales: npt.NDArray[np.float32], tag: str) -> ir.Value:
    """Scales of the weight, in whatever shape, as float32; stored in two bytes each where they were chosen so."""
    if not weight.has_half_scales:
        return emit.constant(tag, scales)
    return _cast(emit, emit.constant(tag, scales.astype(np.float16)), ir.DataType.FLOAT, f"{tag}f")


def emit_float_weight(emit: Emitter, weight: QuantizedWeight, layout: WeightLayout) -> ir.Value:
    """The float32 weight in the operator's layout, from packed storage; folded at load, so it costs no time."""
    is_direct = weight.groups == 1 and layout.axis is not None
    if is_direct:
        codes = emit.packed("w", layout.from_matrix(weight.codes), weight.bits)
        value = _cast(emit, codes, ir.DataType.FLOAT, "c")
    else:
        value = _emit_matrix_codes(emit, weight, ir.DataType.FLOAT)

    if is_direct:
        scale = emit_scales(emit, weight, _per_channel(weight.scale, layout), "s")
    else:
        scale = _emit_per_group(emit, weight, _emit_group_factors(emit, weight), "s")
    if weight.zero_point is not None:
        if is_direct:
            packed = emit.packed("z", _per_channel(weight.zero_point, layout), weight.bits)
            zero_point = _cast(emit, packed, ir.DataType.FLOAT, "j")
        else:
            zero_point = _emit_zero_point(emit, weight, ir.DataType.FLOAT)
        value = emit.apply("Sub", [value, zero_point], "u")
    value = emit.apply("Mul", [value, scale], "v")
    if weight.channel_scale is not None:
        per_channel = weight.channel_scale.reshape(-1, *(1,) * (1 if weight.codes.shape[1] % weight.group_size else 2))
        value = emit.apply("Mul", [value, emit_scales(emit, weight, per_channel, "k")], "l")
    return value if is_direct else emit_restore(emit, value, layout)


def _emit_group_factors(emit: Emitter, weight: QuantizedWeight) -> ir.Value:
    """Float scales, or the multipliers as floats: [channels, groups, 1]."""
    if weight.multiplier is None:
        return emit_scales(emit, weight, weight.scale[..., None], "s")
    return _cast(emit, emit.constant("m", weight.multiplier[..., None]), ir.DataType.FLOAT, "p")


def _cast(emit: Emitter, value: ir.Value, dtype: ir.DataType, tag: str) -> ir.Value:
    return emit.apply("Cast", [value], tag, {"to": dtype})


def _emit_zero_point(emit: Emitter, weight: QuantizedWeight, dtype: ir.DataType) -> ir.Value:
    assert weight.zero_point is not None
    packed = emit.packed("z", weight.zero_point[..., None], weight.bits)
    return _emit_per_group(emit, weight, _cast(emit, packed, dtype, "j"), "z")


def _per_channel(per_group: npt.NDArray[Any], layout: WeightLayout) -> npt.NDArray[Any]:
    """[channels, 1] or [1, 1], shaped to broadcast over the stored weight."""
    return per_group.reshape(()) if per_group.size == 1 else per_group.reshape(layout.scale_shape())


def _emit_matrix_codes(emit: Emitter, weight: QuantizedWeight, dtype: ir.DataType) -> ir.Value:
    """Codes as [channels, groups, group_size], or [channels, inputs] if the groups do not divide."""
    codes = weight.codes
    if codes.shape[1] % weight.group_size == 0:
        codes = codes.reshape(len(codes), -1, weight.group_size)
    stored = emit.packed("w", codes, weight.bits)
    if weight.bits == 8 and dtype == ir.DataType.INT8:
        return stored
    return _cast(emit, stored, dtype, "c")


def _emit_per_group(emit: Emitter, weight: QuantizedWeight, value: ir.Value, tag: str) -> ir.Value:
    """One value per group, [channels, groups, 1], shaped to broadcast over the codes."""
    channels, inputs = weight.codes.shape
    if inputs % weight.group_size == 0:
        return value
    full = weight.groups * weight.group_size
    spread = np.array([1, 1, weight.group_size], np.int64)
    value = emit.apply("Expand", [value, emit.shared(f"{tag}e", spread)], f"{tag}d")
    value = emit.apply("Reshape", [value, _emit_shape(emit, f"{tag}r", channels, (channels, full))], f"{tag}g")
    bounds = [emit.shared(f"{tag}{i}", np.array([number], np.int64)) for i, number in enumerate((0, inputs, 1))]
    return emit.apply("Slice", [value, *bounds], f"{tag}h")


def emit_restore(emit: Emitter, value: ir.Value, layout: WeightLayout) -> ir.Value:
    """From the matrix back to the operator's layout."""
    if layout.is_identity:
        return emit.apply("Reshape", [value, _emit_shape(emit, "r", layout.channels, layout.weight_shape)], "x")
    value = emit.apply("Reshape", [value, _emit_shape(emit, "r", layout.channels, layout.permuted_shape)], "x")
    value = emit.apply("Transpose", [value], "t", {"perm": layout.inverse_permutation})
    if layout.split_shape == layout.weight_shape:
        return value
    return emit.apply("Reshape", [value, emit.constant("o", np.array(layout.weight_shape, np.int64))], "n")


def _emit_shape(emit: Emitter, tag: str, channels: int, shape: tuple[int, ...]) -> ir.Value:
    """A shape for what has the channels first: written in a way that most layers have in common."""
    if len(shape) > 1 and shape[0] == channels:
        shape = (0, -1, *shape[2:])
    return emit.shared(tag, np.array(shape, np.int64))
