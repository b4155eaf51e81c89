"""Diagnosis of layers: what is unusual at each of them under a plan, and what would help."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import numpy as np

from engine.data.dataset import Dataset
from engine.diagnosis.input_findings import find_input_problems, find_noisy_input
from engine.diagnosis.noise import LayerNoise
from engine.diagnosis.remedies import find_fewer_bits, find_remedies
from engine.diagnosis.report import Diagnosis, Finding, FindingKind, LayerDiagnosis
from engine.diagnosis.weight_findings import find_dead_channels, find_weight_problems
from engine.errors import ConversionError, PlanError
from engine.job_context import JobContext
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.plan import Plan
from engine.requests.analysis import DiagnoseRequest
from engine.sensitivity.quick import ROWS_PER_LAYER, collect_inputs, split_bands
from engine.sensitivity.sampled_inputs import SampledInputs, sampled_bytes

# Noise of a hundredth of the signal: what the layer hands on is audibly, visibly another thing.
LOW_DB = 20.0
# Inputs of layers that were looked at one by one are kept, so that an edit of the plan needs no data.
KEPT_BYTES = 64 << 20
SEVERITY = {kind: place for place, kind in enumerate(FindingKind)}


def diagnose(model: Model, dataset: Dataset, request: DiagnoseRequest, context: JobContext) -> Diagnosis:
    """Look at the layers that the request names, at all if it names none.

    A `LayerDiagnosis` is handed out per layer. Memory is bounded by a band of layers, whatever the model.

    Raises:
        PlanError: a layer is not there.
        DataError: the samples do not fit.
        JobCancelled: cancelled; what was handed out so far stays true.
    """
    layers = _asked_layers(model, request)
    found: dict[str, LayerDiagnosis] = {}
    samples = min(request.samples, dataset.samples)
    for inputs in _collect(model, layers, dataset, request, context):
        summary = model.summary.layer_by_name[inputs.layer.name]
        context.report(len(found), len(layers), f"Diagnosing {summary.title}")
        result = _diagnose_layer(model, inputs, request.plan, context)
        found[summary.name] = result
        context.partial(result)
    context.report(len(found), len(layers), "Diagnosed")
    return Diagnosis(samples, found)


def _asked_layers(model: Model, request: DiagnoseRequest) -> list[Layer]:
    names = {layer.name for layer in model.layers}
    missing = next((name for name in request.layers if name not in names), None)
    if missing is not None:
        raise PlanError(f"{model.path.name} has no layer named {missing!r}. See the names with: bitsmith inspect")
    return [layer for layer in model.layers if not request.layers or layer.name in request.layers]


class _KeptInputs:
    """Sampled inputs of the layers looked at last, within `KEPT_BYTES`."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], SampledInputs] = OrderedDict()

    def get(self, key: tuple[object, ...]) -> SampledInputs | None:
        """What was kept under the key."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: tuple[object, ...], inputs: SampledInputs) -> None:
        """Keep, and let the oldest go."""
        self._kept[key] = inputs
        while sum(sampled_bytes(item.layer, ROWS_PER_LAYER) for item in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)


_KEPT = _KeptInputs()


def _collect(
    model: Model, layers: Sequence[Layer], dataset: Dataset, request: DiagnoseRequest, context: JobContext
) -> Iterator[SampledInputs]:
    """Inputs layer by layer, in graph order."""
    if len(layers) > 1:
        for band in split_bands(layers):
            inputs, _ = collect_inputs(model, band, dataset, request.samples, context)
            for layer in band:
                yield inputs.pop(layer.name)
        return
    (layer,) = layers
    key = (model.source.sha256, dataset.digest, request.data.skip, request.samples, layer.name)
    kept = _KEPT.get(key)
    if kept is None:
        collected, _ = collect_inputs(model, [layer], dataset, request.samples, context)
        kept = collected[layer.name]
        _KEPT.put(key, kept)
    yield kept


def _diagnose_layer(model: Model, inputs: SampledInputs, plan: Plan, context: JobContext) -> LayerDiagnosis:
    summary = model.summary.layer_by_name[inputs.layer.name]
    if inputs.is_empty:
        return LayerDiagnosis(summary.name, None)
    noise = LayerNoise(inputs, summary, plan.activation_range(summary.name), context)
    if not np.isfinite(noise.matrix).all():
        return _only(summary.name, FindingKind.NONFINITE_WEIGHT)
    if not np.isfinite(inputs.extremes).all():
        return _only(summary.name, FindingKind.NONFINITE_INPUT)
    try:
        return _judge(noise, plan)
    except ConversionError:
        return _only(summary.name, FindingKind.OVERFLOWING_WEIGHT)


def _only(layer: str, kind: FindingKind) -> LayerDiagnosis:
    """Something that leaves nothing else to say."""
    return LayerDiagnosis(layer, None, (Finding(kind, {}),))


def _judge(noise: LayerNoise, plan: Plan) -> LayerDiagnosis:
    choice = plan.layer(noise.summary.name)
    mode = noise.mode_of(choice)
    findings, weight_noise = find_weight_problems(noise, choice)
    total = weight_noise + noise.input_noise(mode)
    sqnr_db = noise.sqnr_db(total)
    if sqnr_db < LOW_DB:
        findings.append(Finding(FindingKind.LOW_SQNR, {"sqnr_db": sqnr_db, "noise_share": 10 ** (-sqnr_db / 10)}))
    if noise.inputs.parts:
        findings += find_noisy_input(noise, mode, weight_noise)
        findings += find_input_problems(noise, mode)
    findings += find_dead_channels(noise)
    remedies = find_remedies(noise, plan, findings, total)
    wasted = find_fewer_bits(noise, plan, total) if total > 0 else None
    if wasted is not None:
        findings.append(wasted[0])
        remedies = (*remedies, wasted[1])
    findings.sort(key=lambda finding: SEVERITY[finding.kind])
    return LayerDiagnosis(noise.summary.name, sqnr_db, tuple(findings), remedies)
