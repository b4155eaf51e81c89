"""What a report shows, gathered from files and from the model: plain values from here on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

import engine
from engine.allocation import find_front
from engine.conversion.manifest import manifest_path_for, plan_path_for
from engine.errors import BudgetError, ModelError
from engine.job_context import JobContext
from engine.machine import describe_cpu
from engine.model.opened import Model
from engine.plan import Plan, ensure_plan_fits, load_plan
from engine.prediction import layer_damage
from engine.project.codec import decode
from engine.pytorch.import_cache import ImportOptions, read_options
from engine.requests.allocation import Front, FrontRequest
from engine.requests.benchmark import BenchmarkPoint
from engine.requests.conversion import Evaluation
from engine.requests.handing_over import ReportRequest
from engine.requests.histograms import WeightHistogram, WeightHistogramRequest
from engine.sensitivity.matrix import Metric, Sensitivity
from engine.summary import LayerSummary, ModelSummary
from engine.weight_histogram import build_weight_histogram

BINS = 96
CURRENT_PLAN = "the current plan"
_PACKAGES = ("onnxruntime", "onnx", "onnx-ir", "numpy", "torch")


@dataclass(frozen=True)
class ManifestLayer:
    """What became of one layer."""

    bits: int
    kernel: str
    is_integer: bool


@dataclass(frozen=True)
class ManifestSource:
    """The float model."""

    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What the report takes from the manifest of a conversion (`engine.conversion.manifest`)."""

    source: ManifestSource
    file_bytes: int
    layers: tuple[ManifestLayer, ...]
    bits_per_weight: float | None = None
    sqnr_db: float | None = None
    verified_on: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportedResult:
    """One converted model: what its manifest says, its plan, and what was measured on it.

    Attributes:
        path: as the request names it.
        sqnr_db: of evaluation, else of the conversion's own check on data.
    """

    path: str
    manifest: Manifest
    plan: Plan
    evaluation: Evaluation | None
    benchmark: BenchmarkPoint | None

    @property
    def name(self) -> str:
        """The file name."""
        return Path(self.path).name

    @property
    def sqnr_db(self) -> float | None:
        """Measured against float; None where only random inputs were tried."""
        if self.evaluation is not None and self.evaluation.sqnr_db is not None:
            return self.evaluation.sqnr_db
        return self.manifest.sqnr_db if self.manifest.verified_on == "data" else None


@dataclass(frozen=True)
class WorstLayer:
    """A layer that costs much, and the distribution of its weight."""

    layer: LayerSummary
    bits: int
    histogram: WeightHistogram


@dataclass(frozen=True)
class Contents:
    """All that is shown.

    Attributes:
        plan: the plan of the request, or of the last result; `plan_name` says whose.
        metric: of heatmap and front; None without sensitivity.
        import_options: what had to be said so that a model of PyTorch could be opened.
        environment: label and value.
    """

    request: ReportRequest
    model: ModelSummary
    results: Sequence[ReportedResult]
    plan: Plan | None
    plan_name: str
    metric: Metric | None
    front: Front | None
    worst: Sequence[WorstLayer]
    float_benchmark: BenchmarkPoint | None
    environment: Sequence[tuple[str, str]]
    import_options: ImportOptions

    @property
    def unsaved_plan(self) -> Plan | None:
        """The plan, if it lies beside no result."""
        return self.plan if self.plan_name == CURRENT_PLAN else None


def collect_contents(request: ReportRequest, model: Model, context: JobContext) -> Contents:
    """Read what lies beside the results, find the front, and bin the weights of the worst layers.

    Raises:
        ModelError: a result without its plan and manifest.
        PlanError: a plan or a result of another model.
        JobCancelled: cancelled.
    """
    summary = model.summary
    results = [_read_result(path, request, summary) for path in request.results]
    plan, name = request.plan, CURRENT_PLAN
    same = next((result for result in reversed(results) if plan is None or result.plan.digest == plan.digest), None)
    if same is not None:
        plan, name = same.plan, same.name
    if plan is not None:
        ensure_plan_fits(plan, summary)
    sensitivity = request.sensitivity
    metric = None
    if sensitivity is not None and sensitivity.metrics:
        metric = request.metric if request.metric in sensitivity.metrics else sensitivity.metrics[0]
    context.report(1, 4, "Finding the front")
    front = _find_front(summary, sensitivity, plan, metric) if sensitivity and plan and metric else None
    worst = _find_worst(model, request, plan, metric, context)
    return Contents(
        request, summary, results, plan, name, metric, front, worst,
        _find_point(request, request.model), _describe_environment(request), _find_import_options(model),
    )  # fmt: skip


