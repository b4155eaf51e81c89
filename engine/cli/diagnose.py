"""`bitsmith diagnose`: why each layer loses what it loses, and what would help."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from engine.cli.command import Answer, Command, JsonObject, UsageError, format_db
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import (
    add_data,
    add_model,
    add_samples,
    data_files,
    ensure_not_source,
    ensure_not_weights,
    open_request,
    read_required_data,
)
from engine.cli.scheme_options import DEFAULT_BITS, SCHEME_OPTIONS, add_scheme, build_chosen_plan, read_scheme
from engine.diagnosis.report import (
    Diagnosis,
    Finding,
    LayerDiagnosis,
    Remedy,
    describe_finding,
    describe_remedy,
    format_gain,
)
from engine.job_context import ensure_writable
from engine.numerics.schemes import WEIGHT_BITS
from engine.plan import Plan, ensure_plan_fits, load_plan, plan_to_json, select_layers
from engine.requests.analysis import DiagnoseRequest
from engine.summary import LayerSummary, ModelSummary

DEFAULT_SAMPLES = DiagnoseRequest.samples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, data, plan or scheme, layers, output."""
    add_model(parser)
    add_data(parser, required=True)
    parser.add_argument("--plan", metavar="P.json", help="look at the layers as this plan has them")
    parser.add_argument(
        "--weights",
        type=int,
        choices=WEIGHT_BITS,
        metavar="B",
        help=f"without a plan, bits of all weights: {', '.join(map(str, WEIGHT_BITS))} (default {DEFAULT_BITS})",
    )
    parser.add_argument(
        "--layer",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only the layers whose name matches, such as --layer 'head.*'; repeatable",
    )
    add_samples(parser, DEFAULT_SAMPLES)
    add_scheme(parser)
    parser.add_argument(
        "-o", "--output", metavar="F.json", help="also write the findings to this file, as --json has them"
    )


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Look at the layers, worst first."""
    if arguments.output:
        ensure_not_source(Path(arguments.output), arguments.model, arguments.plan, *data_files(arguments))
        ensure_writable(Path(arguments.output))
    model = run_job(open_request(arguments), ModelSummary, context)
    if arguments.output:
        ensure_not_weights(Path(arguments.output), arguments.model)
    plan = _read_plan(arguments, model)
    names = dict.fromkeys(layer.name for pattern in arguments.layer for layer in select_layers(model, pattern))
    request = DiagnoseRequest(
        arguments.model, read_required_data(arguments), plan, arguments.samples, layers=tuple(names)
    )
    found = run_job(request, Diagnosis, context)
    document = diagnosis_to_json(model, plan, found)
    if arguments.output:
        with context.output(Path(arguments.output)) as temporary:
            temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return Answer(document, describe_diagnosis(model, plan, found))


def _read_plan(arguments: argparse.Namespace, model: ModelSummary) -> Plan:
    if arguments.plan is None:
        return build_chosen_plan(arguments, model, read_scheme(arguments))
    if any(getattr(arguments, name) is not None for name in ("weights", *SCHEME_OPTIONS)):
        raise UsageError("--plan says how layers are quantized; it does not go together with --weights and such.")
    plan = load_plan(Path(arguments.plan))
    ensure_plan_fits(plan, model)
    return plan


def diagnosis_to_json(model: ModelSummary, plan: Plan, found: Diagnosis) -> JsonObject:
    """The stable keys of a diagnosis: layers in graph order, figures that are infinite or unknown are null."""
    return {
        "model": Path(model.path).name,
        "samples": found.samples,
        "layers": [
            {
                "name": layer.layer,
                "bits": plan.layer(layer.layer).weights.bits,
                "sqnr_db": _finite(layer.sqnr_db),
                "findings": [_finding_to_json(finding) for finding in layer.findings],
                "remedies": [_remedy_to_json(layer.layer, remedy, plan) for remedy in layer.remedies],
            }
            for layer in found.layers.values()
        ],
    }


def _finding_to_json(finding: Finding) -> JsonObject:
    return {"kind": str(finding.kind), "text": describe_finding(finding), "figures": dict(finding.figures)}


def _remedy_to_json(layer: str, remedy: Remedy, plan: Plan) -> JsonObject:
    """The remedy, with what a plan file would say of the layer."""
    return {
        "kind": str(remedy.kind),
        "text": describe_remedy(remedy),
        "gain_db": _finite(remedy.gain_db),
        "stored_bytes_change": remedy.stored_bytes_change,
        "plan": plan_to_json(plan.with_layers({layer: remedy.choice}))["layers"][layer],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def describe_diagnosis(model: ModelSummary, plan: Plan, found: Diagnosis) -> str:
    """A paragraph per layer with something to say, worst first, and how many have nothing."""
    noted = [layer for layer in found.layers.values() if layer.findings]
    noted.sort(key=lambda layer: -math.inf if layer.sqnr_db is None else layer.sqnr_db)
    unseen = [layer for layer in found.layers.values() if layer.sqnr_db is None and not layer.findings]
    quiet = len(found.layers) - len(noted) - len(unseen)
    parts = [_describe_layer(model.layer_by_name[layer.layer], plan, layer) for layer in noted]
    ending = [f"Nothing unusual at {quiet} of {len(found.layers)} layers, {found.samples} samples"]
    if unseen:
        titles = ", ".join(model.layer_by_name[layer.layer].title for layer in unseen)
        ending.append(f"Not looked at, because no tensor of the graph shows the input: {titles}")
    return "\n\n".join([*parts, "\n".join(ending)])


def _describe_layer(layer: LayerSummary, plan: Plan, diagnosis: LayerDiagnosis) -> str:
    choice = plan.layer(layer.name)
    kernel = f", {choice.kernel}" if choice.weights.is_integer else ""
    sqnr = "" if diagnosis.sqnr_db is None else f": {format_db(diagnosis.sqnr_db)} dB"
    lines = [f"{layer.title} ({layer.detail}, {choice.weights.bits} bits{kernel}){sqnr}"]
    lines += [f"  {describe_finding(finding)}" for finding in diagnosis.findings]
    if diagnosis.remedies:
        lines.append("  → " + "; ".join(_describe_remedy(remedy) for remedy in diagnosis.remedies))
    return "\n".join(lines)


def _describe_remedy(remedy: Remedy) -> str:
    return f"{describe_remedy(remedy)} {format_gain(remedy.gain_db)} ({remedy.stored_bytes_change:+,d} B)".replace(
        "(-", "(−"
    )


DIAGNOSE = Command(
    name="diagnose",
    summary="say why layers lose what they lose, and what would help",
    description="Look at every layer under a plan: outlier channels, clipped tails, skewed or saturating inputs, dead "
    "channels, wasted bits. The figures are SQNR of the layer's own output; every remedy comes with what it is "
    "predicted to gain there and to cost in the file.",
    example="bitsmith diagnose net.onnx --data images.npz --weights 4\n"
    "bitsmith diagnose net.onnx --data images.npz --plan plan.json --layer 'layer3.*' -o diagnosis.json",
    add_arguments=add_arguments,
    run=run,
)
