"""Which channels of a network may be scaled together: the layers that write them, and those that read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from engine.model.graph import attribute_int, bodies_of, constant, is_constant
from engine.model.layers import RECURRENT_OPS, Layer

# Operators whose output channels are scaled as their input channels are.
SCALABLE_OPS = frozenset(
    {"Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Add", "Identity", "Flatten"}
)
CONVOLUTIONS = ("Conv", "ConvTranspose")


@dataclass
class ChannelClass:
    """Tensors whose channels belong together, as those of a residual stream do: one scale per channel fits them all.

    Attributes:
        writers, readers: layers that write them, and that read them.
        clips: the nodes among them that clip from 0 to a bound.
        is_rectified: no value among them is negative.
    """

    writers: list[Layer] = field(default_factory=list)
    readers: list[Layer] = field(default_factory=list)
    clips: list[ir.Node] = field(default_factory=list)
    is_rectified: bool = False

    @property
    def channels(self) -> int:
        """How many."""
        return self.writers[0].layout.channels

    def is_scalable(self) -> bool:
        """Whether all layers agree on what the channels are; a convolution has them in another place than a MatMul."""
        if not self.writers or not self.readers:
            return False
        kinds = {layer.op in CONVOLUTIONS for layer in (*self.writers, *self.readers) if layer.op != "Gemm"}
        return (
            len(kinds) <= 1
            and all(layer.layout.channels == self.channels for layer in self.writers)
            and all(count_inputs(layer) % self.channels == 0 for layer in self.readers)
            and all(_follows_convolution(clip) for clip in self.clips)
        )


def _follows_convolution(clip: ir.Node) -> bool:
    """Whether what is clipped has the shape of a convolution's output."""
    value = clip.inputs[0]
    producer = None if value is None else value.producer()
    if producer is not None and producer.op_type == "Add":
        value = producer.inputs[0]
        producer = None if value is None else value.producer()
    return producer is not None and producer.op_type in CONVOLUTIONS


def count_inputs(layer: Layer) -> int:
    """Channels that the layer reads."""
    shape = layer.layout.weight_shape
    if layer.op == "Conv":
        return shape[1] * layer.group
    return shape[0] if layer.op == "ConvTranspose" else layer.layout.inputs


class _Values:
    """Names of values, joined where their channels belong together (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._fixed: set[str] = set()

    def find(self, name: str) -> str:
        """One name that stands for all that belong together with this one."""
        while (parent := self._parent.get(name, name)) != name:
            name = parent
        return name

    def join(self, names: Sequence[str]) -> None:
        """These belong together."""
        for name in names[1:]:
            self._parent[self.find(name)] = self.find(names[0])

    def fix(self, values: Iterable[ir.Value | None]) -> None:
        """Nothing may be scaled that belongs together with these."""
        self._fixed.update(str(value.name) for value in values if value is not None and value.name)

    def fixed(self) -> set[str]:
        """What stands for those."""
        return {self.find(name) for name in self._fixed}


def find_classes(graph: ir.Graph, layers: Sequence[Layer]) -> list[ChannelClass]:
    """Every set of channels that may be scaled.

    Left out is what touches an input or output of the graph, an operator that does not keep scales, a layer in a
    body, and a weight or bias that several nodes share.
    """
    scalable = [layer for layer in layers if can_scale(layer)]
    nodes = {id(layer.node) for layer in scalable}
    nodes |= {id(layer.bias_node) for layer in scalable if layer.bias_node is not None}
    values = _Values()
    values.fix((*graph.inputs, *graph.outputs))
    between = [node for node in graph if id(node) not in nodes]
    for node in between:
        _place_node(node, values)
    found: dict[str, ChannelClass] = {}
    for layer in scalable:
        found.setdefault(values.find(str(layer.output_value.name)), ChannelClass()).writers.append(layer)
        found.setdefault(values.find(str(layer.input_value.name)), ChannelClass()).readers.append(layer)
    for node in between:
        group = found.get(values.find(str(node.outputs[0].name)))
        if group is not None and node.op_type == "Clip":
            group.clips.append(node)
    for group in found.values():
        group.is_rectified = bool(group.writers) and all(_is_rectified(layer) for layer in group.writers)
    fixed = values.fixed()
    return [group for name, group in found.items() if name not in fixed and group.is_scalable()]


def _place_node(node: ir.Node, values: _Values) -> None:
    """Join what the node reads and writes, or fix it."""
    if _keeps_scales(node):
        names = [str(value.name) for value in (*node.inputs, *node.outputs) if value is not None and value.name
                 and not is_constant(value)]  # fmt: skip
        values.join(names)
        return
    values.fix((*node.inputs, *node.outputs))
    for _, body in bodies_of(node):
        values.fix(body.outputs)
        for inner in body.all_nodes():
            values.fix(inner.inputs)


def can_scale(layer: Layer) -> bool:
    """Convolutions and products with a weight and a bias of their own, in float32 and in the main graph."""
    if layer.op in (*RECURRENT_OPS, "Gather") or layer.body_owner is not None or layer.is_half:
        return False
    if layer.weight_index != 1 or (layer.op == "MatMul" and len(layer.layout.weight_shape) != 2):
        return False
    weight, bias = layer.weight_value, layer.bias_value
    if attribute_int(layer.node, "transA", 0) or len(weight.uses()) > 1 or weight.is_graph_output():
        return False
    if bias is None:
        return layer.bias is None
    is_whole = bias.const_value is not None and bias.const_value.size == layer.layout.channels
    return is_whole and len(bias.uses()) == 1 and not bias.is_graph_output()


def _keeps_scales(node: ir.Node) -> bool:
    """Whether scaling a channel of the inputs by a positive factor scales the same channel of the output."""
    if node.domain not in ("", "ai.onnx"):
        return False
    if node.op_type == "Clip":
        return upper_bound(node) is not None
    if node.op_type not in SCALABLE_OPS or any(is_constant(value) for value in node.inputs):
        return False
    if node.op_type == "Flatten":
        return attribute_int(node, "axis", 1) == 1
    return not any(value.uses() or value.is_graph_output() for value in node.outputs[1:])


def upper_bound(node: ir.Node) -> float | None:
    """Where a Clip from 0 ends; None if it starts elsewhere, has no end, or has one that is computed."""
    if len(node.inputs) < 3:
        return None
    low, high = constant(node.inputs[1]), constant(node.inputs[2])
    if low is None or high is None or low.size != 1 or high.size != 1 or float(low.reshape(())) != 0:
        return None
    return float(high.reshape(()))


def _is_rectified(layer: Layer) -> bool:
    """Whether a Relu or such a Clip alone reads the layer's output."""
    uses = layer.output_value.uses()
    return len(uses) == 1 and next(iter(uses)).node.op_type in ("Relu", "Clip")
