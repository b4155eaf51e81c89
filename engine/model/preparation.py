"""Graph preparation before anything is measured or quantized; every pass leaves the function unchanged.

Order: functions are inlined, constants lifted and folded, identities removed, then what follows a
layer linearly (BatchNorm, a constant Mul or Add) is folded into it. The passes are in `passes`.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes import common

from engine.model.graph import remove_unused_initializers, replace_and_remove
from engine.model.passes.batch_norm import fold_batch_norm
from engine.model.passes.constants import fold_constants, lift_constants
from engine.model.passes.naming import name_nodes, name_values
from engine.model.passes.scale_and_shift import fold_constant_add, fold_constant_mul

__all__ = ["PreparationOptions", "name_nodes", "prepare", "replace_and_remove"]

# From here on, initializers are no inputs of the graph.
SEPARATE_INITIALIZERS_IR_VERSION = 4


@dataclass(frozen=True)
class PreparationOptions:
    """Which passes run.

    Attributes:
        inlines_functions: replace calls of model-local functions by their bodies.
        folds_constants: compute what depends on constants only.
        folds_batch_norm, folds_add, folds_mul: fold what follows a layer into it.
    """

    inlines_functions: bool = True
    folds_constants: bool = True
    folds_batch_norm: bool = True
    folds_add: bool = True
    folds_mul: bool = True


def prepare(model: ir.Model, options: PreparationOptions = PreparationOptions()) -> ir.Model:
    """Prepare `model` in place and return it; nodes and values get unique names, constants are lifted in any case."""
    if options.inlines_functions and model.functions:
        common.InlinePass()(model)
    name_nodes(model.graph)
    name_values(model.graph)
    common.RemoveInitializersFromInputsPass()(model)
    model.ir_version = max(model.ir_version, SEPARATE_INITIALIZERS_IR_VERSION)
    lift_constants(model)
    if options.folds_constants:
        fold_constants(model)
    _fold_into_layers(model.graph, options)
    common.RemoveUnusedNodesPass()(model)
    remove_unused_initializers(model.graph)
    return model


def _fold_into_layers(graph: ir.Graph, options: PreparationOptions) -> None:
    """Until nothing changes: a Mul may stand behind a BatchNorm, an Add behind a Mul."""
    folded = True
    while folded:
        folded = bool(
            (options.folds_batch_norm and fold_batch_norm(graph))
            + (options.folds_mul and fold_constant_mul(graph))
            + (options.folds_add and fold_constant_add(graph))
        )
