"""What a plan is predicted to cost and to lose: plain arithmetic over measured cells, for the window and the search.

Losses of single layers are added up. That ranks plans; it does not forecast a result, because noises of
several layers interact. `engine.polish` measures.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.numerics.schemes import ActivationMode, Kernel
from engine.plan import LayerPlan, Plan
from engine.sensitivity.matrix import Metric, SensitivityRow, damage, undamage
from engine.stored_weights import stored_weight_bytes
from engine.summary import LayerSummary, ModelSummary


def layer_damage(row: SensitivityRow, choice: LayerPlan, metric: Metric) -> float | None:
    """What one layer in this form adds to the network's loss, as `damage`; None if its bits were not measured.

    What the kernel does to the layer's input is added where it was measured.
    """
    if choice.weights.bits == 32:
        return 0.0
    total = row.weight_damages(metric).get(choice.weights.bits)
    if total is not None and choice.kernel in (Kernel.QLINEAR, Kernel.DYNAMIC):
        cell = row.activations.get(choice.activations)
        if cell is not None and metric in cell.values:
            total += damage(metric, cell.values[metric])
    return total


def layer_loss(row: SensitivityRow | None, choice: LayerPlan, metric: Metric) -> float | None:
    """What one layer counts for in a plan; None if it loses something that waits to be measured.

    A layer whose row is there and empty cannot be measured (in the body of an If, say) and counts nothing.
    """
    if choice.weights.bits == 32 or (row is not None and not row.cells):
        return 0.0
    return None if row is None else layer_damage(row, choice, metric)


def leaves_activations_out(model: ModelSummary, plan: Plan, rows: Mapping[str, SensitivityRow], metric: Metric) -> bool:
    """Whether some layer's input is quantized and what that loses was not measured: the prediction is lower then."""
    for layer in model.layers:
        choice, row = plan.layer(layer.name), rows.get(layer.name)
        if choice.activations == ActivationMode.FLOAT or row is None or not row.cells:
            continue
        cell = row.activations.get(choice.activations)
        if cell is None or metric not in cell.values:
            return True
    return False


def predict_value(model: ModelSummary, plan: Plan, rows: Mapping[str, SensitivityRow], metric: Metric) -> float | None:
    """The metric of a plan; None while a layer that loses something waits to be measured.

    Of the weights alone where `leaves_activations_out`: exact and loss-aware analysis measure no activations.
    """
    total = 0.0
    for layer in model.layers:
        own = layer_loss(rows.get(layer.name), plan.layer(layer.name), metric)
        if own is None:
            return None
        total += own
    return undamage(metric, total)


def loaded_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """Memory of the weight while ONNX Runtime runs it: packed with `nbits`, int8 or float otherwise."""
    if choice.kernel == Kernel.NBITS:
        return stored_weight_bytes(layer, choice)
    is_lookup = layer.op == "Gather" and choice.weights.is_integer
    is_integer = is_lookup or choice.kernel in (Kernel.QLINEAR, Kernel.DYNAMIC)
    return layer.parameters * (1 if is_integer else layer.float_bits // 8)


def predict_ram_bytes(model: ModelSummary, plan: Plan) -> int:
    """Memory of all weights while the model runs; activations and the runtime itself come on top."""
    return sum(loaded_bytes(layer, plan.layer(layer.name)) for layer in model.layers)