def _find_import_options(model: Model) -> ImportOptions:
    source = model.source
    return ImportOptions() if source.onnx_path == source.path else read_options(source.onnx_path)


def _read_result(path: str, request: ReportRequest, model: ModelSummary) -> ReportedResult:
    """One result with what lies beside it.

    Raises:
        ModelError: plan or manifest are not there, or belong to something else.
    """
    file = Path(path)
    try:
        manifest = decode(Manifest, json.loads(manifest_path_for(file).read_text("utf-8")))
        if not 0 <= manifest.file_bytes < 1 << 63:
            raise ValueError("impossible sizes")
    except OSError as error:
        raise ModelError(
            f"{file.name} has no manifest beside it ({manifest_path_for(file).name}). Name a file that convert wrote."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"{manifest_path_for(file)} is no manifest of a conversion ({error}). Convert the model again."
        ) from error
    if manifest.source.sha256 != model.sha256:
        raise ModelError(f"{file.name} was made from another model than {Path(model.path).name}. Leave it out.")
    evaluation = next((item for item in request.evaluations if _is_same(item.model, path)), None)
    return ReportedResult(path, manifest, load_plan(plan_path_for(file)), evaluation, _find_point(request, path))


def _find_point(request: ReportRequest, path: str) -> BenchmarkPoint | None:
    points = request.benchmark.points if request.benchmark else ()
    return next((point for point in points if _is_same(point.path, path)), None)


def _is_same(one: str, other: str) -> bool:
    return Path(one).absolute() == Path(other).absolute()


def _find_front(model: ModelSummary, sensitivity: Sensitivity, plan: Plan, metric: Metric) -> Front | None:
    try:
        return find_front(FrontRequest(model, sensitivity, plan, metric))
    except BudgetError:  # all layers are locked: there is nothing to trade
        return None


def _find_worst(
    model: Model, request: ReportRequest, plan: Plan | None, metric: Metric | None, context: JobContext
) -> list[WorstLayer]:
    """The layers that lose most under the plan, the worst first."""
    sensitivity = request.sensitivity
    if plan is None or sensitivity is None or metric is None:
        return []
    losses = []
    for layer in model.summary.layers:
        row = sensitivity.rows.get(layer.name)
        loss = layer_damage(row, plan.layer(layer.name), metric) if row is not None else None
        if loss:
            losses.append((loss, layer))
    losses.sort(key=lambda entry: -entry[0])
    worst = []
    for _, layer in losses[: request.worst_layers]:
        context.report(2, 4, f"Binning {layer.title}")
        choice = plan.layer(layer.name)
        histogram = build_weight_histogram(model, WeightHistogramRequest(request.model, layer.name, choice, bins=BINS))
        worst.append(WorstLayer(layer, choice.weights.bits, histogram))
    return worst


def _describe_environment(request: ReportRequest) -> list[tuple[str, str]]:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    entries = [
        ("Bitsmith", engine.__version__),
        ("Python", platform.python_version()),
        ("Packages", packages),
        ("System", platform.platform()),
        ("Processor", describe_cpu()),
        ("Logical processors", str(os.cpu_count() or "unknown")),
        ("Memory", f"{psutil.virtual_memory().total / 1e9:.1f} GB"),
        ("Written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
    ]
    if request.benchmark is not None:
        found = request.benchmark
        threads = f"threads: {found.threads or 'all'}"
        setting = f"{found.runtime}, {threads}, batch: {found.batch}, on {found.cpu}"
        entries.insert(5, ("Benchmark", setting))
    return entries
