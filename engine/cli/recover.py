"""`bitsmith recover`: climb from cheap to costly methods until a target is met."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from engine.cli.command import Answer, Command, JsonObject, Table, UsageError, drop_absent
from engine.cli.convert import convert_to_json
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
    positive_count,
    read_required_data,
)
from engine.cli.scheme_options import SCHEME_OPTIONS, add_scheme, build_chosen_plan, read_scheme
from engine.job_context import ensure_writable
from engine.numerics.schemes import WEIGHT_BITS
from engine.plan import Plan, load_plan
from engine.recovery.report import RecoverForecast, RecoverResult, RecoverStep
from engine.recovery.targets import Ending, Rung, Target, TargetKind
from engine.requests.conversion import DEFAULT_EVALUATION_SAMPLES
from engine.requests.data import DataSplit, EvaluationSource, SplitRequest
from engine.requests.recovery import (
    DEFAULT_RECOVERY_SAMPLES,
    DEFAULT_RECOVERY_SECONDS,
    RecoverForecastRequest,
    RecoverRequest,
)
from engine.summary import ModelSummary
from engine.units import format_bytes

UNITS = {TargetKind.DROP: "points", TargetKind.SQNR: "dB", TargetKind.PERPLEXITY: "%"}
HEADERS = {TargetKind.DROP: "drop", TargetKind.SQNR: "SQNR dB", TargetKind.PERPLEXITY: "perplexity +%"}
ENDINGS = {
    Ending.MET: "The target is met.",
    Ending.TIME: "Time is up before the target was met. Run it again with more --seconds: it goes on where it was.",
    Ending.TOP: "No rung is left, and the target is not met. Give fragile layers more bits, or more samples.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, plan or scheme, data, target, output."""
    add_model(parser)
    parser.add_argument("--plan", metavar="P.json", help="bits, kernels and schemes of every layer, which are kept")
    parser.add_argument(
        "--weights", type=int, choices=WEIGHT_BITS, metavar="B", help="bits of all weights, instead of a plan"
    )
    add_layer_overrides(parser)
    add_scheme(parser)
    add_data(parser, required=True, purpose="samples to learn from, without labels: ")
    add_samples(parser, DEFAULT_RECOVERY_SAMPLES)
    parser.add_argument(
        "--evaluation", metavar="E", help="samples to measure on (default: those of --data that are not learnt from)"
    )
    parser.add_argument(
        "--evaluation-samples",
        type=positive_count,
        default=DEFAULT_EVALUATION_SAMPLES,
        metavar="N",
        help=f"measure on up to N samples (default {DEFAULT_EVALUATION_SAMPLES})",
    )
    parser.add_argument(
        "--target",
        type=_target,
        required=True,
        metavar="KIND=VALUE",
        help="drop=1: at most 1 point of top-1 less than float (of agreement with it without labels); sqnr=20: at "
        "least 20 dB; perplexity=5: at most 5 %% more than float",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=DEFAULT_RECOVERY_SECONDS,
        metavar="S",
        help=f"time limit (default {DEFAULT_RECOVERY_SECONDS:g})",
    )
    parser.add_argument(
        "--rungs", nargs="+", type=Rung, choices=list(Rung), metavar="RUNG",
        help=f"only these methods: {', '.join(Rung)}",
    )  # fmt: skip
    parser.add_argument("--fresh", action="store_true", help="measure anew what an earlier run has measured")
    parser.add_argument("--forecast", action="store_true", help="only say how long every rung would take")
    add_device(parser)
    add_output(parser, "OUT.onnx", "the best model so far")


