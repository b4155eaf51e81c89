"""What one layer's weight can reach: the operator itself, once per candidate, and everything that depends on it.

A suffix is two sessions. The *head* holds the operator that reads the weight (or the If, Loop or Scan
around it) once per candidate; the *tail* holds what depends on it and nothing else. Values that the
tail reads from elsewhere, such as the skip connection of a residual block, are its sides.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir

from engine.job_context import JobContext
from engine.model.graph import attribute_float
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.model.runtime import Session

Array = npt.NDArray[Any]
Values = Mapping[str, Array]
WEIGHT_FILE = "weights"
# Constants below this are written into the graph: ONNX Runtime looks at shapes and axes while it loads.
INLINE_BYTES = 1 << 12
PAGE_BYTES = 1 << 12


@dataclass(frozen=True)
class Suffix:
    """Where one layer's candidates run. All names are of the prepared main graph.

    Attributes:
        head: the main graph's node that changes with the weight.
        nodes: what depends on it, in graph order.
        head_inputs: computed values that the head reads.
        head_outputs: its outputs that something reads, or that leave the graph.
        sides: computed values that `nodes` read from outside head and nodes.
        outputs: the graph outputs that change with the weight; the others stay as in the float model.
    """

    layer: Layer
    head: onnx.NodeProto
    nodes: tuple[onnx.NodeProto, ...]
    head_inputs: tuple[str, ...]
    head_outputs: tuple[str, ...]
    sides: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """What has to be known of the float model before the layer's candidates can run."""
        return tuple(dict.fromkeys((*self.head_inputs, *self.sides)))


class SuffixGraph:
    """The main graph, prepared for cutting suffixes out of it."""

    def __init__(self, model: Model, folder: Path) -> None:
        """Write the weights into `folder`, which has to stay for as long as sessions are loaded."""
        self._model = model
        self._weights = WeightFile(model, folder)
        self._nodes = [ir.to_proto(node) for node in model.graph]
        self._reads = [tuple(dict.fromkeys(_read_names(node))) for node in self._nodes]
        self._index = {str(node.name): index for index, node in enumerate(model.graph)}
        self._constants = set(model.graph.initializers)
        self.outputs = tuple(str(value.name) for value in model.graph.outputs)

    @cached_property
    def _opsets(self) -> list[onnx.OperatorSetIdProto]:
        imports = self._model.graph_model.opset_imports
        return [onnx.helper.make_opsetid(domain, version) for domain, version in imports.items()]

    def cut(self, layer: Layer) -> Suffix:
        """The suffix of one layer; a layer in a body changes the whole If, Loop or Scan."""
        start = self._index[str((layer.body_owner or layer.node).name)]
        head = self._nodes[start]
        changed = {name for name in head.output if name}
        kept: list[int] = []
        for index in range(start + 1, len(self._nodes)):
            if changed.intersection(self._reads[index]):
                kept.append(index)
                changed.update(name for name in self._nodes[index].output if name)
        read = dict.fromkeys(name for index in kept for name in self._reads[index])
        wanted = {*read, *self.outputs}
        return Suffix(
            layer=layer,
            head=head,
            nodes=tuple(self._nodes[index] for index in kept),
            head_inputs=tuple(name for name in self._reads[start] if name not in self._constants),
            head_outputs=tuple(name for name in head.output if name in wanted),
            sides=tuple(name for name in read if name not in changed and name not in self._constants),
            outputs=tuple(name for name in self.outputs if name in changed),
        )

    def load_head(self, suffix: Suffix, weights: Mapping[int, Array], examples: Values) -> Session:
        """One copy of the operator per candidate; its outputs are named by `candidate_name`.

        Args:
            weights: by bit width, in the stored shape and dtype.
            examples: for every input, an array of its dtype and rank.
        """
        nodes = [_with_weight(suffix, bits) for bits in weights]
        outputs = [candidate_name(output, bits) for bits in weights for output in suffix.head_outputs]
        tensors = [
            onnx.numpy_helper.from_array(np.ascontiguousarray(weight), _weight_name(suffix.layer, bits))
            for bits, weight in weights.items()
        ]
        return self._load(nodes, {name: examples[name] for name in suffix.head_inputs}, outputs, tensors)

    def load_tail(self, suffix: Suffix, examples: Values) -> Session | None:
        """From the head's outputs and the sides to the graph's outputs; None if nothing is left to compute."""
        if not suffix.nodes:
            return None
        computed = {name for node in suffix.nodes for name in node.output}
        read = {name for node in suffix.nodes for name in _read_names(node)}
        inputs = {name: examples[name] for name in (*suffix.head_outputs, *suffix.sides) if name in read}
        return self._load(suffix.nodes, inputs, [name for name in suffix.outputs if name in computed])

    def load_float(self, names: Sequence[str], inputs: Values) -> Session:
        """The whole model in float; its outputs are `names`."""
        return self._load(self._nodes, inputs, names)

    def _load(
        self,
        nodes: Sequence[onnx.NodeProto],
        inputs: Values,
        outputs: Sequence[str],
        tensors: Sequence[onnx.TensorProto] = (),
    ) -> Session:
        read = dict.fromkeys(name for node in nodes for name in _read_names(node))
        constants = [self._weights.tensors[name] for name in read if name in self._weights.tensors]
        graph = onnx.helper.make_graph(
            list(nodes),
            "suffix",
            [_describe(name, example) for name, example in inputs.items()],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            [*constants, *tensors],
        )
        version = self._model.graph_model.ir_version or 8
        proto = onnx.helper.make_model(graph, opset_imports=self._opsets, ir_version=version)
        with tempfile.NamedTemporaryFile(dir=self._weights.folder, suffix=".onnx", delete=False) as file:
            file.write(proto.SerializeToString())
        session = Session(Path(file.name), threads=1)
        Path(file.name).unlink()
        return session


