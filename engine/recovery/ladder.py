"""What each rung changes in a plan; bits, schemes, kernels and locked layers stay as they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from engine.numerics.schemes import ActivationMode, InputScaling, Rounding
from engine.plan import LayerPlan, Plan
from engine.recovery.targets import Rung

ROUNDINGS: Mapping[Rung, Rounding] = MappingProxyType({Rung.GPTQ: Rounding.GPTQ, Rung.ADAROUND: Rounding.ADAROUND})
# At most: fewer where time is short.
TRAINING_STEPS: Mapping[Rung, int] = MappingProxyType({Rung.RECONSTRUCT: 100, Rung.DISTILL: 300})
CODES = (Rounding.NEAREST, Rounding.GPTQ, Rounding.ADAROUND)


def take_rung(rung: Rung, plan: Plan, *, steps: int | None = None) -> Plan:
    """`plan` with what `rung` adds; unchanged where the rung has nothing to add, and by `Rung.START` and `MIX`.

    Args:
        steps: of the training, for a rung that trains; as many as there may be if None.
    """
    steps = TRAINING_STEPS.get(rung, 0) if steps is None else steps
    if rung in ROUNDINGS:
        return _round(plan, ROUNDINGS[rung])
    defaults = plan.defaults
    if rung == Rung.CORRECT:
        defaults = dataclasses.replace(defaults, correct_bias=True)
    elif rung == Rung.EQUALIZE:
        defaults = dataclasses.replace(defaults, equalize=True)
    elif rung == Rung.SCALE:
        is_static = any(layer.activations == ActivationMode.STATIC for layer in plan.layers.values())
        scaling = InputScaling.SMOOTH if is_static else InputScaling.AWQ
        defaults = dataclasses.replace(defaults, input_scaling=scaling)
    elif rung == Rung.RECONSTRUCT:
        defaults = dataclasses.replace(defaults, reconstruction_steps=steps)
    elif rung == Rung.DISTILL:
        defaults = dataclasses.replace(defaults, distillation_steps=steps)
    return dataclasses.replace(plan, defaults=defaults)


def vary_layers(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Plans in which one layer has another method, with its name; all layers in turn, method by method."""
    for rounding in CODES:
        for name, layer in plan.layers.items():
            if _is_open(layer) and layer.rounding != rounding:
                yield name, plan.with_layers({name: dataclasses.replace(layer, rounding=rounding)})


def _round(plan: Plan, rounding: Rounding) -> Plan:
    layers = {
        name: dataclasses.replace(layer, rounding=rounding) for name, layer in plan.layers.items() if _is_open(layer)
    }
    return plan.with_layers(layers)


def _is_open(layer: LayerPlan) -> bool:
    return layer.weights.is_integer and not layer.is_locked
