"""`bitsmith bundle`: a converted model with all that serves it, checked by running it."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from engine.bundle.labels import load_class_names
from engine.cli.command import Answer, Command
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import add_data, add_output, read_data
from engine.requests.handing_over import BundleRequest, BundleResult
from engine.units import format_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, data, name, version, output."""
    parser.add_argument("model", metavar="RESULT.onnx", help="a model that convert wrote")
    add_data(parser, required=False, purpose="what the bundle is tried on, and its preprocessing and class names: ")
    parser.add_argument(
        "--class-names", metavar="L.txt", help="class names, one per line, instead of those in the data"
    )
    parser.add_argument("--calibration", metavar="C.calib", help="put these activation ranges in")
    parser.add_argument("--name", help="name of the model (default: that of the file)")
    parser.add_argument(
        "--version", default="1.0.0", metavar="X.Y.Z", help="Semantic Version of the model (default 1.0.0)"
    )
    add_output(parser, "OUT", "the bundle: a folder, or a file that ends in .zip")


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Gather, run, write."""
    if arguments.class_names:
        load_class_names(Path(arguments.class_names))
    request = BundleRequest(
        arguments.model,
        arguments.output,
        read_data(arguments),
        name=arguments.name or Path(arguments.model).stem,
        version=arguments.version,
        labels=arguments.class_names,
        calibration=arguments.calibration,
    )
    result = run_job(request, BundleResult, context)
    return Answer(dataclasses.asdict(result), describe_bundle(result))


def describe_bundle(result: BundleResult) -> str:
    """What is in it, and what it answered."""
    answer = "gave the outputs of the workbench"
    if result.predicted_class is not None:
        name = f" ({result.predicted_name})" if result.predicted_name else ""
        answer = f"answered class {result.predicted_class}{name}, as the workbench predicts"
    return (
        f"{result.output}: {format_bytes(result.file_bytes)}, {len(result.files)} files\n"
        f"verified: predict.py and the service {answer}, for {result.sample}; "
        f"the service took {result.seconds:.1f} s to start and answer"
    )


BUNDLE = Command(
    name="bundle",
    summary="write a model with a script and a service that run it",
    description="Put a converted model into a folder or a .zip with its preprocessing, plan, manifest, an inference "
    "script, an HTTP service and their requirements. Both are run in a process of their own, on a sample of --data, "
    "and must give what the workbench gives; nothing is written otherwise.",
    example="bitsmith bundle net-int8.onnx --data images --preprocess images.json --version 1.2.0 -o net-1.2.0.zip\n"
    "bitsmith bundle net-int8.onnx --data images.npz -o net-bundle",
    add_arguments=add_arguments,
    run=run,
)
