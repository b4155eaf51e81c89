"""Codes and biases for every layer of a plan whose rounding is not to nearest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.calibration.collection import ActivationVisitor, visit_activations
from engine.compensation.adaround import problem_bytes
from engine.compensation.inputs import InputQuantization
from engine.compensation.moments import Moments
from engine.compensation.prior import choose_prior
from engine.compensation.reporting import sqnr_db
from engine.compensation.rounding import round_weight
from engine.compensation.rows import MAX_MOMENT_BYTES, RowDraw, moment_bytes
from engine.compensation.walk import Replaced, Walk
from engine.data.dataset import Dataset
from engine.errors import UnsupportedOperator
from engine.job_context import JobContext
from engine.model.graph import attribute_float
from engine.model.layers import RECURRENT_OPS, Layer
from engine.model.opened import Model
from engine.model.quantized_layers import ChosenWeights, fake_quantize_layer, quantize_layer
from engine.numerics.schemes import Kernel, Rounding
from engine.numerics.weights import QuantizedWeight
from engine.plan import LayerPlan, Plan
from engine.requests.conversion import DeviceChoice, LayerRounding
from engine.torch_graph.device import TrainingDevice
from engine.torch_graph.graph import TorchGraph
from engine.torch_graph.tensors import to_tensor

# Moments that are held at once where they come from the float model, in one pass per band of layers.
BAND_BYTES = 1 << 30


def choose_weights(
    model: Model,
    plan: Plan,
    inputs: InputQuantization,
    dataset: Dataset,
    context: JobContext,
    *,
    samples: int,
    device: DeviceChoice = DeviceChoice.AUTO,
) -> ChosenWeights:
    """Choose the codes of all layers that the plan does not round to nearest, and put their biases right.

    Where the network has a torch form, each layer makes up for what those before it have changed; else it sees
    the inputs of the float model.

    Raises:
        ConversionError: a weight holds NaN or infinite values.
        DataError: the samples do not fit.
        DeviceError: `device` is a GPU, and there is none.
        JobCancelled: cancelled.
    """
    chooser = _Chooser(model, plan, context)
    chooser.choose_device(device)
    try:
        chooser.start(TorchGraph(model.graph, model.layers))
        walk = Walk(model, chooser.graph, inputs, chooser.replaced, context)
        walk.run(chooser.layers, dataset, samples, chooser.visit)
    except UnsupportedOperator as error:
        chooser.notes.append(
            f"{str(error)[:-1]}, so {chooser.left} of {len(chooser.layers)} layers were rounded by the inputs of the "
            "float model, not by those of the quantized one."
        )
        for layer, moments in float_moments(model, chooser.waiting(), dataset, samples, context):
            chooser.visit(layer, moments)
    chosen = ChosenWeights(chooser.weights, chooser.biases, tuple(chooser.notes))
    return chooser.device.signed(chosen) if chooser.adaround_layers else chosen


class _Chooser:
    """Visits layers with their moments and remembers what was chosen.

    Attributes:
        layers: those that can be visited.
        replaced: what the layers chosen so far compute with.
        adaround_layers: those of `layers` that AdaRound rounds.
        device: what AdaRound runs on.
    """

    graph: TorchGraph

    def __init__(self, model: Model, plan: Plan, context: JobContext) -> None:
        self._model, self._plan, self._context = model, plan, context
        wanted = [layer for layer in model.layers if self._is_wanted(plan.layer(layer.name))]
        self.layers = [layer for layer in wanted if self._can_choose(layer)]
        self.weights: dict[str, QuantizedWeight] = {}
        self.biases: dict[str, npt.NDArray[np.float32]] = {}
        self.replaced = Replaced()
        self.device = TrainingDevice()
        self.adaround_layers = [layer for layer in self.layers if plan.layer(layer.name).rounding == Rounding.ADAROUND]
        self.notes = _describe_left([model.summary.layer_by_name[layer.name].title for layer in wanted
                                     if not self._can_choose(layer)])  # fmt: skip
        context.report(0, len(self.layers), "Preparing to round by the layers' inputs")

    def choose_device(self, wanted: DeviceChoice) -> None:
        """Go where the largest layer fits."""
        sizes = [
            problem_bytes(layer.layout.channels * layer.layout.inputs, moment_bytes(layer) // 8)
            for layer in self.adaround_layers
        ]
        if sizes:
            self.device.choose(wanted, max(sizes))

    def _is_wanted(self, choice: LayerPlan) -> bool:
        is_corrected = choice.rounding != Rounding.NEAREST or self._plan.defaults.correct_bias
        return choice.weights.is_integer and is_corrected

    def _can_choose(self, layer: Layer) -> bool:
        """Not embeddings, recurrent layers, layers in bodies, shared weights, and layers too wide for their moments."""
        is_shared = self._model.summary.layer_by_name[layer.name].shares_weight
        is_alone = not is_shared or self._plan.layer(layer.name).kernel == Kernel.NBITS
        is_product = layer.op != "Gather" and layer.op not in RECURRENT_OPS and layer.body_owner is None
        return is_product and is_alone and moment_bytes(layer) <= MAX_MOMENT_BYTES

    def start(self, graph: TorchGraph) -> None:
        """Replace the weights of all layers that are quantized, but not by what they read."""
        self.graph = graph
        chosen = {layer.name for layer in self.layers}
        for layer in self._model.layers:
            choice = self._plan.layer(layer.name)
            if layer.name not in chosen and choice.weights.bits != 32:
                summary = self._model.summary.layer_by_name[layer.name]
                self._replace(layer, fake_quantize_layer(layer.matrix(), summary, choice))

    @property
    def left(self) -> int:
        """How many layers were not visited yet."""
        return len(self.layers) - len(self.weights)

    def waiting(self) -> list[Layer]:
        """The layers that were not visited yet."""
        return [layer for layer in self.layers if layer.name not in self.weights]

    def visit(self, layer: Layer, moments: Moments) -> None:
        """Choose the layer's codes, and a bias that takes out the mean error."""
        summary, choice = self._model.summary.layer_by_name[layer.name], self._plan.layer(layer.name)
        self._context.report(len(self.weights), len(self.layers), f"Rounding {summary.title} ({choice.rounding})")
        matrix = layer.matrix()
        nearest = quantize_layer(matrix, summary, choice)
        weight = nearest
        if choice.rounding != Rounding.NEAREST:
            fitted = moments if self._bias_of(layer, len(matrix)) is None else moments.centred()
            if fitted.halves is not None:
                fitted = fitted.with_prior(choose_prior(matrix, fitted.halves, nearest, choice.weights))
            weight = round_weight(choice.rounding, matrix, fitted, nearest, choice.weights, device=self.device)
        self.weights[layer.name] = weight
        restored = weight.dequantize()
        self._replace(layer, restored)
        shift = moments.output_shift(matrix, restored)
        self._correct_bias(layer, shift)
        before = float(moments.error(matrix, nearest.dequantize()).sum())
        after = before if weight is nearest else float(moments.error(matrix, restored).sum())
        if layer.name in self.biases:
            after -= moments.rows * float(shift @ shift)
        energy = float(moments.energy(matrix).sum())
        self._context.partial(
            LayerRounding(layer.name, choice.rounding, sqnr_db(energy, before), sqnr_db(energy, after))
        )

    def _bias_of(self, layer: Layer, channels: int) -> ir.Value | None:
        """The layer's bias, if it has one value per channel that nothing else reads."""
        value = layer.bias_value
        if value is None or layer.bias is None or value.const_value is None or len(value.uses()) > 1:
            return None
        return None if value.const_value.size != channels or value.is_graph_output() else value

    def _correct_bias(self, layer: Layer, shift: npt.NDArray[np.float64]) -> None:
        value, bias = self._bias_of(layer, len(shift)), layer.bias
        if value is None or bias is None or value.const_value is None:
            return
        self.biases[layer.name] = (bias + shift).astype(np.float32)
        beta = attribute_float(layer.node, "beta", 1.0) if layer.op == "Gemm" else 1.0
        stored = (self.biases[layer.name] / np.float32(beta)).reshape(tuple(value.const_value.shape.numpy()))
        self.replaced.constants[str(value.name)] = to_tensor(stored)

    def _replace(self, layer: Layer, matrix: npt.NDArray[np.float32]) -> None:
        alpha = attribute_float(layer.node, "alpha", 1.0) if layer.op == "Gemm" else 1.0
        stored = layer.layout.from_matrix(matrix)
        self.replaced.weights[layer.name] = to_tensor(stored if alpha == 1.0 else stored / np.float32(alpha))


