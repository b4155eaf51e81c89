"""What follows a linear layer channel by channel (a factor, a shift), absorbed into its weight and bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.model.graph import (
    add_initializer,
    attribute_float,
    attribute_int,
    constant,
    fresh_name,
    is_constant,
    rank_of,
    replace_and_remove,
    sole_consumer,
)

FloatArray = npt.NDArray[np.float32]
WideArray = npt.NDArray[np.float64]
BIASED_OPS = ("Conv", "ConvTranspose", "Gemm")
ABSORBING_OPS = (*BIASED_OPS, "MatMul")


@dataclass(frozen=True)
class Linear:
    """A layer with a constant float32 weight whose output channels can be scaled and shifted.

    Attributes:
        node: Conv, ConvTranspose, Gemm, or MatMul with the constant on the right.
        add: the Add of a MatMul's constant bias; None otherwise.
        bias: float64 [channels], Gemm's beta multiplied in; zeros without one.
    """

    node: ir.Node
    add: ir.Node | None
    weight: FloatArray
    channels: int
    bias: WideArray

    @property
    def output(self) -> ir.Value:
        """The result, bias included."""
        return (self.add or self.node).outputs[0]

    @property
    def is_weight_shared(self) -> bool:
        """Whether another node reads the weight too."""
        value = self.node.inputs[1]
        return value is not None and len(value.uses()) > 1

    @property
    def rank(self) -> int:
        """Dimensions of the output; the least there can be, for a MatMul of which no more is known."""
        return (rank_of(self.node.inputs[0]) or 1) if self.node.op_type == "MatMul" else self.weight.ndim


def find_linear(value: ir.Value | None, follower: ir.Node) -> Linear | None:
    """The layer that writes `value`, if `follower` alone reads it and the layer can absorb it."""
    if value is None or sole_consumer(value) is not follower or value.producer() is None:
        return None
    producer = value.producer()
    assert producer is not None
    if producer.op_type == "Add" and producer.domain in ("", "ai.onnx"):
        return _find_matmul_with_bias(producer)
    return _as_linear(producer, None, None)


def _find_matmul_with_bias(add: ir.Node) -> Linear | None:
    for first, second in (add.inputs, add.inputs[::-1]):
        source = first.producer() if first is not None else None
        if source is not None and source.op_type == "MatMul" and is_constant(second) and first is not None:
            return _as_linear(source, add, constant(second)) if sole_consumer(first) is add else None
    return None


def _as_linear(node: ir.Node, add: ir.Node | None, shift: FloatArray | None) -> Linear | None:
    if node.op_type not in ABSORBING_OPS or node.domain not in ("", "ai.onnx"):
        return None
    weight = constant(node.inputs[1])
    if weight is None or weight.dtype != np.float32 or weight.ndim < 2 or attribute_int(node, "transA", 0):
        return None
    bias = shift
    if node.op_type in BIASED_OPS:
        third = node.inputs[2] if len(node.inputs) > 2 else None
        bias = constant(third)
        if third is not None and bias is None:
            return None
    elif is_constant(node.inputs[0]) or (bias is not None and bias.ndim > (rank_of(node.inputs[0]) or 1)):
        return None
    channels = count_channels(node, weight)
    if bias is not None and (bias.size not in (1, channels) or any(size != 1 for size in bias.shape[:-1])):
        return None
    spread = np.zeros(channels) if bias is None else np.broadcast_to(bias.reshape(-1), channels).astype(np.float64)
    return Linear(node, add, weight, channels, spread * attribute_float(node, "beta", 1.0))


def count_channels(node: ir.Node, weight: FloatArray) -> int:
    """Output channels."""
    if node.op_type == "ConvTranspose":
        return int(weight.shape[1]) * attribute_int(node, "group", 1)
    if node.op_type == "MatMul" or (node.op_type == "Gemm" and not attribute_int(node, "transB", 0)):
        return int(weight.shape[-1])
    return int(weight.shape[0])


def spread_over_channels(linear: Linear, values: FloatArray, *, least_rank: int = 0) -> WideArray | None:
    """`values` as float64 [channels], if broadcasting them over the output means one value per channel.

    Args:
        least_rank: also demand this many dimensions of `values`.
    """
    axis = -(linear.weight.ndim - 1) if linear.node.op_type in ("Conv", "ConvTranspose") else -1
    if values.ndim > linear.rank or values.ndim < least_rank:
        return None
    if values.size == 1:
        return np.full(linear.channels, float(values.reshape(())))
    is_along = values.ndim >= -axis and values.shape[axis] == linear.channels and values.size == linear.channels
    return values.reshape(-1).astype(np.float64) if is_along else None


def absorb(graph: ir.Graph, linear: Linear, follower: ir.Node, factor: WideArray, shift: WideArray | None) -> None:
    """Multiply the layer's output channels by `factor`, add `shift`, and remove `follower`."""
    node = linear.node
    name = str(node.inputs[1].name if node.inputs[1] is not None else node.name)
    if not np.all(factor == 1):
        scaled = (linear.weight.astype(np.float64) * _along_channels(node, linear.weight, factor)).astype(np.float32)
        node.replace_input_with(1, add_initializer(graph, fresh_name(graph, f"{name}_folded"), scaled))
    has_bias = linear.add is not None or (len(node.inputs) > 2 and node.inputs[2] is not None)
    if not has_bias and shift is None:
        replace_and_remove(graph, follower, linear.output)
        return
    total = linear.bias * factor + (0 if shift is None else shift)
    bias = add_initializer(graph, fresh_name(graph, f"{name}_bias_folded"), total.astype(np.float32))
    if node.op_type == "MatMul":
        _set_matmul_bias(graph, linear, follower, bias)
        return
    if len(node.inputs) < 3:
        node.resize_inputs(3)
    node.replace_input_with(2, bias)
    if "beta" in node.attributes:
        node.attributes["beta"] = ir.AttrFloat32("beta", 1.0)
    replace_and_remove(graph, follower, linear.output)


def _set_matmul_bias(graph: ir.Graph, linear: Linear, follower: ir.Node, bias: ir.Value) -> None:
    if linear.add is not None:
        position = 1 if linear.add.inputs[0] is linear.node.outputs[0] else 0
        linear.add.replace_input_with(position, bias)
        replace_and_remove(graph, follower, linear.output)
        return
    add = ir.node("Add", [linear.node.outputs[0], bias], name=follower.name)
    add.outputs[0].name = fresh_name(graph, f"{linear.node.outputs[0].name}_biased")
    graph.insert_before(follower, add)
    replace_and_remove(graph, follower, add.outputs[0])


def _along_channels(node: ir.Node, weight: FloatArray, factor: WideArray) -> WideArray:
    """`factor` [channels], shaped to broadcast over the weight of the layer."""
    if node.op_type == "ConvTranspose":
        groups = attribute_int(node, "group", 1)
        per_input = np.repeat(factor.reshape(groups, -1), weight.shape[0] // groups, axis=0)
        return per_input.reshape(weight.shape[:2] + (1,) * (weight.ndim - 2))
    if node.op_type == "MatMul" or (node.op_type == "Gemm" and not attribute_int(node, "transB", 0)):
        return factor
    return factor.reshape((-1,) + (1,) * (weight.ndim - 1))
