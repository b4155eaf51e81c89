"""The operator set: raised only as far as the packed types and operators of a plan need."""

from __future__ import annotations

import onnx_ir as ir
import onnxscript.version_converter

from engine.errors import ConversionError
from engine.numerics.schemes import Kernel
from engine.plan import Plan

INT4_OPSET, INT2_OPSET, PER_CHANNEL_OPSET, DYNAMIC_OPSET = 21, 25, 13, 11
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

    Raises:
        ConversionError: an operator has no conversion.
    """
    current = model.graph.opset_imports.get("", 0)
    if current and current < opset:
        try:
            onnxscript.version_converter.convert_version(model, target_version=opset, fallback=True)
        except Exception as error:  # the converters raise whatever their C++ or Python parts do
            raise ConversionError(
                f"The model uses opset {current} and cannot be raised to {opset}, which these bits need: {error}. "
                "Export it with a newer opset, or use 8 bits."
            ) from error
        if model.graph.opset_imports.get("", 0) < opset:
            raise ConversionError(
                f"The model uses opset {current}; an operator in it cannot be raised to {opset}, which these bits "
                "need. Export it with a newer opset, or use 8 bits."
            )
    final = model.graph.opset_imports.get("", 0)
    needed = next(version for limit, version in IR_VERSION_FOR_OPSET if final >= limit)
    model.ir_version = max(model.ir_version, needed)
