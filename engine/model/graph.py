"""Small questions and edits on an `onnx_ir` graph that several modules share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

PLAIN_DTYPES = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.INT64, ir.DataType.INT32)
MAPPED_BYTES = 1 << 20


def constant(value: ir.Value | None) -> npt.NDArray[Any] | None:
    """The array of an initializer; None if the value is computed, fed or absent.

    Large external data is mapped anew at every call, read-only, and the mapping goes when the array goes: a
    mapping that stays would keep its pages resident, and reading into fresh memory takes six times as long.
    """
    if value is None or value.const_value is None or not value.is_initializer():
        return None
    tensor = value.const_value
    if isinstance(tensor, ir.ExternalTensor) and tensor.dtype in PLAIN_DTYPES:
        dtype = np.dtype(tensor.dtype.numpy()).newbyteorder("<")
        shape, offset = tensor.shape.numpy(), tensor.offset or 0
        if tensor.nbytes >= MAPPED_BYTES:
            return np.asarray(np.memmap(tensor.path, dtype, "r", offset, shape))
        return np.fromfile(tensor.path, dtype, count=tensor.size, offset=offset).reshape(shape)
    return tensor.numpy()


def is_constant(value: ir.Value | None) -> bool:
    """Whether the value is an initializer, without touching its data."""
    return value is not None and value.is_initializer() and value.const_value is not None


def add_initializer(graph: ir.Graph, name: str, tensor: ir.TensorProtocol | npt.NDArray[Any]) -> ir.Value:
    """Register a constant under a name that must be new."""
    if isinstance(tensor, np.ndarray):
        tensor = ir.Tensor(np.require(tensor, requirements="C"), name=name)
    value = ir.Value(name=name, const_value=tensor)
    graph.register_initializer(value)
    return value


def fresh_name(graph: ir.Graph, name: str) -> str:
    """`name`, or a variant of it that no initializer of the graph has."""
    while name in graph.initializers:
        name += "_"
    return name


def replace_and_remove(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    """Let `value` take the place of the node's first output, name included if that is a graph output.

    Args:
        graph: the one that holds `node` and will hold the reader of `value`, such as the body of an If.
    """
    old = node.outputs[0]
    if old.is_graph_output():
        value.name, old.name = old.name, f"{old.name}_replaced"
        value.shape, value.type = old.shape, old.type
    ir.convenience.replace_all_uses_with(old, value, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def remove_unused_initializers(graph: ir.Graph) -> None:
    """Drop constants that no node reads any more."""
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]


def sole_consumer(value: ir.Value) -> ir.Node | None:
    """The one node that reads the value; None if there are more, or it is a graph output."""
    uses = value.uses()
    if len(uses) != 1 or value.is_graph_output():
        return None
    return next(iter(uses)).node


def attribute_int(node: ir.Node, name: str, default: int) -> int:
    """An integer attribute."""
    attribute = node.attributes.get(name)
    return default if attribute is None else int(attribute.as_int())


def attribute_float(node: ir.Node, name: str, default: float) -> float:
    """A float attribute."""
    attribute = node.attributes.get(name)
    return default if attribute is None else float(attribute.as_float())


def attribute_ints(node: ir.Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """A list of integers."""
    attribute = node.attributes.get(name)
    return default if attribute is None else tuple(int(item) for item in attribute.as_ints())


def attribute_string(node: ir.Node, name: str, default: str) -> str:
    """A string attribute."""
    attribute = node.attributes.get(name)
    return default if attribute is None else str(attribute.as_string())


def bodies_of(node: ir.Node) -> Iterator[tuple[str, ir.Graph]]:
    """The graphs that an If, Loop or Scan carries, with their attribute's name."""
    for name, attribute in node.attributes.items():
        if attribute.type == ir.AttributeType.GRAPH:
            yield name, attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            for graph in attribute.as_graphs():
                yield name, graph


def has_subgraphs(graph: ir.Graph) -> bool:
    """Whether any node carries a body of its own (If, Loop, Scan)."""
    return any(True for node in graph for _ in bodies_of(node))


# Operators whose output has as many dimensions as their first input.
_RANK_KEEPING_OPS = frozenset(
    {"Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "Gelu", "Softmax", "Dropout", "BatchNormalization",
     "LayerNormalization", "Identity", "Cast", "Transpose", "Slice", "Concat", "Neg", "Abs", "Sqrt", "Exp", "Erf"}
)  # fmt: skip


def rank_of(value: ir.Value | None) -> int | None:
    """How many dimensions a value has, from declared shapes and the operators before it; None if not known."""
    while value is not None:
        if value.shape is not None:
            return len(value.shape)
        node = value.producer()
        if node is None or node.domain not in ("", "ai.onnx"):
            return None
        if node.op_type in ("Gemm", "Flatten"):
            return 2
        if node.op_type == "Reshape":
            target = constant(node.inputs[1])
            return None if target is None else int(target.size)
        if not _keeps_rank(node):
            return None
        value = node.inputs[0]
    return None


def _keeps_rank(node: ir.Node) -> bool:
    """Whether the output has as many dimensions as the first input."""
    second = node.inputs[1] if len(node.inputs) > 1 else None
    rank = len(second.const_value.shape) if second is not None and second.const_value is not None else None
    if node.op_type == "MatMul":
        return rank == 2
    if node.op_type in ("Add", "Sub", "Mul", "Div"):
        return rank is not None and rank <= 1
    return node.op_type in _RANK_KEEPING_OPS
