"""The command lines that do again what a report shows."""

from __future__ import annotations

import shlex
from pathlib import Path

from engine.conversion.manifest import plan_path_for
from engine.jobs.requests import DataChoice, Evaluation
from engine.numerics.schemes import (
    DEFAULT_GROUP_SIZE,
    DEFAULT_WEIGHT_PERCENTILE,
    ActivationMode,
    ActivationRange,
    Kernel,
    RangeMethod,
    Rounding,
)
from engine.plan import PlanDefaults
from engine.report.contents import Contents

SENSITIVITY_FILE = "sensitivity.json"
BENCHMARK_FILE = "benchmark.json"
ACTIVATIONS = {ActivationMode.STATIC: "static8", ActivationMode.DYNAMIC: "dynamic8", ActivationMode.FLOAT: "float"}


def build_commands(contents: Contents) -> list[tuple[str, str]]:
    """What each step does, and its command line, in the order in which they are run."""
    request, model = contents.request, contents.request.model
    steps = [("List the layers", _join("inspect", model))]
    sensitivity, plan = request.sensitivity, contents.plan
    if sensitivity is not None and plan is not None and request.data is not None:
        widths = sorted({bits for row in sensitivity.rows.values() for bits in row.cells}, reverse=True)
        parts = ["analyze", model, *data_options(request.data, request.output), "--method", sensitivity.method]
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
        data = request.evaluation_data
        steps += [
            (f"Evaluate {name}", _evaluate(contents, data, found)) for name, found in evaluated if found is not None
        ]
    if request.benchmark is not None:
        steps.append(("Time the models", _benchmark(contents)))
    steps.append(("Write this report", _report(contents)))
    return steps


def data_options(choice: DataChoice, report: str) -> list[str]:
    """`--data` and what belongs to it; preprocessing that is in no file yet lies beside the report."""
    options = ["--data", choice.path]
    if choice.preprocessing:
        options += ["--preprocess", str(preprocessing_beside(report))]
    elif choice.preprocess:
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
    if defaults.weight_only_kernel != Kernel.FLOAT:
        options += ["--kernel", str(defaults.weight_only_kernel)]
    if defaults.group_size != DEFAULT_GROUP_SIZE:
        options += ["--group-size", str(defaults.group_size)]
    if defaults.range_method != RangeMethod.MSE:
        options += ["--weight-range", str(defaults.range_method)]
    if defaults.weight_percentile != DEFAULT_WEIGHT_PERCENTILE:
        options += ["--weight-percentile", str(defaults.weight_percentile)]
    if defaults.rounding != Rounding.NEAREST:
        options += ["--rounding", str(defaults.rounding)]
    if defaults.activation_range.method != ActivationRange.method:
        options += ["--activation-method", str(defaults.activation_range.method)]
    if defaults.activation_range.percentile != ActivationRange.percentile:
        options += ["--percentile", str(defaults.activation_range.percentile)]
    switches = {
        "--asymmetric": defaults.asymmetric, "--reduce-range": defaults.reduce_range, "--portable": defaults.portable,
    }  # fmt: skip
    return options + [name for name, is_on in switches.items() if is_on]


def plan_beside(report: str) -> Path:
    """Where a plan that was not converted is kept: net.plan.json beside net.html."""
    return Path(report).with_suffix(".plan.json")


def preprocessing_beside(report: str) -> Path:
    """Where preprocessing that was in no file is kept: net.preprocess.json beside net.html."""
    return Path(report).with_suffix(".preprocess.json")


def _convert(contents: Contents, plan_path: str, output: str) -> str:
    request = contents.request
    parts = ["convert", request.model, "--plan", plan_path]
    if request.data is not None:
        parts += data_options(request.data, request.output)
    if request.calibration_samples is not None:
        parts += ["--samples", str(request.calibration_samples)]
    return _join(*parts, "-o", output)


def _evaluate(contents: Contents, data: DataChoice, evaluation: Evaluation) -> str:
    parts = ["evaluate", evaluation.model]
    if evaluation.reference:
        parts += ["--reference", evaluation.reference]
    parts += [*data_options(data, contents.request.output), "--samples", str(evaluation.samples), "--json"]
    return f"{_join(*parts)} > {shlex.quote(_evaluation_file(evaluation))}"


def _benchmark(contents: Contents) -> str:
    found = contents.request.benchmark
    assert found is not None
    parts = ["benchmark", *(point.path for point in found.points), "--batch", str(found.batch)]
    if found.threads:
        parts += ["--threads", str(found.threads)]
    if contents.request.evaluation_data is not None:
        parts += data_options(contents.request.evaluation_data, contents.request.output)
    return f"{_join(*parts, '--json')} > {BENCHMARK_FILE}"


def _report(contents: Contents) -> str:
    request = contents.request
    parts = ["report", request.model]
    if request.results:
        parts += ["--results", *request.results]
    if contents.unsaved_plan is not None:
        parts += ["--plan", str(plan_beside(request.output))]
    if request.sensitivity is not None and request.data is not None:
        parts += ["--sensitivity", SENSITIVITY_FILE]
    evaluations = [result.evaluation for result in contents.results if result.evaluation is not None]
    if evaluations and request.evaluation_data is not None:
        parts += ["--evaluations", *(_evaluation_file(item) for item in evaluations)]
    if request.benchmark is not None:
        parts += ["--benchmark", BENCHMARK_FILE]
    if request.data is not None:
        parts += data_options(request.data, request.output)
    if request.evaluation_data is not None:
        parts += ["--evaluation-data", request.evaluation_data.path]
        if request.evaluation_data.skip:
            parts += ["--evaluation-skip", str(request.evaluation_data.skip)]
    if request.calibration_samples is not None:
        parts += ["--samples", str(request.calibration_samples)]
    return _join(*parts, "-o", request.output)


def _evaluation_file(evaluation: Evaluation) -> str:
    return f"{Path(evaluation.model).stem}.evaluation.json"


def _join(*parts: str) -> str:
    return shlex.join(["bitsmith", *parts])