def _target(text: str) -> Target:
    kind, _, value = text.partition("=")
    try:
        return Target(TargetKind(kind), float(value))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no target. Give drop=1, sqnr=20 or perplexity=5, for instance."
        ) from error


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Climb, or say what it would take."""
    output = Path(arguments.output)
    ensure_not_source(output, arguments.model, arguments.evaluation, arguments.plan, *data_files(arguments))
    ensure_writable(output)
    model = run_job(open_request(arguments), ModelSummary, context)
    ensure_not_weights(output, arguments.model)
    plan = _read_plan(arguments, model)
    split = _divide(arguments, context)
    assert split.evaluation is not None
    rungs = tuple(rung for rung in Rung if arguments.rungs is None or rung in arguments.rungs)
    request = RecoverRequest(
        arguments.model, plan, split.calibration, split.evaluation, arguments.output, arguments.target,
        arguments.samples, arguments.evaluation_samples, arguments.seconds, rungs, arguments.fresh,
        arguments.device,
    )  # fmt: skip
    forecast = run_job(RecoverForecastRequest(request), RecoverForecast, context)
    if arguments.forecast:
        return Answer(_forecast_to_json(forecast), _describe_forecast(forecast))
    context.note(
        f"{split.samples} samples to learn from, {min(split.evaluation_samples, arguments.evaluation_samples)} others "
        f"to measure on; all rungs would take about {_minutes(forecast.total)}"
    )
    context.partial_ready = lambda payload: _say(payload, arguments.target, context)
    result = run_job(request, RecoverResult, context)
    return Answer(_result_to_json(result, arguments.target), _describe_result(result, arguments.target))


def _read_plan(arguments: argparse.Namespace, model: ModelSummary) -> Plan:
    if arguments.plan is None:
        plan = build_chosen_plan(arguments, model, read_scheme(arguments))
    else:
        if any(getattr(arguments, name) is not None for name in ("weights", *SCHEME_OPTIONS)):
            raise UsageError("--plan says how layers are quantized; it does not go together with --weights and such.")
        plan = load_plan(Path(arguments.plan))
    return apply_layer_overrides(plan, model, arguments.layer)


def _divide(arguments: argparse.Namespace, context: ConsoleContext) -> DataSplit:
    """No sample is learnt from and measured on."""
    if arguments.skip or arguments.shuffle is not None:
        raise UsageError("recover divides the samples by itself; it does not go together with --skip and --shuffle.")
    data = read_required_data(arguments)
    other = None if arguments.evaluation is None else dataclasses.replace(data, path=arguments.evaluation)
    if other is not None and Path(other.path).is_dir():
        other = dataclasses.replace(other, label_file=None)  # which names the images of the other folder
    source = EvaluationSource.REST if other is None else EvaluationSource.OTHER
    request = SplitRequest(arguments.model, data, other, source, arguments.samples)
    return run_job(request, DataSplit, context)


def _say(payload: object, target: Target, context: ConsoleContext) -> None:
    if isinstance(payload, RecoverStep):
        mark = ", the best so far" if payload.is_best else ""
        context.note(f"{_name(payload)}: {_figure(payload, target)} {UNITS[target.kind]}{mark}")


def _name(step: RecoverStep) -> str:
    return f"{step.rung} ({step.layer}: {step.plan.layer(step.layer).rounding})" if step.layer else str(step.rung)


def _figure(step: RecoverStep, target: Target) -> str:
    value = target.reached(step.found)
    return "–" if value is None else f"{value:.2f}"


def _describe_result(result: RecoverResult, target: Target) -> str:
    rows = [
        [_name(step), _figure(step, target), f"{step.found.sqnr_db:.1f}" if step.found.sqnr_db is not None else "–",
         f"{step.seconds:.1f}", "best" if step is result.best else ""]
        for step in result.steps if step.is_best or not step.layer
    ]  # fmt: skip
    sqnr = "SQNR dB " if target.kind == TargetKind.SQNR else "SQNR dB"
    table = Table(["method", HEADERS[target.kind], sqnr, "seconds", ""], rows, frozenset({0, 4}))
    conversion = result.conversion
    ratio = conversion.file_bytes / conversion.source_bytes
    written = f"{conversion.output}: {format_bytes(conversion.file_bytes)}, {ratio:.1%} of the source"
    trained = f", trained on {', then '.join(conversion.devices)}" if conversion.devices else ""
    return f"{table}\n\n{ENDINGS[result.ending]}\n{written}{trained}"


def _result_to_json(result: RecoverResult, target: Target) -> JsonObject:
    return {
        "target": {"kind": str(target.kind), "value": target.value, "reached": target.reached(result.best.found)},
        "ending": str(result.ending),
        "best": result.steps.index(result.best),
        "steps": [
            {
                "rung": str(step.rung),
                "layer": step.layer or None,
                "reached": target.reached(step.found),
                "seconds": step.seconds,
                "plan_sha256": step.plan.digest,
                **drop_absent(dataclasses.asdict(step.found)),
            }
            for step in result.steps
        ],
        "conversion": convert_to_json(result.conversion),
    }


def _forecast_to_json(forecast: RecoverForecast) -> JsonObject:
    return {"seconds": {str(rung): seconds for rung, seconds in forecast.seconds}, "total": forecast.total}


def _describe_forecast(forecast: RecoverForecast) -> str:
    rows = [[str(rung), _minutes(seconds)] for rung, seconds in forecast.seconds]
    return str(Table(["method", "about"], [*rows, ["all", _minutes(forecast.total)]]))


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


RECOVER = Command(
    name="recover",
    summary="bring back what few bits lose, step by step, until a target is met",
    description="Convert the plan with better and better methods, from seconds to minutes: bias correction, "
    "equalization, scaling, GPTQ, AdaRound, changes of single layers, and training against the float network. Every "
    "result is measured on samples that were not learnt from; the best so far is at OUT.onnx at any time. "
    "A run that was cancelled goes on where it was.",
    example="bitsmith recover net.onnx --weights 4 --data images.npz --target drop=1 -o net-w4.onnx\n"
    "bitsmith recover net.onnx --plan plan.json --data calib.npz --evaluation test.npz --target sqnr=20 -o net-q.onnx",
    add_arguments=add_arguments,
    run=run,
)
