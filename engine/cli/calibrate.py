"""`bitsmith calibrate`: activation statistics into a file."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from engine.cli.command import Answer, Command
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import (
    add_data,
    add_model,
    add_output,
    add_samples,
    data_files,
    ensure_not_source,
    import_first,
    read_required_data,
)
from engine.numerics.schemes import CalibrationMethod
from engine.requests.analysis import CalibrateRequest, CalibrateResult
from engine.requests.data import DEFAULT_CALIBRATION_SAMPLES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, data, output."""
    add_model(parser)
    add_data(parser, required=True)
    add_samples(parser, DEFAULT_CALIBRATION_SAMPLES)
    parser.add_argument(
        "--method",
        choices=[str(method) for method in CalibrationMethod],
        help="how convert reads ranges from the file unless it is told otherwise; the statistics for every "
        "method are in it (default mse)",
    )
    add_output(parser, "C.calib", "the calibration")


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Collect statistics."""
    ensure_not_source(Path(arguments.output), arguments.model, *data_files(arguments))
    import_first(arguments, context)
    request = CalibrateRequest(arguments.model, read_required_data(arguments), arguments.output, arguments.samples)
    if arguments.method is not None:
        request = dataclasses.replace(request, method=CalibrationMethod(arguments.method))
    result = run_job(request, CalibrateResult, context)
    document = {
        "output": result.output,
        "samples": result.samples,
        "tensors": result.tensors,
        "digest": result.digest,
    }
    return Answer(document, f"{result.output}: ranges of {result.tensors} tensors from {result.samples} samples")


CALIBRATE = Command(
    name="calibrate",
    summary="collect activation ranges from data",
    description="Run data through a model and keep the statistics of every activation in a file, which convert takes "
    "with --calibration. Memory does not grow with the number of samples.",
    example="bitsmith calibrate net.onnx --data images.npz --preprocess images.json -o net.calib",
    add_arguments=add_arguments,
    run=run,
)
