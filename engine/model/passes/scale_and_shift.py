"""A constant Add or Mul after a layer, folded into its bias or its weight."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from engine.model.graph import constant, is_constant
from engine.model.passes.channels import absorb, find_linear, spread_over_channels

CONVOLUTIONS = ("Conv", "ConvTranspose")


def fold_constant_add(graph: ir.Graph) -> int:
    """Fold an Add of one constant per output channel into the bias of the convolution before it.

    After a MatMul such an Add *is* the layer's bias and stays where it is.

    Returns:
        How many were folded; a second run folds none.
    """
    return sum(_fold_add(graph, node) for node in list(graph) if node.op_type == "Add")


def _fold_add(graph: ir.Graph, add: ir.Node) -> bool:
    for source, other in (add.inputs, add.inputs[::-1]):
        if not is_constant(other) or is_constant(source):
            continue
        linear = find_linear(source, add)
        shift = constant(other)
        if linear is None or shift is None or linear.node.op_type not in CONVOLUTIONS:
            continue
        per_channel = spread_over_channels(linear, shift, least_rank=linear.rank - 1)
        if per_channel is None or shift.size != linear.channels:
            continue
        absorb(graph, linear, add, np.ones(linear.channels), per_channel)
        return True
    return False


def fold_constant_mul(graph: ir.Graph) -> int:
    """Fold a Mul by a constant (a scalar, or one value per output channel) into the layer before it.

    A weight that other nodes read too stays as it is: a second copy would weigh more than the Mul costs.

    Returns:
        How many were folded; a second run folds none.
    """
    return sum(_fold_mul(graph, node) for node in list(graph) if node.op_type == "Mul")


def _fold_mul(graph: ir.Graph, mul: ir.Node) -> bool:
    for source, other in (mul.inputs, mul.inputs[::-1]):
        if not is_constant(other) or is_constant(source):
            continue
        linear = find_linear(source, mul)
        factor = constant(other)
        if linear is None or factor is None or factor.dtype != np.float32 or linear.is_weight_shared:
            continue
        per_channel = spread_over_channels(linear, factor)
        if per_channel is None or not np.isfinite(per_channel).all():
            continue
        absorb(graph, linear, mul, per_channel, None)
        return True
    return False
