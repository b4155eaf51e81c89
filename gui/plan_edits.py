"""Changes of a plan that the window offers, as plain functions: plan in, plan out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from engine.errors import PlanError
from engine.numerics.schemes import ActivationMode, Kernel, PerGroup, PerTensor, WeightScheme
from engine.plan import LayerPlan, Plan, PlanDefaults, choose_kernel, choose_layer_plan, refuse_layer_plan
from engine.summary import LayerSummary, ModelSummary

GROUP_SIZES = (16, 32, 64, 128, 256)
REASON = "reason"
"""In `LayerPlan.extra`: why the allocation gave the layer its bits."""


@dataclass(frozen=True)
class Candidate:
    """One option for one layer: its plan, or the reason why it cannot be chosen."""

    plan: LayerPlan | None
    reason: str = ""


def changed_layers(before: Plan, after: Plan) -> frozenset[str]:
    """The layers whose choices differ.

    Many layers of a plan share one choice, and most of two successive plans have the very same one: every pair is
    compared once.
    """
    differs: dict[tuple[int, int], bool] = {}
    names = []
    for name in {**before.layers, **after.layers}:
        one, other = before.layer(name), after.layer(name)
        if one is other:
            continue
        pair = (id(one), id(other))
        if pair not in differs:
            differs[pair] = one != other
        if differs[pair]:
            names.append(name)
    return frozenset(names)


def forget_reason(before: LayerPlan, after: LayerPlan) -> LayerPlan:
    """A layer's new choices without the allocation's reason for the old ones, unless only the lock is another."""
    if REASON not in after.extra or dataclasses.replace(before, is_locked=after.is_locked) == after:
        return after
    return dataclasses.replace(after, extra={key: value for key, value in after.extra.items() if key != REASON})


def is_edited_since(plan: Plan, measured: Iterable[str]) -> bool:
    """Whether layers that an allocation chose for were changed by hand later: free, measured, without a reason."""
    choices = (plan.layer(name) for name in measured)
    return any(not choice.is_locked and REASON not in choice.extra for choice in choices)


def with_activations(plan: Plan, model: ModelSummary, mode: ActivationMode) -> Plan:
    """A plan with another activation default, in which unlocked integer layers get the kernel that goes with it."""
    plan = dataclasses.replace(plan, defaults=dataclasses.replace(plan.defaults, activations=mode))
    return plan.with_layers(
        {
            layer.name: _with_wanted_kernel(layer, plan.layer(layer.name), plan.defaults)
            for layer in model.layers
            if plan.layer(layer.name).weights.is_integer and not plan.layer(layer.name).is_locked
        }
    )


def _with_wanted_kernel(layer: LayerSummary, choice: LayerPlan, defaults: PlanDefaults) -> LayerPlan:
    wanted = dataclasses.replace(choice, kernel=choose_kernel(layer, choice.weights.bits, defaults))
    if refuse_layer_plan(layer, wanted) is None:
        return wanted
    return dataclasses.replace(choice, kernel=Kernel.FLOAT)


def candidate_for_bits(layer: LayerSummary, plan: Plan, bits: int) -> Candidate:
    """The layer in the plan's default scheme for these bits; its lock and the range of its input stay."""
    choice = choose_layer_plan(layer, bits, plan.defaults)
    current = plan.layer(layer.name)
    return check(layer, dataclasses.replace(choice, is_locked=current.is_locked, input_range=current.input_range))


def candidate_for_kernel(layer: LayerSummary, plan: Plan, kernel: Kernel) -> Candidate:
    """The layer on another kernel; nbits brings its groups along, any other kernel keeps the scheme."""
    choice = plan.layer(layer.name)
    scheme = choice.weights
    if kernel == Kernel.NBITS and scheme.is_integer and not isinstance(scheme.granularity, PerGroup):
        size = plan.defaults.group_size if plan.defaults.group_size in GROUP_SIZES else GROUP_SIZES[1]
        scheme = dataclasses.replace(scheme, granularity=PerGroup(size))
    return _build(layer, choice, scheme, kernel)


def candidate_for_scheme(layer: LayerSummary, choice: LayerPlan, scheme: WeightScheme) -> Candidate:
    """The layer with another weight scheme on the same kernel."""
    return _build(layer, choice, scheme, choice.kernel)


def _build(layer: LayerSummary, choice: LayerPlan, scheme: WeightScheme, kernel: Kernel) -> Candidate:
    try:
        return check(layer, dataclasses.replace(choice, weights=scheme, kernel=kernel))
    except PlanError as error:
        return Candidate(None, str(error))


def check(layer: LayerSummary, choice: LayerPlan) -> Candidate:
    """The choice, or why the layer refuses it."""
    reason = refuse_layer_plan(layer, choice)
    return Candidate(choice) if reason is None else Candidate(None, reason)


def describe_scheme(choice: LayerPlan) -> str:
    """The kernel as the table shows it, such as "qlinear g32"."""
    granularity = choice.weights.granularity
    if not choice.weights.is_integer:
        return str(choice.kernel)
    if isinstance(granularity, PerGroup):
        return f"{choice.kernel} g{granularity.group_size}"
    return f"{choice.kernel} tensor" if isinstance(granularity, PerTensor) else str(choice.kernel)


def common_bits(plan: Plan, layers: Iterable[LayerSummary]) -> int | None:
    """The bits that all layers share; None if they differ."""
    found = {choice.weights.bits for choice in plan.choices(layers)}
    return found.pop() if len(found) == 1 else None
