"""`bitsmith benchmark --why`: what keeps the second model from being faster than the first."""

from __future__ import annotations

import argparse
import dataclasses

from engine.bottlenecks.report import (
    Bottleneck,
    Bottlenecks,
    describe_bottleneck,
    describe_remedy,
    describe_verdict,
    format_figure,
)
from engine.cli.command import Answer, JsonObject, Table, UsageError
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import read_data
from engine.requests.benchmark import BottlenecksRequest

SHOWN_OPERATORS = 12
SHOWN_LAYERS = 6


def run_bottlenecks(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Compare the two models node by node."""
    if len(arguments.models) != 2:
        raise UsageError("--why compares two models, the float one first. Name both.")
    model, result = arguments.models
    request = BottlenecksRequest(
        model, result, read_data(arguments), arguments.threads, arguments.batch, arguments.seconds
    )
    found = run_job(request, Bottlenecks, context)
    return Answer(bottlenecks_to_json(found), describe_bottlenecks(found))


def bottlenecks_to_json(found: Bottlenecks) -> JsonObject:
    """The stable keys; every finding has its sentence and its figures."""
    return {
        "model": found.model,
        "result": found.result,
        "threads": found.threads,
        "batch": found.batch,
        "cpu": found.cpu,
        "runtime": found.runtime,
        "float_us": found.float_us,
        "result_us": found.result_us,
        "speedup": found.speedup,
        "operators": [dataclasses.asdict(item) for item in found.operators],
        "findings": [_finding_to_json(finding, found) for finding in found.findings],
    }


def _finding_to_json(finding: Bottleneck, found: Bottlenecks) -> JsonObject:
    return {
        "kind": str(finding.kind),
        "sentence": describe_bottleneck(finding, found),
        "figures": dict(finding.figures),
        "layers": list(finding.layers),
        "remedies": [
            {
                "kind": str(remedy.kind),
                "sentence": describe_remedy(remedy),
                "layers": list(remedy.layers),
                **({"threads": remedy.threads} if remedy.threads else {}),
            }
            for remedy in finding.remedies
        ],
    }


def describe_bottlenecks(found: Bottlenecks) -> str:
    """The verdict, the operators, and every finding with what to do."""
    shown = found.operators[:SHOWN_OPERATORS]
    rows = [
        (
            item.operator,
            format_figure("us", item.float_us) if item.float_nodes else "–",
            str(item.float_nodes or "–"),
            format_figure("us", item.result_us) if item.result_nodes else "–",
            str(item.result_nodes or "–"),
        )
        for item in shown
    ]
    lines = [describe_verdict(found), "", str(Table(("operator", "float", "nodes", "result", "nodes"), rows)), ""]
    if not found.findings:
        lines.append("Nothing stands out: the time goes where it has to.")
    for finding in found.findings:
        lines.append(f"- {describe_bottleneck(finding, found)}")
        if finding.layers:
            names = ", ".join(finding.layers[:SHOWN_LAYERS])
            lines.append(f"  layers: {names}{' …' if len(finding.layers) > SHOWN_LAYERS else ''}")
        lines += [f"  → {describe_remedy(remedy)}" for remedy in finding.remedies]
    threads = f"{found.threads} thread{'' if found.threads == 1 else 's'}"
    lines += ["", f"{found.cpu}, {found.runtime}, {threads}, batch {found.batch}"]
    return "\n".join(lines)
