"""`bitsmith allocate`: bits per layer for a budget, as a plan file."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.cli.command import Answer, Command, Table, UsageError, format_bytes, format_db
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import (
    SCHEME_OPTIONS,
    add_layer_overrides,
    add_model,
    add_output,
    add_scheme,
    apply_layer_overrides,
    ensure_not_source,
    open_request,
    read_scheme,
)
from engine.job_context import ensure_writable
from engine.jobs.requests import AllocateRequest, AllocateResult
from engine.plan import Plan, build_plan, ensure_plan_fits, format_plan, load_plan, select_layers
from engine.sensitivity.matrix import Sensitivity, load_sensitivity
from engine.summary import ModelSummary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, sensitivity, budget, locks, output."""
    add_model(parser)
    parser.add_argument("--sensitivity", metavar="S.json", required=True, help="what analyze wrote")
    parser.add_argument(
        "--size-ratio",
        type=_ratio,
        required=True,
        metavar="R",
        help="size of the result over that of the float file, such as 0.2",
    )
    parser.add_argument("--plan", metavar="P.json", help="start from this plan: locked layers keep their bits")
    parser.add_argument(
        "--lock",
        action="append",
        default=[],
        metavar="PATTERN",
        help="layers that keep the bits they have (8, or what --plan and --layer say); repeatable",
    )
    add_layer_overrides(parser)
    add_scheme(parser)
    add_output(parser, "P.json", "the plan")


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Choose bits within the budget."""
    output = Path(arguments.output)
    ensure_not_source(output, arguments.model, arguments.sensitivity)
    ensure_writable(output)
    sensitivity = load_sensitivity(Path(arguments.sensitivity))
    model = run_job(open_request(arguments), ModelSummary, context)
    plan = _read_base(arguments, model)
    request = AllocateRequest(model, sensitivity, plan, arguments.size_ratio)
    result = run_job(request, AllocateResult, context)
    with context.output(output) as temporary:
        temporary.write_text(format_plan(result.plan), encoding="utf-8")
    document = {
        "output": arguments.output,
        "predicted_bytes": result.predicted_bytes,
        "size_ratio": result.predicted_bytes / model.file_bytes,
        "predicted_sqnr_db": result.predicted_sqnr_db,
        "layers": [
            {
                "name": layer.name,
                "bits": result.plan.layer(layer.name).weights.bits,
                "kernel": result.plan.layer(layer.name).kernel,
                "locked": result.plan.layer(layer.name).is_locked,
            }
            for layer in model.layers
        ],
    }
    return Answer(document, _describe(model, sensitivity, result, arguments.output))


def _read_base(arguments: argparse.Namespace, model: ModelSummary) -> Plan:
    if arguments.plan is None:
        plan = build_plan(model, 8, read_scheme(arguments))
    else:
        if any(getattr(arguments, name) is not None for name in SCHEME_OPTIONS):
            raise UsageError("--plan says how layers are quantized; leave the options of that group away.")
        plan = load_plan(Path(arguments.plan))
        ensure_plan_fits(plan, model)
    plan = apply_layer_overrides(plan, model, arguments.layer)
    for pattern in arguments.lock:
        plan = plan.with_lock([layer.name for layer in select_layers(model, pattern)], locked=True)
    return plan


def _describe(model: ModelSummary, sensitivity: Sensitivity, result: AllocateResult, output: str) -> str:
    rows = []
    for layer in model.layers:
        choice = result.plan.layer(layer.name)
        sqnr = format_db(sensitivity.value(layer.name, choice.weights.bits))
        rows.append((layer.name, str(choice.weights.bits), choice.kernel, sqnr, "locked" if choice.is_locked else ""))
    table = Table(("layer", "bits", "kernel", "SQNR dB", ""), rows, left=frozenset({0, 2, 4}))
    ratio = result.predicted_bytes / model.file_bytes
    return (
        f"{table}\n\nPredicted: {format_bytes(result.predicted_bytes)}, {ratio:.1%} of the float file, "
        f"SQNR {format_db(result.predicted_sqnr_db)} dB\nWritten to {output}"
    )


def _ratio(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a ratio between 0 and 1, such as 0.2")
    return value


ALLOCATE = Command(
    name="allocate",
    summary="choose bits per layer for a size budget",
    description="Give every layer the bits that lose least within a size budget, and write the plan for convert.",
    example="bitsmith allocate net.onnx --sensitivity sensitivity.json --size-ratio 0.2 --lock 'head.*' -o plan.json",
    add_arguments=add_arguments,
    run=run,
)
