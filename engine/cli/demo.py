"""`bitsmith demo`: the whole loop on the bundled sample, told with measured figures."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from engine.cli.benchmark import benchmark_to_json
from engine.cli.command import Answer, Command, JsonObject, Table, format_db
from engine.cli.convert import convert_to_json
from engine.cli.evaluate import evaluation_to_json
from engine.cli.job import ConsoleContext, run_job
from engine.cli.sample import Sample, load_sample
from engine.errors import OutputError
from engine.plan import Plan, build_plan, format_plan
from engine.requests.allocation import AllocateRequest, AllocateResult, Budget
from engine.requests.analysis import AnalyzeRequest, CalibrateRequest, CalibrateResult
from engine.requests.benchmark import Benchmark, BenchmarkRequest
from engine.requests.conversion import ConvertRequest, ConvertResult, EvaluateRequest, Evaluation
from engine.requests.data import DataChoice
from engine.requests.opening import OpenRequest
from engine.sensitivity.matrix import Sensitivity, sensitivity_to_json
from engine.sizes import predict_file_bytes
from engine.summary import ModelSummary
from engine.units import format_bytes

DEFAULT_FOLDER = "bitsmith-demo"
ENTRY_POINT = Path(__file__).resolve().parents[2] / "main.py"
PICTURES_TIMEOUT_S = 240
CALIBRATION_SAMPLES = 128
BENCHMARK_SECONDS = 2.0


@dataclass(frozen=True)
class Result:
    """One converted model with everything that was measured of it."""

    label: str
    path: Path
    conversion: ConvertResult
    evaluation: Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and whether with pictures."""
    parser.add_argument(
        "-o", "--output", metavar="DIR", default=DEFAULT_FOLDER, help=f"where to write (default {DEFAULT_FOLDER})"
    )
    parser.add_argument("--no-pictures", action="store_true", help="take no pictures of the window")


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Open, calibrate, analyse, allocate, convert, evaluate, benchmark, export."""
    folder = Path(arguments.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot create the folder {folder}: {error.strerror}. Choose another with --output."
        ) from error
    story = _Story(folder, load_sample(), context, is_silent=arguments.json)
    document = story.tell()
    document["pictures"] = [] if arguments.no_pictures else story.take_pictures()
    story.write("demo.json", json.dumps(document, indent=2, allow_nan=False) + "\n")
    story.say(f"Everything is in {folder}/: models, plans, calibration, sensitivity, demo.json with all figures.")
    return Answer(document, "")


class _Story:
    """The loop, step by step; each step says what it found."""

    def __init__(self, folder: Path, sample: Sample, context: ConsoleContext, *, is_silent: bool) -> None:
        self.folder = folder
        self.sample = sample
        self.context = context
        self.is_silent = is_silent
        self.calibration_data = DataChoice(str(sample.calibration_data))
        self.test_data = DataChoice(str(sample.test_data))

    def tell(self) -> JsonObject:
        model = self.open()
        calibration = self.calibrate()
        sensitivity = self.analyze(model)
        plans = {"int8": build_plan(model, 8), "int4": build_plan(model, 4)}
        plans["mixed"] = self.allocate(model, sensitivity, plans)
        results = [self.convert(label, plan, calibration) for label, plan in plans.items()]
        benchmark = self.benchmark(results)
        self.compare(model, results, benchmark)
        return {
            "output": str(self.folder),
            "model": model.path,
            "float_bytes": model.file_bytes,
            "float_top1": self.sample.float_top1,
            "results": [
                {
                    "label": result.label,
                    "plan": f"digits-{result.label}.plan.json",
                    "convert": convert_to_json(result.conversion),
                    "evaluate": evaluation_to_json(result.evaluation),
                }
                for result in results
            ],
            "benchmark": benchmark_to_json(benchmark),
        }

    def say(self, text: str) -> None:
        """Tell a line as soon as it is known; `--json` keeps standard output for the document."""
        self.context.clear_line()
        print(text, file=sys.stderr if self.is_silent else sys.stdout, flush=True)

    def write(self, name: str, text: str) -> None:
        """Write a file of the folder."""
        with self.context.output(self.folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def open(self) -> ModelSummary:
        model = run_job(OpenRequest(str(self.sample.model)), ModelSummary, self.context)
        self.say(
            f"Open       {self.sample.model.name}: handwritten digits, {len(model.layers)} layers, "
            f"{model.parameters:,} weights, {format_bytes(model.file_bytes)}, top-1 {self.sample.float_top1:.2f} %"
        )
        return model

    def calibrate(self) -> Path:
        target = self.folder / "digits.calib"
        request = CalibrateRequest(
            str(self.sample.model), self.calibration_data, str(target), samples=CALIBRATION_SAMPLES
        )
        result = run_job(request, CalibrateResult, self.context)
        self.say(f"Calibrate  ranges of {result.tensors} tensors from {result.samples} images → {target.name}")
        return target

    def analyze(self, model: ModelSummary) -> Sensitivity:
        request = AnalyzeRequest(str(self.sample.model), self.calibration_data, build_plan(model, 8))
        sensitivity = run_job(request, Sensitivity, self.context)
        self.write("sensitivity.json", json.dumps(sensitivity_to_json(sensitivity), indent=2) + "\n")
        ranked = sorted(sensitivity.rows, key=lambda name: sensitivity.value(name, 4) or math.inf)
        worst, best = ranked[0], ranked[-1]
        self.say(
            f"Analyse    at 4 bits {worst} suffers most ({format_db(sensitivity.value(worst, 4))} dB), "
            f"{best} least ({format_db(sensitivity.value(best, 4))} dB) → sensitivity.json"
        )
        return sensitivity

    def allocate(self, model: ModelSummary, sensitivity: Sensitivity, plans: dict[str, Plan]) -> Plan:
        """A plan half-way between 8 and 4 bits in size."""
        middle = sum(predict_file_bytes(model, plan) for plan in plans.values()) / len(plans)
        ratio = middle / model.file_bytes
        request = AllocateRequest(model, sensitivity, plans["int8"], Budget(size_ratio=ratio))
        result = run_job(request, AllocateResult, self.context)
        bits = Counter(result.plan.layer(layer.name).weights.bits for layer in model.layers)
        spread = ", ".join(f"{count} × {width} bits" for width, count in sorted(bits.items(), reverse=True))
        self.say(f"Allocate   for {ratio:.1%} of the size: {spread}")
        return result.plan

    def convert(self, label: str, plan: Plan, calibration: Path) -> Result:
        """Convert, write the plan beside the model, and evaluate."""
        target = self.folder / f"digits-{label}.onnx"
        request = ConvertRequest(
            str(self.sample.model), plan, str(target), self.calibration_data, str(calibration), CALIBRATION_SAMPLES
        )
        conversion = run_job(request, ConvertResult, self.context)
        self.write(f"digits-{label}.plan.json", format_plan(plan))
        evaluation = run_job(
            EvaluateRequest(str(target), self.test_data, str(self.sample.model)), Evaluation, self.context
        )
        integer = sum(layer.is_integer for layer in conversion.layers)
        self.say(
            f"Convert    {target.name}: {format_bytes(conversion.file_bytes)}, {integer} of "
            f"{len(conversion.layers)} layers on integer kernels, loads in ONNX Runtime"
        )
        for warning in conversion.warnings:
            self.say(f"           {warning}")
        return Result(label, target, conversion, evaluation)

    def benchmark(self, results: list[Result]) -> Benchmark:
        models = (str(self.sample.model), *(str(result.path) for result in results))
        request = BenchmarkRequest(models, self.test_data, seconds=BENCHMARK_SECONDS)
        return run_job(request, Benchmark, self.context)

    def compare(self, model: ModelSummary, results: list[Result], benchmark: Benchmark) -> None:
        """The table that the loop is for."""
        baseline, *points = benchmark.points
        rows = [
            (
                "float",
                format_bytes(model.file_bytes),
                "100.0%",
                "–",
                f"{self.sample.float_top1:.2f}",
                f"{baseline.latency_ms['p50']:.3f}",
                "1.00×",
            )
        ]
        rows += [
            (
                result.label,
                format_bytes(result.conversion.file_bytes),
                f"{result.conversion.file_bytes / model.file_bytes:.1%}",
                format_db(result.evaluation.sqnr_db),
                "–" if result.evaluation.top1 is None else f"{result.evaluation.top1:.2f}",
                f"{point.latency_ms['p50']:.3f}",
                f"{point.speedup:.2f}×",
            )
            for result, point in zip(results, points, strict=True)
        ]
        self.say(f"\n{Table(('', 'size', 'ratio', 'SQNR dB', 'top-1 %', 'P50 ms', 'speed-up'), rows)}\n")
        self.say(f"Measured on {results[0].evaluation.samples} held-out images; {benchmark.cpu}, {benchmark.runtime}.")

    def take_pictures(self) -> list[str]:
        """Pictures of the window, from a process of its own: this one never loads Qt."""
        target = self.folder / "pictures"
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
        command = [sys.executable, str(ENTRY_POINT), "--pictures", str(target)]
        self.context.report(0, 1, "Taking pictures of the window")
        try:
            done = subprocess.run(  # noqa: S603  this very program
                command, env=environment, capture_output=True, text=True, timeout=PICTURES_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self.say(f"Pictures   skipped: the window did not answer ({type(error).__name__}).")
            return []
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("bitsmith: ")
            self.say(f"Pictures   skipped: {reason}")
            return []
        pictures = sorted(str(path) for path in target.glob("*.png"))
        self.say(f"Pictures   {len(pictures)} of the window, drawn without a display → {target}/")
        return pictures


DEMO = Command(
    name="demo",
    summary="the whole loop on the bundled sample",
    description="Open, calibrate, analyse, allocate, convert, evaluate, benchmark and export the bundled sample, "
    "without a display, and say what was measured.",
    example="bitsmith demo --output bitsmith-demo",
    add_arguments=add_arguments,
    run=run,
)
