"""Quick sensitivity: every layer and bit width at the layer's own inputs, from one streamed pass."""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
from threadpoolctl import threadpool_limits

from engine.data.dataset import Dataset
from engine.job_context import JobContext
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.plan import Plan, choose_layer_plan
from engine.sensitivity.matrix import Cell, Metric, Sensitivity, SensitivityRow
from engine.sensitivity.sample_pass import SampleVisitor, Tensors, visit_samples
from engine.sensitivity.sampled_inputs import InputSample, SampledInputs, sample_input, sampled_bytes
from engine.stored_weights import stored_weight_bytes

# Sampled inputs of a band of layers are held at once; a model that needs more is passed over band by band.
BAND_BYTES = 1 << 30
ROWS_PER_LAYER = 256
MAX_WORKERS = 8
SEED = 0


def analyze_quick(
    model: Model, dataset: Dataset, context: JobContext, *, plan: Plan, bits: Sequence[int], samples: int
) -> Sensitivity:
    """SQNR of each layer's output for each weight bit width, its input as in the float model.

    Beside it, the SQNR that is left when the input is quantized as the layer's integer kernels do it, the
    weight as in the float model; a dynamic range is that of one sample, as if the model ran on one at a time.
    Every layer is tried in the scheme that the plan's defaults give those bits, so the codes measured are the
    codes that conversion would pack. A `SensitivityRow` is handed out per layer; it is empty where nothing shows
    the layer's input (in the body of an If).

    Raises:
        DataError: the samples do not fit.
        JobCancelled: cancelled; rows handed out so far stay true.
    """
    rows: dict[str, SensitivityRow] = {}
    seen = 0
    for band in split_bands(model.layers):
        inputs, seen = collect_inputs(model, band, dataset, samples, context)
        with closing(_measure_rows(model, inputs, plan, bits)) as found:
            for row in found:
                rows[row.layer] = row
                context.partial(row)
                title = model.summary.layer_by_name[row.layer].title
                context.report(len(rows), len(model.layers), f"Quantizing {title}")
    return Sensitivity(model.summary.sha256, model.path.name, "quick", seen, dataset.digest, rows)


def split_bands(layers: Iterable[Layer]) -> Iterable[list[Layer]]:
    """Layers in order, as many at a time as may have their inputs in memory together."""
    band: list[Layer] = []
    weight = 0
    for layer in layers:
        size = sampled_bytes(layer, ROWS_PER_LAYER)
        if band and weight + size > BAND_BYTES:
            yield band
            band, weight = [], 0
        band.append(layer)
        weight += size
    yield band


def collect_inputs(
    model: Model, band: list[Layer], dataset: Dataset, samples: int, context: JobContext
) -> tuple[dict[str, SampledInputs], int]:
    """What the layers of one band read, by layer name, and how many samples were seen.

    What is drawn of a layer depends on its name and the sample, not on the other layers of the band.
    """
    inputs = {layer.name: SampledInputs(layer) for layer in band}
    rows_per_sample = max(1, ROWS_PER_LAYER // max(min(samples, dataset.samples), 1))
    readers: dict[str, list[Layer]] = {}
    for layer in band:
        if layer.observed_input is not None:
            readers.setdefault(str(layer.observed_input.name), []).append(layer)

    def look(index: int, values: Tensors) -> dict[str, InputSample]:
        found: dict[str, InputSample] = {}
        for name, layers in readers.items():
            value = values[name]
            for layer in layers:
                context.check_cancelled()
                rng = np.random.default_rng((SEED, index, zlib.crc32(layer.name.encode())))
                found[layer.name] = sample_input(layer, value, rows_per_sample * max(value.shape[0], 1), rng)
        return found

    def keep(found: dict[str, InputSample]) -> None:
        for name, sample in found.items():
            inputs[name].add(sample)

    def report(done: int, total: int) -> None:
        context.report(done, total, f"Collecting statistics of {len(band)} layers: sample {done} of {total}")

    seen = visit_samples(model, dataset, samples, SampleVisitor(list(readers), look, keep, report, context))
    return inputs, seen


def _measure_rows(
    model: Model, inputs: dict[str, SampledInputs], plan: Plan, bits: Sequence[int]
) -> Generator[SensitivityRow, None, None]:
    """Rows in order, made side by side: numpy lets go of the interpreter lock, and each product keeps to one thread."""
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_WORKERS))
    with threadpool_limits(limits=1, user_api="blas"):
        try:
            waiting = deque(pool.submit(_measure_row, model, inputs[name], plan, bits) for name in inputs)
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _measure_row(model: Model, inputs: SampledInputs, plan: Plan, bits: Sequence[int]) -> SensitivityRow:
    summary = model.summary.layer_by_name[inputs.layer.name]
    choices = {width: choose_layer_plan(summary, width, plan.defaults) for width in bits}
    stored = {width: stored_weight_bytes(summary, choice) for width, choice in choices.items()}
    if inputs.is_empty:
        return SensitivityRow(summary.name, {}, stored)
    matrix = inputs.layer.matrix()
    signal = inputs.output_energy(matrix)
    cells = {
        width: _cell(signal, inputs.output_energy(fake_quantize_layer(matrix, summary, choice) - matrix))
        for width, choice in choices.items()
    }
    spread = plan.activation_range(summary.name)
    activations = {mode: _cell(signal, inputs.activation_noise(matrix, mode, spread)) for mode in inputs.modes}
    return SensitivityRow(summary.name, cells, stored, activations)


def _cell(signal: float, noise: float) -> Cell:
    """SQNR of the layer's output, bias left out, in dB."""
    return Cell({Metric.SQNR: float(10 * np.log10(max(signal, 1e-30) / noise)) if noise > 0 else float("inf")})
