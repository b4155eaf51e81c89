"""Insertion of QuantizeLinear/DequantizeLinear pairs on activations, where the placement wants them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from engine.calibration.calibration import Calibration
from engine.model.graph import add_initializer
from engine.numerics.affine import TensorQuantization
from engine.numerics.schemes import ActivationRange
from engine.placement import Placement


def choose_quantization(
    placement: Placement, calibration: Calibration, activation_range: ActivationRange
) -> dict[str, TensorQuantization]:
    """The grid of every quantized tensor."""
    by_source = {
        source: calibration.quantization(source, activation_range) for source in set(placement.range_source.values())
    }
    return {tensor: by_source[source] for tensor, source in placement.range_source.items()}


def insert_pairs(graph: ir.Graph, placement: Placement, grids: dict[str, TensorQuantization]) -> None:
    """Put a pair behind every quantized tensor and connect its readers."""
    values = {str(value.name): value for value in graph.inputs}
    values |= {str(value.name): value for node in graph for value in node.outputs if value.name}
    parameters: dict[str, tuple[ir.Value, ir.Value]] = {}
    for index, (tensor, source) in enumerate(sorted(placement.range_source.items())):
        if source not in parameters:
            grid = grids[source]
            parameters[source] = (
                add_initializer(graph, f"a{index}.s", np.asarray(grid.scale, np.float32)),
                add_initializer(graph, f"a{index}.z", np.asarray(grid.zero_point, np.uint8)),
            )
        readers = None if tensor in placement.integer_producers else placement.readers.get(tensor, frozenset())
        _insert_pair(graph, values[tensor], parameters[source], readers, f"a{index}.")


def _insert_pair(
    graph: ir.Graph,
    value: ir.Value,
    parameters: tuple[ir.Value, ir.Value],
    readers: frozenset[str] | None,
    prefix: str,
) -> None:
    """`readers` None connects everything that read the value, the graph output included."""
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


def _take_over_output(graph: ir.Graph, value: ir.Value, result: ir.Value) -> None:
    """Let `result` be the graph output under the old name."""
    name = value.name
    position = next(i for i, output in enumerate(graph.outputs) if output is value)
    value.name = f"{result.name}.f"
    result.name, result.shape, result.type = name, value.shape, value.type
    graph.outputs[position] = result
