"""Quick sensitivity: every layer and bit width at the layer's own inputs, from one streamed pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.calibration.collection import ActivationVisitor, visit_activations
from engine.data.dataset import Dataset
from engine.job_context import JobContext
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.plan import Plan, choose_layer_plan
from engine.sensitivity.gram import InputMoments, gram_bytes
from engine.sensitivity.matrix import Cell, Metric, Sensitivity, SensitivityRow
from engine.sizes import stored_weight_bytes

# Moments of a band of layers are held at once; a model that needs more is passed over band by band.
BAND_BYTES = 1 << 30
ROWS_PER_LAYER = 4096
SEED = 0


def analyze_quick(
    model: Model, dataset: Dataset, context: JobContext, *, plan: Plan, bits: Sequence[int], samples: int
) -> Sensitivity:
    """SQNR of each layer's output for each weight bit width, its input as in the float model.

    Every layer is tried in the scheme that the plan's defaults give those bits, so the codes measured
    are the codes that conversion would pack. A `SensitivityRow` is handed out per layer; it is empty
    where nothing shows the layer's input (in the body of an If).

    Raises:
        DataError: the samples do not fit.
        JobCancelled: cancelled; rows handed out so far stay true.
    """
    rows: dict[str, SensitivityRow] = {}
    seen = 0
    for band in _split_bands(model.layers):
        moments, seen = _collect(model, band, dataset, samples, context)
        for layer in band:
            row = _measure_row(model, moments.pop(layer.name), plan, bits)
            rows[layer.name] = row
            context.partial(row)
            context.report(len(rows), len(model.layers), f"Quantizing {model.summary.layer_by_name[layer.name].title}")
    return Sensitivity(model.summary.sha256, model.path.name, "quick", seen, dataset.digest, rows)


def _split_bands(layers: Iterable[Layer]) -> Iterable[list[Layer]]:
    band: list[Layer] = []
    weight = 0
    for layer in layers:
        size = gram_bytes(layer)
        if band and weight + size > BAND_BYTES:
            yield band
            band, weight = [], 0
        band.append(layer)
        weight += size
    yield band


def _collect(
    model: Model, band: list[Layer], dataset: Dataset, samples: int, context: JobContext
) -> tuple[dict[str, InputMoments], int]:
    moments = {layer.name: InputMoments.empty(layer) for layer in band}
    total = min(samples, dataset.samples)
    rows_per_sample = max(1, ROWS_PER_LAYER // max(total, 1))
    rng = np.random.default_rng(SEED)
    readers: dict[str, list[Layer]] = {}
    for layer in band:
        if layer.observed_input is not None:
            readers.setdefault(str(layer.observed_input.name), []).append(layer)

    def visit(values: dict[str, npt.NDArray[Any]]) -> None:
        for name, value in values.items():
            for layer in readers[name]:
                moments[layer.name].update(value, rows_per_sample * max(value.shape[0], 1), rng)
                context.check_cancelled()

    def report(done: int, total: int) -> None:
        context.report(done, total, f"Collecting statistics of {len(band)} layers: sample {done} of {total}")

    seen = visit_activations(model, list(readers), dataset, samples, ActivationVisitor(visit, report, context))
    return moments, seen


def _measure_row(model: Model, moments: InputMoments, plan: Plan, bits: Sequence[int]) -> SensitivityRow:
    layer = moments.layer
    summary = model.summary.layer_by_name[layer.name]
    matrix = layer.matrix()
    cells, stored = {}, {}
    for width in bits:
        choice = choose_layer_plan(summary, width, plan.defaults)
        stored[width] = stored_weight_bytes(summary, choice)
        if moments.rows:
            sqnr_db = moments.sqnr_db(matrix, fake_quantize_layer(matrix, summary, choice))
            cells[width] = Cell({Metric.SQNR: sqnr_db})
    return SensitivityRow(layer.name, cells, stored)
