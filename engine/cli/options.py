"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

from engine.calibration.calibration import load_calibration
from engine.cli.command import UsageError
from engine.cli.job import run_job
from engine.errors import OutputError
from engine.job_context import JobContext
from engine.jobs.requests import DataChoice, OpenRequest
from engine.numerics.schemes import (
    DEFAULT_GROUP_SIZE,
    DEFAULT_WEIGHT_PERCENTILE,
    WEIGHT_BITS,
    ActivationMode,
    ActivationRange,
    CalibrationMethod,
    Kernel,
    RangeMethod,
    Rounding,
)
from engine.plan import Plan, PlanDefaults, choose_layer_plan, select_layers
from engine.summary import ModelSummary

ACTIVATIONS = {"static8": ActivationMode.STATIC, "dynamic8": ActivationMode.DYNAMIC, "float": ActivationMode.FLOAT}


def add_model(parser: argparse.ArgumentParser) -> None:
    """The positional MODEL, and what is to be said about one of PyTorch."""
    parser.add_argument("model", metavar="MODEL", help="an ONNX file, or one of PyTorch (.pt2, TorchScript)")
    add_import(parser)


def add_import(parser: argparse.ArgumentParser) -> None:
    """What is to be said about a MODEL of PyTorch."""
    group = parser.add_argument_group("models of PyTorch")
    group.add_argument(
        "--input-shape",
        type=_name_and_shape,
        action="append",
        default=[],
        metavar="NAME=SHAPE",
        help="shape of an input that a TorchScript file does not tell, as x=1,3,224,224; repeatable",
    )
    group.add_argument(
        "--trust-file",
        action="store_true",
        help="load MODEL even if it can run code on this computer when it is loaded; only for files whose maker you "
        "trust",
    )


def open_request(arguments: argparse.Namespace, model: str | None = None) -> OpenRequest:
    """What `add_model` collected, for `model` if that is another one; consent is bound to the file as it is now."""
    path = model or str(arguments.model)
    trusted = None
    if arguments.trust_file:
        try:
            with Path(path).open("rb") as file:
                trusted = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            trusted = None  # opening says why
    return OpenRequest(path, trusted, tuple(arguments.input_shape))


def import_first(arguments: argparse.Namespace, context: JobContext, models: Sequence[str] = ()) -> None:
    """Convert files of PyTorch with the options of `add_import`, for commands that do not open models as such."""
    if not (arguments.trust_file or arguments.input_shape):
        return
    from engine.pytorch.importing import is_archive

    for path in models or (arguments.model,):
        if Path(path).is_file() and is_archive(Path(path)):
            run_job(open_request(arguments, path), ModelSummary, context)


def add_data(parser: argparse.ArgumentParser, *, required: bool, purpose: str = "") -> None:
    """`--data`, `--preprocess` and `--skip`."""
    parser.add_argument(
        "--data",
        metavar="D",
        required=required,
        help=f"{purpose}a .npz with arrays named as the model's inputs (`labels` or `y` are labels), a .npy, "
        "or a folder of images",
    )
    parser.add_argument("--preprocess", metavar="P.json", help="how images become inputs: size, colour, mean, std")
    parser.add_argument("--skip", type=_count, default=0, metavar="N", help="pass over the first N samples")


def read_data(arguments: argparse.Namespace) -> DataChoice | None:
    """What `add_data` collected; None without `--data`."""
    if arguments.data is None:
        if arguments.preprocess or arguments.skip:
            raise UsageError("--preprocess and --skip belong to --data, which is missing.")
        return None
    return DataChoice(arguments.data, arguments.preprocess, arguments.skip)


def read_required_data(arguments: argparse.Namespace) -> DataChoice:
    """What `add_data(required=True)` collected."""
    return DataChoice(arguments.data, arguments.preprocess, arguments.skip)


def add_samples(parser: argparse.ArgumentParser, default: int) -> None:
    """`--samples`."""
    parser.add_argument(
        "--samples", type=positive_count, default=default, metavar="N", help=f"use up to N samples (default {default})"
    )


def add_output(parser: argparse.ArgumentParser, metavar: str, what: str) -> None:
    """`-o`; parsers refuse a command without it."""
    parser.add_argument("-o", "--output", metavar=metavar, required=True, help=f"where to write {what}")


def add_scheme(parser: argparse.ArgumentParser) -> None:
    """How layers are quantized when they get a bit width; all default to None, so that use can be told."""
    group = parser.add_argument_group("how layers are quantized")
    group.add_argument(
        "--activations",
        choices=ACTIVATIONS,
        help="inputs of the layers: 8 bits with ranges from calibration (static8, the default), 8 bits with ranges "
        "found at run time (dynamic8), or float",
    )
    group.add_argument(
        "--group-size",
        type=positive_count,
        metavar="N",
        help=f"weights that share a scale at 4 and 2 bits (default {DEFAULT_GROUP_SIZE})",
    )
    group.add_argument(
        "--kernel",
        choices=["float", "nbits"],
        help="with --activations float: compute with float weights that are unpacked at load (the default), or keep "
        "them packed in memory (nbits: best for language models that answer token by token)",
    )
    group.add_argument(
        "--weight-range",
        choices=[str(method) for method in RangeMethod],
        help="clipping of weights: the full range (minmax), the one with the least squared error (mse, the default "
        "below 8 bits), or a percentile",
    )
    group.add_argument(
        "--weight-percentile",
        type=float,
        metavar="P",
        help=f"of the weights that share a scale, with --weight-range percentile (default {DEFAULT_WEIGHT_PERCENTILE})",
    )
    group.add_argument(
        "--asymmetric",
        action="store_true",
        default=None,
        help="4-bit weights with zero points: one level more, a little larger",
    )
    group.add_argument(
        "--rounding",
        choices=[str(rounding) for rounding in Rounding],
        help="how integer weights are rounded: each to the nearest code (the default), or so that the layers' outputs "
        "stay close to float on --data (gptq: seconds; adaround: minutes)",
    )
    group.add_argument(
        "--reduce-range",
        action="store_const",
        const=True,
        help="keep integer weights within 7 bits, for processors without VNNI, whose sums of 8-bit products saturate",
    )
    group.add_argument(
        "--portable",
        action="store_const",
        const=True,
        help="standard ONNX operators only, none of com.microsoft: no nbits kernel, and LSTM with float activations",
    )
    group.add_argument(
        "--activation-method",
        choices=[str(method) for method in CalibrationMethod],
        help="range of static activations: least squared error (mse, the default), least divergence (entropy), "
        "cut at a percentile, everything seen (minmax), or its average over samples",
    )
    group.add_argument(
        "--percentile",
        type=float,
        metavar="P",
        help=f"percentile for --activation-method percentile (default {ActivationRange.percentile})",
    )


