"""What the optimised graph of a result says: which nodes are left that an integer kernel would not need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import onnx

from engine.bottlenecks.report import LAYOUT_OPS, WEIGHTED_OPS
from engine.conversion.optimized import INTEGER_OPS, layer_index
from engine.latency.timing import NodeTime

# Between a stored constant and the operator that reads it.
_CARRIERS = frozenset({"Transpose", "Reshape", "Cast", "ReorderInput", "Unsqueeze", "Squeeze", "Identity"})
_INTEGERS = frozenset(
    {
        onnx.TensorProto.INT8, onnx.TensorProto.UINT8, onnx.TensorProto.INT4, onnx.TensorProto.UINT4,
        onnx.TensorProto.INT2, onnx.TensorProto.UINT2,
    }
)  # fmt: skip
FLOAT_OPS = WEIGHTED_OPS - INTEGER_OPS - {"ConvInteger"}


@dataclass
class GraphFacts:
    """Nodes of one optimised graph, with their times.

    Attributes:
        dequantizing: float operators whose weight is dequantized in every call, each with its DequantizeLinear.
        pairs: QuantizeLinear and DequantizeLinear of activations between operators; what stands at an input
            or an output of the model is left out, because it has to be there.
        dynamic: what measures a tensor's range while the model runs.
        layouts: nodes that only change the layout.
    """

    dequantizing: list[tuple[NodeTime, NodeTime]] = field(default_factory=list)
    pairs: list[NodeTime] = field(default_factory=list)
    dynamic: list[NodeTime] = field(default_factory=list)
    layouts: list[NodeTime] = field(default_factory=list)

    @classmethod
    def read(cls, graph: onnx.GraphProto, times: Iterable[NodeTime]) -> GraphFacts:
        """Sort the timed nodes of `graph`."""
        facts = cls()
        by_output = {name: item for item in times for name in item.node.output}
        constants = {tensor.name for tensor in graph.initializer}
        edges = {value.name for value in (*graph.input, *graph.output)}
        timed = {id(item.node): item for item in by_output.values()}
        of_weights: set[int] = set()
        for item in timed.values():
            op = item.node.op_type
            found = _find_dequantize(item, by_output, constants) if op in FLOAT_OPS else None
            if found is not None:
                facts.dequantizing.append((item, found))
                of_weights.add(id(found.node))
        for item in timed.values():
            node = item.node
            if node.op_type in ("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"):
                facts.dynamic.append(item)
            elif node.op_type in LAYOUT_OPS:
                facts.layouts.append(item)
            elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                is_constant = node.input[0] in constants or id(node) in of_weights
                is_edge = not edges.isdisjoint((node.input[0], node.output[0]))
                if not is_constant and not is_edge:
                    facts.pairs.append(item)
        return facts


def _find_dequantize(item: NodeTime, by_output: dict[str, NodeTime], constants: set[str]) -> NodeTime | None:
    """The DequantizeLinear of a constant that a weight comes from; None for other weights."""
    for name in item.node.input[1:]:
        producer = by_output.get(name)
        while producer is not None and producer.node.op_type in _CARRIERS:
            producer = by_output.get(producer.node.input[0])
        if producer is not None and producer.node.op_type == "DequantizeLinear" and producer.node.input[0] in constants:
            return producer
    return None


def find_integer_layers(written: onnx.GraphProto) -> frozenset[int]:
    """Layers whose weight a file of Bitsmith stores as integers, by index; none in files of others."""
    found = {layer_index(tensor.name) for tensor in written.initializer if tensor.data_type in _INTEGERS}
    return frozenset(index for index in found if index is not None)
