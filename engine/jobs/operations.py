"""What each request does: the one function that the worker process and the command line call."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path

from engine.activation_histogram import build_activation_histogram
from engine.allocation import allocate, find_front
from engine.benchmark import benchmark
from engine.bottlenecks.finding import find_bottlenecks
from engine.bottlenecks.report import Bottlenecks
from engine.bundle.building import build_bundle
from engine.calibration.calibration import Calibration, ensure_calibration_fits, load_calibration, write_calibration
from engine.calibration.collection import calibrate
from engine.comparing.changed_samples import find_changed_samples
from engine.comparing.layer_errors import measure_layer_errors
from engine.compensation.equalization import equalize
from engine.compensation.inputs import InputQuantization
from engine.conversion.convert import convert, ensure_output_allowed
from engine.conversion.manifest import ensure_plan_kept
from engine.data.dataset import Dataset, describe_dataset, open_dataset
from engine.data.dividing import divide_data
from engine.data.preview import build_preview
from engine.diagnosis.diagnosing import diagnose
from engine.diagnosis.report import Diagnosis
from engine.errors import CalibrationError, ConversionError
from engine.evaluation import evaluate
from engine.graph_view.drawing import Drawing
from engine.input_check import check_inputs, fit_presets
from engine.job_context import JobContext
from engine.latency.figures import Latencies
from engine.latency.measuring import measure_latencies
from engine.model.opened import Model, open_model
from engine.model.quantized_layers import ChosenWeights
from engine.numerics.schemes import InputScaling
from engine.plan import ensure_plan_fits
from engine.polish import polish
from engine.pytorch import is_packed_path
from engine.pytorch.importing import import_model, is_archive
from engine.recovery.climbing import recover
from engine.recovery.report import RecoverForecast, RecoverResult
from engine.report.writing import write_report
from engine.requests.allocation import AllocateRequest, AllocateResult, Front, FrontRequest, PolishRequest, PolishResult
from engine.requests.analysis import (
    AnalysisMethod,
    AnalyzeRequest,
    CalibrateRequest,
    CalibrateResult,
    DiagnoseRequest,
    Forecast,
    ForecastRequest,
)
from engine.requests.benchmark import BenchmarkRequest, BottlenecksRequest, LatencyRequest
from engine.requests.comparison import ChangedSamplesRequest, LayerErrors, LayerErrorsRequest
from engine.requests.conversion import ConvertRequest, ConvertResult, EvaluateRequest
from engine.requests.data import (
    CheckRequest,
    DataChoice,
    DataPreview,
    DataRequest,
    DataSplit,
    DataSummary,
    PreviewRequest,
    SplitRequest,
)
from engine.requests.handing_over import BundleRequest, ReportRequest, ReportResult
from engine.requests.histograms import (
    ActivationHistogram,
    ActivationHistogramRequest,
    WeightHistogram,
    WeightHistogramRequest,
)
from engine.requests.opening import FitRequest, GraphRequest, OpenRequest, PresetFits
from engine.requests.recovery import RecoverForecastRequest, RecoverRequest
from engine.sensitivity.exact import analyze_exact, forecast_exact
from engine.sensitivity.matrix import Sensitivity
from engine.sensitivity.quick import analyze_quick
from engine.summary import ModelSummary
from engine.weight_histogram import build_weight_histogram


def run_request(request: object, context: JobContext) -> object:
    """Run one request of `engine.requests` to its result.

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


def run_graph(request: GraphRequest, context: JobContext) -> Drawing:
    """Lay the graph out."""
    from engine.graph_view.building import draw_graph  # scipy: a third of a second

    return draw_graph(open_cached(request.model), request.expanded, context)


def run_split(request: SplitRequest, context: JobContext) -> DataSplit:
    """Divide samples between calibration and evaluation."""
    return divide_data(request, open_cached(request.model).summary.inputs, context)


def run_preview(request: PreviewRequest, context: JobContext) -> DataPreview:
    """Look at one sample."""
    return build_preview(request, open_cached(request.model).summary)


def run_fit(request: FitRequest, context: JobContext) -> PresetFits:
    """Try every preset of preprocessing."""
    return fit_presets(request, open_cached(request.model).summary, context)


def run_weight_histogram(request: WeightHistogramRequest, context: JobContext) -> WeightHistogram:
    """Histogram of one layer."""
    return build_weight_histogram(open_cached(request.model), request)


def run_activation_histogram(request: ActivationHistogramRequest, context: JobContext) -> ActivationHistogram:
    """Histogram of one layer's input."""
    path = Path(request.calibration)
    model = open_cached(request.model)
    found = _load_calibration(str(path), path.stat().st_mtime_ns if path.is_file() else 0)
    ensure_calibration_fits(found, model.summary.sha256, model.path.name)
    return build_activation_histogram(model, found, request)


