"""BatchNormalization in inference mode, folded into the layer before it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from engine.model.graph import attribute_float, attribute_int, constant, rank_of
from engine.model.passes.channels import absorb, find_linear


def fold_batch_norm(graph: ir.Graph) -> int:
    """Fold inference-mode BatchNormalization into the Conv, ConvTranspose, Gemm or MatMul before it.

    A MatMul takes part where its output is known to be a matrix: the channels of a normalization are
    dimension 1, those of a MatMul the last one.

    Returns:
        How many were folded; a second run folds none.
    """
    return sum(_fold(graph, node) for node in list(graph) if node.op_type == "BatchNormalization")


def _fold(graph: ir.Graph, norm: ir.Node) -> bool:
    linear = find_linear(norm.inputs[0], norm)
    parameters = [constant(value) for value in norm.inputs[1:5]]
    if linear is None or any(p is None for p in parameters) or attribute_int(norm, "training_mode", 0):
        return False
    if len([value for value in norm.outputs if value.uses() or value.is_graph_output()]) > 1:
        return False
    if linear.node.op_type == "MatMul" and rank_of(linear.node.inputs[0]) != 2:
        return False
    gamma, beta, mean, variance = (np.asarray(p, np.float64) for p in parameters)
    factor = gamma / np.sqrt(variance + attribute_float(norm, "epsilon", 1e-5))
    if factor.size != linear.channels or (linear.node.op_type == "MatMul" and linear.weight.ndim != 2):
        return False
    absorb(graph, linear, norm, factor, beta - mean * factor)
    return True
