"""The conversions that are timed: every kernel throughout, and mixtures that show what changing between them costs.

Weights of qlinear and dynamic layers are unpacked when a model is loaded, so one bit width stands for all
of them; nbits keeps them packed, so each bit width is timed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from engine.latency.figures import FLOAT_FORM, STATIC_FORM, Form
from engine.numerics.schemes import DEFAULT_GROUP_SIZE, INTEGER_BITS, Kernel, PerChannel, PerGroup, WeightScheme
from engine.plan import FLOAT_LAYER, NBITS_GROUP_SIZES, LayerPlan, Plan, PlanDefaults, refuse_layer_plan
from engine.summary import LayerSummary, ModelSummary


@dataclass(frozen=True)
class Variant:
    """One conversion of the model.

    Attributes:
        form: what its layers have where they can.
        is_mixed: only some of the layers have it, the others are float.
    """

    form: Form
    plan: Plan
    is_mixed: bool = False

    @property
    def layers(self) -> frozenset[str]:
        """The layers that have the form."""
        return frozenset(
            name for name, choice in self.plan.layers.items() if (choice.kernel, choice.weights.bits) == self.form
        )


def build_variants(model: ModelSummary, defaults: PlanDefaults, bits: Collection[int]) -> list[Variant]:
    """All that is worth timing, the float model first; forms that no layer takes are left out."""
    widths = [width for width in bits if width in INTEGER_BITS]
    found = [_variant(model, FLOAT_FORM, defaults)]
    if widths:
        found += [
            _variant(model, STATIC_FORM, defaults),
            _variant(model, STATIC_FORM, defaults, lambda index: index % 2 == 1),
            _variant(model, STATIC_FORM, defaults, lambda index: index % 4 != 3),
            _variant(model, (Kernel.DYNAMIC, 8), defaults),
            _variant(model, (Kernel.FLOAT, 8), defaults),
            *(_variant(model, (Kernel.NBITS, width), defaults) for width in widths),
        ]
    return [variant for variant in found if variant.layers]


def _variant(
    model: ModelSummary, form: Form, defaults: PlanDefaults, is_chosen: Callable[[int], bool] | None = None
) -> Variant:
    """The form for every layer that can have it, or for the chosen ones of those."""
    choice = _choice(form, defaults)
    able = [layer for layer in model.layers if _can(layer, form, choice)]
    layers = {layer.name: choice for index, layer in enumerate(able) if is_chosen is None or is_chosen(index)}
    is_mixed = is_chosen is not None and len(layers) < len(able)
    return Variant(form, Plan(model.sha256, "", {} if is_chosen and not is_mixed else layers, defaults), is_mixed)


def _choice(form: Form, defaults: PlanDefaults) -> LayerPlan:
    """The cheapest scheme to convert with; ranges of weights do not touch the time."""
    kernel, bits = form
    if form == FLOAT_FORM:
        return FLOAT_LAYER
    size = defaults.group_size if defaults.group_size in NBITS_GROUP_SIZES else DEFAULT_GROUP_SIZE
    granularity = PerGroup(size) if kernel == Kernel.NBITS else PerChannel()
    return LayerPlan(WeightScheme(bits, symmetric=bits != 2, granularity=granularity), kernel)


def _can(layer: LayerSummary, form: Form, choice: LayerPlan) -> bool:
    """Weights on the float kernel are unpacked at load, except those that are looked up."""
    if form[0] == Kernel.FLOAT and form != FLOAT_FORM and layer.op != "Gather":
        return False
    return refuse_layer_plan(layer, choice) is None
