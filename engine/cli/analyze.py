"""`bitsmith analyze`: the layers × bits matrix into a file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.cli.command import Answer, Command, Table, UsageError, format_db
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import (
    add_data,
    add_model,
    add_output,
    add_samples,
    data_files,
    ensure_not_source,
    ensure_not_weights,
    open_request,
    parse_bits,
    read_required_data,
)
from engine.cli.scheme_options import add_scheme, read_scheme
from engine.job_context import ensure_writable
from engine.plan import build_plan
from engine.requests.analysis import AnalysisMethod, AnalyzeRequest, Forecast, ForecastRequest
from engine.sensitivity.matrix import Metric, Sensitivity, SensitivityRow, sensitivity_to_json
from engine.summary import ModelSummary

DEFAULT_SAMPLES = AnalyzeRequest.samples
METHODS = {
    AnalysisMethod.QUICK: "every layer at its own inputs, in one pass",
    AnalysisMethod.LOSS: "the rise of the loss to expect, from gradients, one pass each way per sample",
    AnalysisMethod.EXACT: "what each layer does to the network's outputs, one cell after the other",
}
QUICK_TITLE = "SQNR of each layer's output in dB (higher is better)"
TITLES = {
    Metric.LOSS: "Expected rise of the loss in nats per prediction (lower is better)",
    Metric.KL: "KL divergence from float in nats per prediction (lower is better)",
    Metric.SQNR: "SQNR of the network's outputs in dB (higher is better)",
    Metric.MSE: "Mean squared error of the network's outputs (lower is better)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, data, bits, scheme, output."""
    add_model(parser)
    add_data(parser, required=True)
    parser.add_argument(
        "--bits", type=parse_bits, default=(16, 8, 4, 2), metavar="B,B,…", help="bit widths to try (default 16,8,4,2)"
    )
    parser.add_argument(
        "--method",
        choices=[str(method) for method in METHODS],
        default=str(AnalysisMethod.QUICK),
        help="; ".join(f"{method}: {help_text}" for method, help_text in METHODS.items()),
    )
    group = parser.add_argument_group("exact sensitivity")
    group.add_argument(
        "--racing",
        action="store_true",
        help="stop measuring a cell as soon as its place is decided: several times faster, figures rougher, same ranks",
    )
    group.add_argument(
        "--fresh", action="store_true", help="measure anew what an earlier, cancelled run has measured already"
    )
    add_samples(parser, DEFAULT_SAMPLES)
    add_scheme(parser)
    add_output(parser, "S.json", "the sensitivity")


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Measure every layer at every bit width."""
    method = AnalysisMethod(arguments.method)
    if method != AnalysisMethod.EXACT and (arguments.racing or arguments.fresh):
        raise UsageError("--racing and --fresh belong to --method exact.")
    output = Path(arguments.output)
    ensure_not_source(output, arguments.model, *data_files(arguments))
    ensure_writable(output)
    model = run_job(open_request(arguments), ModelSummary, context)
    ensure_not_weights(output, arguments.model)
    plan = build_plan(model, 8, read_scheme(arguments))
    request = AnalyzeRequest(
        arguments.model,
        read_required_data(arguments),
        plan,
        arguments.bits,
        arguments.samples,
        method,
        is_racing=arguments.racing,
        is_fresh=arguments.fresh,
    )
    if method == AnalysisMethod.EXACT:
        _announce(run_job(ForecastRequest(request), Forecast, context), context)
    sensitivity = run_job(request, Sensitivity, context)
    document = sensitivity_to_json(sensitivity)
    with context.output(output) as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return Answer({**document, "output": arguments.output}, _describe(sensitivity, arguments.bits, arguments.output))


def _announce(forecast: Forecast, context: ConsoleContext) -> None:
    """Say on standard error what is to come."""
    context.clear_line()
    found = f", {forecast.done_cells} of them found from an earlier run" if forecast.done_cells else ""
    print(f"{forecast.cells} cells{found}: {_format_duration(forecast.seconds)}", file=sys.stderr)


def _format_duration(seconds: float) -> str:
    """About so long, in a unit that fits."""
    if seconds < 1:
        return "less than a second"
    if seconds < 100:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} minutes" if seconds < 5400 else f"about {seconds / 3600:.1f} hours"


def _describe(sensitivity: Sensitivity, bits: tuple[int, ...], output: str) -> str:
    metric = next(iter(sensitivity.metrics), Metric.SQNR)
    table = Table(
        ("layer", *(f"{width} bits" for width in bits)),
        [(name, *(_format_cell(row, width, metric) for width in bits)) for name, row in sensitivity.rows.items()],
    )
    has_errors = any(cell.errors for row in sensitivity.rows.values() for cell in row.cells.values())
    title = QUICK_TITLE if sensitivity.method == AnalysisMethod.QUICK else TITLES[metric]
    title += " ± its standard error" if has_errors else ""
    return f"{title}, {sensitivity.samples} samples\n\n{table}\n\nWritten to {output}"


def _format_cell(row: SensitivityRow, bits: int, metric: Metric) -> str:
    value = row.value(bits, metric)
    if value is None:
        return "–"
    error = row.cells[bits].errors.get(metric)
    if metric == Metric.SQNR:
        return format_db(value) + (f" ± {error:.1f}" if error is not None else "")
    return f"{value:.3g}" + (f" ± {error:.1g}" if error is not None else "")


ANALYZE = Command(
    name="analyze",
    summary="measure how sensitive each layer is",
    description="Measure what every layer loses at every bit width, and write the matrix that allocate chooses from.",
    example="bitsmith analyze net.onnx --data images.npz --bits 8,4,2 -o sensitivity.json",
    add_arguments=add_arguments,
    run=run,
)
