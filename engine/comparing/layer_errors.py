"""Error of every layer's output between the float model and results, on the same samples.

Conversion keeps the name of a layer's output, or names what replaces it after the layer's number
(`q<index>.…`). A file of another maker is matched by the names of its tensors alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.data.dataset import open_dataset
from engine.job_context import JobContext
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.model.opening import resolve_onnx
from engine.model.runtime import Session
from engine.model.sessions import load_session
from engine.requests.comparison import LayerError, LayerErrors, LayerErrorsRequest
from engine.summary import LayerSummary

BAND_BYTES = 96 << 20
"""Outputs of one sample that are fetched from a model together."""
UNKNOWN_OUTPUT_BYTES = 16 << 20
# What a layer's last node is called if it is not its output's name, the last of a chain first.
_OWN_TAGS = ("a", "y")


@dataclass
class _Energy:
    """Sums over samples in float64."""

    signal: float = 0.0
    noise: float = 0.0
    values: int = 0

    def update(self, reference: npt.NDArray[Any], test: npt.NDArray[Any]) -> None:
        one, other = reference.astype(np.float64).ravel(), test.astype(np.float64).ravel()
        difference = one - other
        self.signal += float(one @ one)
        self.noise += float(difference @ difference)
        self.values += one.size

    @property
    def sqnr_db(self) -> float | None:
        if not self.values:
            return None
        if not math.isfinite(self.noise):
            return -math.inf
        if self.noise == 0.0:
            return math.inf
        return 10.0 * math.log10(self.signal / self.noise) if self.signal else -math.inf


def measure_layer_errors(model: Model, request: LayerErrorsRequest, context: JobContext) -> LayerErrors:
    """Run the float model and every result over the first samples, one sample at a time.

    Memory is bounded: models run in bands of layers whose outputs fit `BAND_BYTES` for one sample.

    Raises:
        ModelError: a result that cannot be loaded or run.
        DataError: data that does not fit.
        JobCancelled: cancelled.
    """
    dataset = open_dataset(request.data, model.summary.inputs)
    size = dataset.batch_size_for(1)
    bands = list(_split(model, size))
    energies = [[_Energy() for _ in model.layers] for _ in request.results]
    samples = 0
    for position, result in enumerate(request.results):
        name = Path(result).name
        context.report(position * len(bands), len(bands) * len(request.results), f"Loading {name}")
        graph = ir.load(resolve_onnx(Path(result)))
        found = find_outputs(model, graph)
        for number, band in enumerate(bands):
            done = position * len(bands) + number
            context.report(done, len(bands) * len(request.results), f"Comparing the layers of {name}")
            wanted = {index: found[index] for index in band if index in found}
            if wanted:
                pair = _Pair.load(model, graph, wanted)
                samples = 0
                for batch in dataset.batches(size, request.samples):
                    pair.compare(batch.inputs, energies[position], context)
                    samples += len(batch)
    rows = tuple(
        LayerError(layer.name, layer.title, tuple(energy[index].sqnr_db for energy in energies), body)
        for index, (layer, body) in enumerate(zip(model.summary.layers, map(_body_of, model.layers), strict=True))
    )
    total = len(bands) * len(request.results)
    context.report(total, total, f"{len(rows)} layers compared")
    return LayerErrors(request.results, samples, rows)


def _body_of(layer: Layer) -> str:
    return "" if layer.body_owner is None else str(layer.body_owner.op_type)


def find_outputs(model: Model, result: ir.Model) -> dict[int, str]:
    """Which tensor of `result` is the output of which layer, by the layer's index; layers without one are left out."""
    names = {str(value.name) for node in result.graph for value in node.outputs if value.name}
    found: dict[int, str] = {}
    for index, layer in enumerate(model.layers):
        if layer.body_owner is not None or not layer.output_value.name:
            continue
        own = [f"q{index}.{tag}" for tag in _OWN_TAGS]
        match = next((name for name in (str(layer.output_value.name), *own) if name in names), None)
        if match is not None:
            found[index] = match
    return found


@dataclass
class _Pair:
    """Float model and result with the same layers' outputs in sight."""

    indices: tuple[int, ...]
    reference: Session
    reference_names: list[str]
    result: Session
    result_names: list[str]

    @classmethod
    def load(cls, model: Model, result: ir.Model, wanted: Mapping[int, str]) -> _Pair:
        names = [str(model.layers[index].output_value.name) for index in wanted]
        reference = load_session(model.graph_model, list(dict.fromkeys(names)))
        test = load_session(result, list(dict.fromkeys(wanted.values())))
        return cls(tuple(wanted), reference, names, test, list(wanted.values()))

    def compare(self, inputs: Mapping[str, npt.NDArray[Any]], energies: Sequence[_Energy], context: JobContext) -> None:
        expected = _fetch(self.reference, self.reference_names, inputs, context)
        outputs = _fetch(self.result, self.result_names, inputs, context)
        for index, one, other in zip(self.indices, self.reference_names, self.result_names, strict=True):
            if expected[one].size == outputs[other].size:
                energies[index].update(expected[one], outputs[other])


def _fetch(
    session: Session, names: Sequence[str], inputs: Mapping[str, npt.NDArray[Any]], context: JobContext
) -> dict[str, npt.NDArray[Any]]:
    unique = list(dict.fromkeys(names))
    return dict(zip(unique, session.run(inputs, context, unique), strict=True))


def _split(model: Model, samples: int) -> Iterator[list[int]]:
    """Bands of layers, by index."""
    band: list[int] = []
    used = 0
    for index, (layer, summary) in enumerate(zip(model.layers, model.summary.layers, strict=True)):
        size = samples * _output_bytes(layer, summary)
        if band and used + size > BAND_BYTES:
            yield band
            band, used = [], 0
        band.append(index)
        used += size
    if band:
        yield band


def _output_bytes(layer: Layer, summary: LayerSummary) -> int:
    """Of one sample, from the multiply-accumulates: every output element takes `inputs_per_channel` of them."""
    if summary.macs is None or layer.op == "Gather" or not summary.inputs_per_channel:
        return UNKNOWN_OUTPUT_BYTES
    return 4 * summary.macs // summary.inputs_per_channel
