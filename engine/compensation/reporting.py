"""What a conversion says of its layers and blocks while it works: SQNR before and after, curves of what is trained."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.job_context import JobContext
from engine.model.graph import constant
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.model.quantized_layers import quantize_layer
from engine.plan import Plan
from engine.requests.conversion import BlockPoint, Change, LayerChange

# Between two points of a curve that were not judged by held-out samples.
PAUSE_SECONDS = 0.25
ACTIVATIONS = frozenset(
    {"Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Gelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh"}
)
# With a constant: a bias, a bound, a BatchNormalization.
CONSTANT_OPS = frozenset({"Add", "Sub", "Mul", "Div", "Min", "Max", "BatchNormalization"})


def sqnr_db(energy: float, error: float) -> float:
    """Rounding of the sums may leave an error of nothing a little below 0."""
    return 10 * math.log10(max(energy, sys.float_info.min) / error) if error > 0 else math.inf


def activation_of(layer: Layer) -> str:
    """The tensor that others read of a layer: its output behind its bias and its activation function.

    What a Relu cuts off is no error, so the output itself would say less.
    """
    value = layer.output_value
    while not value.is_graph_output() and len(uses := value.uses()) == 1:
        node = next(iter(uses)).node
        others = [item for item in node.inputs if item is not None and item is not value]
        is_plain = all(constant(item) is not None for item in others)
        if node.op_type not in ACTIVATIONS | CONSTANT_OPS or not is_plain or node.graph is not layer.node.graph:
            break
        value = node.outputs[0]
    return str(value.name)


def report_equalization(model: Model, equalized: Model, plan: Plan, context: JobContext) -> None:
    """Hand out how well the weights that were changed are rounded to nearest, before and after."""
    for layer, other in zip(model.layers, equalized.layers, strict=True):
        matrix, changed = layer.matrix(), other.matrix()
        choice = plan.layer(layer.name)
        if not choice.weights.is_integer or np.array_equal(matrix, changed):
            continue
        summary = model.summary.layer_by_name[layer.name]
        before, after = (
            sqnr_db(_square_sum(weight), _square_sum(weight - quantize_layer(weight, summary, choice).dequantize()))
            for weight in (matrix, changed)
        )
        context.partial(LayerChange(layer.name, Change.EQUALIZE, before, after))


def _square_sum(values: npt.NDArray[np.float32]) -> float:
    return float(np.square(values, dtype=np.float64).sum())


class BlockReport:
    """Says how the training of one block goes on."""

    def __init__(  # noqa: PLR0917 - what each point holds
        self, context: JobContext, block: int, blocks: int, layers: Sequence[str], steps: int, held_out: float
    ) -> None:
        """Begin the curve with the error of the start."""
        self._context, self._block, self._blocks = context, block, blocks
        self._layers, self._steps = tuple(layers), steps
        self._first = self._best = held_out
        self._losses = [held_out]
        self._tell(0, held_out, is_best=True)

    def add(self, step: int, loss: float, held_out: float | None) -> None:
        """Say what a step has found; `held_out` if it was judged."""
        is_best = held_out is not None and held_out < self._best
        if held_out is not None and is_best:
            self._best = held_out
        self._losses.append(loss)
        text = (
            f"Reconstructing block {self._block + 1} of {self._blocks}: step {step} of {self._steps}, "
            f"error {self._first:.3g}, {self._best:.3g} at best"
        )
        self._context.report(self._block * self._steps + step, self._blocks * self._steps, text)
        if held_out is not None or time.perf_counter() - self._told >= PAUSE_SECONDS:
            self._tell(step, held_out, is_best=is_best)

    def _tell(self, step: int, held_out: float | None, *, is_best: bool) -> None:
        loss = float(np.mean(self._losses))
        self._losses, self._told = [], time.perf_counter()
        self._context.partial(
            BlockPoint(self._block, self._blocks, self._layers, step, self._steps, loss, held_out, is_best)
        )
