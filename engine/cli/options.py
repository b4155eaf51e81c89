"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from engine.calibration.calibration import load_calibration
from engine.cli.command import UsageError
from engine.cli.job import run_job
from engine.data_choice_file import is_choice_path, load_choice
from engine.errors import OutputError
from engine.job_context import JobContext
from engine.numerics.schemes import (
    DEFAULT_GROUP_SIZE,
    DEFAULT_WEIGHT_PERCENTILE,
    WEIGHT_BITS,
    ActivationMode,
    ActivationRange,
    CalibrationMethod,
    InputScaling,
    Kernel,
    RangeMethod,
    Rounding,
)
from engine.plan import Plan, PlanDefaults, build_plan, choose_layer_plan, select_layers
from engine.presets import apply_preset, find_preset
from engine.requests.data import DataChoice
from engine.requests.opening import OpenRequest
from engine.summary import ModelSummary
from engine.user_files import preset_files

DEFAULT_BITS = 8
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
    """`--data`, and how it is read."""
    parser.add_argument(
        "--data",
        metavar="D",
        required=required,
        help=f"{purpose}a .npz with arrays named as the model's inputs (`labels` or `y` are labels), a .npy, "
        "a .txt, a folder of images, or a .json that says all about data, as report writes it",
    )
    parser.add_argument(
        "--preprocess",
        metavar="P.json",
        help="how images become inputs: size, colour, mean, std; a file, or one of the presets that bitsmith presets "
        "lists",
    )
    parser.add_argument("--label-file", metavar="L.csv", help="class numbers or names of a folder's images: file,label")
    parser.add_argument(
        "--tokenizer", metavar="T.json", help="turns a .txt file into tokens; found beside it by itself"
    )
    parser.add_argument("--skip", type=_count, default=0, metavar="N", help="pass over the first N samples")
    parser.add_argument(
        "--shuffle",
        type=_count,
        metavar="SEED",
        help="take the samples in a random order, class by class in turn, which the seed decides; the window uses 0",
    )


def read_data(arguments: argparse.Namespace) -> DataChoice | None:
    """What `add_data` collected; None without `--data`."""
    if arguments.data is None:
        if given := _given_data_options(arguments):
            raise UsageError(f"{given[0]} belongs to --data, which is missing.")
        return None
    return read_required_data(arguments)


def read_required_data(arguments: argparse.Namespace) -> DataChoice:
    """What `add_data(required=True)` collected."""
    if is_choice_path(arguments.data):
        if given := _given_data_options(arguments):
            raise UsageError(f"{Path(arguments.data).name} says how data are read; it does not go with {given[0]}.")
        return load_choice(Path(arguments.data))
    return DataChoice(
        arguments.data,
        _find_preprocessing(arguments.preprocess),
        arguments.skip,
        seed=arguments.shuffle,
        label_file=arguments.label_file,
        tokenizer=arguments.tokenizer,
    )


def _given_data_options(arguments: argparse.Namespace) -> list[str]:
    values = {
        "--preprocess": arguments.preprocess, "--skip": arguments.skip or None, "--shuffle": arguments.shuffle,
        "--label-file": arguments.label_file, "--tokenizer": arguments.tokenizer,
    }  # fmt: skip
    return [option for option, value in values.items() if value is not None]


