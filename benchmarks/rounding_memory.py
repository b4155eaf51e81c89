"""Peak memory and time of GPTQ and AdaRound by the number of samples: is memory flat?

    python -m benchmarks.rounding_memory [--model mobilenet_v2] [--roundings gptq adaround] [--samples 32 128 500]
                                         [--bits 4] [--activations static]

A whole conversion of a real model of ../shared/assets, calibration and verification included: the inputs of a
layer are summed up in its Gram matrix, and the tensors of all samples wait for the next layer on disk beyond a
bound. Every measurement is a fresh child process: "peak" is its largest resident set (VmHWM), "private" the
largest seen without the pages of mapped files (RssAnon).
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import tempfile
import time
from pathlib import Path

from benchmarks.child_process import report_measured, run_measured
from benchmarks.manifest_accuracy import ASSETS, SUBJECTS
from engine.numerics.schemes import ActivationMode, Rounding

CHILD = "--child"
CHANGED = (str(Rounding.GPTQ), str(Rounding.ADAROUND))


def run_child(arguments: list[str]) -> None:
    """Convert in this process and say what it took."""
    from benchmarks.rounding import convert, plan_of
    from engine.plan import PlanDefaults

    name, rounding, samples, bits, activations = arguments
    logging.disable(logging.WARNING)
    subject = SUBJECTS[name]
    defaults = PlanDefaults(activations=ActivationMode(activations))
    plan = plan_of(subject, dataclasses.replace(defaults, rounding=Rounding(rounding)), int(bits))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        convert(subject, plan, Path(folder) / "rounded.onnx", int(samples))
        report_measured(started)


def main() -> None:
    """Parse arguments and measure, one child process per row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(SUBJECTS), default="mobilenet_v2")
    parser.add_argument("--roundings", nargs="+", choices=[str(item) for item in Rounding], default=list(CHANGED))
    parser.add_argument("--samples", type=int, nargs="+", default=[32, 128, 500])
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--activations", choices=[str(item) for item in ActivationMode], default="static")
    parser.add_argument(CHILD, nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        run_child(args.child)
        return
    if not ASSETS.is_dir():
        print(f"The real models and data are absent ({ASSETS}): nothing to measure.")
        return
    print(f"{args.model}, {args.bits} bits, activations {args.activations}")
    print(f"{'rounding':10} {'samples':>7} {'seconds':>8} {'CPU s':>7} {'peak MB':>8} {'private MB':>10}")
    for rounding in args.roundings:
        for samples in args.samples:
            arguments = [CHILD, args.model, rounding, str(samples), str(args.bits), args.activations]
            found = run_measured("benchmarks.rounding_memory", arguments)
            print(
                f"{rounding:10} {samples:7} {found.seconds:8.1f} {found.cpu_seconds:7.1f} "
                f"{found.peak_bytes / 1e6:8.0f} {found.private_bytes / 1e6:10.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
