"""The command lines that do again what a report shows."""

from __future__ import annotations

import dataclasses
import itertools
import shlex
from pathlib import Path

from engine.conversion.manifest import plan_path_for
from engine.numerics.schemes import (
    ActivationMode,
    Kernel,
)
from engine.plan import PlanDefaults
from engine.pytorch.import_cache import ImportOptions
from engine.report.contents import Contents
from engine.requests.conversion import Evaluation
from engine.requests.data import DataChoice
from engine.requests.handing_over import ReportRequest

SENSITIVITY_FILE = "sensitivity.json"
BENCHMARK_FILE = "benchmark.json"
ACTIVATIONS = {ActivationMode.STATIC: "static8", ActivationMode.DYNAMIC: "dynamic8", ActivationMode.FLOAT: "float"}


def build_commands(contents: Contents) -> list[tuple[str, str]]:
    """What each step does, and its command line, in the order in which they are run."""
    request, model = contents.request, contents.request.model
    steps = [("List the layers", _join("inspect", *_model_options(contents)))]
    sensitivity, plan = request.sensitivity, contents.plan
    if sensitivity is not None and plan is not None and request.data is not None:
        widths = sorted({bits for row in sensitivity.rows.values() for bits in row.cells}, reverse=True)
        parts = ["analyze", *_model_options(contents), *_data_options(request), "--method", sensitivity.method]
        parts += ["--samples", str(sensitivity.samples), "--bits", ",".join(map(str, widths))]
        parts += scheme_options(plan.defaults)
        steps.append(("Measure what every layer can bear", _join(*parts, "-o", SENSITIVITY_FILE)))
    for result in contents.results:
        plan_path = str(plan_path_for(Path(result.path)))
        steps.append((f"Convert to {result.name}", _convert(contents, plan_path, result.path)))
    if contents.unsaved_plan is not None:
        output = f"{Path(model).stem}-current.onnx"
        steps.append(("Convert with the current plan", _convert(contents, str(plan_beside(request.output)), output)))
    if request.evaluation_data is not None:
        evaluated = ((result.name, result.evaluation) for result in contents.results)
        steps += [(f"Evaluate {name}", _evaluate(contents, found)) for name, found in evaluated if found is not None]
    if request.benchmark is not None:
        steps.append(("Time the models", _benchmark(contents)))
    steps.append(("Write this report", _report(contents)))
    return steps


def _model_options(contents: Contents) -> list[str]:
    return [contents.request.model, *import_options(contents.import_options)]


def import_options(options: ImportOptions) -> list[str]:
    """What has to be said about a model of PyTorch, so that it is opened on another computer, too."""
    shapes = [f"{name}={','.join(map(str, shape))}" for name, shape in options.input_shapes]
    return [word for shape in shapes for word in ("--input-shape", shape)] + ["--trust-file"] * options.is_trusted


def kept_choices(request: ReportRequest) -> dict[Path, DataChoice]:
    """The choices of data that options cannot say, and the files beside the report that keep them."""
    data, evaluation = request.data, request.evaluation_data
    kept = {}
    if data is not None and not _is_plain(data):
        kept[_data_beside(request)] = data
    if evaluation is not None and not (_is_plain(evaluation) and evaluation == _like_data(request, evaluation)):
        kept[_evaluation_data_beside(request)] = evaluation
    return kept


def _is_plain(choice: DataChoice) -> bool:
    return not choice.preprocessing and not choice.excluded and choice.take is None


def _like_data(request: ReportRequest, evaluation: DataChoice) -> DataChoice:
    """What `report` makes of the path and the skip of evaluation: the rest is that of `--data`."""
    known = request.data or DataChoice(evaluation.path)
    return dataclasses.replace(known, path=evaluation.path, skip=evaluation.skip)


def _data_beside(request: ReportRequest) -> Path:
    return Path(request.output).with_suffix(".calibration-data.json")


def _evaluation_data_beside(request: ReportRequest) -> Path:
    return Path(request.output).with_suffix(".evaluation-data.json")


def _data_options(request: ReportRequest) -> list[str]:
    """Those of analysis and calibration."""
    if request.data is None:
        return []
    path = _data_beside(request)
    return ["--data", str(path)] if path in kept_choices(request) else data_options(request.data)


def _evaluation_data_options(request: ReportRequest) -> list[str]:
    if request.evaluation_data is None:
        return []
    path = _evaluation_data_beside(request)
    return ["--data", str(path)] if path in kept_choices(request) else data_options(request.evaluation_data)


def data_options(choice: DataChoice) -> list[str]:
    """`--data` and what belongs to it, for a choice that options can say."""
    options = ["--data", choice.path]
    if choice.preprocess:
        options += ["--preprocess", choice.preprocess]
    if choice.label_file:
        options += ["--label-file", choice.label_file]
    if choice.tokenizer:
        options += ["--tokenizer", choice.tokenizer]
    if choice.skip:
        options += ["--skip", str(choice.skip)]
    if choice.seed is not None:
        options += ["--shuffle", str(choice.seed)]
    return options


