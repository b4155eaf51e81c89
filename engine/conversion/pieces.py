"""A large written model as consecutive pieces, each with so few weights that it can be loaded in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import external_data_helper, helper

from engine.summary import TensorSpec

Values = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Piece:
    """Consecutive nodes of the main graph.

    Attributes:
        inputs: names that other pieces or the caller provide.
        outputs: names that later pieces read, or that the model returns.
        weights: names of the initializers that the nodes read.
    """

    nodes: tuple[onnx.NodeProto, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: frozenset[str]

    def build(self, model: onnx.ModelProto, values: Values) -> bytes:
        """A serialised model of its own, whose weights stay where they are; types are those of `values`."""
        types = {item.name: item for item in model.graph.output}
        graph = onnx.GraphProto(name=model.graph.name)
        graph.node.extend(self.nodes)
        graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in self.weights)
        for name in self.inputs:
            dtype = helper.np_dtype_to_tensor_dtype(values[name].dtype)
            graph.input.append(helper.make_tensor_value_info(name, dtype, None))
        graph.output.extend(types.get(name, onnx.ValueInfoProto(name=name)) for name in self.outputs)
        piece = onnx.ModelProto(ir_version=model.ir_version, graph=graph)
        piece.opset_import.extend(model.opset_import)
        piece.functions.extend(model.functions)
        return bytes(piece.SerializeToString())


def split_model(model: onnx.ModelProto, piece_bytes: int) -> list[Piece]:
    """Pieces in the order in which they run, of at most `piece_bytes` of weights or of one node.

    Args:
        model: without its external data.
    """
    sizes = {tensor.name: _stored_bytes(tensor) for tensor in model.graph.initializer}
    groups: list[list[onnx.NodeProto]] = [[]]
    weights: set[str] = set()
    for node in model.graph.node:
        own = sizes.keys() & _names_read(node)
        if groups[-1] and sum(sizes[name] for name in weights | own) > piece_bytes:
            groups.append([])
            weights = set()
        groups[-1].append(node)
        weights |= own
    return list(_connect(groups, model, frozenset(sizes)))


def input_specs(model: onnx.ModelProto) -> tuple[TensorSpec, ...]:
    """What the caller of the whole model provides."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return tuple(_spec(item) for item in model.graph.input if item.name not in constants)


def _spec(item: onnx.ValueInfoProto) -> TensorSpec:
    tensor = item.type.tensor_type
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    shape = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in tensor.shape.dim)
    return TensorSpec(item.name, str(dtype), shape)


def _connect(
    groups: list[list[onnx.NodeProto]], model: onnx.ModelProto, initializers: frozenset[str]
) -> Iterator[Piece]:
    """Find what each group of nodes takes from those before it and gives to those after it."""
    reads = [{name for node in group for name in _names_read(node)} for group in groups]
    made = [{name for node in group for name in node.output if name} for group in groups]
    known = {item.name for item in model.graph.input} - initializers
    returned = {item.name for item in model.graph.output}
    for index, group in enumerate(groups):
        wanted = returned.union(*reads[index + 1 :])
        inputs, outputs = sorted(reads[index] & known), sorted(made[index] & wanted)
        yield Piece(tuple(group), tuple(inputs), tuple(outputs), initializers & reads[index])
        known |= made[index]


def _names_read(node: onnx.NodeProto) -> set[str]:
    """Inputs, and all that the bodies of an If, Loop or Scan read, be it theirs or the graph's."""
    names = set(node.input)
    for attribute in node.attribute:
        for body in [attribute.g, *attribute.graphs]:
            names.update(output.name for output in body.output)
            for inner in body.node:
                names |= _names_read(inner)
    return names


def _stored_bytes(tensor: onnx.TensorProto) -> int:
    if not external_data_helper.uses_external_data(tensor):
        return int(tensor.ByteSize())
    return next((int(entry.value) for entry in tensor.external_data if entry.key == "length"), 0)
