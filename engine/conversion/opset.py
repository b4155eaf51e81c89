"""The operator set: raised only as far as the packed types and operators of a plan need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
import onnxscript.version_converter

from engine.errors import ConversionError
from engine.model.graph import attribute_int, attribute_string
from engine.model.runtime import first_line
from engine.numerics.schemes import Kernel
from engine.plan import Plan

INT4_OPSET, INT2_OPSET, PER_CHANNEL_OPSET, DYNAMIC_OPSET = 21, 25, 13, 11
# From here on, the bounds of a Clip and what a Pad needs to know are no attributes.
BOUND_INPUTS_OPSET = 11
IR_VERSION_FOR_OPSET = ((25, 13), (21, 10), (13, 7), (0, 4))


def required_opset(plan: Plan) -> int:
    """The lowest opset that can express the plan."""
    needed = 0
    for layer in plan.layers.values():
        if not layer.weights.is_integer:
            continue
        if layer.kernel != Kernel.NBITS:
            needed = max(needed, {8: 0, 4: INT4_OPSET, 2: INT2_OPSET}[layer.weights.bits])
        needed = max(needed, {Kernel.QLINEAR: PER_CHANNEL_OPSET, Kernel.DYNAMIC: DYNAMIC_OPSET}.get(layer.kernel, 0))
        needed = max(needed, PER_CHANNEL_OPSET)
    return needed


def raise_opset(model: ir.Model, opset: int) -> None:
    """Convert `model` in place to at least `opset`, and its IR version to what that opset needs.

    What nodes read keeps its name.

    Raises:
        ConversionError: an operator has no conversion.
    """
    current = model.graph.opset_imports.get("", 0)
    if current and current < opset:
        if current < BOUND_INPUTS_OPSET:
            _drop_unused_pad_values(model)
        read = {node.name: [None if value is None else value.name for value in node.inputs] for node in model.graph}
        try:
            onnxscript.version_converter.convert_version(model, target_version=opset, fallback=True)
        except Exception as error:  # the converters raise whatever their C++ or Python parts do
            raise ConversionError(
                f"The model uses opset {current} and cannot be raised to {opset}, which these bits need: "
                f"{first_line(error)}. Export it with a newer opset, or use more bits."
            ) from error
        if model.graph.opset_imports.get("", 0) < opset:
            raise ConversionError(
                f"The model uses opset {current}; an operator in it cannot be raised to {opset}, which these bits "
                "need. Export it with a newer opset, or use more bits."
            )
        if current < BOUND_INPUTS_OPSET:
            _halve_bounds(model)
        _restore_names(model.graph, read)
    final = model.graph.opset_imports.get("", 0)
    needed = next(version for limit, version in IR_VERSION_FOR_OPSET if final >= limit)
    model.ir_version = max(model.ir_version, needed)


def _restore_names(graph: ir.Graph, read: Mapping[str | None, Sequence[str | None]]) -> None:
    """Where the converter replaced a node, such as an Upsample, its output has another name; `read` is by node."""
    known = {value.name for node in graph for value in (*node.inputs, *node.outputs) if value is not None}
    for node in graph:
        for name, value in zip(read.get(node.name, ()), node.inputs, strict=False):
            if value is not None and name and name not in known:
                value.name = name
                known.add(name)


def _drop_unused_pad_values(model: ir.Model) -> None:
    """Modes that repeat elements fill in no value; onnx's converter leaves its attribute, which opset 11 lacks."""
    for node in _nodes(model, "Pad"):
        if attribute_string(node, "mode", "constant") != "constant":
            node.attributes.pop("value", None)


def _halve_bounds(model: ir.Model) -> None:
    """onnx's converter writes what was an attribute of a Clip or a Pad as float32, in float16 models, too."""
    for node in _nodes(model, "Clip", "Pad"):
        for value in node.inputs[1:] if _dtype_of(node.inputs[0]) == ir.DataType.FLOAT16 else ():
            maker = value.producer() if value is not None else None
            attribute = maker.attributes.get("value") if maker is not None and maker.op_type == "Constant" else None
            if maker is not None and attribute is not None and attribute.as_tensor().dtype == ir.DataType.FLOAT:
                half = attribute.as_tensor().numpy().astype(np.float16)
                maker.attributes["value"] = ir.AttrTensor("value", ir.Tensor(half))
                maker.outputs[0].type = ir.TensorType(ir.DataType.FLOAT16)


def _nodes(model: ir.Model, *ops: str) -> list[ir.Node]:
    return [node for node in model.graph.all_nodes() if node.op_type in ops and node.domain in ("", "ai.onnx")]


def _dtype_of(value: ir.Value | None) -> ir.DataType | None:
    """The type of a value, as declared, or that of what it is computed from; None if that says nothing."""
    while value is not None and value.dtype is None:
        node = value.producer()
        if node is None or not node.inputs:
            return None
        if node.op_type == "Cast":
            return ir.DataType(attribute_int(node, "to", 0))
        value = node.inputs[0]
    return None if value is None else value.dtype
