"""What each request does: the one function that the worker process and the command line call."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path

from engine.allocation import allocate, find_front
from engine.benchmark import benchmark
from engine.calibration.calibration import Calibration, ensure_calibration_fits, load_calibration, write_calibration
from engine.calibration.collection import calibrate
from engine.compensation.inputs import InputQuantization
from engine.conversion.convert import convert, ensure_output_allowed
from engine.conversion.manifest import ensure_plan_kept
from engine.data.dataset import Dataset, describe_dataset, open_dataset
from engine.diagnosis.diagnosing import diagnose
from engine.diagnosis.report import Diagnosis
from engine.errors import CalibrationError
from engine.evaluation import evaluate
from engine.job_context import JobContext
from engine.jobs.requests import (
    AllocateRequest,
    AllocateResult,
    AnalysisMethod,
    AnalyzeRequest,
    BenchmarkRequest,
    CalibrateRequest,
    CalibrateResult,
    ConvertRequest,
    ConvertResult,
    DataChoice,
    DataRequest,
    DataSummary,
    DiagnoseRequest,
    EvaluateRequest,
    Forecast,
    ForecastRequest,
    Front,
    FrontRequest,
    LatencyRequest,
    OpenRequest,
    PolishRequest,
    PolishResult,
    WeightHistogram,
    WeightHistogramRequest,
)
from engine.latency.figures import Latencies
from engine.latency.measuring import measure_latencies
from engine.model.opened import Model, open_model
from engine.model.quantized_layers import ChosenWeights
from engine.plan import ensure_plan_fits
from engine.polish import polish
from engine.pytorch import is_packed_path
from engine.pytorch.importing import import_model, is_archive
from engine.sensitivity.exact import analyze_exact, forecast_exact
from engine.sensitivity.matrix import Sensitivity
from engine.sensitivity.quick import analyze_quick
from engine.summary import ModelSummary
from engine.weight_histogram import build_weight_histogram


def run_request(request: object, context: JobContext) -> object:
    """Run one request of `engine.jobs.requests` to its result.

    Raises:
        BitsmithError: the user can fix it.
        JobCancelled: cancelled.
    """
    return _OPERATIONS[type(request)](request, context)  # type: ignore[operator]


def open_cached(path: str) -> Model:
    """The opened model; the last one stays open until its file changes."""
    try:
        stamp = Path(path).stat()
    except OSError:
        return open_model(path)
    return _open_at(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=1)
def _open_at(path: str, _modified_ns: int, _size: int) -> Model:
    return open_model(path)


def run_open(request: OpenRequest, context: JobContext) -> ModelSummary:
    """Open a model and summarize it."""
    context.report(0, 2, f"Reading {Path(request.model).name}")
    _import(request, context)
    model = open_cached(request.model)
    context.report(1, 2, "Observing shapes")
    summary = model.summary
    context.report(2, 2, f"{len(summary.layers)} layers")
    return summary


def _import(request: OpenRequest, context: JobContext) -> None:
    """Convert a PyTorch file with what the user says about it; later requests find the result by the file alone."""
    path = Path(request.model)
    if not (path.is_file() and is_archive(path)):
        return
    import_model(path, trusted_sha256=request.trusted_sha256, input_shapes=request.input_shapes, context=context)
    if request.input_shapes:
        _open_at.cache_clear()


def run_data(request: DataRequest, context: JobContext) -> DataSummary:
    """Check that data fits a model."""
    context.report(0, 1, f"Reading {Path(request.data.path).name}")
    dataset = _dataset(open_cached(request.model), request.data)
    next(iter(dataset.batches(dataset.batch_size_for(1), limit=1)))
    summary = describe_dataset(dataset)
    context.report(1, 1, summary.description)
    return summary


def run_weight_histogram(request: WeightHistogramRequest, context: JobContext) -> WeightHistogram:
    """Histogram of one layer."""
    return build_weight_histogram(open_cached(request.model), request)


def run_calibrate(request: CalibrateRequest, context: JobContext) -> CalibrateResult:
    """Collect statistics into a file."""
    model = open_cached(request.model)
    target = Path(request.output)
    with context.output(target) as temporary:
        found = calibrate(model, _dataset(model, request.data), request.samples, context)
        found = dataclasses.replace(found, method=request.method)
        write_calibration(found, temporary)
    return CalibrateResult(request.output, found.samples, len(found.tensors), found.digest)


def run_analyze(request: AnalyzeRequest, context: JobContext) -> Sensitivity:
    """Sensitivity by the method that is asked for."""
    model = open_cached(request.model)
    ensure_plan_fits(request.plan, model.summary)
    dataset = _dataset(model, request.data)
    if request.method == AnalysisMethod.EXACT:
        return analyze_exact(model, dataset, context, request)
    if request.method == AnalysisMethod.LOSS:
        from engine.sensitivity.loss import analyze_loss  # torch

        return analyze_loss(model, dataset, context, plan=request.plan, bits=request.bits, samples=request.samples)
    return analyze_quick(model, dataset, context, plan=request.plan, bits=request.bits, samples=request.samples)


def run_diagnose(request: DiagnoseRequest, context: JobContext) -> Diagnosis:
    """Look at layers under a plan."""
    model = open_cached(request.model)
    ensure_plan_fits(request.plan, model.summary)
    return diagnose(model, _dataset(model, request.data), request, context)


def run_forecast(request: ForecastRequest, context: JobContext) -> Forecast:
    """What an exact analysis would take."""
    analysis = request.analysis
    model = open_cached(analysis.model)
    ensure_plan_fits(analysis.plan, model.summary)
    return forecast_exact(model, _dataset(model, analysis.data), context, analysis)


def run_allocate(request: AllocateRequest, context: JobContext) -> AllocateResult:
    """Choose bits for a budget."""
    return allocate(request)


def run_polish(request: PolishRequest, context: JobContext) -> PolishResult:
    """Choose bits for a budget, measure the plan, and improve it."""
    model = open_cached(request.model)
    return polish(model, _dataset(model, request.data), request, context)


def run_front(request: FrontRequest, context: JobContext) -> Front:
    """Find what no plan beats."""
    return find_front(request)


def run_convert(request: ConvertRequest, context: JobContext) -> ConvertResult:
    """Convert, verify and write a model."""
    model = open_cached(request.model)
    ensure_output_allowed(Path(request.output), model.path)
    ensure_plan_kept(Path(request.output), request.plan)
    dataset = _dataset(model, request.data) if request.data else None
    if is_packed_path(request.output):
        from engine.pytorch.packed_file import write_packed

        return write_packed(model, request, context, _chosen(request, model, InputQuantization(), dataset, context))
    calibration = _calibration(request, model, dataset, context)
    inputs = InputQuantization.of(model, request.plan, calibration)
    chosen = _chosen(request, model, inputs, dataset, context)
    return convert(model, request, calibration, dataset, context, chosen=chosen)


def _chosen(
    request: ConvertRequest, model: Model, inputs: InputQuantization, dataset: Dataset | None, context: JobContext
) -> ChosenWeights | None:
    """Weights that are rounded by what their layers read; None if the plan has no such layers."""
    ensure_plan_fits(request.plan, model.summary)
    if not request.plan.needs_rounding_data:
        return None
    if dataset is None:
        raise CalibrationError(
            "Rounding by GPTQ or AdaRound needs samples of what the layers read. Give data (--data), or choose "
            "rounding to nearest."
        )
    from engine.compensation.compensating import choose_weights  # torch

    return choose_weights(model, request.plan, inputs, dataset, context, samples=request.samples)


def _calibration(
    request: ConvertRequest, model: Model, dataset: Dataset | None, context: JobContext
) -> Calibration | None:
    ensure_plan_fits(request.plan, model.summary)
    if not request.plan.needs_calibration:
        return None
    if request.calibration:
        found = load_calibration(Path(request.calibration))
        ensure_calibration_fits(found, model.summary.sha256, model.path.name)
        return found
    if dataset is None:
        raise CalibrationError(
            "A static plan needs activation ranges. Give data (--data), a calibration (--calibration), "
            "or choose dynamic or float activations."
        )
    return calibrate(model, dataset, request.samples, context)


def run_latency(request: LatencyRequest, context: JobContext) -> Latencies:
    """Time the layers."""
    return measure_latencies(open_cached(request.model), request, context)


def _dataset(model: Model, choice: DataChoice) -> Dataset:
    return open_dataset(choice, model.summary.inputs)


_OPERATIONS = {
    OpenRequest: run_open,
    DataRequest: run_data,
    WeightHistogramRequest: run_weight_histogram,
    CalibrateRequest: run_calibrate,
    AnalyzeRequest: run_analyze,
    DiagnoseRequest: run_diagnose,
    ForecastRequest: run_forecast,
    AllocateRequest: run_allocate,
    FrontRequest: run_front,
    PolishRequest: run_polish,
    ConvertRequest: run_convert,
    EvaluateRequest: evaluate,
    BenchmarkRequest: benchmark,
    LatencyRequest: run_latency,
}