def _describe_left(titles: Sequence[str]) -> list[str]:
    if not titles:
        return []
    return [
        f"{len(titles)} layers were rounded to nearest, as embeddings, recurrent layers, shared weights, layers in "
        f"bodies and very wide ones are (first: {titles[0]})."
    ]


def float_moments(
    model: Model, layers: Iterable[Layer], dataset: Dataset, samples: int, context: JobContext
) -> Iterator[tuple[Layer, Moments]]:
    """Moments of what the layers of the float model read, in one pass per band."""
    for band in _split_bands(layers):
        yield from _collect_band(model, band, dataset, samples, context)


def _split_bands(layers: Iterable[Layer]) -> Iterator[list[Layer]]:
    band: list[Layer] = []
    for layer in layers:
        if band and sum(map(moment_bytes, band)) + moment_bytes(layer) > BAND_BYTES:
            yield band
            band = []
        band.append(layer)
    if band:
        yield band


def _collect_band(
    model: Model, band: Sequence[Layer], dataset: Dataset, samples: int, context: JobContext
) -> Iterator[tuple[Layer, Moments]]:
    total = min(samples, dataset.samples)
    draws = {layer.name: RowDraw(layer, total) for layer in band}
    moments: dict[str, Moments] = {}
    batches = 0

    def visit(values: dict[str, npt.NDArray[Any]]) -> None:
        nonlocal batches
        for layer in band:
            context.check_cancelled()
            read = values[str(layer.input_value.name)]
            moments[layer.name] = draws[layer.name].add(moments.get(layer.name), read, None, batches)
        batches += 1

    def report(done: int, total: int) -> None:
        context.report(done, total, f"Collecting moments of {len(band)} layers: sample {done} of {total}")

    names = list(dict.fromkeys(str(layer.input_value.name) for layer in band))
    visit_activations(model, names, dataset, samples, ActivationVisitor(visit, report, context))
    for layer in band:
        if layer.name in moments:
            yield layer, moments.pop(layer.name)
