"""Insertion of QuantizeLinear/DequantizeLinear pairs on activations, where the placement wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from engine.calibration.calibration import Calibration
from engine.model.graph import add_initializer, attribute_int, constant, is_constant
from engine.model.layers import Layer
from engine.numerics.affine import TensorQuantization
from engine.numerics.schemes import ActivationRange, ActivationType
from engine.placement import SELF_QUANTIZED_OPS, Placement

# Scale and zero point, as they stand in the graph.
Parameters = tuple[ir.Value, ir.Value]


def choose_quantization(
    placement: Placement, calibration: Calibration, activation_range: ActivationRange
) -> dict[str, TensorQuantization]:
    """The grid of every quantized tensor, where the plan sets a range by hand that one."""
    by_source = {
        source: calibration.quantization(source, replace(activation_range, fixed=placement.fixed_ranges.get(source)))
        for source in set(placement.range_source.values())
    }
    return {tensor: by_source[source] for tensor, source in placement.range_source.items()}


@dataclass(frozen=True)
class FloatReader:
    """A layer that computes in float and may read a dequantized tensor.

    ONNX Runtime 1.31 quantizes the weight of a float Conv, ConvTranspose or Gemm between integer layers by
    itself, per tensor (its WeightBiasQuantization), unless the DequantizeLinear before it has scales per axis.

    Attributes:
        axis, channels: of its input, the axis that the weight multiplies, and its size.
    """

    axis: int
    channels: int

    @classmethod
    def of(cls, layer: Layer) -> FloatReader | None:
        """None for operators that are left alone, and in bodies, whose inputs are not dequantized."""
        if layer.op not in SELF_QUANTIZED_OPS or layer.body_owner is not None:
            return None
        if layer.op == "Gemm":
            return cls(1 - attribute_int(layer.node, "transA", 0), layer.layout.inputs)
        shape = layer.layout.weight_shape
        return cls(1, shape[0] if layer.op == "ConvTranspose" else shape[1] * layer.group)


def add_parameters(
    graph: ir.Graph, placement: Placement, grids: Mapping[str, TensorQuantization], stored: ActivationType
) -> dict[str, Parameters]:
    """Scale and zero point of every quantized tensor, by its name; tensors with one range share them."""
    by_source: dict[str, Parameters] = {}
    for index, (_, source) in enumerate(sorted(placement.range_source.items())):
        if source not in by_source:
            grid = grids[source]
            by_source[source] = (
                add_initializer(graph, f"a{index}.s", np.asarray(grid.scale, np.float32)),
                add_initializer(graph, f"a{index}.z", grid.stored_zero_point(stored)),
            )
    return {tensor: by_source[source] for tensor, source in placement.range_source.items()}


def insert_pairs(
    graph: ir.Graph,
    placement: Placement,
    grids: Mapping[str, TensorQuantization],
    parameters: Mapping[str, Parameters],
    float_readers: Mapping[str, FloatReader],
) -> None:
    """Put a pair behind every quantized tensor and connect its readers; `float_readers` by node name."""
    values = {str(value.name): value for value in graph.inputs}
    values |= {str(value.name): value for node in graph for value in node.outputs if value.name}
    for index, (tensor, source) in enumerate(sorted(placement.range_source.items())):
        readers = None if tensor in placement.integer_producers else placement.readers.get(tensor, frozenset())
        pair = _insert_pair(graph, values[tensor], parameters[tensor], readers, f"a{index}.")
        _spare_float_readers(graph, pair, grids[source], float_readers)
    for node in list(graph):
        if node.op_type == "Min":
            _bound_codes(graph, node)


def _bound_codes(graph: ir.Graph, node: ir.Node) -> None:
    """Let a Min with a constant between equal grids compare codes, which gives the same: rounding keeps order."""
    if len(node.inputs) != 2 or len(node.outputs[0].uses()) != 1 or not is_constant(node.inputs[1]):
        return
    dequantize = node.inputs[0].producer() if node.inputs[0] is not None else None
    quantize = next(iter(node.outputs[0].uses())).node
    if dequantize is None or (dequantize.op_type, quantize.op_type) != ("DequantizeLinear", "QuantizeLinear"):
        return
    grid = list(quantize.inputs[1:])
    if list(dequantize.inputs[1:]) != grid:
        return
    bound = ir.node("QuantizeLinear", [node.inputs[1], *grid], outputs=[ir.Value(name=f"{quantize.name}b")],
                    name=f"{quantize.name}b")  # fmt: skip
    least = ir.node("Min", [dequantize.inputs[0], bound.outputs[0]], outputs=[ir.Value(name=f"{quantize.name}m")],
                    name=node.name)  # fmt: skip
    graph.insert_before(node, [bound, least])
    ir.convenience.replace_all_uses_with(quantize.outputs[0], least.outputs[0])
    graph.remove([quantize, node], safe=True)


def _spare_float_readers(
    graph: ir.Graph, pair: ir.Node, grid: TensorQuantization, float_readers: Mapping[str, FloatReader]
) -> None:
    """Give float layers a DequantizeLinear of their own that computes the same from scales per axis."""
    made: dict[FloatReader, ir.Value] = {}
    stored_zero_point = constant(pair.inputs[2])
    assert stored_zero_point is not None
    for use in tuple(pair.outputs[0].uses()):
        reader = float_readers.get(str(use.node.name)) if use.idx == 0 else None
        if reader is None:
            continue
        if reader not in made:
            prefix = f"{pair.name}{len(made)}"
            scale = np.full(reader.channels, grid.scale, np.float32)
            zero_point = np.full(reader.channels, stored_zero_point, stored_zero_point.dtype)
            node = ir.node(
                "DequantizeLinear",
                [
                    pair.inputs[0],
                    add_initializer(graph, f"{prefix}.s", scale),
                    add_initializer(graph, f"{prefix}.z", zero_point),
                ],
                {"axis": reader.axis},
                outputs=[ir.Value(name=prefix)],
                name=prefix,
            )
            graph.insert_after(pair, node)
            made[reader] = node.outputs[0]
        use.node.replace_input_with(0, made[reader])


def _insert_pair(
    graph: ir.Graph,
    value: ir.Value,
    parameters: Parameters,
    readers: frozenset[str] | None,
    prefix: str,
) -> ir.Node:
    """The DequantizeLinear; `readers` None connects everything that read the value, the graph output included."""
    uses = [(use.node, use.idx) for use in value.uses() if readers is None or use.node.name in readers]
    quantize = ir.node("QuantizeLinear", [value, *parameters], outputs=[ir.Value(name=f"{prefix}q")], name=f"{prefix}q")
    dequantize = ir.node(
        "DequantizeLinear",
        [quantize.outputs[0], *parameters],
        outputs=[ir.Value(name=f"{prefix}d")],
        name=f"{prefix}d",
    )
    producer = value.producer()
    if producer is None:
        graph.insert_before(graph[0], [quantize, dequantize])
    else:
        graph.insert_after(producer, [quantize, dequantize])
    for node, position in uses:
        node.replace_input_with(position, dequantize.outputs[0])
    if readers is None and value.is_graph_output():
        _take_over_output(graph, value, dequantize.outputs[0])
    return dequantize


def _take_over_output(graph: ir.Graph, value: ir.Value, result: ir.Value) -> None:
    """Let `result` be the graph output under the old name."""
    name = value.name
    position = next(i for i, output in enumerate(graph.outputs) if output is value)
    value.name = f"{result.name}.f"
    result.name, result.shape, result.type = name, value.shape, value.type
    graph.outputs[position] = result
