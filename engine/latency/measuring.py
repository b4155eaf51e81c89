"""Measured latency per layer, kernel and bits: whole conversions run, and their nodes are told apart.

A layer is timed where it works: in a network whose other layers have the same kernel, so that it reads
uint8 and absorbs its Relu, or reads float in ONNX Runtime's blocked layout. What a layer would take
alone, between conversions of its own, says little about that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.calibration.calibration import Calibration
from engine.calibration.statistics import TensorStatistics
from engine.conversion.rewriting import rewrite_model
from engine.data.dataset import open_dataset
from engine.errors import BitsmithError, DataError, JobCancelled, ModelError
from engine.job_context import JobContext
from engine.latency.cache import latency_path, load_latencies, save_latencies
from engine.latency.figures import FLOAT_FORM, Latencies
from engine.latency.fitting import Sample, fit_latencies
from engine.latency.matching import Matcher
from engine.latency.timing import Stopwatch, time_in_turn
from engine.latency.variants import Variant, build_variants
from engine.machine import describe_cpu, describe_runtime
from engine.model.observation import draw_inputs, find_sequence_length
from engine.model.opened import Model
from engine.model.sessions import load_session
from engine.numerics.schemes import Kernel
from engine.placement import calibrated_tensors, place_layers
from engine.plan import ensure_plan_fits
from engine.requests.benchmark import LatencyRequest

Feeds = dict[str, npt.NDArray[Any]]

SECONDS_PER_VARIANT = 0.7
# Weights of the versions that are in memory at the same time.
TOGETHER_BYTES = 1 << 30
EXTERNAL_DATA_BYTES = 32 << 20


def measure_latencies(model: Model, request: LatencyRequest, context: JobContext) -> Latencies:
    """Time every layer on every kernel that it has; a few seconds, or none where the cache knows.

    A `LayerLatency` is handed out per layer when all are known, because only the comparison of whole
    networks tells.

    Raises:
        DataError: the model does not run on drawn inputs, or the data do not fit.
        PlanError: the plan belongs to another model.
        JobCancelled: cancelled.
    """
    ensure_plan_fits(request.plan, model.summary)
    context.report(0, 1, "Preparing inputs")
    feeds = _read_feeds(model, request)
    path = latency_path(_cache_key(model, request, feeds))
    found = None if request.is_fresh else load_latencies(path)
    if found is None:
        found = _measure(model, request, feeds, context)
        save_latencies(found, path)
    for layer in found.layers.values():
        context.partial(layer)
    return found


def _cache_key(model: Model, request: LatencyRequest, feeds: Feeds) -> list[object]:
    shapes = sorted((name, value.shape) for name, value in feeds.items())
    defaults = request.plan.defaults
    limits = [layer.limits for layer in model.summary.layers]
    return [
        describe_cpu(), describe_runtime(), request.threads, request.batch, model.summary.sha256, shapes,
        sorted(request.bits), defaults.group_size, limits,
    ]  # fmt: skip


def _read_feeds(model: Model, request: LatencyRequest) -> Feeds:
    """One batch of the data, or drawn inputs on which the model runs."""
    if request.data is not None:
        dataset = open_dataset(request.data, model.summary.inputs)
        batch = next(iter(dataset.batches(dataset.batch_size_for(request.batch), limit=request.batch)))
        return dict(batch.inputs)
    session = load_session(model.graph_model)
    length = find_sequence_length(session)
    if length is None:
        raise DataError(f"{model.path.name} does not run on drawn inputs. Choose data with real samples.")
    return draw_inputs(session.inputs, batch=request.batch, length=length)


@dataclass
class _Bench:
    """The versions of one model in a folder, and what is timed of them."""

    model: Model
    feeds: Feeds
    folder: Path
    calibration: Calibration | None
    samples: list[Sample] = field(default_factory=list)

    def load(self, index: int, variant: Variant, threads: int) -> Stopwatch:
        path = self.folder / f"{index}.onnx"
        made = rewrite_model(self.model, variant.plan, self.calibration, JobContext())
        is_large = self.model.source.file_bytes > EXTERNAL_DATA_BYTES
        if not is_large:
            ir.external_data.load_to_model(made)  # what lies beside the source is not in this folder
        ir.save(made, path, external_data=f"{index}.data" if is_large else None)
        return Stopwatch.load(path, threads)


def _measure(model: Model, request: LatencyRequest, feeds: Feeds, context: JobContext) -> Latencies:
    variants = build_variants(model.summary, request.plan.defaults, request.bits)
    values = _observe(model, feeds, context)
    with tempfile.TemporaryDirectory(prefix="bitsmith-") as folder:
        bench = _Bench(model, feeds, Path(folder), _calibrate(model, values))
        together = max(2, TOGETHER_BYTES // max(model.source.file_bytes, 1))
        for start in range(0, len(variants), together):
            _time_band(bench, variants, range(start, min(start + together, len(variants))), request, context)
    if not any(sample.variant.form == FLOAT_FORM for sample in bench.samples):
        raise ModelError(f"ONNX Runtime cannot run {model.path.name} as it is.")
    return fit_latencies(model.summary, request, bench.samples, {name: value.size for name, value in values.items()})


def _time_band(
    bench: _Bench, variants: Sequence[Variant], band: range, request: LatencyRequest, context: JobContext
) -> None:
    """Load some versions, time them in turn, keep what is found."""
    loaded: list[tuple[Variant, Stopwatch]] = []
    for index in band:
        context.report(index, len(variants) + 1, f"Converting: {_describe(variants[index])}")
        watch = _load_if_possible(bench, index, variants[index], request)
        if watch is not None:
            loaded.append((variants[index], watch))
    context.report(band.stop, len(variants) + 1, f"Timing {len(loaded)} versions of {bench.model.path.name} in turn")
    time_in_turn([watch for _, watch in loaded], bench.feeds, SECONDS_PER_VARIANT * len(loaded), context)
    matcher = Matcher(bench.model)
    bench.samples += [Sample.of(variant, watch, matcher) for variant, watch in loaded]


def _load_if_possible(bench: _Bench, index: int, variant: Variant, request: LatencyRequest) -> Stopwatch | None:
    """None for a version that cannot be converted or loaded: its layers are estimated then."""
    try:
        watch = bench.load(index, variant, request.threads)
        watch.session.run(bench.feeds)
    except JobCancelled:
        raise
    except BitsmithError:
        if variant.form == FLOAT_FORM:
            raise
        return None
    return watch


def _describe(variant: Variant) -> str:
    kernel, bits = variant.form
    return f"{bits} bits on {kernel}{', mixed with float' if variant.is_mixed else ''}"


def _observe(model: Model, feeds: Feeds, context: JobContext) -> Mapping[str, npt.NDArray[Any]]:
    """Every tensor that a plan on this model could quantize, for these inputs."""
    static = [layer.name for layer in model.summary.layers if Kernel.QLINEAR in layer.kernels]
    wanted = sorted(place_layers(model.summary, static).range_source)
    fetched = [name for name in wanted if name not in feeds]
    if not fetched:
        return {name: feeds[name] for name in wanted}
    values = load_session(model.graph_model, fetched).run(feeds, context)
    return {**dict(zip(fetched, values, strict=True)), **{name: feeds[name] for name in wanted if name in feeds}}


def _calibrate(model: Model, values: Mapping[str, npt.NDArray[Any]]) -> Calibration:
    """Ranges of one batch: they have to be plausible, so that Relu and Clip vanish into kernels, and no more."""
    statistics = {}
    for name in calibrated_tensors(model.summary):
        statistics[name] = TensorStatistics()
        if values[name].size:
            statistics[name].update(np.asarray(values[name]))
    return Calibration(model.summary.sha256, model.path.name, 1, "", statistics)
