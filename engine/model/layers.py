"""The layer table: which operators carry a constant weight, and what conversion offers for each."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.model.graph import (
    attribute_float,
    attribute_int,
    attribute_ints,
    bodies_of,
    constant,
    is_constant,
    rank_of,
    sole_consumer,
)
from engine.model.layout import WeightLayout, channels_first, channels_last, recurrent, transposed_convolution
from engine.numerics.schemes import Kernel

MIN_PARAMETERS = 16
RECURRENT_OPS = ("LSTM", "GRU", "RNN")
RECURRENT_PARTS = {1: "W", 2: "R"}


@dataclass(frozen=True)
class Layer:
    """One weight of one quantizable operator in a prepared graph.

    An LSTM, GRU or RNN is two layers, `<node>.W` for its input and `<node>.R` for its recurrence.

    Attributes:
        node: the operator; for a MatMul followed by a constant Add, the MatMul.
        weight_index, input_index: positions of the weight and of the activation among its inputs.
        bias_node: the Add that holds a MatMul's bias; None otherwise.
        kernels: what conversion offers, best first.
        body_owner: the node of the main graph in whose body (If, Loop, Scan) the operator is; None if
            it is in the main graph itself.
    """

    node: ir.Node
    weight_index: int
    input_index: int
    layout: WeightLayout
    bias_node: ir.Node | None
    kernels: tuple[Kernel, ...]
    body_owner: ir.Node | None = None

    @property
    def name(self) -> str:
        """Stable id."""
        return f"{self.node.name}.{self.part}" if self.part else str(self.node.name)

    @property
    def part(self) -> str:
        """W or R for a weight of a recurrent operator; empty otherwise."""
        return RECURRENT_PARTS[self.weight_index] if self.op in RECURRENT_OPS else ""

    @property
    def graph(self) -> ir.Graph:
        """The main graph, or the body that the operator is in."""
        assert isinstance(self.node.graph, ir.Graph)
        return self.node.graph

    @property
    def op(self) -> str:
        """ONNX operator type."""
        return str(self.node.op_type)

    @property
    def group(self) -> int:
        """Convolution groups."""
        return attribute_int(self.node, "group", 1)

    @property
    def weight_value(self) -> ir.Value:
        """The initializer."""
        value = self.node.inputs[self.weight_index]
        assert value is not None
        return value

    @property
    def dtype(self) -> ir.DataType:
        """FLOAT or FLOAT16: of the weight, and so of the activations."""
        tensor = self.weight_value.const_value
        assert tensor is not None
        return tensor.dtype

    @property
    def is_half(self) -> bool:
        """Whether weight and activations are float16."""
        return self.dtype == ir.DataType.FLOAT16

    @property
    def input_value(self) -> ir.Value:
        """The activation that the weight multiplies."""
        value = self.node.inputs[self.input_index]
        assert value is not None
        return value

    @property
    def observed_input(self) -> ir.Value | None:
        """What to fetch in order to see the layer's inputs; None where the main graph does not show them.

        A recurrence reads its own earlier outputs; it has an initial state, too, which is left out.
        """
        if self.body_owner is not None:
            return None
        if self.part != "R":
            return self.input_value
        return next((value for value in self.node.outputs[:2] if value.name and value.uses()), None)

    @property
    def output_value(self) -> ir.Value:
        """The layer's result, bias included."""
        return (self.bias_node or self.node).outputs[0]

    @property
    def bias_value(self) -> ir.Value | None:
        """The initializer of the bias; None without one."""
        node = self.bias_node or self.node
        if self.bias_node is not None:
            return next((value for value in node.inputs if is_constant(value)), None)
        if self.op not in ("Conv", "ConvTranspose", "Gemm") or not has_bias(self):
            return None
        return node.inputs[2] if is_constant(node.inputs[2]) else None

    @property
    def bias(self) -> npt.NDArray[np.float32] | None:
        """float32 [channels], scaled by Gemm's beta; None without one."""
        found = constant(self.bias_value)
        if found is None:
            return None
        beta = attribute_float(self.node, "beta", 1.0) if self.op == "Gemm" else 1.0
        flat = np.broadcast_to(found.reshape(-1), self.layout.channels)
        return np.asarray(flat * np.float32(beta), np.float32)

    def matrix(self) -> npt.NDArray[np.float32]:
        """The weight, float32 [channels, inputs], scaled by Gemm's alpha."""
        weight = constant(self.weight_value)
        assert weight is not None
        matrix: npt.NDArray[np.float32] = self.layout.to_matrix(weight)
        alpha = attribute_float(self.node, "alpha", 1.0) if self.op == "Gemm" else 1.0
        return matrix if alpha == 1.0 else matrix * np.float32(alpha)


