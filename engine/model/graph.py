"""Small questions and edits on an `onnx_ir` graph that several modules share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

PLAIN_DTYPES = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.INT64, ir.DataType.INT32)


def constant(value: ir.Value | None) -> npt.NDArray[Any] | None:
    """The array of an initializer; None if the value is computed, fed or absent.

    External data is read into memory of its own, which goes when the array goes: pages of a mapping
    would stay resident, and a model larger than RAM is read tensor by tensor.
    """
    if value is None or value.const_value is None or not value.is_initializer():
        return None
    tensor = value.const_value
    if isinstance(tensor, ir.ExternalTensor) and tensor.dtype in PLAIN_DTYPES:
        dtype = np.dtype(tensor.dtype.numpy()).newbyteorder("<")
        flat = np.fromfile(tensor.path, dtype, count=tensor.size, offset=tensor.offset or 0)
        return flat.reshape(tensor.shape.numpy())
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


def has_subgraphs(graph: ir.Graph) -> bool:
    """Whether any node carries a body of its own (If, Loop, Scan)."""
    return any(
        attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
        for node in graph
        for attribute in node.attributes.values()
    )
