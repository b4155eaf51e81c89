"""What a remedy for speed does to the plan, as plain functions: plan in, plan out."""

from __future__ import annotations

import dataclasses

from engine.bottlenecks.report import SpeedRemedy, SpeedRemedyKind
from engine.numerics.schemes import ActivationMode, Kernel
from engine.plan import LayerPlan, Plan, refuse_layer_plan
from engine.summary import LayerSummary, ModelSummary
from gui.plan_edits import candidate_for_kernel, with_activations

FAST_BITS = 8


def apply_remedy(plan: Plan, model: ModelSummary, remedy: SpeedRemedy) -> Plan:
    """The plan with the remedy; equal to `plan` where nothing can be changed. Locked layers keep what they have."""
    free = [
        layer
        for name in remedy.layers
        if (layer := model.layer_by_name.get(name)) is not None and not plan.layer(name).is_locked
    ]
    if remedy.kind == SpeedRemedyKind.KEEP_FLOAT:
        candidates = {layer.name: candidate_for_kernel(layer, plan, Kernel.FLOAT).plan for layer in free}
        return plan.with_layers({name: choice for name, choice in candidates.items() if choice is not None})
    if remedy.kind == SpeedRemedyKind.STATIC_ACTIVATIONS:
        return with_activations(plan, model, ActivationMode.STATIC)
    if remedy.kind == SpeedRemedyKind.INTEGER_LAYERS:
        return plan.with_bits([layer for layer in free if plan.layer(layer.name).weights.bits > FAST_BITS], FAST_BITS)
    if remedy.kind == SpeedRemedyKind.REDUCE_RANGE:
        return _with_reduced_range(plan, model)
    return plan


def _with_reduced_range(plan: Plan, model: ModelSummary) -> Plan:
    changed = dataclasses.replace(plan, defaults=dataclasses.replace(plan.defaults, reduce_range=True))
    choices = {layer.name: _reduced(layer, plan.layer(layer.name)) for layer in model.layers}
    return changed.with_layers({name: choice for name, choice in choices.items() if choice is not None})


def _reduced(layer: LayerSummary, choice: LayerPlan) -> LayerPlan | None:
    """None for layers to which it does not apply."""
    if choice.is_locked or not choice.weights.is_integer:
        return None
    reduced = dataclasses.replace(choice, weights=dataclasses.replace(choice.weights, reduce_range=True))
    return reduced if refuse_layer_plan(layer, reduced) is None else None