class WeightFile:
    """The model's constants, written once, so that every session maps the same file instead of copying them.

    Attributes:
        tensors: by name; large ones refer to the file.
    """

    def __init__(self, model: Model, folder: Path) -> None:
        self.folder = folder
        self.tensors: dict[str, onnx.TensorProto] = {}
        with (folder / WEIGHT_FILE).open("wb") as file:
            for name, value in model.graph.initializers.items():
                if value.const_value is not None:
                    self.tensors[name] = _store(name, value.const_value, file)


def _store(name: str, tensor: ir.TensorProtocol, file: BinaryIO) -> onnx.TensorProto:
    if tensor.dtype == ir.DataType.STRING:
        proto = ir.to_proto(tensor)
        proto.name = name
        return proto
    if tensor.nbytes < INLINE_BYTES:
        return onnx.TensorProto(
            name=name, data_type=int(tensor.dtype), dims=tensor.shape.numpy(), raw_data=tensor.tobytes()
        )
    file.seek(-file.tell() % PAGE_BYTES, os.SEEK_CUR)
    start = file.tell()
    file.write(tensor.tobytes())
    proto = onnx.TensorProto(name=name, data_type=int(tensor.dtype), dims=tensor.shape.numpy())
    proto.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", WEIGHT_FILE), ("offset", str(start)), ("length", str(tensor.nbytes))):
        proto.external_data.add(key=key, value=value)
    return proto


def _describe(name: str, example: Array) -> onnx.ValueInfoProto:
    """An input of the example's dtype and rank, all sizes free."""
    dtype = onnx.helper.np_dtype_to_tensor_dtype(example.dtype)
    return onnx.helper.make_tensor_value_info(name, dtype, [None] * example.ndim)


def candidate_name(name: str, bits: int) -> str:
    """What a value of the head is called in one candidate's copy."""
    return f"{name}__{bits}_bits"


def _weight_name(layer: Layer, bits: int) -> str:
    return f"{layer.name}__weight_{bits}_bits"


def candidate_weight(layer: Layer, matrix: npt.NDArray[np.float32]) -> Array:
    """The stored weight that makes the operator compute with `matrix` [channels, inputs]."""
    alpha = attribute_float(layer.node, "alpha", 1.0) if layer.op == "Gemm" else 1.0
    stored = layer.layout.from_matrix(matrix if alpha == 1.0 else matrix / np.float32(alpha))
    return stored.astype(np.float16) if layer.is_half else stored


def _with_weight(suffix: Suffix, bits: int) -> onnx.NodeProto:
    """The head with a candidate as the layer's weight, its outputs renamed."""
    layer = suffix.layer
    node = onnx.NodeProto()
    node.CopyFrom(suffix.head)
    found = next(item for item in _all_nodes(node) if item.name == layer.node.name)
    found.input[layer.weight_index] = _weight_name(layer, bits)
    node.name = candidate_name(node.name, bits)
    for index, name in enumerate(node.output):
        if name:
            node.output[index] = candidate_name(name, bits)
    return node


def _all_nodes(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """The node and those in its bodies."""
    yield node
    for body in _bodies(node):
        for inner in body.node:
            yield from _all_nodes(inner)


def _bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _read_names(node: onnx.NodeProto) -> Iterator[str]:
    """Values of the surrounding graph that the node reads, its bodies included."""
    yield from (name for name in node.input if name)
    for body in _bodies(node):
        inner = [name for item in body.node for name in _read_names(item)]
        own = {name for item in body.node for name in item.output}
        own |= {value.name for value in (*body.input, *body.initializer)}
        yield from (name for name in (*inner, *(value.name for value in body.output)) if name not in own)


class Candidates:
    """A layer's candidates, ready to run: head and tail, loaded once for all of them.

    Safe to use from one thread at a time.
    """

    def __init__(self, graph: SuffixGraph, suffix: Suffix, weights: Mapping[int, Array], examples: Values) -> None:
        self._suffix = suffix
        self._head = graph.load_head(suffix, weights, examples)
        self._tail = graph.load_tail(suffix, examples)
        self._head_inputs = [spec.name for spec in self._head.inputs]
        self._tail_inputs = [] if self._tail is None else [spec.name for spec in self._tail.inputs]
        self._tail_outputs = [] if self._tail is None else [spec.name for spec in self._tail.outputs]

    def run(self, bits: Sequence[int], floats: Values, context: JobContext) -> Iterator[tuple[int, dict[str, Array]]]:
        """The graph outputs that change, by name, for each candidate in turn.

        Args:
            floats: values of the float model, at least those that the suffix reads.
        """
        outputs = self._suffix.head_outputs
        names = [candidate_name(name, width) for width in bits for name in outputs]
        found = self._head.run({name: floats[name] for name in self._head_inputs}, context, names)
        for index, width in enumerate(bits):
            changed = dict(zip(outputs, found[index * len(outputs) : (index + 1) * len(outputs)], strict=True))
            if self._tail is not None:
                feeds = {name: changed[name] if name in changed else floats[name] for name in self._tail_inputs}
                found_outputs = self._tail.run(feeds, context, self._tail_outputs)
                changed |= zip(self._tail_outputs, found_outputs, strict=True)
            yield width, {name: changed[name] for name in self._suffix.outputs}