@lru_cache(maxsize=1)
def _load_calibration(path: str, _modified_ns: int) -> Calibration:
    return load_calibration(Path(path))


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
    ensure_plan_fits(request.plan, model.summary)
    model = _move_ranges(model, request, dataset, context)
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
    """Weights that are chosen by what their layers read or trained; None if the plan has no such layers."""
    plan = request.plan
    ensure_plan_fits(plan, model.summary)
    if not (plan.needs_rounding_data or plan.is_distilled):
        return None
    if dataset is None:
        raise CalibrationError(
            "Rounding by GPTQ or AdaRound needs samples of what the layers read, and so do correction of biases and "
            "distillation. Give data (--data), or choose rounding to nearest and neither of these."
        )
    # torch
    from engine.compensation.compensating import choose_weights
    from engine.compensation.distillation import distill
    from engine.compensation.distillation_data import count_learned

    chosen, samples = ChosenWeights(), request.samples
    if plan.needs_rounding_data:
        seen = count_learned(dataset, samples) if plan.is_distilled else samples
        chosen = choose_weights(model, plan, inputs, dataset, context, samples=seen)
    if not plan.is_distilled:
        return chosen
    return distill(model, plan, inputs, chosen, context, dataset=dataset, samples=samples)


def _move_ranges(model: Model, request: ConvertRequest, dataset: Dataset | None, context: JobContext) -> Model:
    """The network that the plan's weights are those of: it computes the same as `model`."""
    defaults = request.plan.defaults
    is_scaled = defaults.input_scaling != InputScaling.NONE
    if not (defaults.equalize or is_scaled):
        return model
    change = "equalized" if defaults.equalize else "scaled"
    if is_packed_path(request.output):
        raise ConversionError(
            f"A network that is {change} has other constants between its layers, too, which packed weights do not "
            "hold. Write an ONNX file, or do without."
        )
    if request.calibration is not None:
        raise CalibrationError(
            f"The ranges in {Path(request.calibration).name} are those of the network before it is {change}. Give data "
            "(--data) instead of a calibration."
        )
    if any(layer.input_range is not None for layer in request.plan.layers.values()):
        raise CalibrationError(
            f"The plan sets input ranges by hand, which are those of the network before it is {change}. Remove them, "
            "or do without."
        )
    if defaults.equalize:
        context.report(0, 1, "Equalizing weight ranges")
        model = equalize(model)
    if not is_scaled:
        return model
    if dataset is None:
        raise CalibrationError(
            "Scaling the inputs of products needs samples of what the layers read. Give data (--data), or do without."
        )
    from engine.compensation.scaling_inputs import scale_inputs  # torch

    return scale_inputs(model, request.plan, dataset, context, samples=request.samples)


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


def run_recover(request: RecoverRequest, context: JobContext) -> RecoverResult:
    """Climb the ladder of methods."""
    return recover(open_cached(request.model), request, run_convert, context)


def run_recover_forecast(request: RecoverForecastRequest, context: JobContext) -> RecoverForecast:
    """What the rungs would take."""
    from engine.recovery.forecast import forecast_recovery  # torch

    asked = request.recovery
    model = open_cached(asked.model)
    return forecast_recovery(model, _dataset(model, asked.data), _dataset(model, asked.evaluation), asked, context)


def run_layer_errors(request: LayerErrorsRequest, context: JobContext) -> LayerErrors:
    """Compare the layers of results with those of their float model."""
    return measure_layer_errors(open_cached(request.model), request, context)


def run_bottlenecks(request: BottlenecksRequest, context: JobContext) -> Bottlenecks:
    """Find what keeps a result from being faster than its float model."""
    return find_bottlenecks(open_cached(request.model), request, context)


def run_report(request: ReportRequest, context: JobContext) -> ReportResult:
    """Write a report."""
    return write_report(request, open_cached(request.model), context)


def _dataset(model: Model, choice: DataChoice) -> Dataset:
    return open_dataset(choice, model.summary.inputs)


_OPERATIONS = {
    OpenRequest: run_open,
    DataRequest: run_data,
    SplitRequest: run_split,
    PreviewRequest: run_preview,
    CheckRequest: check_inputs,
    FitRequest: run_fit,
    GraphRequest: run_graph,
    WeightHistogramRequest: run_weight_histogram,
    ActivationHistogramRequest: run_activation_histogram,
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
    LayerErrorsRequest: run_layer_errors,
    ChangedSamplesRequest: find_changed_samples,
    BottlenecksRequest: run_bottlenecks,
    LatencyRequest: run_latency,
    RecoverRequest: run_recover,
    RecoverForecastRequest: run_recover_forecast,
    BundleRequest: build_bundle,
    ReportRequest: run_report,
}
