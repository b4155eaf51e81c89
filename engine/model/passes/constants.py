"""Constant folding: weights that arrive through Constant, Identity, Transpose, Reshape, Cast and the like.

1. Constant nodes become initializers, those of If, Loop and Scan bodies initializers of the main graph.
2. Without bodies, onnxscript's folder does the rest. It breaks on bodies that return outer values, so
   where there are any, `fold_moves` folds the operators that only move or cast values, everywhere.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx.reference
import onnx_ir as ir
import onnxscript.optimizer
from onnx_ir.passes import common as passes

from engine.model.graph import add_initializer, constant, fresh_name, has_subgraphs, is_constant

# Folded constants may be as large as the weights they came from, never an expansion of a small one.
FOLD_LIMIT_BYTES = 1 << 28
SMALL_BYTES = 1 << 16
MOVING_OPS = frozenset(
    {"Identity", "Transpose", "Reshape", "Cast", "Unsqueeze", "Squeeze", "Flatten", "Slice", "Concat", "Expand",
     "Gather"}
)  # fmt: skip
logging.getLogger("onnxscript").setLevel(logging.ERROR)
logging.getLogger("onnx_ir").setLevel(logging.ERROR)

Array = npt.NDArray[Any]


def lift_constants(model: ir.Model) -> None:
    """Turn Constant nodes into initializers, all of them in the main graph."""
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    if has_subgraphs(model.graph):
        passes.LiftSubgraphInitializersToMainGraphPass()(model)


def fold_constants(model: ir.Model) -> None:
    """Compute what depends on constants only, and remove identities."""
    if has_subgraphs(model.graph):
        fold_moves(model)
        return
    onnxscript.optimizer.fold_constants(
        model, onnx_shape_inference=False, input_size_limit=FOLD_LIMIT_BYTES, output_size_limit=FOLD_LIMIT_BYTES
    )
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    passes.IdentityEliminationPass()(model)


def fold_moves(model: ir.Model) -> int:
    """Fold moving operators on constants, in the main graph and in every body; equal ones are folded once.

    Returns:
        How many nodes were folded; a second run folds none.
    """
    known: dict[bytes, ir.Value] = {}
    opset = model.graph.opset_imports.get("", 1)
    nodes = [node for node in ir.traversal.RecursiveGraphIterator(model.graph) if _is_foldable(node)]
    return sum(_fold(model.graph, node, opset, known) for node in nodes)


def _is_foldable(node: ir.Node) -> bool:
    return node.op_type in MOVING_OPS and node.domain in ("", "ai.onnx") and len(node.outputs) == 1


def _fold(graph: ir.Graph, node: ir.Node, opset: int, known: dict[bytes, ir.Value]) -> bool:
    result = node.outputs[0]
    if result.is_graph_output() or not all(value is None or is_constant(value) for value in node.inputs):
        return False
    key = _key(node)
    if key not in known:
        computed = _compute(node, opset)
        if computed is None:
            return False
        name = str(result.name) if node.graph is graph else fresh_name(graph, str(result.name))
        if node.graph is graph:
            result.name = f"{name}_folded_away"
        known[key] = add_initializer(graph, name, computed)
    ir.convenience.replace_all_uses_with(result, known[key])
    assert node.graph is not None
    node.graph.remove(node, safe=True)
    return True


def _key(node: ir.Node) -> bytes:
    """Equal for nodes that compute the same: small inputs count by value, large ones by identity."""
    digest = hashlib.sha256(str(node.op_type).encode())
    proto = ir.to_proto(node)
    for attribute in sorted(proto.attribute, key=lambda item: str(item.name)):
        digest.update(attribute.SerializeToString(deterministic=True))
    for value in node.inputs:
        tensor = value.const_value if value is not None else None
        if value is None or tensor is None:
            digest.update(b"absent")
        elif tensor.nbytes <= SMALL_BYTES and tensor.dtype != ir.DataType.STRING:
            digest.update(f"{tensor.dtype}{tensor.shape}".encode() + tensor.tobytes())
        else:
            digest.update(f"value {id(value)}".encode())
    return digest.digest()


def _compute(node: ir.Node, opset: int) -> Array | None:
    """The value; None if it is larger than what it is made of, or not computable here."""
    inputs = [constant(value) for value in node.inputs]
    given = [value for value in inputs if value is not None]
    if node.op_type == "Identity":
        return given[0]
    try:
        result = np.asarray(_run_reference(node, inputs, opset))
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
        return None
    widest = max(SMALL_BYTES, 2 * sum(value.nbytes for value in given))
    return result if result.nbytes <= min(widest, FOLD_LIMIT_BYTES) else None


def _run_reference(node: ir.Node, inputs: Sequence[Array | None], opset: int) -> Any:
    names = ["" if value is None else f"i{index}" for index, value in enumerate(inputs)]
    proto = onnx.helper.make_node(str(node.op_type), names, ["o"])
    proto.attribute.extend(ir.to_proto(node).attribute)
    given = [name for name in names if name]
    described = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in zip(names, inputs, strict=True)
        if value is not None
    ]
    graph = onnx.helper.make_graph([proto], "fold", described, [onnx.ValueInfoProto(name="o")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    feeds = {name: value for name, value in zip(names, inputs, strict=True) if name in given}
    results: Any = onnx.reference.ReferenceEvaluator(model).run(None, feeds)
    return results[0]
