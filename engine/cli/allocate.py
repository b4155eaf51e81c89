"""`bitsmith allocate`: bits per layer for a budget, as a plan file."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.budgets import wanted_metric
from engine.cli.command import (
    METRIC_HEADERS,
    Answer,
    Command,
    JsonObject,
    Table,
    UsageError,
    describe_metric,
    format_metric,
)
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import (
    add_data,
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
    read_required_data,
)
from engine.cli.scheme_options import SCHEME_OPTIONS, add_scheme, read_scheme
from engine.errors import JobCancelled
from engine.job_context import JobContext, ensure_writable
from engine.latency.figures import Latencies
from engine.numerics.schemes import Kernel
from engine.plan import Plan, build_plan, ensure_plan_fits, format_plan, load_plan, select_layers
from engine.prediction import leaves_activations_out
from engine.presets import find_preset
from engine.requests.allocation import AllocateRequest, AllocateResult, Budget, PolishRequest, PolishResult, PolishStep
from engine.requests.benchmark import LatencyRequest
from engine.sensitivity.matrix import Metric, Sensitivity, load_sensitivity
from engine.summary import ModelSummary
from engine.units import format_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, sensitivity, budget, locks, output."""
    add_model(parser)
    parser.add_argument("--sensitivity", metavar="S.json", required=True, help="what analyze wrote")
    _add_budget(parser)
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
    add_data(parser, required=False, purpose="measure the plan on it and improve it by real evaluations: ")
    add_samples(parser, PolishRequest.samples)
    parser.add_argument(
        "--seconds", type=_positive, default=PolishRequest.seconds, metavar="S", help="time for that (default 60)"
    )
    add_output(parser, "P.json", "the plan")


