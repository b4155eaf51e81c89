"""What the choices of a layer are called, and what can be chosen, for the table and the dialog that edits layers."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from engine.numerics.schemes import (
    WEIGHT_BITS,
    Granularity,
    Kernel,
    PerChannel,
    PerGroup,
    PerTensor,
    Rounding,
)
from engine.plan import LayerPlan
from gui.layer_edits import FULL_CLIP, EditEffect, LayerEdit
from gui.plan_edits import GROUP_SIZES
from gui.units import NOTHING

CONTEXT = "LayerChoices"
ROUNDINGS = {Rounding.NEAREST: "nearest", Rounding.GPTQ: "GPTQ", Rounding.ADAROUND: "AdaRound"}
GRANULARITIES: tuple[Granularity, ...] = (PerTensor(), PerChannel(), *(PerGroup(size) for size in GROUP_SIZES))
Options = tuple[tuple[str, LayerEdit], ...]


def granularity_text(granularity: Granularity) -> str:
    """Who shares a scale, in a word: tensor, channel, group 32."""
    tr = QCoreApplication.translate
    if isinstance(granularity, PerGroup):
        return tr(CONTEXT, "group {size}").format(size=granularity.group_size)
    return tr(CONTEXT, "tensor") if isinstance(granularity, PerTensor) else tr(CONTEXT, "channel")


def scales_text(choice: LayerPlan) -> str:
    """Who shares a scale in this layer; float weights have none."""
    return granularity_text(choice.weights.granularity) if choice.weights.is_integer else NOTHING


def rounding_text(choice: LayerPlan) -> str:
    """How the codes of this layer are chosen; float weights have none."""
    return ROUNDINGS[choice.rounding] if choice.weights.is_integer else NOTHING


def bits_options() -> Options:
    """Each bit width."""
    text = QCoreApplication.translate(CONTEXT, "{bits} bits")
    return tuple((text.format(bits=bits), LayerEdit(bits=bits)) for bits in WEIGHT_BITS)


def kernel_options() -> Options:
    """Each kernel."""
    return tuple((str(kernel), LayerEdit(kernel=kernel)) for kernel in Kernel)


def scales_options() -> Options:
    """Each granularity, groups by their size."""
    return tuple((granularity_text(wanted), LayerEdit(granularity=wanted)) for wanted in GRANULARITIES)


def rounding_options() -> Options:
    """Each way of rounding."""
    return tuple((text, LayerEdit(rounding=rounding)) for rounding, text in ROUNDINGS.items())


def describe_edit(edit: LayerEdit) -> str:
    """What an edit gives layers, for the undo menu: "4 bits, qlinear, group 32"."""
    tr = QCoreApplication.translate
    parts = []
    if edit.bits is not None:
        parts.append(tr(CONTEXT, "{bits} bits").format(bits=edit.bits))
    if edit.kernel is not None:
        parts.append(str(edit.kernel))
    if edit.granularity is not None:
        parts.append(granularity_text(edit.granularity))
    if edit.rounding is not None:
        parts.append(ROUNDINGS[edit.rounding])
    if edit.clip is not None:
        clip = tr(CONTEXT, "clip at {percent:.0f} %").format(percent=100 * edit.clip)
        parts.append(tr(CONTEXT, "no clip") if edit.clip == FULL_CLIP else clip)
    if edit.is_locked is not None:
        parts.append(tr(CONTEXT, "locked") if edit.is_locked else tr(CONTEXT, "free"))
    return ", ".join(parts)


def describe_effect(effect: EditEffect) -> str:
    """Whom an edit reaches, in a sentence: "Reaches 12 layers, 3 locked, 2 cannot"."""
    tr = QCoreApplication.translate
    parts = [tr(CONTEXT, "Reaches %n layers", "", effect.reached)]
    if effect.reached != len(effect.changes):
        parts.append(tr(CONTEXT, "%n of them are so already", "", effect.reached - len(effect.changes)))
    if effect.locked:
        parts.append(tr(CONTEXT, "%n locked", "", len(effect.locked)))
    if effect.refused:
        parts.append(tr(CONTEXT, "%n cannot", "", len(effect.refused)))
    return ", ".join(parts)
