"""Measure a whole plan: every layer's weight fake-quantized at once, outputs compared with float.

Activations stay in float, as in the cells of the layers × bits matrix, so that predicted and measured
loss speak of the same thing. Fake-quantized weights are kept: a plan that differs in two layers
quantizes two.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.comparison import OutputComparison
from engine.data.dataset import Batch, Dataset
from engine.evaluation import FLOAT_DTYPES, TaskMetrics, preferred_batch
from engine.job_context import JobContext
from engine.model.graph import add_initializer, remove_unused_initializers
from engine.model.layers import Layer, find_layers
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.model.runtime import Session
from engine.model.sessions import load_session
from engine.numerics.schemes import WeightScheme
from engine.plan import Plan
from engine.sensitivity.matrix import Metric

# Fake-quantized weights that are kept, and float outputs that are.
CACHE_BYTES = 1 << 30
OUTPUT_BYTES = 256 << 20
Outputs = list[npt.NDArray[Any]]
Figures = dict[Metric, float]


class PlanMeter:
    """Runs plans of one model on the same samples.

    Attributes:
        samples: how many are evaluated; fewer than wanted where their float outputs would not fit.
    """

    def __init__(self, model: Model, dataset: Dataset, samples: int, context: JobContext) -> None:
        self._model, self._dataset = model, dataset
        self._graph_model = model.graph_model.clone()
        self._layers = {layer.name: layer for layer in model.layers}
        self._weights: OrderedDict[tuple[str, WeightScheme], npt.NDArray[np.float32]] = OrderedDict()
        self._cached_bytes = 0
        graph = self._graph_model.graph
        self._inputs = {layer.name: _own_weight(graph, layer) for layer in find_layers(graph)}
        remove_unused_initializers(graph)
        session = load_session(self._graph_model)
        self._names = [output.name for output in session.outputs if output.dtype in FLOAT_DTYPES]
        self._batches: list[tuple[Batch, Outputs]] = []
        self._float_metrics = TaskMetrics()
        self.samples = 0
        self._collect(session, samples, context)

    def measure(self, plan: Plan, context: JobContext) -> Figures:
        """Figures of the plan against float: SQNR, MSE and cosine, KL for class scores, top-1 drop with labels.

        Raises:
            ConversionError: a weight cannot be quantized.
            JobCancelled: cancelled.
        """
        for name, value in self._inputs.items():
            value.const_value = ir.tensor(self._weight(name, plan))
        return self._compare(context)

    def measure_weights(self, weights: Mapping[str, npt.NDArray[np.float32]], context: JobContext) -> Figures:
        """The same for given weights, by layer: float32 [channels, inputs]; all layers must be named."""
        for name, value in self._inputs.items():
            value.const_value = ir.tensor(self._as_stored(name, weights[name]))
        return self._compare(context)

    def _compare(self, context: JobContext) -> Figures:
        session = load_session(self._graph_model)
        comparison = OutputComparison(is_tokens=self._dataset.is_tokens)
        metrics, noise, values = TaskMetrics(), 0.0, 0
        for batch, expected in self._batches:
            context.check_cancelled()
            found = session.run(batch.inputs, context, self._names)
            comparison.update(expected, found, len(batch))
            metrics.update(found, batch)
            for one, other in zip(expected, found, strict=True):
                noise += float(np.square(one.astype(np.float64) - other).sum())
                values += one.size
        figures = {
            Metric.SQNR: comparison.sqnr_db,
            Metric.KL: comparison.kl,
            Metric.COSINE: comparison.cosine,
            Metric.MSE: noise / max(values, 1),
        }
        if self._float_metrics.top1 is not None and metrics.top1 is not None:
            figures[Metric.TOP1_DROP] = self._float_metrics.top1 - metrics.top1
        return {metric: value for metric, value in figures.items() if value is not None}

    def _collect(self, session: Session, samples: int, context: JobContext) -> None:
        held = 0
        batch_size = preferred_batch(session, self._dataset)
        for batch in self._dataset.batches(batch_size, samples):
            context.check_cancelled()
            outputs = session.run(batch.inputs, context, self._names)
            self._float_metrics.update(outputs, batch)
            self._batches.append((batch, outputs))
            self.samples += len(batch)
            held += sum(output.nbytes for output in outputs)
            if held > OUTPUT_BYTES:
                break

    def _as_stored(self, name: str, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """In the operator's own layout and type."""
        layer = self._layers[name]
        return np.ascontiguousarray(layer.layout.from_matrix(matrix)).astype(layer.dtype.numpy(), copy=False)

    def _weight(self, name: str, plan: Plan) -> npt.NDArray[np.float32]:
        """The layer's fake-quantized weight."""
        layer, choice = self._layers[name], plan.layer(name)
        key = (name, choice.weights)
        if key in self._weights:
            self._weights.move_to_end(key)
            return self._weights[key]
        summary = self._model.summary.layer_by_name[name]
        matrix = fake_quantize_layer(layer.matrix(), summary, choice)
        found = self._as_stored(name, matrix)
        self._weights[key] = found
        self._cached_bytes += found.nbytes
        while self._cached_bytes > CACHE_BYTES and len(self._weights) > 1:
            self._cached_bytes -= self._weights.popitem(last=False)[1].nbytes
        return found


def _own_weight(graph: ir.Graph, layer: Layer) -> ir.Value:
    """Give the layer a weight of its own in the main graph, in place of a shared one."""
    weight = layer.layout.from_matrix(layer.matrix()).astype(layer.dtype.numpy(), copy=False)
    value = add_initializer(graph, f"measured.{layer.name}", weight)
    layer.node.replace_input_with(layer.weight_index, value)
    if layer.op == "Gemm":
        layer.node.attributes["alpha"] = ir.AttrFloat32("alpha", 1.0)
    return value