def _find_preprocessing(text: str | None) -> str | None:
    """A file, or a preset of preprocessing by its name."""
    if text is None or Path(text).exists():
        return text
    found = preset_files("preprocess").get(text)
    return str(found) if found else text


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
        "--preset",
        metavar="NAME",
        help="start from what suits a target, such as server-vnni or mobile; the options below change it (see: "
        "bitsmith presets)",
    )
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
        "--per-tensor",
        action="store_const",
        const=True,
        help="one scale for a whole 8-bit weight, as some accelerators want it; --equalize and --correct-bias make "
        "up for most of what that loses",
    )
    group.add_argument(
        "--equalize",
        action="store_const",
        const=True,
        help="even out weight ranges across layers first; the float network stays the same",
    )
    group.add_argument(
        "--scale-inputs",
        choices=[str(scaling) for scaling in InputScaling],
        help="in transformers, move ranges from inputs to weights (smooth: for 8-bit activations) or from weights to "
        "inputs (awq: for 4- and 2-bit weights) first, by what --data shows",
    )
    group.add_argument(
        "--correct-bias",
        action="store_const",
        const=True,
        help="take the mean error of every layer's output on --data out of its bias; --rounding gptq and adaround do "
        "so anyway",
    )
    group.add_argument(
        "--distill",
        type=positive_count,
        metavar="STEPS",
        help="then train all integer weights for so many steps on --data, without labels, to give the outputs of the "
        "float model (quantization-aware fine-tuning: minutes; 300 steps are a start)",
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
    "preset",
    "activations", "group_size", "kernel", "weight_range", "reduce_range", "portable", "activation_method",
    "percentile", "weight_percentile", "asymmetric", "rounding", "distill",
    "per_tensor", "equalize", "scale_inputs", "correct_bias",
)  # fmt: skip


def _method_of(arguments: argparse.Namespace) -> CalibrationMethod | None:
    """The method noted in the calibration file, if one is given."""
    path = getattr(arguments, "calibration", None)
    return load_calibration(Path(path)).method if path else None


def read_scheme(arguments: argparse.Namespace) -> PlanDefaults:
    """What `add_scheme` collected."""
    if arguments.preset is not None:
        return _change_preset(find_preset(arguments.preset).defaults, arguments)
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
        per_tensor=bool(arguments.per_tensor),
        equalize=bool(arguments.equalize),
        input_scaling=InputScaling(arguments.scale_inputs or InputScaling.NONE),
        correct_bias=bool(arguments.correct_bias),
        distillation_steps=arguments.distill or 0,
        weight_only_kernel=Kernel(arguments.kernel or Kernel.FLOAT),
        portable=bool(arguments.portable),
    )


def build_chosen_plan(arguments: argparse.Namespace, model: ModelSummary, scheme: PlanDefaults) -> Plan:
    """The plan of `--weights`, `--preset` and `scheme`, which `read_scheme` gave.

    A preset limits kernels to those of its target, unless `--activations` or `--kernel` asks for others.
    """
    if arguments.preset is None:
        return build_plan(model, DEFAULT_BITS if arguments.weights is None else arguments.weights, scheme)
    preset = find_preset(arguments.preset)
    bits = preset.bits if arguments.weights is None else arguments.weights
    kernels = preset.kernels if arguments.activations is None and arguments.kernel is None else frozenset(Kernel)
    changed = dataclasses.replace(preset, bits=bits, defaults=scheme, kernels=kernels)
    return apply_preset(build_plan(model, bits, scheme), model, changed)


def _change_preset(defaults: PlanDefaults, arguments: argparse.Namespace) -> PlanDefaults:
    """The defaults of a preset, with the options that were given in their place."""
    span = defaults.activation_range
    changed = ActivationRange(
        CalibrationMethod(arguments.activation_method or span.method),
        span.percentile if arguments.percentile is None else arguments.percentile,
    )
    given = {
        "activations": ACTIVATIONS[arguments.activations] if arguments.activations else None,
        "group_size": arguments.group_size,
        "range_method": RangeMethod(arguments.weight_range) if arguments.weight_range else None,
        "weight_percentile": arguments.weight_percentile,
        "asymmetric": arguments.asymmetric,
        "reduce_range": arguments.reduce_range,
        "rounding": Rounding(arguments.rounding) if arguments.rounding else None,
        "per_tensor": arguments.per_tensor,
        "equalize": arguments.equalize,
        "input_scaling": InputScaling(arguments.scale_inputs) if arguments.scale_inputs else None,
        "correct_bias": arguments.correct_bias,
        "distillation_steps": arguments.distill,
        "weight_only_kernel": Kernel(arguments.kernel) if arguments.kernel else None,
        "portable": arguments.portable,
    }
    known = {key: value for key, value in given.items() if value is not None}
    return dataclasses.replace(defaults, activation_range=changed, **known)


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