def has_bias(layer: Layer) -> bool:
    """Whether the operator itself has a third, constant input."""
    return len(layer.node.inputs) > 2 and layer.node.inputs[2] is not None


def find_layers(graph: ir.Graph) -> list[Layer]:
    """Every quantizable operator in graph order; those in bodies stand where their If, Loop or Scan does."""
    return [
        layer
        for node, owner in _walk(graph)
        for layer in _as_layers(node, owner)
        if layer.layout.channels * layer.layout.inputs >= MIN_PARAMETERS
    ]


def _walk(graph: ir.Graph, owner: ir.Node | None = None) -> Iterator[tuple[ir.Node, ir.Node | None]]:
    """Every node, with the node of the main graph in whose body it is."""
    for node in graph:
        yield node, owner
        for _, body in bodies_of(node):
            yield from _walk(body, owner or node)


def _as_layers(node: ir.Node, owner: ir.Node | None) -> list[Layer]:
    if node.domain not in ("", "ai.onnx"):
        return []
    builder = {
        "Conv": _convolution,
        "ConvTranspose": _convolution,
        "Gemm": _gemm,
        "MatMul": _matmul,
        "Gather": _embedding,
    }.get(node.op_type)
    made = builder(node) if builder else None
    found = _recurrent(node) if node.op_type in RECURRENT_OPS else [made] if made else []
    found = [_without_integer_kernels(layer) if layer.is_half else layer for layer in found]
    if owner is None:
        return found
    return [dataclasses.replace(layer, body_owner=owner, kernels=(Kernel.FLOAT,)) for layer in found]


def _without_integer_kernels(layer: Layer) -> Layer:
    """ONNX's quantized operators take and give float32, so float16 graphs keep weight-only kernels."""
    kept = tuple(kernel for kernel in layer.kernels if kernel in (Kernel.NBITS, Kernel.FLOAT))
    return dataclasses.replace(layer, kernels=kept)


def _weight_shape(node: ir.Node, index: int) -> tuple[int, ...] | None:
    value = node.inputs[index] if len(node.inputs) > index else None
    if (
        value is None
        or not is_constant(value)
        or value.const_value is None
        or value.const_value.dtype not in (ir.DataType.FLOAT, ir.DataType.FLOAT16)
    ):
        return None
    return tuple(int(size) for size in value.const_value.shape.numpy())


def _convolution(node: ir.Node) -> Layer | None:
    shape = _weight_shape(node, 1)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if shape is None or is_constant(node.inputs[0]) or (bias is not None and not is_constant(bias)):
        return None
    if node.op_type == "ConvTranspose":
        layout = transposed_convolution(shape, attribute_int(node, "group", 1))
        return Layer(node, 1, 0, layout, None, (Kernel.FLOAT,))
    return Layer(node, 1, 0, channels_first(shape), None, (Kernel.QLINEAR, Kernel.FLOAT))


def _gemm(node: ir.Node) -> Layer | None:
    shape = _weight_shape(node, 1)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if shape is None or is_constant(node.inputs[0]):
        return None
    layout = channels_first(shape) if attribute_int(node, "transB", 0) else channels_last(shape)
    is_vector = bias is None or (is_constant(bias) and _is_channel_vector(bias, layout.channels))
    if attribute_int(node, "transA", 0) or not is_vector:
        return Layer(node, 1, 0, layout, None, (Kernel.FLOAT,)) if is_vector else None
    return Layer(node, 1, 0, layout, None, _product_kernels(node, layout.channels, dimensions=2))


def _is_channel_vector(value: ir.Value | None, channels: int) -> bool:
    if value is None or value.const_value is None:
        return False
    sizes = [int(size) for size in value.const_value.shape.numpy()]
    return int(np.prod(sizes)) in (1, channels) and all(size == 1 for size in sizes[:-1])


def _matmul(node: ir.Node) -> Layer | None:
    left, right = _weight_shape(node, 0), _weight_shape(node, 1)
    if (left is None) == (right is None):
        return None
    if left is not None:
        return Layer(node, 0, 1, channels_first(left), None, (Kernel.FLOAT,)) if len(left) == 2 else None
    assert right is not None
    if len(right) < 2:
        return None
    layout = channels_last(right)
    if len(right) > 2:
        return Layer(node, 1, 0, layout, None, (Kernel.FLOAT,))
    dimensions = rank_of(node.inputs[0]) or 1
    add = _vector_add(node, layout.channels)
    bias_add = add if add is not None and _added_dimensions(add) <= dimensions else None
    return Layer(node, 1, 0, layout, bias_add, _product_kernels(node, layout.channels, dimensions=dimensions))


