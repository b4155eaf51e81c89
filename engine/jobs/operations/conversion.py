"""Converting, and evaluating the result."""

from __future__ import annotations

from pathlib import Path

from engine.calibration.calibration import Calibration, ensure_calibration_fits, load_calibration
from engine.calibration.collection import calibrate
from engine.compensation.equalization import equalize
from engine.compensation.inputs import InputQuantization
from engine.compensation.reporting import report_equalization
from engine.conversion.convert import convert, ensure_output_allowed
from engine.conversion.manifest import ensure_plan_kept, paths_of
from engine.data.dataset import Dataset, open_dataset
from engine.errors import CalibrationError, ConversionError
from engine.evaluation import evaluate
from engine.job_context import JobContext
from engine.jobs.operations import Operations
from engine.jobs.operations.opened_models import open_cached
from engine.model.opened import Model
from engine.model.opening import ensure_keeps_weights
from engine.model.quantized_layers import ChosenWeights
from engine.numerics.schemes import InputScaling
from engine.plan import ensure_plan_fits
from engine.pytorch import is_packed_path
from engine.requests.conversion import ConvertRequest, ConvertResult, DeviceChoice, EvaluateRequest


def run_convert(request: ConvertRequest, context: JobContext) -> ConvertResult:
    """Convert, verify and write a model."""
    _ensure_device(request.device)
    model = open_cached(request.model)
    ensure_output_allowed(Path(request.output), model.path)
    ensure_keeps_weights(model.source, *paths_of(Path(request.output)))
    ensure_plan_kept(Path(request.output), request.plan)
    dataset = open_dataset(request.data, model.summary.inputs) if request.data else None
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
    is_trained = plan.is_reconstructed or plan.is_distilled
    if not (plan.needs_rounding_data or is_trained):
        return None
    if dataset is None:
        raise CalibrationError(
            "Rounding by GPTQ or AdaRound needs samples of what the layers read, and so do correction of biases, "
            "reconstruction of blocks and distillation. Give data (--data), or choose rounding to nearest and none of "
            "these."
        )
    # torch
    from engine.compensation.compensating import choose_weights
    from engine.compensation.distillation import distill
    from engine.compensation.distillation_data import count_learned
    from engine.compensation.reconstruction import reconstruct

    chosen, samples = ChosenWeights(), request.samples
    if plan.needs_rounding_data:
        seen = count_learned(dataset, samples) if is_trained else samples
        chosen = choose_weights(model, plan, inputs, dataset, context, samples=seen, device=request.device)
    if plan.is_reconstructed:
        chosen = reconstruct(model, request, inputs, chosen, context, dataset=dataset)
    if not plan.is_distilled:
        return chosen
    return distill(model, request, inputs, chosen, context, dataset=dataset)


def _ensure_device(wanted: DeviceChoice) -> None:
    """Before anything takes time."""
    if wanted == DeviceChoice.CUDA:
        from engine.torch_graph.device import ensure_device  # torch

        ensure_device(wanted)


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
        equalized = equalize(model)
        report_equalization(model, equalized, request.plan, context)
        model = equalized
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


OPERATIONS: Operations = {
    ConvertRequest: run_convert,
    EvaluateRequest: evaluate,
}