SCHEME_OPTIONS = (
    "activations", "group_size", "kernel", "weight_range", "reduce_range", "portable", "activation_method",
    "percentile", "weight_percentile", "asymmetric", "rounding",
)  # fmt: skip


def _method_of(arguments: argparse.Namespace) -> CalibrationMethod | None:
    """The method noted in the calibration file, if one is given."""
    path = getattr(arguments, "calibration", None)
    return load_calibration(Path(path)).method if path else None


def read_scheme(arguments: argparse.Namespace) -> PlanDefaults:
    """What `add_scheme` collected."""
    method = CalibrationMethod(arguments.activation_method or _method_of(arguments) or ActivationRange.method)
    if arguments.weight_percentile is not None and arguments.weight_range != RangeMethod.PERCENTILE:
        raise UsageError("--weight-percentile belongs to --weight-range percentile.")
    if arguments.percentile is not None and method != CalibrationMethod.PERCENTILE:
        raise UsageError("--percentile belongs to --activation-method percentile.")
    if arguments.kernel is not None and arguments.activations != "float":
        raise UsageError("--kernel belongs to --activations float; static8 and dynamic8 have a kernel of their own.")
    return PlanDefaults(
        activations=ACTIVATIONS[arguments.activations or "static8"],
        activation_range=ActivationRange(
            method, ActivationRange.percentile if arguments.percentile is None else arguments.percentile
        ),
        group_size=arguments.group_size or DEFAULT_GROUP_SIZE,
        range_method=RangeMethod(arguments.weight_range or RangeMethod.MSE),
        weight_percentile=DEFAULT_WEIGHT_PERCENTILE
        if arguments.weight_percentile is None
        else arguments.weight_percentile,
        asymmetric=bool(arguments.asymmetric),
        reduce_range=bool(arguments.reduce_range),
        rounding=Rounding(arguments.rounding or Rounding.NEAREST),
        weight_only_kernel=Kernel(arguments.kernel or Kernel.FLOAT),
        portable=bool(arguments.portable),
    )


def add_layer_overrides(parser: argparse.ArgumentParser) -> None:
    """`--layer PATTERN=BITS`."""
    parser.add_argument(
        "--layer",
        action="append",
        default=[],
        type=_pattern_and_bits,
        metavar="PATTERN=BITS",
        help="give the layers whose name matches other bits, such as --layer 'head.*=8'; repeatable, later ones win",
    )


def apply_layer_overrides(plan: Plan, model: ModelSummary, overrides: list[tuple[str, int]]) -> Plan:
    """The plan with the overrides applied in their order, locks notwithstanding: they were asked for by name."""
    for pattern, bits in overrides:
        layers = select_layers(model, pattern)
        plan = plan.with_layers({layer.name: choose_layer_plan(layer, bits, plan.defaults) for layer in layers})
    return plan


def ensure_not_source(output: Path, *sources: str | None) -> None:
    """Raise `OutputError` if a result would overwrite one of the files that it is made from."""
    for source in sources:
        if source is not None and output.exists() and Path(source).exists() and output.samefile(source):
            raise OutputError(f"{output} is read by this command. Choose another output path.")


def parse_bits(text: str) -> tuple[int, ...]:
    """Bit widths as 8,4,2; an argparse type."""
    try:
        bits = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of bit widths such as 8,4,2") from None
    offered = [width for width in WEIGHT_BITS if width != 32]
    if unknown := [width for width in bits if width not in offered]:
        raise argparse.ArgumentTypeError(
            f"{unknown[0]} bits are not offered; choose from {', '.join(map(str, offered))}"
        )
    return bits


def _pattern_and_bits(text: str) -> tuple[str, int]:
    pattern, _, bits = text.rpartition("=")
    if not pattern or not bits.isdecimal() or int(bits) not in WEIGHT_BITS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not PATTERN=BITS with bits of {', '.join(map(str, WEIGHT_BITS))}"
        )
    return pattern, int(bits)


def _name_and_shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, shape = text.rpartition("=")
    sizes = shape.split(",")
    if not name or not all(size.strip().isdecimal() and int(size) > 0 for size in sizes):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=SHAPE, such as x=1,3,224,224")
    return name, tuple(int(size) for size in sizes)


def positive_count(text: str) -> int:
    """A whole number of at least 1; an argparse type."""
    value = _count(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)
