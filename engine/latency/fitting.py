"""From the times of whole conversions and their nodes to figures that add up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.conversion.optimized import INTEGER_OPS
from engine.latency.estimating import estimate_cell
from engine.latency.figures import FLOAT_FORM, Crossing, Form, Latencies, LatencyCell, LayerLatency
from engine.latency.matching import Matcher
from engine.latency.prediction import Surroundings, find_surroundings, predict_latency_us
from engine.latency.timing import Stopwatch
from engine.latency.variants import Variant
from engine.machine import describe_cpu, describe_runtime
from engine.numerics.schemes import FLOAT_BITS, Kernel
from engine.placement import place
from engine.requests.benchmark import LatencyRequest
from engine.summary import LayerSummary, ModelSummary

Times = dict[str, dict[Form, float]]


@dataclass(frozen=True)
class Sample:
    """One version, timed.

    Attributes:
        wall_us: the whole call.
        layers: microseconds by layer, its own operators only.
        nodes: microseconds by operator of the source that is no layer.
        integers: layers that run on an integer kernel, by the optimised graph.
    """

    variant: Variant
    wall_us: float
    layers: Mapping[str, float]
    nodes: Mapping[str, float]
    integers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, variant: Variant, watch: Stopwatch, matcher: Matcher) -> Sample:
        """Add up the nodes of the optimised graph by where they come from."""
        layers: dict[str, float] = {}
        nodes: dict[str, float] = {}
        integers = set()
        summaries = matcher.model.summary.layers
        for item in watch.nodes:
            origin = matcher.trace(item.node)
            if origin is None:
                continue
            if origin.node:
                nodes[origin.node] = nodes.get(origin.node, 0.0) + item.us
            weights = [max(summaries[index].parameters, 1) for index in origin.layers]
            for index, weight in zip(origin.layers, weights, strict=True):
                name = summaries[index].name
                layers[name] = layers.get(name, 0.0) + item.us * weight / sum(weights)
                if item.node.op_type in INTEGER_OPS:
                    integers.add(name)
        return cls(variant, watch.wall_us, layers, nodes, frozenset(integers))


def fit_latencies(
    model: ModelSummary, request: LatencyRequest, samples: Sequence[Sample], elements: Mapping[str, int]
) -> Latencies:
    """Figures by which every uniform version takes what it took.

    Args:
        samples: one in float among them.
        elements: values per call of the tensors that a plan may quantize.
    """
    plain = next(sample for sample in samples if sample.variant.form == FLOAT_FORM)
    times = _collect(samples, plain)
    forms = {layer.name: _forms(layer, request.bits) for layer in model.layers}
    cells = {layer.name: _cells(layer, forms[layer.name], model.layers, times) for layer in model.layers}
    base = plain.wall_us - sum(own[FLOAT_FORM].us for own in cells.values())
    static = [sample for sample in samples if sample.variant.form[0] == Kernel.QLINEAR]
    absorbs = any(sample.integers - sample.variant.layers for sample in static)
    around = [_surroundings(model, sample, absorbs_float=absorbs) for sample in static]
    whole = next((sample for sample in static if not sample.variant.is_mixed), None)
    if whole is not None:
        _share_surroundings(cells, plain, whole)
    draft = Latencies(
        model_sha256=model.sha256,
        model_name=request.plan.model_name,
        cpu=describe_cpu(),
        runtime=describe_runtime(),
        threads=request.threads,
        batch=request.batch,
        base_us=max(base, 0.0),
        layers={name: LayerLatency(name, own) for name, own in cells.items()},
        nodes=_node_extras(plain, static, [found.nodes for found in around]),
        moved=_node_extras(plain, static, [found.moved for found in around]),
        elements=elements,
        absorbs_float=absorbs,
    )
    return dataclasses.replace(draft, crossing=_fit_crossing(draft, static, around, model))


def _collect(samples: Iterable[Sample], plain: Sample) -> Times:
    """Microseconds by layer and form, from the uniform versions."""
    times: Times = {}
    for sample in samples:
        if sample.variant.is_mixed:
            continue
        factor = 1.0 if sample.variant.form[0] in (Kernel.FLOAT, Kernel.QLINEAR) else _surplus(sample, plain)
        for name in sample.variant.layers & sample.layers.keys():
            times.setdefault(name, {})[sample.variant.form] = sample.layers[name] * factor
    return times


def _surplus(sample: Sample, plain: Sample) -> float:
    """What a version's layers have to be multiplied with so that the rest is the rest of the float model."""
    own = sum(us for name, us in sample.layers.items() if name in sample.variant.layers)
    in_float = sum(us for name, us in plain.layers.items() if name in sample.variant.layers)
    target = sample.wall_us - plain.wall_us + in_float
    return float(np.clip(target / own, 0.5, 2.0)) if own > 0 else 1.0


