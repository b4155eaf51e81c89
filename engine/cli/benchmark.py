"""`bitsmith benchmark`: latency, throughput and memory of models, side by side."""

from __future__ import annotations

import argparse

from engine.cli.command import Answer, Command, JsonObject, Table, format_bytes
from engine.cli.job import ConsoleContext, run_job
from engine.cli.layer_latency import run_layers
from engine.cli.options import add_data, add_import, import_first, positive_count, read_data
from engine.jobs.requests import Benchmark, BenchmarkRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Models and how to run them."""
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="ONNX files, or of PyTorch; the first is what the others beat"
    )
    parser.add_argument("--threads", type=positive_count, default=1, metavar="N", help="threads per run (default 1)")
    parser.add_argument("--batch", type=positive_count, default=1, metavar="B", help="samples per run (default 1)")
    parser.add_argument(
        "--seconds", type=_seconds, default=5.0, metavar="S", help="time to spend per model (default 5)"
    )
    parser.add_argument(
        "--layers",
        action="store_true",
        help="what each layer of the one MODEL takes on every kernel; measured once, then the answer is kept",
    )
    parser.add_argument("--fresh", action="store_true", help="with --layers: measure again")
    add_data(parser, required=False, purpose="real inputs instead of random ones: ")
    add_import(parser)


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Time the models in turn."""
    import_first(arguments, context, arguments.models)
    if arguments.layers:
        return run_layers(arguments, context)
    request = BenchmarkRequest(
        tuple(arguments.models), read_data(arguments), arguments.threads, arguments.batch, arguments.seconds
    )
    result = run_job(request, Benchmark, context)
    return Answer(benchmark_to_json(result), describe_benchmark(result))


def benchmark_to_json(result: Benchmark) -> JsonObject:
    """The stable keys of a benchmark."""
    return {
        "models": [
            {
                "path": point.path,
                "file_bytes": point.file_bytes,
                "latency_ms": dict(point.latency_ms),
                "throughput_per_s": point.throughput_per_s,
                "speedup": point.speedup,
                "rss_bytes": point.rss_bytes,
                "runs": point.runs,
            }
            for point in result.points
        ],
        "threads": result.threads,
        "batch": result.batch,
        "cpu": result.cpu,
        "runtime": result.runtime,
    }


def describe_benchmark(result: Benchmark) -> str:
    """A table with one line per model, and where it was measured."""
    table = Table(
        ("model", "size", "P50 ms", "P90 ms", "P99 ms", "per second", "speed-up"),
        [
            (
                point.path,
                format_bytes(point.file_bytes),
                *(f"{point.latency_ms[key]:.3f}" for key in ("p50", "p90", "p99")),
                f"{point.throughput_per_s:,.0f}",
                f"{point.speedup:.2f}×",
            )
            for point in result.points
        ],
    )
    threads = f"{result.threads} thread{'s' if result.threads > 1 else ''}"
    return f"{table}\n\n{result.cpu}, {result.runtime}, {threads}, batch {result.batch}"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError("must be above 0 and at most 3600")
    return value


BENCHMARK = Command(
    name="benchmark",
    summary="measure latency, throughput and size",
    description="Time models against each other, run by run in turn, so that a busy moment hits all of them alike.",
    example="bitsmith benchmark net.onnx net-int8.onnx net-int4.onnx --threads 1",
    add_arguments=add_arguments,
    run=run,
)