def _add_budget(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("budget (one or more)")
    group.add_argument(
        "--size-ratio", type=_ratio, metavar="R", help="size of the result over that of the float file, such as 0.2"
    )
    group.add_argument("--size-mb", type=_positive, metavar="MB", help="size of the result in millions of bytes")
    group.add_argument(
        "--bits-per-weight", type=_positive, metavar="B", help="stored bits per weight on average, scales included"
    )
    group.add_argument("--ram-mb", type=_positive, metavar="MB", help="weights in memory, in millions of bytes")
    group.add_argument(
        "--latency-ratio", type=_ratio, metavar="R", help="predicted latency over that of float, one thread, batch 1"
    )
    group.add_argument("--latency-ms", type=_positive, metavar="MS", help="predicted latency, one thread, batch 1")
    group.add_argument("--min-sqnr", type=float, metavar="DB", help="lowest predicted SQNR: the smallest file wins")
    group.add_argument(
        "--max-loss",
        type=_not_negative,
        metavar="L",
        help="highest predicted loss, in the unit of --metric: smallest file",
    )
    group.add_argument(
        "--max-drop", type=_not_negative, metavar="P", help="highest predicted drop of top-1 in points: smallest file"
    )
    parser.add_argument(
        "--metric", type=Metric, choices=list(Metric), help="what is to lose least (default: what the file ranks by)"
    )
    parser.add_argument(
        "--forbid",
        action="append",
        default=[],
        type=Kernel,
        choices=list(Kernel),
        help="a kernel that no free layer may get; repeatable",
    )


def _read_budget(arguments: argparse.Namespace) -> Budget:
    if arguments.max_drop is not None and (arguments.max_loss is not None or arguments.metric):
        raise UsageError("--max-drop is a --max-loss of --metric top1_drop; give one or the other.")
    if arguments.min_sqnr is not None and (arguments.max_loss is not None or arguments.max_drop is not None):
        raise UsageError("--min-sqnr limits the SQNR, --max-loss and --max-drop another loss; give one of them.")
    budget = Budget(
        size_ratio=arguments.size_ratio,
        file_bytes=_bytes(arguments.size_mb),
        bits_per_weight=arguments.bits_per_weight,
        min_sqnr_db=arguments.min_sqnr,
        max_loss=arguments.max_loss if arguments.max_drop is None else arguments.max_drop,
        ram_bytes=_bytes(arguments.ram_mb),
        latency_ratio=arguments.latency_ratio,
        latency_ms=arguments.latency_ms,
    )
    if budget == Budget():
        raise UsageError("Give a budget, such as --size-ratio 0.2 or --min-sqnr 25.")
    return budget


def _bytes(megabytes: float | None) -> int | None:
    return None if megabytes is None else round(megabytes * 1e6)


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Choose bits within the budget."""
    output = Path(arguments.output)
    ensure_not_source(output, arguments.model, arguments.sensitivity, *data_files(arguments))
    ensure_writable(output)
    budget = _read_budget(arguments)
    sensitivity = load_sensitivity(Path(arguments.sensitivity))
    model = run_job(open_request(arguments), ModelSummary, context)
    ensure_not_weights(output, arguments.model)
    plan = _read_base(arguments, model)
    metric = Metric.TOP1_DROP if arguments.max_drop is not None else arguments.metric
    latencies = _measure_latencies(arguments, plan, context)
    forbidden = frozenset(arguments.forbid)
    if arguments.preset is not None:
        forbidden |= frozenset(Kernel) - find_preset(arguments.preset).kernels
    request = AllocateRequest(model, sensitivity, plan, budget, metric, latencies, forbidden)
    if arguments.data is None:
        result = run_job(request, AllocateResult, context)
        _write(output, result.plan, context)
        return Answer(
            _document(model, result, arguments.output), _describe(model, sensitivity, result, arguments.output)
        )
    polished = _polish(arguments, request, context)
    best = polished.best
    result = AllocateResult(best.plan, wanted_metric(budget, metric) or sensitivity.metrics[0], best.predicted)
    _write(output, result.plan, context)
    measured = {
        "evaluations": polished.evaluations,
        "measured_first": polished.first.measured,
        "measured": best.measured,
        "polished_metric": polished.metric,
    }
    return Answer(
        {**_document(model, result, arguments.output), **measured},
        f"{_describe(model, sensitivity, result, arguments.output)}\n\n{_describe_polish(polished)}",
    )


def _measure_latencies(arguments: argparse.Namespace, plan: Plan, context: ConsoleContext) -> Latencies | None:
    """Layer times, if a budget needs them; from the cache where this machine has measured them before."""
    if arguments.latency_ratio is None and arguments.latency_ms is None:
        return None
    return run_job(LatencyRequest(arguments.model, plan, data=read_data(arguments)), Latencies, context)


def _write(output: Path, plan: Plan, context: JobContext) -> None:
    with context.output(output) as temporary:
        temporary.write_text(format_plan(plan), encoding="utf-8")


def _polish(arguments: argparse.Namespace, request: AllocateRequest, context: ConsoleContext) -> PolishResult:
    """Measure and improve; a run that is cancelled leaves the best plan so far."""
    steps: list[PolishStep] = []

    def keep(payload: object) -> None:
        if isinstance(payload, PolishStep):
            steps.append(payload)

    context.partial_ready = keep
    asked = PolishRequest(
        arguments.model,
        read_required_data(arguments),
        request.sensitivity,
        request.plan,
        request.budget,
        request.metric,
        request.latencies,
        request.forbidden_kernels,
        arguments.samples,
        arguments.seconds,
    )
    try:
        return run_job(asked, PolishResult, context)
    except JobCancelled:
        if steps:
            _write(Path(arguments.output), steps[-1].plan, JobContext())
            context.note(f"The best plan so far ({_figures(steps[-1])}) is in {arguments.output}.")
        raise


def _figures(step: PolishStep) -> str:
    return ", ".join(describe_metric(name, value) for name, value in step.measured.items())


def _describe_polish(result: PolishResult) -> str:
    return (
        f"Measured, weights quantized and activations in float:\n"
        f"  as allocated         {_figures(result.first)}\n"
        f"  after {result.evaluations:5} plans    {_figures(result.best)}"
    )


def _document(model: ModelSummary, result: AllocateResult, output: str) -> JsonObject:
    return {
        "output": output,
        "predicted_bytes": result.predicted.file_bytes,
        "size_ratio": result.predicted.file_bytes / model.file_bytes,
        "bits_per_weight": result.predicted.bits_per_weight,
        "ram_bytes": result.predicted.ram_bytes,
        **({} if result.predicted.latency_ms is None else {"latency_ms": result.predicted.latency_ms}),
        "metric": result.metric,
        f"predicted_{result.metric}": result.predicted.value,
        "layers": [
            {
                "name": layer.name,
                "bits": choice.weights.bits,
                "kernel": choice.kernel,
                "locked": choice.is_locked,
                "reason": choice.extra.get("reason"),
            }
            for layer in model.layers
            for choice in [result.plan.layer(layer.name)]
        ],
    }


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
        value = format_metric(result.metric, sensitivity.value(layer.name, choice.weights.bits, result.metric))
        why = "locked" if choice.is_locked else str(choice.extra.get("reason", "not measured: kept"))
        rows.append((layer.name, str(choice.weights.bits), choice.kernel, value, why))
    table = Table(("layer", "bits", "kernel", METRIC_HEADERS[result.metric], "why"), rows, left=frozenset({0, 2, 4}))
    predicted = result.predicted
    ratio = predicted.file_bytes / model.file_bytes
    latency = "" if predicted.latency_ms is None else f", {predicted.latency_ms:.3g} ms"
    alone = ""
    if leaves_activations_out(model, result.plan, sensitivity.rows, result.metric):
        alone = (
            "This analysis measured the weights alone: quantized activations come on top "
            "(--method quick measures both).\n"
        )
    return (
        f"{table}\n\nPredicted: {format_bytes(predicted.file_bytes)}, {ratio:.1%} of the float file, "
        f"{predicted.bits_per_weight:.2f} bits per weight, "
        f"{describe_metric(result.metric, predicted.value)}{latency}\n{alone}"
        f"Written to {output}"
    )


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is a negative number")
    return value


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
    summary="choose bits per layer for a budget",
    description="Give every layer the bits that lose least within a budget of size, memory or bits per weight, or the "
    "smallest file within a budget of loss, and write the plan for convert. Every layer says why it got its bits.",
    example="bitsmith allocate net.onnx --sensitivity sensitivity.json --size-ratio 0.2 --lock 'head.*' -o plan.json",
    add_arguments=add_arguments,
    run=run,
)
