"""Rounding to nearest against rounding by the layers' inputs and distillation, on the real models of ../shared/assets.

    python -m benchmarks.rounding [--models resnet20 …] [--roundings nearest gptq] [--bits 4] [--samples 128]
                                  [--activations static8] [--group-size 32] [--evaluate 5000] [--asymmetric]
                                  [--changes none equalize correct_bias equalize+correct_bias awq smooth]
                                  [--per-tensor] [--reconstruct 100] [--distill 300]

`--changes` are what is done to the network before its weights are rounded; every one is measured with every rounding.

Every row is a plan of one bit width for all layers, converted with the first samples, whose labels are not used,
and evaluated on the others. "drop" is top-1 lost against float, in points, or the perplexity gained; seconds are
those of the whole conversion. With --reconstruct and --distill, every row is followed by ones of the same codes
trained for so many steps, block by block or as a whole.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import logging
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.manifest_accuracy import ASSETS, SUBJECTS, Subject, measure, print_row
from engine.cli.scheme_options import ACTIVATIONS
from engine.errors import BitsmithError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.numerics.schemes import DEFAULT_GROUP_SIZE, InputScaling, Kernel, Rounding
from engine.plan import Plan, PlanDefaults, build_plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.opening import OpenRequest
from engine.summary import ModelSummary

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "equalize": {"equalize": True},
    "correct_bias": {"correct_bias": True},
    "equalize+correct_bias": {"equalize": True, "correct_bias": True},
    "awq": {"input_scaling": InputScaling.AWQ},
    "smooth": {"input_scaling": InputScaling.SMOOTH},
}
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
        rows = itertools.product(args.roundings, args.changes, sorted({0, args.reconstruct}), sorted({0, args.distill}))
        for rounding, change, block_steps, steps in rows:
            row = rounding if change == "none" else f"{rounding} {change}"
            row = f"{row} + {block_steps} a block" if block_steps else row
            row = f"{row} + {steps} steps" if steps else row
            output = Path(folder) / f"{row}.onnx"
            changed = dataclasses.replace(
                defaults,
                rounding=Rounding(rounding),
                reconstruction_steps=block_steps,
                distillation_steps=steps,
                **CHANGES[change],
            )
            try:
                result, seconds = convert(subject, plan_of(subject, changed, args.bits), output, args.samples)
            except BitsmithError as error:
                print(f"  {row:18} refused: {error}", flush=True)
                continue
            print_row(row, measure(output, subject, args.samples, args.evaluate), result.file_bytes, seconds)
            print(f"  {'':18} {result.bits_per_weight:.2f} bits a weight, scales and zero points included", flush=True)


def main() -> None:
    """Parse arguments, and say so where the assets are absent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=sorted(SUBJECTS), default=list(DEFAULT_MODELS))
    parser.add_argument("--roundings", nargs="+", choices=[str(r) for r in Rounding], default=["nearest", "gptq"])
    parser.add_argument("--changes", nargs="+", choices=list(CHANGES), default=["none"])
    parser.add_argument("--per-tensor", action="store_true", help="one scale per 8-bit weight")
    parser.add_argument("--asymmetric", action="store_true", help="4-bit weights with zero points")
    parser.add_argument("--reconstruct", type=int, default=0, metavar="STEPS", help="also with so many for each block")
    parser.add_argument("--distill", type=int, default=0, metavar="STEPS", help="also with so many steps")
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
        per_tensor=args.per_tensor,
        asymmetric=args.asymmetric,
    )
    for name in args.models:
        compare(name, defaults, args)


if __name__ == "__main__":
    main()