def _forms(layer: LayerSummary, bits: Iterable[int]) -> list[Form]:
    """All forms that the layer can have, the float one first."""
    widths = sorted({FLOAT_BITS, *bits}, reverse=True)
    kernels = [Kernel.FLOAT, *(kernel for kernel in layer.kernels if kernel != Kernel.FLOAT)]
    return [(kernel, width) for kernel in kernels for width in widths if kernel == Kernel.FLOAT or width <= 8]


def _timed_form(layer: LayerSummary, form: Form) -> Form:
    """The form that was timed for this one: how a weight is stored matters where it stays so in memory."""
    kernel, width = form
    if kernel == Kernel.NBITS:
        return form
    if kernel == Kernel.FLOAT:
        return (kernel, 8) if layer.op == "Gather" and width <= 8 else FLOAT_FORM
    return kernel, 8


def _cells(
    layer: LayerSummary, forms: Iterable[Form], layers: Sequence[LayerSummary], times: Times
) -> dict[Form, LatencyCell]:
    own = times.get(layer.name, {})
    cells = {}
    for form in forms:
        timed = _timed_form(layer, form)
        cells[form] = LatencyCell(own[timed]) if timed in own else estimate_cell(layer, timed, layers, times)
    return cells


def _surroundings(model: ModelSummary, sample: Sample, *, absorbs_float: bool) -> Surroundings:
    plan = sample.variant.plan
    return find_surroundings(model, plan, place(model, plan), absorbs_float=absorbs_float)


def _node_extras(plain: Sample, static: Iterable[Sample], names: Iterable[frozenset[str]]) -> dict[str, float]:
    """What operators of each version take more than in float, from the first version that has them."""
    extras: dict[str, float] = {}
    for sample, wanted in zip(static, names, strict=True):
        for name in wanted & (sample.nodes.keys() | plain.nodes.keys()):
            extras.setdefault(name, sample.nodes.get(name, 0.0) - plain.nodes.get(name, 0.0))
    return extras


def _fit_crossing(
    draft: Latencies, static: Sequence[Sample], around: Sequence[Surroundings], model: ModelSummary
) -> Crossing:
    """Cost of a passage per tensor and per value, from what a prediction without it leaves unexplained."""
    from scipy.optimize import nnls  # slow to load, and not needed to open a model

    rows, left = [], []
    for sample, found in zip(static, around, strict=True):
        crossed = sum(draft.elements.get(name, 0) for name in found.crossings)
        rows.append((len(found.crossings) / sample.wall_us, crossed / sample.wall_us))
        left.append(1.0 - predict_latency_us(model, sample.variant.plan, draft).us / sample.wall_us)
    if not rows:
        return Crossing()
    fixed_us, per_element_us = nnls(np.array(rows), np.array(left))[0]
    return Crossing(float(fixed_us), float(per_element_us))


def _own(sample: Sample) -> dict[str, float]:
    """The times of the layers that have the version's form."""
    return {name: us for name, us in sample.layers.items() if name in sample.variant.layers}


def _share_surroundings(cells: dict[str, dict[Form, LatencyCell]], plain: Sample, whole: Sample) -> None:
    """Spread what a network of integer layers takes outside of them over its layers, by their own time."""
    own = _own(whole)
    total = sum(own.values())
    rest = whole.wall_us - plain.wall_us - sum(us - plain.layers.get(name, us) for name, us in own.items())
    for name, us in own.items():
        for form, cell in cells[name].items():
            if form[0] == Kernel.QLINEAR:
                cells[name][form] = LatencyCell(cell.us, rest * us / total, cell.is_estimated)
