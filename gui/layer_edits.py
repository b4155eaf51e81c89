"""One edit of many layers: what it changes, which layers it reaches, and why it passes over the others."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.errors import PlanError
from engine.numerics.schemes import Granularity, Kernel, PerGroup, Rounding
from engine.plan import LayerPlan, Plan, choose_layer_plan
from engine.summary import LayerSummary
from gui.plan_edits import GROUP_SIZES, check, forget_reason

FULL_CLIP = 1.0
"""The share that stands for no clip by hand: the range method decides again."""
WILDCARDS = "*?["


@dataclass(frozen=True)
class LayerEdit:
    """What to give layers; None leaves a choice as it is.

    Attributes:
        clip: share of the full range of the weights, 0 < clip ≤ 1; 1 goes back to the range method.
        is_locked: to lock, or to free; an edit that frees layers reaches locked ones.
    """

    bits: int | None = None
    kernel: Kernel | None = None
    granularity: Granularity | None = None
    rounding: Rounding | None = None
    clip: float | None = None
    is_locked: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it would change nothing."""
        return self == LayerEdit()


@dataclass(frozen=True)
class EditEffect:
    """What an edit would do.

    Attributes:
        changes: new choices of the layers that it changes.
        reached: how many layers it is for, those included that are already so.
        locked: names of the layers that keep their choices because they are locked.
        refused: (name, sentence) of the layers that cannot take it.
    """

    changes: dict[str, LayerPlan]
    reached: int
    locked: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


def plan_edit(plan: Plan, layers: Iterable[LayerSummary], edit: LayerEdit) -> EditEffect:
    """Apply `edit` to each of `layers`, without changing the plan."""
    changes: dict[str, LayerPlan] = {}
    locked, refused = [], []
    reached = 0
    is_lock_only = dataclasses.replace(edit, is_locked=None).is_empty
    for layer in layers:
        current = plan.layer(layer.name)
        if current.is_locked and not is_lock_only and edit.is_locked is not False:
            locked.append(layer.name)
            continue
        try:
            wanted = _with_edit(plan, layer, edit)
            reason = None if is_lock_only else check(layer, wanted).reason
        except PlanError as error:
            wanted, reason = current, str(error)
        if reason:
            refused.append((layer.name, reason))
            continue
        reached += 1
        if wanted != current:
            changes[layer.name] = forget_reason(current, wanted)
    return EditEffect(changes, reached, tuple(locked), tuple(refused))


def _with_edit(plan: Plan, layer: LayerSummary, edit: LayerEdit) -> LayerPlan:
    """All choices at once, so that none is refused for what another one mends.

    Raises:
        PlanError: the choices do not go together.
    """
    choice = plan.layer(layer.name)
    if edit.bits is not None and edit.bits != choice.weights.bits:
        fresh = choose_layer_plan(layer, edit.bits, plan.defaults)
        choice = dataclasses.replace(fresh, is_locked=choice.is_locked, input_range=choice.input_range)
    scheme, kernel = choice.weights, edit.kernel or choice.kernel
    if not scheme.is_integer and (edit.granularity or edit.rounding or edit.clip):
        raise PlanError(f"{layer.title} has float weights, which have no scales. Give it 8, 4 or 2 bits.")
    if edit.granularity is not None:
        scheme = dataclasses.replace(scheme, granularity=edit.granularity)
    elif kernel == Kernel.NBITS and scheme.is_integer and not isinstance(scheme.granularity, PerGroup):
        size = plan.defaults.group_size if plan.defaults.group_size in GROUP_SIZES else GROUP_SIZES[1]
        scheme = dataclasses.replace(scheme, granularity=PerGroup(size))
    if edit.clip is not None:
        scheme = dataclasses.replace(scheme, clip=None if edit.clip == FULL_CLIP else edit.clip)
    return dataclasses.replace(
        choice,
        weights=scheme,
        kernel=kernel,
        rounding=edit.rounding or choice.rounding,
        is_locked=choice.is_locked if edit.is_locked is None else edit.is_locked,
    )


def match_layers(layers: Sequence[LayerSummary], pattern: str) -> tuple[LayerSummary, ...]:
    """The layers whose name or title fits `pattern`: a part of it, or all of it with * ? and [ ]; any case."""
    wanted = pattern.strip().lower()
    if not wanted:
        return ()
    if not any(sign in wanted for sign in WILDCARDS):
        wanted = f"*{wanted}*"
    return tuple(
        layer
        for layer in layers
        if any(fnmatch.fnmatchcase(text.lower(), wanted) for text in (layer.name, layer.title))
    )