def _product_kernels(node: ir.Node, channels: int, *, dimensions: int) -> tuple[Kernel, ...]:
    """Kernels of a product whose output has at least so many dimensions.

    An Add of a vector that has more is no bias: it changes the shape. ONNX Runtime 1.31 takes it for the bias of a
    dynamic product all the same, and gives another shape.
    """
    add = _vector_add(node, channels)
    kernels = (Kernel.QLINEAR, Kernel.DYNAMIC, Kernel.NBITS, Kernel.FLOAT)
    if add is None or _added_dimensions(add) <= dimensions:
        return kernels
    return tuple(kernel for kernel in kernels if kernel != Kernel.DYNAMIC)


def _added_dimensions(add: ir.Node) -> int:
    return max(len(value.const_value.shape) for value in add.inputs if value is not None and value.const_value)


def _vector_add(node: ir.Node, channels: int) -> ir.Node | None:
    """The Add of one constant per channel that alone reads the output, in the same graph."""
    add = sole_consumer(node.outputs[0])
    if add is None or add.op_type != "Add" or len(add.inputs) != 2:
        return None
    first, second = add.inputs
    other = second if first is node.outputs[0] else first
    if other is None or other.const_value is None or add.graph is not node.graph:
        return None
    is_vector = is_constant(other) and other.const_value.size == channels and _is_channel_vector(other, channels)
    return add if is_vector else None


def _embedding(node: ir.Node) -> Layer | None:
    shape = _weight_shape(node, 0)
    if shape is None or len(shape) != 2 or attribute_int(node, "axis", 0) != 0 or is_constant(node.inputs[1]):
        return None
    return Layer(node, 0, 1, channels_first(shape), None, (Kernel.FLOAT,))


def _recurrent(node: ir.Node) -> list[Layer]:
    shapes = {index: _weight_shape(node, index) for index in RECURRENT_PARTS}
    if any(shape is not None and len(shape) != 3 for shape in shapes.values()) or is_constant(node.inputs[0]):
        return []
    # ONNX Runtime quantizes both weights of an LSTM or none, and knows the sequence-first layout only.
    is_whole = all(shape is not None and np.prod(shape) >= MIN_PARAMETERS for shape in shapes.values())
    is_whole = is_whole and attribute_int(node, "layout", 0) == 0
    kernels = (Kernel.DYNAMIC, Kernel.FLOAT) if node.op_type == "LSTM" and is_whole else (Kernel.FLOAT,)
    return [
        Layer(node, index, 0, recurrent(shape), None, kernels) for index, shape in shapes.items() if shape is not None
    ]


def kind_of(layer: Layer) -> str:
    """The row of the probe table that the layer belongs to (`engine.probe.KINDS`): what kernels depend on."""
    if layer.op == "Conv":
        if layer.group > 1:
            return "Conv depthwise" if layer.layout.weight_shape[1] == 1 else "Conv grouped"
        if max(attribute_ints(layer.node, "dilations", (1,))) > 1:
            return "Conv dilated"
        return f"Conv {len(layer.layout.weight_shape) - 2}-D"
    if layer.op == "Gemm" and attribute_int(layer.node, "transA", 0):
        return "Gemm transA"
    if layer.op == "MatMul" and layer.weight_index == 0:
        return "MatMul constant left"
    if layer.op == "MatMul" and len(layer.layout.weight_shape) > 2:
        return "MatMul batched"
    return layer.op


def describe_layer(layer: Layer) -> str:
    """Operator and shape in a few words, such as "Conv 3×3 depthwise"."""
    shape = layer.layout.weight_shape
    if layer.op in ("Conv", "ConvTranspose"):
        kernel = "×".join(str(size) for size in shape[2:])
        kind = ""
        if layer.group > 1:
            kind = " depthwise" if shape[1] == 1 and layer.op == "Conv" else f" {layer.group} groups"
        stride = attribute_ints(layer.node, "strides", (1,))
        step = f" /{stride[0]}" if max(stride) > 1 else ""
        return f"{layer.op} {kernel}{kind}{step}"
    if layer.op == "Gather":
        return f"Embedding {shape[0]}×{shape[1]}"
    kind = {"W": " input", "R": " hidden"}.get(layer.part, "")
    return f"{layer.op}{kind} {layer.layout.inputs}→{layer.layout.channels}"


def title_layer(layer: Layer) -> str:
    """The module path if the exporter left one, else the node's name."""
    weight = str(layer.weight_value.name).removesuffix("_folded")
    if weight.endswith(".weight") and "::" not in weight:
        return weight.removesuffix(".weight")
    scopes = layer.node.metadata_props.get("pkg.torch.onnx.name_scopes")
    if scopes:
        try:
            path = [scope for scope in ast.literal_eval(scopes)[:-1] if scope]
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            path = []
        if path:
            return f"{path[-1]}.{layer.part}" if layer.part else str(path[-1])
    name = str(layer.node.name).removesuffix(f"/{layer.op}").strip("/").replace("/", ".")
    return f"{name}.{layer.part}" if name and layer.part else name or layer.name
