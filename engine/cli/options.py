"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

from engine.cli.command import UsageError
from engine.cli.job import run_job
from engine.data_choice_file import is_choice_path, load_choice
from engine.errors import OutputError
from engine.job_context import JobContext
from engine.numerics.schemes import WEIGHT_BITS
from engine.plan import Plan, choose_layer_plan, select_layers
from engine.requests.conversion import DeviceChoice
from engine.requests.data import DataChoice
from engine.requests.opening import OpenRequest
from engine.summary import ModelSummary
from engine.user_files import preset_files


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


def data_files(arguments: argparse.Namespace) -> tuple[str | None, ...]:
    """The paths among what `add_data` collected."""
    return arguments.data, arguments.preprocess, arguments.label_file, arguments.tokenizer


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


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--device`."""
    parser.add_argument(
        "--device",
        type=DeviceChoice,
        choices=list(DeviceChoice),
        default=DeviceChoice.AUTO,
        help="what adaround, reconstruction and distillation run on: a GPU if there is one with memory enough (auto, "
        "the default), the CPU, which gives the same bytes every time (cpu), or a GPU even if memory is short (cuda)",
    )


def add_output(parser: argparse.ArgumentParser, metavar: str, what: str) -> None:
    """`-o`; parsers refuse a command without it."""
    parser.add_argument("-o", "--output", metavar=metavar, required=True, help=f"where to write {what}")


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
    """Raise `OutputError` if a result would overwrite one of the files that it is made from, in a folder or not."""
    try:
        target, exists = output.resolve(), output.exists()
        for source in filter(None, sources):
            path = Path(source)
            is_inside = exists and path.is_dir() and target.is_relative_to(path.resolve())
            if is_inside or target == path.resolve() or (exists and path.exists() and output.samefile(path)):
                raise OutputError(f"{output} is read by this command. Choose another output path.")
    except (OSError, ValueError) as error:
        raise OutputError(f"Cannot write {output} ({error}). Choose another output path.") from error


def ensure_not_weights(output: Path, model: str) -> None:
    """Raise `OutputError` if a result would overwrite a file in which the model, opened before, keeps weights."""
    from engine.jobs.operations.opened_models import open_cached
    from engine.model.opening import ensure_keeps_weights

    ensure_keeps_weights(open_cached(model).source, output)


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
