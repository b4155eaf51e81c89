"""Convert, verify and write: a file appears at the output path only when every check has passed."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import onnx
import onnx_ir as ir

import engine
from engine.calibration.calibration import Calibration
from engine.conversion.manifest import Origin, ensure_plan_kept, write_records
from engine.conversion.portability import ensure_can_be_portable, read_operators
from engine.conversion.rewriting import rewrite_model
from engine.conversion.spill import Spill
from engine.conversion.verification import Verification, verify, verify_apart
from engine.data.dataset import Dataset
from engine.errors import OutputError
from engine.job_context import JobContext, ensure_writable
from engine.model.opened import Model
from engine.model.opening import ensure_keeps_weights
from engine.model.quantized_layers import ChosenWeights
from engine.model.sessions import load_session
from engine.numerics.schemes import ActivationType, Kernel
from engine.plan import Plan, ensure_plan_fits
from engine.requests.conversion import DEGRADED_SQNR_DB, ConvertRequest, ConvertResult, LayerOutcome
from engine.sizes import bits_per_weight, predict_file_bytes

# Beyond these, weights go to a file beside the model, and models are not held in memory for comparison.
EXTERNAL_DATA_BYTES = 256_000_000
IN_MEMORY_BYTES = 500_000_000
PREDICTION_TOLERANCE = 0.01


def ensure_output_allowed(output: Path, source: Path) -> None:
    """Raise `OutputError` if `output` cannot be written, or is the source model or its weights."""
    if output.exists() and source.exists() and output.samefile(source):
        raise OutputError(f"{output} is the source model, which is never overwritten. Choose another output path.")
    ensure_writable(output)


def convert(
    model: Model,
    request: ConvertRequest,
    calibration: Calibration | None,
    dataset: Dataset | None,
    context: JobContext,
    *,
    chosen: ChosenWeights | None = None,
) -> ConvertResult:
    """Write `model` under the plan to `request.output`.

    Args:
        chosen: weights in place of those rounded to nearest.

    Raises:
        PlanError, CalibrationError, ConversionError, OutputError: nothing was written.
        JobCancelled: cancelled; nothing was written.
    """
    output, plan = Path(request.output), request.plan
    ensure_plan_fits(plan, model.summary)
    ensure_output_allowed(output, model.path)
    ensure_plan_kept(output, plan)
    ensure_can_be_portable(plan, model)
    ensure_keeps_weights(model.source, output, output.with_name(f"{output.name}.data"))
    predicted = predict_file_bytes(model.summary, plan)
    with context.output(output, expected_bytes=predicted) as temporary:
        _write(model, plan, calibration, temporary, context, chosen=chosen)
        if model.source.file_bytes < IN_MEMORY_BYTES:
            simulated = rewrite_model(model, plan, calibration, context, is_simulation=True, chosen=chosen)
            simulation = load_session(simulated, is_optimized=False)
            found = verify(temporary, model.source.onnx_path, simulation, dataset, context)
        else:
            found = verify_apart(temporary, context)
        _append_metrics(temporary, found)
        result = _result(request, model, found, temporary, predicted, chosen=chosen or ChosenWeights())
        write_records(temporary, output, _origin(model, plan, calibration), result, context)
    return result


def _write(
    model: Model,
    plan: Plan,
    calibration: Calibration | None,
    target: Path,
    context: JobContext,
    *,
    chosen: ChosenWeights | None,
) -> None:
    """Write the model; beyond `EXTERNAL_DATA_BYTES` its weights stream to a file beside it."""
    is_external = predict_file_bytes(model.summary, plan) > EXTERNAL_DATA_BYTES
    with Spill(target.with_name(f"{target.name}.data")) if is_external else contextlib.nullcontext() as spill:
        rewritten = rewrite_model(model, plan, calibration, context, spill=spill, chosen=chosen)
    if not is_external:
        ir.external_data.load_to_model(rewritten)  # what lies beside the source is not beside the target
    rewritten.metadata_props.update(_provenance(model, plan, calibration))
    context.report(0, 1, f"Writing {target.name}")
    ir.save(rewritten, target)


def _origin(model: Model, plan: Plan, calibration: Calibration | None) -> Origin:
    digest = None if calibration is None else calibration.digest
    return Origin(model.path.name, model.source.sha256, model.source.file_bytes, plan, digest)


def _provenance(model: Model, plan: Plan, calibration: Calibration | None) -> dict[str, str]:
    entries = {
        "bitsmith.version": engine.__version__,
        "bitsmith.source_sha256": model.source.sha256,
        "bitsmith.plan_sha256": plan.digest,
    }
    if calibration is not None:
        entries["bitsmith.calibration_sha256"] = calibration.digest
    return entries


def _append_metrics(path: Path, found: Verification) -> None:
    """Add what was measured on the written file; appended protobuf fields merge into the message."""
    if found.sqnr_db is None or found.is_drawn or not math.isfinite(found.sqnr_db):
        return
    extra = onnx.ModelProto()
    extra.metadata_props.add(key="bitsmith.sqnr_db", value=f"{found.sqnr_db:.2f}")
    extra.metadata_props.add(key="bitsmith.verified_samples", value=str(found.samples))
    with path.open("ab") as file:
        file.write(extra.SerializeToString())


def _result(
    request: ConvertRequest,
    model: Model,
    found: Verification,
    written: Path,
    predicted: int,
    *,
    chosen: ChosenWeights,
) -> ConvertResult:
    file_bytes = sum(file.stat().st_size for file in written.parent.iterdir())
    operators = read_operators(written)
    layers = tuple(
        LayerOutcome(layer.name, choice.weights.bits, str(choice.kernel), index in found.integer_layers)
        for index, layer in enumerate(model.summary.layers)
        for choice in [request.plan.layer(layer.name)]
    )
    return ConvertResult(
        output=request.output,
        file_bytes=file_bytes,
        predicted_bytes=predicted,
        source_bytes=model.source.file_bytes,
        sqnr_db=found.sqnr_db,
        kernel_sqnr_db=found.kernel_sqnr_db,
        is_drawn=found.is_drawn,
        verified_samples=found.samples,
        layers=layers,
        warnings=(*_warnings(request.plan, layers, found, file_bytes, predicted), *chosen.notes),
        is_degraded=_is_degraded(found),
        bits_per_weight=bits_per_weight(model.summary, request.plan),
        opset=operators.opset,
        is_portable=operators.is_portable,
        devices=chosen.devices,
    )


def _is_degraded(found: Verification) -> bool:
    return found.sqnr_db is not None and not found.is_drawn and found.sqnr_db < DEGRADED_SQNR_DB


def _warnings(
    plan: Plan, layers: tuple[LayerOutcome, ...], found: Verification, file_bytes: int, predicted: int
) -> list[str]:
    warnings = []
    if _is_degraded(found):
        warnings.append(
            f"The result is far from float: SQNR {found.sqnr_db:.1f} dB on {found.samples} samples. "
            "Give fragile layers more bits, then compare."
        )
    if not found.samples:
        warnings.append(
            "The result loads in ONNX Runtime but was not compared with float: the source is too large, or does not "
            "run on drawn inputs. Compare it on data: bitsmith evaluate."
        )
    fallen = [layer.name for layer in layers if layer.kernel != Kernel.FLOAT and not layer.is_integer]
    if fallen:
        warnings.append(
            f"{len(fallen)} of {len(layers)} layers were meant for an integer kernel and run in float "
            f"(first: {fallen[0]})."
        )
    if fallen and plan.defaults.activation_type == ActivationType.INT8:
        warnings.append(
            "int8 activations suit ARM processors. Choose uint8 for x86: it is faster, the results are equal."
        )
    if abs(file_bytes - predicted) > max(PREDICTION_TOLERANCE * file_bytes, 1024):
        warnings.append(f"The file has {file_bytes} bytes, {predicted} were predicted.")
    return warnings
