"""Latency of a plan from measured figures: plain arithmetic, cheap enough for every click.

A plan takes what is no layer in the float model, plus its layers in their forms, plus what operators
between integer layers take more than in float, plus every passage of a tensor between float and integers.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from engine.latency.figures import FLOAT_FORM, STATIC_FORM, Latencies, LatencyCell, LatencyPrediction
from engine.numerics.schemes import FLOAT_BITS, ActivationType, Kernel
from engine.placement import CLIPPING_OPS, INTEGER_OPS, Placement, is_pass_through, place
from engine.plan import LayerPlan, Plan
from engine.summary import LayerSummary, ModelSummary, NodeSummary

# What ONNX Runtime's WeightBiasQuantization turns to integers where both input and output are quantized.
ABSORBED_OPS = ("Conv", "ConvTranspose", "Gemm")


@dataclass(frozen=True)
class Surroundings:
    """What a placement does to a graph outside of its layers.

    Attributes:
        nodes: operators, layers among them, that read what an integer kernel wrote.
        moved: operators that move values that were quantized after a float kernel had written them.
        crossings: tensors that pass between float and integers, once per passage.
        absorbed: float layers that the runtime computes on integers all the same.
    """

    nodes: frozenset[str]
    crossings: tuple[str, ...]
    absorbed: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()


def layer_us(latencies: Latencies, layer: LayerSummary, choice: LayerPlan) -> tuple[float, bool]:
    """Microseconds that one layer adds, and whether that is estimated.

    With `base_us` these sum up to a plan's latency where all layers that can have the same kernel; mixed
    plans take more, which `predict_latency_us` knows.
    """
    cell = _cell(latencies, layer, choice)
    return cell.us + cell.around_us, cell.is_estimated


@dataclass(frozen=True)
class Between:
    """What a plan takes between its layers, which depends on nothing but their kernels.

    Attributes:
        us: microseconds more than in the float model.
        absorbed: as in `Surroundings`.
    """

    us: float = 0.0
    absorbed: frozenset[str] = frozenset()


def predict_latency_us(
    model: ModelSummary, plan: Plan, latencies: Latencies, between: Between | None = None
) -> LatencyPrediction:
    """Latency of the converted model; an estimate with int8 activations, as layers are measured with uint8.

    Args:
        between: of a plan with these kernels, where it is at hand: finding it takes most of the time.
    """
    choices = plan.choices(model.layers)
    cells = {layer.name: _cell(latencies, layer, choice) for layer, choice in zip(model.layers, choices, strict=True)}
    between = between or predict_between(model, plan, latencies)
    for name in between.absorbed:
        cells[name] = latencies.layers[name].cells.get(STATIC_FORM, cells[name])
    us = latencies.base_us + sum(cell.us for cell in cells.values()) + between.us
    is_unlike = plan.defaults.activation_type != ActivationType.UINT8 and plan.needs_calibration
    return LatencyPrediction(us, is_unlike or any(cell.is_estimated for cell in cells.values()))


def predict_between(
    model: ModelSummary, plan: Plan, latencies: Latencies, placement: Placement | None = None
) -> Between:
    """What the plan takes between its layers.

    Args:
        placement: of this very plan, where it is at hand.
    """
    if all(choice.kernel != Kernel.QLINEAR for choice in plan.layers.values()):
        return Between()
    around = find_surroundings(model, plan, placement or place(model, plan), absorbs_float=latencies.absorbs_float)
    return Between(surroundings_us(latencies, around), around.absorbed)


def surroundings_us(latencies: Latencies, around: Surroundings) -> float:
    """What the surroundings take more than in the float model."""
    elements = sum(latencies.elements.get(name, 0) for name in around.crossings)
    extra = sum(us for name, us in latencies.nodes.items() if name in around.nodes)
    extra += sum(us for name, us in latencies.moved.items() if name in around.moved)
    return extra + latencies.crossing.us(len(around.crossings), elements)


def find_surroundings(model: ModelSummary, plan: Plan, placement: Placement, *, absorbs_float: bool) -> Surroundings:
    """Which operators see integers, and where tensors change between the two."""
    ends = _absorbed(model, plan, placement) if absorbs_float else {}
    static = {layer.name for layer in model.layers if plan.layer(layer.name).kernel == Kernel.QLINEAR} | ends.keys()
    written = placement.integer_producers | set(ends.values())
    seen = set(written)
    nodes: set[str] = set()
    moved: set[str] = set()
    float_reads: set[str] = set()
    for node in model.nodes:
        if not seen.isdisjoint(node.inputs):
            nodes.add(node.name)
            if node.op in CLIPPING_OPS or node.op in INTEGER_OPS:
                seen.update(node.outputs)
        elif is_pass_through(node) and not placement.range_source.keys().isdisjoint(node.outputs):
            moved.add(node.name)
        if not written.isdisjoint(node.inputs) and not _reads_integers(model, placement, static, node):
            float_reads.update(node.inputs)
    float_reads.update(spec.name for spec in model.outputs)
    entering = [name for name, source in placement.range_source.items() if name == source and name not in written]
    crossings = (*entering, *sorted(written & float_reads))
    return Surroundings(frozenset(nodes), crossings, frozenset(ends), frozenset(moved))


def _absorbed(model: ModelSummary, plan: Plan, placement: Placement) -> dict[str, str]:
    """Float layers that stand between integers, with the tensor that they write after clipping."""
    found = {}
    for layer in model.layers:
        is_float = plan.layer(layer.name).kernel == Kernel.FLOAT and layer.float_bits == FLOAT_BITS
        source, end = layer.input_name, _after_clipping(model, layer.output_name)
        reads = source in placement.integer_producers or layer.name in placement.readers.get(source, ())
        if layer.op in ABSORBED_OPS and is_float and reads and _only_integers_read(model, placement, end):
            found[layer.name] = end
    return found


def _only_integers_read(model: ModelSummary, placement: Placement, tensor: str) -> bool:
    """Whether a tensor that is written in float goes through one QuantizeLinear and nowhere else."""
    if tensor not in placement.range_source or any(spec.name == tensor for spec in model.outputs):
        return False
    return all(node.name in placement.readers.get(tensor, ()) for node in model.consumers.get(tensor, ()))


def _after_clipping(model: ModelSummary, tensor: str) -> str:
    readers = model.consumers.get(tensor, ())
    is_clipped = len(readers) == 1 and readers[0].op in CLIPPING_OPS
    return readers[0].outputs[0] if is_clipped else tensor


def _reads_integers(model: ModelSummary, placement: Placement, static: AbstractSet[str], node: NodeSummary) -> bool:
    """Whether the operator runs on integers: as a static layer, or because it writes or moves integers."""
    if node.name in model.layer_by_name or not node.outputs:
        return node.name in static
    written, end = placement.integer_producers, node.outputs[0]
    if end in written or (is_pass_through(node) and end in placement.range_source):
        return True
    return node.op in INTEGER_OPS and _after_clipping(model, end) in written


def _cell(latencies: Latencies, layer: LayerSummary, choice: LayerPlan) -> LatencyCell:
    """The cell of this form; where it was not asked for, another one of the kernel, then float, as an estimate."""
    found = latencies.layers.get(layer.name)
    if found is None:
        return LatencyCell(0.0, is_estimated=True)
    form = (choice.kernel, choice.weights.bits)
    if form in found.cells:
        return found.cells[form]
    other = next((cell for (kernel, _), cell in found.cells.items() if kernel == choice.kernel), None)
    nearest = other or found.cells[FLOAT_FORM]
    return LatencyCell(nearest.us, nearest.around_us, is_estimated=True)
