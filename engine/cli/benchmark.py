"""`bitsmith benchmark`: latency, throughput and memory of models, side by side."""

from __future__ import annotations

import argparse
from itertools import product

from engine.cli.bottlenecks import run_bottlenecks
from engine.cli.command import Answer, Command, JsonObject, Table, UsageError
from engine.cli.job import ConsoleContext, run_job
from engine.cli.layer_latency import run_layers
from engine.cli.options import add_data, add_import, import_first, positive_count, read_data
from engine.requests.benchmark import Benchmark, BenchmarkRequest, RunSetting, SweepPoint
from engine.units import format_bytes

MOST_CORES = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Models and how to run them."""
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="ONNX files, or of PyTorch; the first is what the others beat"
    )
    parser.add_argument(
        "--threads", type=_counts, default=(1,), metavar="N[,N…]", help="threads per run (default 1); several sweep"
    )
    parser.add_argument(
        "--batch",
        "--batches",
        type=_counts,
        default=(1,),
        metavar="B[,B…]",
        help="samples per run (default 1); several sweep",
    )
    parser.add_argument(
        "--affinity",
        type=_cores,
        action="append",
        default=[],
        metavar="C[,C…]",
        help="processors to keep to, as 0,1 or 0-3; repeat it to sweep (not on macOS)",
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=5.0, metavar="S", help="time to spend per model (default 5)"
    )
    parser.add_argument(
        "--layers",
        action="store_true",
        help="what each layer of the one MODEL takes on every kernel; measured once, then the answer is kept",
    )
    parser.add_argument(
        "--why",
        action="store_true",
        help="why the second MODEL is not faster than the first: operators, kernels, threads, and what would help",
    )
    parser.add_argument("--fresh", action="store_true", help="with --layers: measure again")
    add_data(parser, required=False, purpose="real inputs instead of random ones: ")
    add_import(parser)


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Time the models in turn."""
    import_first(arguments, context, arguments.models)
    settings = _settings(arguments)
    arguments.threads, arguments.batch = settings[0].threads, settings[0].batch
    if (arguments.layers or arguments.why) and (len(settings) > 1 or arguments.layers == arguments.why):
        raise UsageError("--layers and --why each look at one number of threads and one batch. Give one of each.")
    if arguments.layers:
        return run_layers(arguments, context)
    if arguments.why:
        return run_bottlenecks(arguments, context)
    request = BenchmarkRequest(
        tuple(arguments.models),
        read_data(arguments),
        arguments.threads,
        arguments.batch,
        arguments.seconds,
        cores=settings[0].cores,
        sweep=settings[1:],
        sweep_seconds=arguments.seconds,
    )
    result = run_job(request, Benchmark, context)
    return Answer(benchmark_to_json(result), describe_benchmark(result))


def _settings(arguments: argparse.Namespace) -> tuple[RunSetting, ...]:
    """Every combination, in the order in which they were named."""
    affinities = arguments.affinity or [()]
    return tuple(RunSetting(*choice) for choice in product(arguments.threads, arguments.batch, affinities))


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
                "uss_bytes": point.uss_bytes,
                "pss_bytes": point.pss_bytes,
                "load_ms": point.load_ms,
                "latency_quantiles_ms": list(point.histogram_ms),
            }
            for point in result.points
        ],
        "sweep": [_sweep_to_json(point) for point in result.sweep],
        "notes": list(result.notes),
        "cores": list(result.cores),
        "threads": result.threads,
        "batch": result.batch,
        "cpu": result.cpu,
        "runtime": result.runtime,
    }


def describe_benchmark(result: Benchmark) -> str:
    """A table with one line per model, and where it was measured."""
    table = Table(
        ("model", "size", "P50 ms", "P90 ms", "P99 ms", "per second", "speed-up", "load ms", "RSS", "PSS", "USS"),
        [
            (
                point.path,
                format_bytes(point.file_bytes),
                *(f"{point.latency_ms[key]:.3f}" for key in ("p50", "p90", "p99")),
                f"{point.throughput_per_s:,.0f}",
                f"{point.speedup:.2f}×",
                "–" if point.load_ms is None else f"{point.load_ms:.1f}",
                *(_bytes_or_none(count) for count in (point.rss_bytes, point.pss_bytes, point.uss_bytes)),
            )
            for point in result.points
        ],
    )
    setting = RunSetting(result.threads, result.batch, result.cores).description
    parts = [str(table), "", f"{result.cpu}, {result.runtime}, {setting}"]
    if result.sweep:
        parts += ["", describe_sweep(result.sweep)]
    if result.notes:
        parts += ["", *result.notes]
    return "\n".join(parts)


def describe_sweep(points: tuple[SweepPoint, ...]) -> str:
    """One line per setting and model."""
    rows = [
        (
            point.setting.description,
            point.path,
            f"{point.latency_ms['p50']:.3f}",
            f"{point.latency_ms['p99']:.3f}",
            f"{point.throughput_per_s:,.0f}",
            f"{point.speedup:.2f}×",
        )
        for point in points
    ]
    return str(Table(("setting", "model", "P50 ms", "P99 ms", "per second", "speed-up"), rows, left=frozenset({0, 1})))


def _sweep_to_json(point: SweepPoint) -> JsonObject:
    return {
        "path": point.path,
        "threads": point.setting.threads,
        "batch": point.setting.batch,
        "cores": list(point.setting.cores),
        "latency_ms": dict(point.latency_ms),
        "throughput_per_s": point.throughput_per_s,
        "speedup": point.speedup,
        "runs": point.runs,
    }


def _bytes_or_none(count: int | None) -> str:
    return "–" if count is None else format_bytes(count)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(positive_count(part) for part in text.split(","))


def _cores(text: str) -> tuple[int, ...]:
    """0,1 or 0-3."""
    cores: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()) or int(last or first) - int(first) > MOST_CORES:
            raise argparse.ArgumentTypeError(f"{text!r} does not name processors, as 0,1 or 0-3 does")
        cores += range(int(first), int(last or first) + 1)
    return tuple(cores)


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
    example="bitsmith benchmark net.onnx net-int8.onnx net-int4.onnx --threads 1,2 --batch 1,8\n"
    "  bitsmith benchmark net.onnx net-int8.onnx --why",
    add_arguments=add_arguments,
    run=run,
)
