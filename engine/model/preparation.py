"""Graph preparation before anything is measured or quantized; every pass leaves the function unchanged.

Order: constants are lifted and folded, identities removed (`onnx_ir`, `onnxscript`), then what follows
a convolution linearly (BatchNorm, a constant Add) is folded into it.
"""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import onnxscript.optimizer
from onnx_ir.passes import common as passes

from engine.model.graph import (
    add_initializer,
    attribute_float,
    attribute_int,
    constant,
    has_subgraphs,
    is_constant,
    remove_unused_initializers,
    sole_consumer,
)

FloatArray = npt.NDArray[np.float32]

# Folded constants may be as large as the weights they came from, never an expansion of a small one.
FOLD_LIMIT_BYTES = 1 << 28
logging.getLogger("onnxscript").setLevel(logging.ERROR)
logging.getLogger("onnx_ir").setLevel(logging.ERROR)


def prepare(model: ir.Model) -> ir.Model:
    """Prepare `model` in place and return it: named nodes, lifted constants, folded BatchNorm."""
    name_nodes(model.graph)
    passes.RemoveInitializersFromInputsPass()(model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    if not has_subgraphs(model.graph):
        onnxscript.optimizer.fold_constants(
            model, onnx_shape_inference=False, input_size_limit=FOLD_LIMIT_BYTES, output_size_limit=FOLD_LIMIT_BYTES
        )
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        passes.IdentityEliminationPass()(model)
    fold_batch_norm(model.graph)
    fold_constant_add(model.graph)
    passes.RemoveUnusedNodesPass()(model)
    remove_unused_initializers(model.graph)
    return model


def name_nodes(graph: ir.Graph) -> None:
    """Give every node a unique name; existing unique names stay as they are."""
    given = {node.name for node in graph if node.name}
    taken: set[str] = set()
    for index, node in enumerate(graph):
        name = node.name or f"{node.op_type}_{index}"
        while name in taken or (name in given and name != node.name):
            name = f"{name}_{index}"
        node.name = name
        taken.add(name)


def fold_batch_norm(graph: ir.Graph) -> int:
    """Fold inference-mode BatchNormalization into the Conv, ConvTranspose or Gemm before it.

    Returns:
        How many were folded; a second run folds none.
    """
    return sum(_fold_one_batch_norm(graph, node) for node in list(graph) if node.op_type == "BatchNormalization")


def _fold_one_batch_norm(graph: ir.Graph, norm: ir.Node) -> bool:
    source = norm.inputs[0]
    layer = source.producer() if source is not None else None
    parameters = [constant(value) for value in norm.inputs[1:5]]
    if layer is None or source is None or sole_consumer(source) is not norm or any(p is None for p in parameters):
        return False
    if attribute_int(norm, "training_mode", 0):
        return False
    if len([value for value in norm.outputs if value.uses() or value.is_graph_output()]) > 1:
        return False
    gamma, beta, mean, variance = (np.asarray(p, np.float64) for p in parameters)
    factor = gamma / np.sqrt(variance + attribute_float(norm, "epsilon", 1e-5))
    return _absorb(graph, layer, norm, factor, beta - mean * factor)


def fold_constant_add(graph: ir.Graph) -> int:
    """Fold an Add of one constant per output channel into the bias of the convolution before it."""
    return sum(_fold_one_add(graph, node) for node in list(graph) if node.op_type == "Add")


def _fold_one_add(graph: ir.Graph, add: ir.Node) -> bool:
    for source, other in (add.inputs, add.inputs[::-1]):
        layer = source.producer() if source is not None else None
        if source is None or layer is None or layer.op_type not in ("Conv", "ConvTranspose") or not is_constant(other):
            continue
        shift = constant(other)
        weight = constant(layer.inputs[1])
        if shift is None or weight is None or sole_consumer(source) is not add:
            continue
        channels = _channel_count(layer, weight)
        spatial = weight.ndim - 2
        if (
            shift.ndim not in (spatial + 1, spatial + 2)
            or shift.size != channels
            or shift.shape[-spatial - 1] != channels
        ):
            continue
        return _absorb(graph, layer, add, np.ones(channels), shift.reshape(-1).astype(np.float64))
    return False


def _channel_count(layer: ir.Node, weight: npt.NDArray[np.float32]) -> int:
    if layer.op_type == "ConvTranspose":
        return int(weight.shape[1]) * attribute_int(layer, "group", 1)
    if layer.op_type == "Gemm" and not attribute_int(layer, "transB", 0):
        return int(weight.shape[1])
    return int(weight.shape[0])


def _absorb(
    graph: ir.Graph,
    layer: ir.Node,
    follower: ir.Node,
    factor: npt.NDArray[np.float64],
    shift: npt.NDArray[np.float64],
) -> bool:
    """Multiply the layer's output channels by `factor`, add `shift`, and remove `follower`."""
    weight = constant(layer.inputs[1]) if layer.op_type in ("Conv", "ConvTranspose", "Gemm") else None
    bias_value = layer.inputs[2] if len(layer.inputs) > 2 else None
    if weight is None or weight.dtype != np.float32 or (bias_value is not None and not is_constant(bias_value)):
        return False
    if _channel_count(layer, weight) != factor.size or attribute_int(layer, "transA", 0):
        return False
    bias = constant(bias_value)
    if bias is not None and (bias.size not in (1, factor.size) or any(size != 1 for size in bias.shape[:-1])):
        return False
    bias = np.zeros(factor.size) if bias is None else np.broadcast_to(bias.reshape(-1), factor.size)
    bias = bias * attribute_float(layer, "beta", 1.0)
    scaled = (weight.astype(np.float64) * _along_channels(layer, weight, factor)).astype(np.float32)
    name = layer.inputs[1].name if layer.inputs[1] is not None else layer.name
    layer.replace_input_with(1, add_initializer(graph, _fresh(graph, f"{name}_folded"), scaled))
    folded_bias = add_initializer(
        graph, _fresh(graph, f"{name}_bias_folded"), (bias * factor + shift).astype(np.float32)
    )
    if len(layer.inputs) < 3:
        layer.resize_inputs(3)
    layer.replace_input_with(2, folded_bias)
    if "beta" in layer.attributes:
        layer.attributes["beta"] = ir.AttrFloat32("beta", 1.0)
    replace_and_remove(graph, follower, layer.outputs[0])
    return True


def _along_channels(
    layer: ir.Node, weight: npt.NDArray[np.float32], factor: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """`factor` [channels], shaped to broadcast over the weight of the layer."""
    if layer.op_type == "ConvTranspose":
        groups = attribute_int(layer, "group", 1)
        per_input = np.repeat(factor.reshape(groups, -1), weight.shape[0] // groups, axis=0)
        return per_input.reshape(weight.shape[:2] + (1,) * (weight.ndim - 2))
    if layer.op_type == "Gemm" and not attribute_int(layer, "transB", 0):
        return factor[None, :]
    return factor.reshape((-1,) + (1,) * (weight.ndim - 1))


def replace_and_remove(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    """Let `value` take the place of the node's first output, name included if that is a graph output."""
    old = node.outputs[0]
    if old.is_graph_output():
        value.name, old.name = old.name, f"{old.name}_replaced"
        value.shape, value.type = old.shape, old.type
    ir.convenience.replace_all_uses_with(old, value, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def _fresh(graph: ir.Graph, name: str) -> str:
    while name in graph.initializers:
        name += "_"
    return name
