"""Weights that several layers take in the same form, stored once."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from engine.conversion.emission import Emitter, emit_integer_matrix, emit_integer_weight, emit_restore
from engine.model.graph import attribute_float
from engine.model.layers import Layer
from engine.model.layout import WeightLayout, channels_first
from engine.numerics.weights import QuantizedWeight
from engine.plan import LayerPlan
from engine.stored_weights import group_scales
from engine.summary import LayerSummary


class Share:
    """What layers with the same weight and scheme have in common, so that it is stored once."""

    def __init__(self, key: tuple[object, ...], known: dict[tuple[object, ...], ir.Value], *, is_shared: bool) -> None:
        """`known` holds what is stored already, of the whole graph."""
        self._key, self._known, self._is_shared = key, known, is_shared

    def alone(self) -> Share:
        """The same for a weight that turned out to differ."""
        return Share(self._key, {}, is_shared=False)

    @classmethod
    def of(
        cls,
        layer: Layer,
        summary: LayerSummary,
        choice: LayerPlan | None,
        known: dict[tuple[object, ...], ir.Value],
    ) -> Share:
        """A choice of None stands for half precision."""
        alpha = attribute_float(layer.node, "alpha", 1.0) if layer.op == "Gemm" else 1.0
        form = (choice.weights, group_scales(summary, choice)) if choice else None
        key = (summary.weight_name, _orientation(layer, summary), alpha, form)
        return cls(key, known, is_shared=summary.shares_weight)

    def once(self, form: tuple[object, ...], store: Callable[[], ir.Value]) -> ir.Value:
        """The stored value of this form, made now if no layer has it yet."""
        key = (*self._key, *form)
        if key not in self._known:
            self._known[key] = store()
        return self._known[key]

    def integer_weight(self, emit: Emitter, weight: QuantizedWeight, layout: WeightLayout) -> ir.Value:
        """The int8 weight in the operator's layout; from one matrix where several layers take it."""
        if not self._is_shared:
            return emit_integer_weight(emit, weight, layout)
        value = self.once(("int8",), lambda: emit_integer_matrix(emit, weight))
        return emit_restore(emit, value, layout)


def _orientation(layer: Layer, summary: LayerSummary) -> tuple[object, ...]:
    """How the matrix comes from the named weight: layers may read it along different axes (tied autoencoders)."""
    layout = layer.layout
    if summary.weight_name != layer.weight_value.name:  # a transposed copy of an embedding, whose rows are channels
        layout = channels_first(layout.weight_shape[::-1])
    return (layout.split_shape, layout.permutation)
