"""Preprocessing that a model most likely expects, from its input's shape, its first operator and its name.

It is a guess, and says from what: names of networks and sizes decide between conventions that nothing in an
ONNX file records. Whether it fits is for `engine.input_check` to find out.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.data.preprocessing import Preprocessing, load_preprocessing
from engine.errors import DataError
from engine.requests.data import Guess, GuessReason
from engine.summary import ModelSummary, TensorSpec
from engine.user_files import preset_files

KIND = "preprocess"
SUFFIX = ".preprocess.json"
DEFAULT_SIZE = 224
BACKGROUND_CLASSES = 1001
IMAGENET_CLASSES = 1000
# Operators that, right behind the input, normalize it inside the network.
INSIDE = frozenset({"Sub", "Mul", "Div", "Add", "BatchNormalization", "Cast"})
# Parts of model names, and the presets of their families; the first that occurs decides.
NAMES = (
    ("yolo", "yolo"),
    ("cifar", "cifar10"),
    ("inception", "imagenet_inception"),
    ("xception", "imagenet_inception"),
    ("caffe", "imagenet_caffe"),
    ("squeezenet", "imagenet_caffe"),
    ("vgg", "imagenet_caffe"),
    ("mobilenet_v1", "imagenet_tensorflow"),
    ("mobilenet_v2", "imagenet_tensorflow"),
    ("efficientnet-lite", "imagenet_tensorflow"),
    ("efficientnet_lite", "imagenet_tensorflow"),
)


@dataclasses.dataclass(frozen=True)
class PreprocessPreset:
    """A preprocessing file with a name for people."""

    name: str
    title: str
    description: str
    preprocessing: Preprocessing


def load_presets() -> tuple[PreprocessPreset, ...]:
    """The presets of the program and of the user's folder, by file name.

    Raises:
        DataError: a malformed file, which the sentence names.
    """
    found = []
    for name, path in preset_files(KIND).items():
        preprocessing = load_preprocessing(path)
        notes = json.loads(path.read_text("utf-8"))
        found.append(
            PreprocessPreset(name, str(notes.get("title", name)), str(notes.get("description", "")), preprocessing)
        )
    return tuple(found)


def find_preprocess(data: Path, model: Path) -> Path | None:
    """`preprocess.json` in an image folder, or a sibling `<name>.preprocess.json` named like data or model."""
    inside = data / "preprocess.json"
    if inside.is_file():
        return inside
    if not data.parent.is_dir():
        return None
    for candidate in sorted(data.parent.glob(f"*{SUFFIX}")):
        name = candidate.name.removesuffix(SUFFIX)
        if data.name.startswith(name) or name in model.stem:
            return candidate
    return None


def guess_preprocessing(model: ModelSummary, data: Path, image_size: tuple[int, int]) -> Guess:
    """What to start from for these images, of which one is `image_size` (height, width) pixels large.

    Raises:
        DataError: a preprocessing file that belongs to the data is malformed.
    """
    spec = model.inputs[0]
    path = find_preprocess(data, Path(model.path))
    if path is not None:
        return Guess(load_preprocessing(path).to_json(), "", (GuessReason.FILE,), path.name)
    name, reason = _choose_preset(model, spec)
    presets: Mapping[str, PreprocessPreset] = {preset.name: preset for preset in load_presets()}
    base = presets[name].preprocessing if name in presets else Preprocessing()
    fitted = fit_to_input(base, spec, image_size)
    reasons = [GuessReason.SHAPE, reason]
    if _classes_of(model) == BACKGROUND_CLASSES:
        fitted = dataclasses.replace(fitted, label_offset=1)
        reasons.append(GuessReason.BACKGROUND)
    return Guess(fitted.to_json(), name if name in presets else "", tuple(reasons), "")


def fit_to_input(preprocessing: Preprocessing, spec: TensorSpec, image_size: tuple[int, int] | None) -> Preprocessing:
    """The same values for another input: its layout, size and number of channels; the zoom before a crop is kept."""
    layout, channels, size = read_image_input(spec)
    color = "L" if channels == 1 else "RGB" if preprocessing.color == "L" else preprocessing.color
    mean, std = preprocessing.mean, preprocessing.std
    if channels == 1 and len(mean) > 1:
        mean = (round(float(np.mean(mean)), 4),)
    if channels == 1 and len(std) > 1:
        std = (round(float(np.mean(std)), 4),)
    values = dataclasses.replace(preprocessing, layout=layout, color=color, mean=mean, std=std, input=None)
    if not np.issubdtype(np.dtype(spec.dtype), np.floating):
        values = dataclasses.replace(values, scale=1.0, mean=(0.0,), std=(1.0,))
    own = preprocessing.crop or preprocessing.letterbox or preprocessing.resize
    wanted = size or own or (DEFAULT_SIZE, DEFAULT_SIZE)
    if image_size == wanted:
        return dataclasses.replace(values, resize_short=None, resize=None, letterbox=None, crop=None)
    if preprocessing.letterbox is not None:
        return dataclasses.replace(values, letterbox=wanted)
    if preprocessing.resize is not None or wanted[0] != wanted[1]:
        return dataclasses.replace(values, resize=wanted, resize_short=None, crop=None)
    zoom = 1.0
    if preprocessing.resize_short and preprocessing.crop:
        zoom = preprocessing.resize_short / min(preprocessing.crop)
    return dataclasses.replace(values, resize_short=round(wanted[0] * zoom), crop=wanted)


def read_image_input(spec: TensorSpec) -> tuple[str, int, tuple[int, int] | None]:
    """Layout, channels, and height and width (None where they are free) that an input of rank 4 declares.

    Raises:
        DataError: another rank.
    """
    if len(spec.shape) != 4:
        raise DataError(f"The model's input '{spec.name}' has rank {len(spec.shape)}, and images need rank 4.")
    _, first, middle, last = spec.shape
    is_last = last in (1, 3) and first not in (1, 3)
    channels, height, width = (last, first, middle) if is_last else (first, middle, last)
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return "NHWC" if is_last else "NCHW", channels if isinstance(channels, int) else 3, size


def _choose_preset(model: ModelSummary, spec: TensorSpec) -> tuple[str, GuessReason]:
    layout, channels, size = read_image_input(spec)
    readers = model.consumers.get(spec.name, ())
    name = Path(model.path).stem.lower()
    if spec.dtype == "uint8" or (readers and readers[0].op in INSIDE):
        return "raw_255", GuessReason.INSIDE
    for part, preset in NAMES:
        if part in name:
            return preset, GuessReason.NAME
    if channels == 1:
        return ("mnist", GuessReason.SIZE) if size == (28, 28) else ("raw_1", GuessReason.COMMON)
    if size == (32, 32):
        return "cifar10", GuessReason.SIZE
    if size == (299, 299):
        return "imagenet_inception", GuessReason.SIZE
    if layout == "NHWC":
        return "imagenet_tensorflow", GuessReason.LAYOUT
    return "imagenet_torchvision", GuessReason.COMMON


def _classes_of(model: ModelSummary) -> int | None:
    sizes = [size for output in model.outputs for size in output.shape[1:] if isinstance(size, int)]
    return max(sizes, default=None)