def scheme_options(defaults: PlanDefaults) -> list[str]:
    """How layers are quantized, where it differs from what the commands do without options."""
    options = []
    if defaults.activations != ActivationMode.STATIC or defaults.weight_only_kernel != Kernel.FLOAT:
        options += ["--activations", ACTIVATIONS[defaults.activations]]
    span, usual = defaults.activation_range, PlanDefaults()
    values = {
        "--kernel": (defaults.weight_only_kernel, usual.weight_only_kernel),
        "--group-size": (defaults.group_size, usual.group_size),
        "--weight-range": (defaults.range_method, usual.range_method),
        "--weight-percentile": (defaults.weight_percentile, usual.weight_percentile),
        "--activation-type": (defaults.activation_type, usual.activation_type),
        "--rounding": (defaults.rounding, usual.rounding),
        "--activation-method": (span.method, usual.activation_range.method),
        "--percentile": (span.percentile, usual.activation_range.percentile),
        "--scale-inputs": (defaults.input_scaling, usual.input_scaling),
        "--reconstruct": (defaults.reconstruction_steps, usual.reconstruction_steps),
        "--distill": (defaults.distillation_steps, usual.distillation_steps),
    }
    for name, (value, usual_value) in values.items():
        if value != usual_value:
            options += [name, str(value)]
    switches = {
        "--asymmetric": defaults.asymmetric, "--reduce-range": defaults.reduce_range, "--portable": defaults.portable,
        "--per-tensor": defaults.per_tensor, "--equalize": defaults.equalize, "--correct-bias": defaults.correct_bias,
    }  # fmt: skip
    return options + [name for name, is_on in switches.items() if is_on]


def plan_beside(report: str) -> Path:
    """Where a plan that was not converted is kept: net.current-plan.json, as net.plan.json is that of net.onnx."""
    return Path(report).with_suffix(".current-plan.json")


def _convert(contents: Contents, plan_path: str, output: str) -> str:
    request = contents.request
    parts = ["convert", *_model_options(contents), "--plan", plan_path]
    parts += _data_options(request)
    if request.calibration_samples is not None:
        parts += ["--samples", str(request.calibration_samples)]
    return _join(*parts, "-o", output)


def _evaluate(contents: Contents, evaluation: Evaluation) -> str:
    parts = ["evaluate", evaluation.model]
    if evaluation.reference:
        parts += ["--reference", evaluation.reference, *import_options(contents.import_options)]
    parts += [*_evaluation_data_options(contents.request), "--samples", str(evaluation.samples), "--json"]
    return f"{_join(*parts)} > {shlex.quote(_evaluation_files(contents)[evaluation.model])}"


def _benchmark(contents: Contents) -> str:
    found = contents.request.benchmark
    assert found is not None
    parts = ["benchmark", *(point.path for point in found.points), *import_options(contents.import_options)]
    parts += ["--batch", str(found.batch)]
    if found.threads:
        parts += ["--threads", str(found.threads)]
    parts += _evaluation_data_options(contents.request)
    return f"{_join(*parts, '--json')} > {BENCHMARK_FILE}"


def _report(contents: Contents) -> str:
    request = contents.request
    parts = ["report", *_model_options(contents)]
    if request.results:
        parts += ["--results", *request.results]
    if contents.unsaved_plan is not None:
        parts += ["--plan", str(plan_beside(request.output))]
    if request.sensitivity is not None and request.data is not None:
        parts += ["--sensitivity", SENSITIVITY_FILE]
    evaluations = [result.evaluation for result in contents.results if result.evaluation is not None]
    if evaluations and request.evaluation_data is not None:
        files = _evaluation_files(contents)
        parts += ["--evaluations", *(files[item.model] for item in evaluations)]
    if request.benchmark is not None:
        parts += ["--benchmark", BENCHMARK_FILE]
    parts += _data_options(request)
    if _evaluation_data_beside(request) in kept_choices(request):
        parts += ["--evaluation-data", str(_evaluation_data_beside(request))]
    elif request.evaluation_data is not None:
        parts += ["--evaluation-data", request.evaluation_data.path]
        if request.evaluation_data.skip:
            parts += ["--evaluation-skip", str(request.evaluation_data.skip)]
    if request.calibration_samples is not None:
        parts += ["--samples", str(request.calibration_samples)]
    return _join(*parts, "-o", request.output)


def _evaluation_files(contents: Contents) -> dict[str, str]:
    """By evaluated model, a name of its own for each, as files of one name may lie in several folders."""
    files: dict[str, str] = {}
    for result in contents.results:
        if result.evaluation is not None:
            stem = Path(result.evaluation.model).stem
            stems = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
            names = (f"{stem}.evaluation.json" for stem in stems)
            files[result.evaluation.model] = next(name for name in names if name not in files.values())
    return files


def _join(*parts: str) -> str:
    return shlex.join(["bitsmith", *parts])
