"""`bitsmith analyze`: the layers × bits matrix into a file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from engine.cli.command import Answer, Command, Table, format_db
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import (
    add_data,
    add_model,
    add_output,
    add_samples,
    add_scheme,
    ensure_not_source,
    open_request,
    parse_bits,
    read_required_data,
    read_scheme,
)
from engine.job_context import ensure_writable
from engine.jobs.requests import AnalyzeRequest
from engine.plan import build_plan
from engine.sensitivity.matrix import Sensitivity, sensitivity_to_json
from engine.summary import ModelSummary

DEFAULT_SAMPLES = AnalyzeRequest.samples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, data, bits, scheme, output."""
    add_model(parser)
    add_data(parser, required=True)
    parser.add_argument(
        "--bits", type=parse_bits, default=(16, 8, 4, 2), metavar="B,B,…", help="bit widths to try (default 16,8,4,2)"
    )
    parser.add_argument(
        "--method", choices=["quick"], default="quick", help="quick: every layer at its own inputs, in one pass"
    )
    add_samples(parser, DEFAULT_SAMPLES)
    add_scheme(parser)
    add_output(parser, "S.json", "the sensitivity")


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Measure every layer at every bit width."""
    output = Path(arguments.output)
    ensure_not_source(output, arguments.model, arguments.data)
    ensure_writable(output)
    model = run_job(open_request(arguments), ModelSummary, context)
    plan = build_plan(model, 8, read_scheme(arguments))
    request = AnalyzeRequest(arguments.model, read_required_data(arguments), plan, arguments.bits, arguments.samples)
    sensitivity = run_job(request, Sensitivity, context)
    document = sensitivity_to_json(sensitivity)
    with context.output(output) as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return Answer({**document, "output": arguments.output}, _describe(sensitivity, arguments.bits, arguments.output))


def _describe(sensitivity: Sensitivity, bits: tuple[int, ...], output: str) -> str:
    table = Table(
        ("layer", *(f"{width} bits" for width in bits)),
        [(name, *(format_db(sensitivity.value(name, width)) for width in bits)) for name in sensitivity.rows],
    )
    return (
        f"SQNR of each layer's output in dB (higher is better), {sensitivity.samples} samples\n\n{table}\n\n"
        f"Written to {output}"
    )


ANALYZE = Command(
    name="analyze",
    summary="measure how sensitive each layer is",
    description="Measure what every layer's output loses at every bit width (SQNR in dB), and write the matrix that "
    "allocate chooses from.",
    example="bitsmith analyze net.onnx --data images.npz --bits 8,4,2 -o sensitivity.json",
    add_arguments=add_arguments,
    run=run,
)
