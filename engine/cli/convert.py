"""`bitsmith convert`: a quantized model from a plan, or from a few options."""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from pathlib import Path

from engine.cli.command import Answer, Command, JsonObject, UsageError, format_db
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import (
    add_data,
    add_device,
    add_layer_overrides,
    add_model,
    add_output,
    add_samples,
    apply_layer_overrides,
    data_files,
    ensure_not_source,
    ensure_not_weights,
    open_request,
    read_data,
)
from engine.cli.scheme_options import DEFAULT_BITS, SCHEME_OPTIONS, add_scheme, build_chosen_plan, read_scheme
from engine.conversion.manifest import manifest_path_for
from engine.job_context import ensure_writable
from engine.numerics.schemes import WEIGHT_BITS, ActivationMode
from engine.plan import Plan, ensure_plan_fits, format_plan, load_plan
from engine.presets import find_preset
from engine.pytorch import is_packed_path
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.data import DEFAULT_CALIBRATION_SAMPLES
from engine.summary import ModelSummary
from engine.units import format_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, plan or scheme, data, output."""
    add_model(parser)
    parser.add_argument("--plan", metavar="P.json", help="a plan that allocate or the window wrote")
    parser.add_argument(
        "--weights",
        type=int,
        choices=WEIGHT_BITS,
        metavar="B",
        help=f"bits of all weights: {', '.join(map(str, WEIGHT_BITS))} (default {DEFAULT_BITS})",
    )
    add_layer_overrides(parser)
    add_scheme(parser)
    add_data(parser, required=False, purpose="samples for calibration and verification: ")
    parser.add_argument("--calibration", metavar="C.calib", help="ranges that calibrate wrote, instead of new ones")
    add_samples(parser, DEFAULT_CALIBRATION_SAMPLES)
    parser.set_defaults(samples=None)  # a preset may say how many
    add_device(parser)
    add_output(parser, "OUT.onnx", "the quantized model; OUT.safetensors for packed PyTorch weights")
    parser.add_argument("--save-plan", metavar="P.json", help="also write the plan that was used to this file")


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Convert, verify, write."""
    data = read_data(arguments)
    output = Path(arguments.output)
    sources = (arguments.model, arguments.plan, arguments.calibration, *data_files(arguments))
    ensure_not_source(output, *sources)
    ensure_writable(output)
    if arguments.save_plan:
        ensure_not_source(Path(arguments.save_plan), *sources)
        if Path(arguments.save_plan).resolve() in {path.resolve() for path in (output, manifest_path_for(output))}:
            raise UsageError(f"{arguments.save_plan} is written by --output, too. Give --save-plan another path.")
        ensure_writable(Path(arguments.save_plan))
    model = run_job(open_request(arguments), ModelSummary, context)
    for written in filter(None, (arguments.output, arguments.save_plan)):
        ensure_not_weights(Path(written), arguments.model)
    plan = _read_plan(arguments, model)
    request = ConvertRequest(
        arguments.model, plan, arguments.output, data, arguments.calibration, _samples(arguments), arguments.device
    )
    result = run_job(request, ConvertResult, context)
    if arguments.save_plan:
        with context.output(Path(arguments.save_plan)) as temporary:
            temporary.write_text(format_plan(plan), encoding="utf-8")
    return Answer(convert_to_json(result), describe_conversion(result))


def _read_plan(arguments: argparse.Namespace, model: ModelSummary) -> Plan:
    if arguments.plan is None:
        scheme = read_scheme(arguments)
        if is_packed_path(arguments.output) and arguments.activations is None:
            scheme = dataclasses.replace(scheme, activations=ActivationMode.FLOAT)
        plan = build_chosen_plan(arguments, model, scheme)
    else:
        schemes = {"weights", *SCHEME_OPTIONS} - {"portable"}  # which is a demand on the file
        if any(getattr(arguments, name) is not None for name in schemes):
            raise UsageError("--plan says how layers are quantized; it does not go together with --weights and such.")
        plan = load_plan(Path(arguments.plan))
        if arguments.portable:
            plan = dataclasses.replace(plan, defaults=dataclasses.replace(plan.defaults, portable=True))
        ensure_plan_fits(plan, model)
    return apply_layer_overrides(plan, model, arguments.layer)


def _samples(arguments: argparse.Namespace) -> int:
    if arguments.samples is not None:
        return int(arguments.samples)
    return DEFAULT_CALIBRATION_SAMPLES if arguments.preset is None else find_preset(arguments.preset).samples


def convert_to_json(result: ConvertResult) -> JsonObject:
    """The stable keys of a conversion."""
    return {
        "output": result.output,
        "file_bytes": result.file_bytes,
        "predicted_bytes": result.predicted_bytes,
        "source_bytes": result.source_bytes,
        "bits_per_weight": result.bits_per_weight,
        "opset": result.opset,
        "is_portable": result.is_portable,
        "sqnr_db": result.sqnr_db,
        "kernel_sqnr_db": result.kernel_sqnr_db,
        "verified_on": "random inputs" if result.is_drawn else "data",
        "verified_samples": result.verified_samples,
        "is_degraded": result.is_degraded,
        "training_devices": result.devices,
        "warnings": result.warnings,
        "layers": [dataclasses.asdict(layer) for layer in result.layers],
    }


def describe_conversion(result: ConvertResult) -> str:
    """A few lines: size, layers by bits and kernel, operators, how far from float."""
    kinds = Counter((layer.bits, layer.kernel) for layer in result.layers)
    integer = sum(layer.is_integer for layer in result.layers)
    lines = [
        f"{result.output}: {format_bytes(result.file_bytes)}, {result.file_bytes / result.source_bytes:.1%} of "
        f"{format_bytes(result.source_bytes)} (predicted {format_bytes(result.predicted_bytes)})",
        "layers: "
        + ", ".join(f"{count} × {bits}-bit {kernel}" for (bits, kernel), count in sorted(kinds.items(), reverse=True)),
    ]
    if not is_packed_path(result.output):
        lines.append(f"{integer} of {len(result.layers)} layers run on integer kernels")
        operators = "standard ONNX only" if result.is_portable else "some of com.microsoft (see --portable)"
        lines.append(f"operators: {operators}, opset {result.opset}")
    if result.devices:
        lines.append(f"trained on {', then '.join(result.devices)}")
    if result.sqnr_db is not None:
        samples = "random inputs (give --data for real ones)" if result.is_drawn else "samples"
        lines.append(f"SQNR against float {format_db(result.sqnr_db)} dB on {result.verified_samples} {samples}")
    return "\n".join([*lines, *(f"warning: {warning}" for warning in result.warnings)])


CONVERT = Command(
    name="convert",
    summary="write a quantized model",
    description="Quantize a model as a plan or the options say, verify the result in ONNX Runtime, and write it. "
    "Nothing is written unless it passes. The plan (OUT.plan.json) and a manifest with sizes, SHA-256 and what was "
    "measured (OUT.manifest.json) are written beside it.",
    example="bitsmith convert net.onnx --weights 8 --activations static8 --data images.npz -o net-int8.onnx\n"
    "bitsmith convert net.onnx --weights 4 --layer 'head.*=8' --calibration net.calib -o net-int4.onnx\n"
    "bitsmith convert net.onnx --plan plan.json --calibration net.calib -o net-mixed.onnx\n"
    "bitsmith convert net.pt2 --weights 4 -o net-int4.safetensors",
    add_arguments=add_arguments,
    run=run,
)
