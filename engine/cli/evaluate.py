"""`bitsmith evaluate`: how good a model is, alone and against a reference."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator

from engine.cli.command import Answer, Command, JsonObject, Table, UsageError, drop_absent
from engine.cli.comparison import describe_changed_samples, describe_layer_errors
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import add_data, add_model, add_samples, import_first, positive_count, read_required_data
from engine.errors import DataError
from engine.requests.comparison import ChangedSamples, ChangedSamplesRequest, LayerErrors, LayerErrorsRequest
from engine.requests.conversion import DEFAULT_EVALUATION_SAMPLES, EvaluateRequest, Evaluation

METRICS = {
    "top1": ("top-1", "%", "top1", "labels in the data"),
    "top5": ("top-5", "%", "top5", "labels in the data and at least five classes"),
    "agreement": ("agreement", "%", "agreement", "--reference"),
    "sqnr": ("SQNR", "dB", "sqnr_db", "--reference"),
    "cosine": ("cosine", "", "cosine", "--reference"),
    "kl": ("KL", "", "kl", "--reference and a classifier"),
    "perplexity": ("perplexity", "", "perplexity", "a language model and a `tokens` array"),
}
DIGITS = {"%": 2, "dB": 2, "": 4}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, reference, data, metric."""
    add_model(parser)
    parser.add_argument("--reference", metavar="REF", help="the float model to compare with, sample by sample")
    add_data(parser, required=True)
    add_samples(parser, DEFAULT_EVALUATION_SAMPLES)
    parser.add_argument(
        "--layers", action="store_true", help="with --reference: the error of every layer's output, worst first"
    )
    parser.add_argument(
        "--changed",
        type=positive_count,
        default=0,
        metavar="N",
        help="with --reference: the N samples (at most 24) that changed most",
    )
    parser.add_argument(
        "--metric", choices=METRICS, action="append", help="show this one only; repeatable (default: all that apply)"
    )


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Measure."""
    import_first(arguments, context, [path for path in (arguments.model, arguments.reference) if path is not None])
    if (arguments.layers or arguments.changed) and arguments.reference is None:
        raise UsageError("--layers and --changed compare with the float model. Name it with --reference.")
    request = EvaluateRequest(arguments.model, read_required_data(arguments), arguments.reference, arguments.samples)
    evaluation = run_job(request, Evaluation, context)
    wanted = arguments.metric or list(METRICS)
    for name in arguments.metric or ():
        label, _, key, needs = METRICS[name]
        if getattr(evaluation, key) is None:
            raise DataError(f"{label} does not apply here: it needs {needs}.")
    document, text = _to_json(evaluation, wanted), _describe(evaluation, wanted)
    for more in _run_details(arguments, context):
        document |= more.document
        text += f"\n\n{more.text}"
    return Answer(document, text)


def _run_details(arguments: argparse.Namespace, context: ConsoleContext) -> Iterator[Answer]:
    data = read_required_data(arguments)
    if arguments.layers:
        request = LayerErrorsRequest(arguments.reference, (arguments.model,), data)
        yield describe_layer_errors(run_job(request, LayerErrors, context))
    if arguments.changed:
        wanted = ChangedSamplesRequest(arguments.reference, arguments.model, data, arguments.samples, arguments.changed)
        yield describe_changed_samples(run_job(wanted, ChangedSamples, context))


def _to_json(evaluation: Evaluation, wanted: list[str]) -> JsonObject:
    hidden = {METRICS[name][2] for name in METRICS if name not in wanted}
    return {
        key: value
        for key, value in drop_absent(evaluation_to_json(evaluation)).items()
        if key.removeprefix("reference_") not in hidden
    }


def evaluation_to_json(evaluation: Evaluation) -> JsonObject:
    """The stable keys of an evaluation; what does not apply is left out."""
    return drop_absent(dataclasses.asdict(evaluation))


def _describe(evaluation: Evaluation, wanted: list[str]) -> str:
    rows = []
    for name in wanted:
        label, unit, key, _ = METRICS[name]
        value = getattr(evaluation, key)
        if value is None:
            continue
        reference = getattr(evaluation, f"reference_{key}", None)
        row = [label, f"{value:.{DIGITS[unit]}f}", unit]
        rows.append([*row, "" if reference is None else f"reference {reference:.{DIGITS[unit]}f}"])
    table = Table(("metric", "value", "", ""), rows, left=frozenset({0, 2, 3}))
    return f"{evaluation.model}, {evaluation.samples} samples\n\n{table}"


EVALUATE = Command(
    name="evaluate",
    summary="measure accuracy, alone and against a reference",
    description="Run a model on data. With labels: top-1 and top-5. With --reference: how often both agree, and how "
    "far the outputs are apart.",
    example="bitsmith evaluate net-int8.onnx --reference net.onnx --data held-out.npz",
    add_arguments=add_arguments,
    run=run,
)
