"""`bitsmith report`: one HTML file from what the other commands wrote."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from engine.cli.command import Answer, Command, UsageError
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import (
    add_data,
    add_model,
    add_output,
    data_files,
    ensure_not_source,
    ensure_not_weights,
    open_request,
    read_data,
)
from engine.data_choice_file import is_choice_path, load_choice
from engine.errors import DataError
from engine.plan import load_plan
from engine.project.codec import decode
from engine.requests.benchmark import Benchmark, BenchmarkPoint
from engine.requests.conversion import Evaluation
from engine.requests.data import DataChoice
from engine.requests.handing_over import ReportRequest, ReportResult
from engine.sensitivity.matrix import load_sensitivity
from engine.summary import ModelSummary
from engine.units import format_bytes

FoundT = TypeVar("FoundT")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, what was made of it and measured, output."""
    add_model(parser)
    parser.add_argument(
        "--results", nargs="+", default=[], metavar="R.onnx", help="models that convert wrote, plan and manifest beside"
    )
    parser.add_argument("--plan", metavar="P.json", help="a plan that is no result yet")
    parser.add_argument("--sensitivity", metavar="S.json", help="what analyze wrote: heatmap, front, worst layers")
    parser.add_argument(
        "--evaluations", nargs="+", default=[], metavar="E.json", help="what evaluate --json printed, one per result"
    )
    parser.add_argument("--benchmark", metavar="B.json", help="what benchmark --json printed")
    add_data(parser, required=False, purpose="for the commands in the report, the samples of analyze and convert: ")
    parser.add_argument(
        "--evaluation-data", metavar="D", help="the same, the samples of evaluate, otherwise like those of --data"
    )
    parser.add_argument("--evaluation-skip", type=int, default=0, metavar="N", help="how many of them were passed over")
    parser.add_argument("--samples", type=int, metavar="N", help="how many samples the results were calibrated with")
    add_output(parser, "REPORT.html", "the report")


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Read, draw, write."""
    if arguments.evaluations and not arguments.results:
        raise UsageError("--evaluations belong to --results.")
    output = Path(arguments.output)
    sources = [arguments.sensitivity, arguments.benchmark, arguments.plan, *arguments.evaluations, *arguments.results]
    ensure_not_source(output, arguments.model, arguments.evaluation_data, *data_files(arguments), *sources)
    data, evaluation_data = read_data(arguments), None
    if arguments.evaluation_data is not None and is_choice_path(arguments.evaluation_data):
        if arguments.evaluation_skip:
            raise UsageError("--evaluation-skip does not go together with a .json of --evaluation-data.")
        evaluation_data = load_choice(Path(arguments.evaluation_data))
    elif arguments.evaluation_data is not None:
        known = data or DataChoice(arguments.evaluation_data)
        evaluation_data = dataclasses.replace(known, path=arguments.evaluation_data, skip=arguments.evaluation_skip)
    run_job(open_request(arguments), ModelSummary, context)
    ensure_not_weights(output, arguments.model)
    request = ReportRequest(
        arguments.model,
        arguments.output,
        results=tuple(arguments.results),
        plan=load_plan(Path(arguments.plan)) if arguments.plan else None,
        sensitivity=load_sensitivity(Path(arguments.sensitivity)) if arguments.sensitivity else None,
        evaluations=tuple(_read(path, "evaluate", read_evaluation) for path in arguments.evaluations),
        benchmark=_read(arguments.benchmark, "benchmark", read_benchmark) if arguments.benchmark else None,
        data=data,
        evaluation_data=evaluation_data,
        calibration_samples=arguments.samples,
    )
    result = run_job(request, ReportResult, context)
    return Answer(dataclasses.asdict(result), f"{result.output}: {format_bytes(result.file_bytes)}, one file")


def _read(path: str, command: str, read: Callable[[dict[str, Any]], FoundT]) -> FoundT:
    try:
        return read(json.loads(Path(path).read_text("utf-8")))
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Choose another file.") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} is not what bitsmith {command} --json prints. Make it again.") from error


def read_evaluation(document: dict[str, Any]) -> Evaluation:
    """From the document of `evaluate --json`; keys of other versions are passed over."""
    return decode(Evaluation, {"reference": None, **document})


def read_benchmark(document: dict[str, Any]) -> Benchmark:
    """From the document of `benchmark --json`."""
    points = tuple(
        BenchmarkPoint(
            str(entry["path"]),
            _count(entry["file_bytes"]),
            {key: _positive(entry["latency_ms"][key]) for key in ("p50", "p90", "p99")},
            _positive(entry["throughput_per_s"]),
            _positive(entry["speedup"]),
            None if entry.get("rss_bytes") is None else _count(entry["rss_bytes"]),
            _count(entry["runs"]),
            tuple(map(_positive, entry.get("latency_quantiles_ms", ()))),
        )
        for entry in document["models"]
    )
    threads, batch = _count(document["threads"]), _count(document["batch"])
    return Benchmark(points, threads, batch, str(document["cpu"]), str(document["runtime"]))


def _count(value: object) -> int:
    number = decode(int, value)
    if not 0 <= number < 1 << 63:
        raise ValueError(f"{number} is no count of a benchmark")
    return number


def _positive(value: object) -> float:
    number = decode(float, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{number} is no figure of a benchmark")
    return number


REPORT = Command(
    name="report",
    summary="write one HTML file that shows what was done and measured",
    description="Put summary, front, heatmap, plan, distributions of the worst layers, benchmark, environment and the "
    "commands that do it again into one HTML file, which opens in any browser without a network.",
    example="bitsmith report net.onnx --results net-int8.onnx net-mixed.onnx --sensitivity sensitivity.json \\\n"
    "  --evaluations net-int8.json net-mixed.json --benchmark benchmark.json -o report.html",
    add_arguments=add_arguments,
    run=run,
)
