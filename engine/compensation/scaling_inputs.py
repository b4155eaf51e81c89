"""Scales between the inputs of products and their weights, folded into what makes the inputs, as in transformers.

Inputs may be divided by s if the weights that read them are multiplied by s. The division costs nothing where the
inputs come from a Mul by a constant (the weight of an RMSNorm), a LayerNormalization, another product, or a Mul with
one (gate and up projection before the down projection).

AWQ (Lin et al., arXiv 2306.00978): s = rms(x)^α, α searched for the least Σ ‖W·x − V·x‖², so that weights that meet
large inputs are rounded finely. The error is exact for all samples, from the moments of the inputs.
SmoothQuant (Xiao et al., arXiv 2211.10438): s = √(max|x| / max|w|), so that channels of 8-bit inputs get similar
ranges.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.calibration.collection import ActivationVisitor, visit_activations
from engine.compensation.compensating import float_moments
from engine.compensation.equalization import ScaledLayer
from engine.compensation.equalization_channels import can_scale
from engine.compensation.moments import Moments
from engine.compensation.reporting import sqnr_db
from engine.compensation.rows import MAX_MOMENT_BYTES, moment_bytes
from engine.data.dataset import Dataset
from engine.job_context import JobContext
from engine.model.graph import add_initializer, constant, fresh_name
from engine.model.layers import Layer, find_layers
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.numerics.schemes import InputScaling
from engine.plan import Plan
from engine.requests.conversion import Change, LayerChange

Wide = npt.NDArray[np.float64]

EXPONENTS = np.linspace(0, 1, 21)
SMOOTHING = 0.5
NORMALIZATIONS = ("LayerNormalization", "RMSNormalization")


@dataclass(frozen=True)
class InputGroup:
    """Products that read one tensor, and what makes it.

    Attributes:
        constants: nodes and positions of the inputs that hold one value per channel, to be divided.
        writer: a product whose rows are divided instead.
    """

    readers: tuple[Layer, ...]
    constants: tuple[tuple[ir.Node, int], ...] = ()
    writer: Layer | None = None

    @property
    def tensor(self) -> str:
        """The name of what is read."""
        return str(self.readers[0].input_value.name)

    @property
    def channels(self) -> int:
        """How many are scaled."""
        return self.readers[0].layout.inputs


def find_input_groups(layers: Sequence[Layer]) -> list[InputGroup]:
    """Tensors that only products read, and whose scale can be folded into what comes before."""
    products = {
        id(layer.node): layer for layer in layers if layer.op in ("MatMul", "Gemm") and can_scale(layer)
    }  # fmt: skip
    writers = {str(layer.output_value.name): layer for layer in products.values()}
    by_tensor: dict[str, list[Layer]] = {}
    for layer in products.values():
        by_tensor.setdefault(str(layer.input_value.name), []).append(layer)
    found = []
    for readers in by_tensor.values():
        value = readers[0].input_value
        if len(value.uses()) == len(readers) and not value.is_graph_output():
            group = _fold_into(value, tuple(readers), writers)
            found += [group] if group is not None else []
    return found


def _fold_into(value: ir.Value, readers: tuple[Layer, ...], writers: dict[str, Layer]) -> InputGroup | None:
    """Where the division goes; None if there is no place for it."""
    channels, node = readers[0].layout.inputs, value.producer()
    if str(value.name) in writers:
        return InputGroup(readers, writer=writers[str(value.name)])
    if node is None or node.domain not in ("", "ai.onnx"):
        return None
    constants: tuple[tuple[ir.Node, int], ...] = ()
    if node.op_type in NORMALIZATIONS:
        constants = tuple((node, index) for index in (1, 2) if index < len(node.inputs) and node.inputs[index])
        is_plain = all(_is_vector(node.inputs[index], channels) for _, index in constants)
        return InputGroup(readers, constants) if is_plain else None
    if node.op_type == "Add" and (shift := _constant_position(node, channels)) is not None:
        constants = ((node, shift),)
        node = _sole_producer(node.inputs[1 - shift])
    if node is None or node.op_type != "Mul":
        return None
    if (factor := _constant_position(node, channels)) is not None:
        return InputGroup(readers, (*constants, (node, factor)))
    found = (writers.get(str(operand.name)) for operand in node.inputs if operand is not None)
    fitting = (layer for layer in found if layer is not None and len(layer.output_value.uses()) == 1)
    writer = next((layer for layer in fitting if layer.layout.channels == channels), None)
    return None if writer is None or constants else InputGroup(readers, writer=writer)


def _sole_producer(value: ir.Value | None) -> ir.Node | None:
    """What makes a value that one node alone reads."""
    return value.producer() if value is not None and len(value.uses()) == 1 and not value.is_graph_output() else None


def _constant_position(node: ir.Node, channels: int) -> int | None:
    """Which of two inputs is one constant per channel."""
    return next((index for index, value in enumerate(node.inputs) if _is_vector(value, channels)), None)


def _is_vector(value: ir.Value | None, channels: int) -> bool:
    found = constant(value)
    return (
        found is not None and found.dtype == np.float32 and found.size == channels and found.shape[-1:] == (channels,)
    )


def scale_inputs(model: Model, plan: Plan, dataset: Dataset, context: JobContext, *, samples: int) -> Model:
    """A model that computes the same, with ranges moved between inputs and weights as the plan's defaults say.

    Raises:
        DataError: the samples do not fit.
        JobCancelled: cancelled.
    """
    result = model.graph_model.clone()
    groups = [group for group in find_input_groups(find_layers(result.graph)) if _is_quantized(group, plan)]
    source = _Source(model, dataset, context, samples)
    is_awq = plan.defaults.input_scaling == InputScaling.AWQ
    scales = dict(_search_awq(source, plan, groups) if is_awq else _smooth(source, groups))
    for group in groups:
        if group.tensor in scales:
            _apply(result.graph, group, scales[group.tensor])
    return dataclasses.replace(model, graph_model=result)


def _is_quantized(group: InputGroup, plan: Plan) -> bool:
    is_narrow = all(moment_bytes(layer) <= MAX_MOMENT_BYTES for layer in group.readers)
    return is_narrow and any(plan.layer(layer.name).weights.is_integer for layer in group.readers)


@dataclass(frozen=True)
class _Source:
    """Where inputs are seen."""

    model: Model
    dataset: Dataset
    context: JobContext
    samples: int


def _search_awq(source: _Source, plan: Plan, groups: Sequence[InputGroup]) -> Iterator[tuple[str, Wide]]:
    model, context = source.model, source.context
    firsts = {group.readers[0].name: group for group in groups}
    layers = [layer for layer in model.layers if layer.name in firsts]
    for done, (layer, moments) in enumerate(float_moments(model, layers, source.dataset, source.samples, context)):
        context.report(done, len(layers), f"Searching input scales of {model.summary.layer_by_name[layer.name].title}")
        group = firsts[layer.name]
        scale, noise_before, noise_after = find_awq_scale(model, plan, group, moments)
        for name, before in noise_before.items():
            context.partial(LayerChange(name, Change.SCALE, sqnr_db(1.0, before), sqnr_db(1.0, noise_after[name])))
        yield group.tensor, scale


def find_awq_scale(
    model: Model, plan: Plan, group: InputGroup, moments: Moments
) -> tuple[Wide, dict[str, float], dict[str, float]]:
    """s of the exponent with the least error of all readers, each relative to its output; float64 [channels].

    Returns:
        s, and the relative errors of the readers by name: with s = 1, and with s.
    """
    energy = np.diagonal(moments.square[0])
    rms = np.sqrt(energy / max(moments.rows, 1))
    rms = np.where(rms > 0, rms, 1)
    readers = [layer for layer in group.readers if plan.layer(layer.name).weights.is_integer]
    matrices = {layer.name: layer.matrix() for layer in readers}
    best = np.ones(group.channels)
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    for exponent in EXPONENTS:
        scale = _centre(rms**exponent)
        errors: dict[str, float] = {}
        for layer in readers:
            matrix, summary = matrices[layer.name], model.summary.layer_by_name[layer.name]
            scaled = (matrix * scale).astype(np.float32)
            rounded = fake_quantize_layer(scaled, summary, plan.layer(layer.name)) / scale
            errors[layer.name] = float(moments.error(matrix, rounded).sum() / max(moments.energy(matrix).sum(), 1e-300))
        before = before or errors
        if not after or sum(errors.values()) < sum(after.values()):
            best, after = scale, errors
    return best, before, after


def _smooth(source: _Source, groups: Sequence[InputGroup]) -> Iterator[tuple[str, Wide]]:
    largest: dict[str, Wide] = {}

    def visit(values: dict[str, npt.NDArray[Any]]) -> None:
        for name, value in values.items():
            seen = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0).astype(np.float64)
            largest[name] = np.maximum(largest.get(name, seen), seen)

    def report(done: int, total: int) -> None:
        source.context.report(done, total, f"Smoothing: sample {done} of {total}")

    names = [group.tensor for group in groups]
    if names:
        visitor = ActivationVisitor(visit, report, source.context)
        visit_activations(source.model, names, source.dataset, source.samples, visitor)
    for group in groups:
        if group.tensor in largest:
            yield group.tensor, find_smooth_scale(group, largest[group.tensor])


def find_smooth_scale(group: InputGroup, largest: Wide) -> Wide:
    """s from max|x| per channel, float64 [channels]; 1 where inputs or weights are all 0."""
    weights = np.max([np.abs(layer.matrix()).max(axis=0) for layer in group.readers], axis=0).astype(np.float64)
    is_live = (largest > 0) & (weights > 0)
    return _centre(np.where(is_live, largest, 1) ** SMOOTHING / np.where(is_live, weights, 1) ** (1 - SMOOTHING))


def _centre(scale: Wide) -> Wide:
    """The same around 1; a factor of all channels changes nothing."""
    centred: Wide = scale / np.sqrt(scale.max() * scale.min())
    return centred


def _apply(graph: ir.Graph, group: InputGroup, scale: Wide) -> None:
    for layer in group.readers:
        scaled = ScaledLayer(layer)
        scaled.scale_columns(scale)
        scaled.store()
    if group.writer is not None:
        scaled = ScaledLayer(group.writer)
        scaled.scale_rows(1 / scale)
        scaled.store()
    for node, position in group.constants:
        value = node.inputs[position]
        found = constant(value)
        assert value is not None
        assert found is not None
        divided = (found / scale).astype(np.float32)
        name = fresh_name(graph, f"{value.name}.scaled")
        node.replace_input_with(position, add_initializer(graph, name, divided))
