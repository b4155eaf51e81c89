"""Rounding to nearest against rounding by the layers' inputs, on the real models of ../shared/assets.

    python -m benchmarks.rounding [--models resnet20 …] [--roundings nearest gptq] [--bits 4] [--samples 128]
                                  [--activations static8] [--group-size 32] [--evaluate 5000]

Every row is a plan of one bit width for all layers, converted with the first samples, whose labels are not used,
and evaluated on the others. "drop" is top-1 lost against float, in points, or the perplexity gained; seconds are
those of the whole conversion.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import tempfile
import time
from pathlib import Path

from benchmarks.manifest_accuracy import ASSETS, SUBJECTS, Subject, measure, print_row
from engine.cli.options import ACTIVATIONS
from engine.errors import BitsmithError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.jobs.requests import ConvertRequest, ConvertResult, OpenRequest
from engine.numerics.schemes import DEFAULT_GROUP_SIZE, Kernel, Rounding
from engine.plan import Plan, PlanDefaults, build_plan
from engine.summary import ModelSummary

DEFAULT_MODELS = ("resnet20", "squeezenet", "mobilenet_v2", "kws_dscnn")


def plan_of(subject: Subject, defaults: PlanDefaults, bits: int) -> Plan:
    """One bit width for all layers."""
    summary = run_request(OpenRequest(str(subject.model)), JobContext())
    assert isinstance(summary, ModelSummary)
    return build_plan(summary, bits, defaults)


def convert(subject: Subject, plan: Plan, output: Path, samples: int) -> tuple[ConvertResult, float]:
    """The result, and the seconds it took."""
    request = ConvertRequest(str(subject.model), plan, str(output), data=subject.calibration_data(), samples=samples)
    started = time.perf_counter()
    result = run_request(request, JobContext())
    assert isinstance(result, ConvertResult)
    return result, time.perf_counter() - started


def compare(name: str, defaults: PlanDefaults, args: argparse.Namespace) -> None:
    """All rows of one model."""
    subject = SUBJECTS[name]
    reference = measure(subject.model, subject, args.samples, args.evaluate)
    print(f"{name}: {reference.samples} samples evaluated, {args.samples} calibrate, {args.bits} bits")
    print_row("float", reference, subject.model.stat().st_size, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for rounding in args.roundings:
            output = Path(folder) / f"{rounding}.onnx"
            plan = plan_of(subject, dataclasses.replace(defaults, rounding=Rounding(rounding)), args.bits)
            try:
                result, seconds = convert(subject, plan, output, args.samples)
            except BitsmithError as error:
                print(f"  {rounding:18} refused: {error}", flush=True)
                continue
            print_row(rounding, measure(output, subject, args.samples, args.evaluate), result.file_bytes, seconds)


def main() -> None:
    """Parse arguments, and say so where the assets are absent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=sorted(SUBJECTS), default=list(DEFAULT_MODELS))
    parser.add_argument("--roundings", nargs="+", choices=[str(r) for r in Rounding], default=["nearest", "gptq"])
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--samples", type=int, default=128, help="to calibrate on")
    parser.add_argument("--activations", choices=ACTIVATIONS, default="static8")
    parser.add_argument("--kernel", choices=["float", "nbits"], default="float", help="with --activations float")
    parser.add_argument("--group-size", type=int, default=DEFAULT_GROUP_SIZE)
    parser.add_argument("--evaluate", type=int, default=5000, help="samples at most")
    args = parser.parse_args()
    if not ASSETS.is_dir():
        print(f"The real models and data are absent ({ASSETS}): nothing to measure.")
        return
    logging.disable(logging.WARNING)
    defaults = PlanDefaults(
        activations=ACTIVATIONS[args.activations],
        group_size=args.group_size,
        weight_only_kernel=Kernel(args.kernel),
    )
    for name in args.models:
        compare(name, defaults, args)


if __name__ == "__main__":
    main()
