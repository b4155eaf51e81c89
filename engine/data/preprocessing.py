"""From pixels to model inputs: resize, center crop, colour order, layout, x = (pixel · scale − mean) / std."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.errors import DataError

COLORS = ("RGB", "BGR", "L")
LAYOUTS = ("NCHW", "NHWC")
NOTE_KEYS = ("title", "description")
"""What a file may say for people; of no effect."""
LETTERBOX_GREY = 114
LARGEST_OFFSET = 1 << 31


@dataclass(frozen=True)
class Preprocessing:
    """How pixels become one model input. The names are the keys of the JSON file.

    Attributes:
        resize_short: length of the shorter side after a bilinear, antialiased resize, in pixels.
        resize: height and width after such a resize that ignores the aspect ratio.
        letterbox: height and width that the image is fitted into with its aspect ratio, centred, with a grey
            border of `LETTERBOX_GREY`, as YOLO networks want it. At most one of the three is given.
        crop: height and width of the center crop that follows.
        color: channel order that the model expects; "L" is one grey channel.
        layout: axis order that the model expects.
        scale, mean, std: x = (pixel · scale − mean) / std with pixels 0…255; mean and std have one
            entry or one per channel, in the order of `color`.
        label_offset: added to every label.
        input: the model input that gets the images; None where there is no choice.
    """

    resize_short: int | None = None
    resize: tuple[int, int] | None = None
    letterbox: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    color: str = "RGB"
    layout: str = "NCHW"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    label_offset: int = 0
    input: str | None = None

    @property
    def channels(self) -> int:
        """Channels of a prepared image."""
        return 1 if self.color == "L" else 3

    @property
    def changes_pixels(self) -> bool:
        """Whether anything but labels and the choice of the input is asked for."""
        return replace(self, label_offset=0, input=None) != Preprocessing()

    @property
    def _changes_size(self) -> bool:
        return any(value is not None for value in (self.resize_short, self.resize, self.letterbox, self.crop))

    @property
    def changes_values(self) -> bool:
        """Whether scale, mean or std do anything; images for integer inputs must do without."""
        return self.scale != 1.0 or any(self.mean) or any(value != 1.0 for value in self.std)

    def prepare(self, image: Image.Image, name: str) -> NDArray[np.uint8]:
        """Resize, crop and order the channels of one image → uint8 [height, width, channels].

        Raises:
            DataError: the image has more than 8 bits per channel or is smaller than the crop.
        """
        if image.mode.startswith(("I", "F")):
            raise DataError(f"{name} has more than 8 bits per channel (mode {image.mode}). Convert it to 8 bits.")
        image = image.convert("L" if self.color == "L" else "RGB")
        image = self._resize(image)
        if self.crop is not None:
            image = _center_crop(image, self.crop, name)
        pixels = np.asarray(image)
        if self.color == "L":
            return pixels[:, :, np.newaxis]
        return pixels[:, :, ::-1] if self.color == "BGR" else pixels

    def _resize(self, image: Image.Image) -> Image.Image:
        if self.letterbox is not None:
            return _letterbox(image, self.letterbox)
        if self.resize is not None:
            return image.resize(self.resize[::-1], Image.Resampling.BILINEAR)
        if self.resize_short is None or min(image.size) == self.resize_short:
            return image
        short, long = min(image.size), max(image.size)
        length = max(1, int(self.resize_short * long / short))
        is_wide = image.width >= image.height
        size = (length, self.resize_short) if is_wide else (self.resize_short, length)
        return image.resize(size, Image.Resampling.BILINEAR)

    def prepare_array(self, images: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
        """`prepare` for a stack of images, uint8 [B, height, width] or [B, height, width, 1 | 3 | 4] in RGB order."""
        pixels = images[..., np.newaxis] if images.ndim == 3 else images
        channels = pixels.shape[-1]
        if not self._changes_size and channels == self.channels:
            return pixels[..., ::-1] if self.color == "BGR" else pixels
        plain = pixels[..., 0] if channels == 1 else pixels
        return np.stack([self.prepare(Image.fromarray(np.ascontiguousarray(image)), name) for image in plain])

    def normalize(self, pixels: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Prepared images, uint8 [B, height, width, channels] → `dtype` in `layout`, computed in float32."""
        if np.issubdtype(dtype, np.floating):
            values: NDArray[Any] = pixels.astype(np.float32)
            if self.changes_values:
                values *= np.float32(self.scale)
                values -= np.asarray(self.mean, np.float32)
                values /= np.asarray(self.std, np.float32)
        else:
            values = pixels
        if self.layout == "NCHW":
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values, dtype)

    def to_json(self) -> str:
        """All fields, in a fixed order: what the digest of a dataset covers."""
        return json.dumps({field.name: getattr(self, field.name) for field in fields(self)}, sort_keys=True)


def load_preprocessing(path: Path) -> Preprocessing:
    """Read a preprocessing file.

    Raises:
        DataError: it is missing, no JSON object, or has unknown keys or impossible values.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Choose another preprocessing file.") from error
    except ValueError as error:
        raise DataError(f"{path.name} is no UTF-8 text ({error}). Choose another preprocessing file.") from error
    return parse_preprocessing(text, path.name)


def parse_preprocessing(text: str, source: str) -> Preprocessing:
    """The same from its text; `source` names it in messages.

    Raises:
        DataError: it is no JSON object, or has unknown keys or impossible values.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source} is no valid JSON ({error}). Correct it.") from error
    if not isinstance(values, dict):
        raise DataError(f"{source} must hold one JSON object with keys such as {', '.join(_READERS)}.")
    unknown = [key for key in values if key not in _READERS and key not in NOTE_KEYS]
    if unknown:
        raise DataError(f"{source} has the unknown key '{unknown[0]}'. Known keys are {', '.join(_READERS)}.")
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key in NOTE_KEYS:
            continue
        read, expected = _READERS[key]
        try:
            arguments[key] = read(value)
        except (TypeError, ValueError) as error:
            raise DataError(f"'{key}' in {source} must be {expected}, not {json.dumps(value)}.") from error
    preprocessing = Preprocessing(**arguments)
    sizes = [key for key in ("resize_short", "resize", "letterbox") if getattr(preprocessing, key) is not None]
    if len(sizes) > 1:
        raise DataError(f"{source} has both '{sizes[0]}' and '{sizes[1]}'. Give one of them.")
    for key, entries in (("mean", preprocessing.mean), ("std", preprocessing.std)):
        if len(entries) not in (1, preprocessing.channels):
            raise DataError(
                f"'{key}' in {source} has {len(entries)} entries. Give 1 or {preprocessing.channels}, "
                f"as color {preprocessing.color} has."
            )
    return preprocessing


def format_preprocessing(preprocessing: Preprocessing) -> str:
    """The text of a preprocessing file, without what is not used."""
    values = {field.name: getattr(preprocessing, field.name) for field in fields(preprocessing)}
    return json.dumps({key: value for key, value in values.items() if value is not None}, indent=2) + "\n"


def _letterbox(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    height, width = size
    scale = min(height / image.height, width / image.width)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new(image.mode, (width, height), (LETTERBOX_GREY,) * len(image.getbands()))
    canvas.paste(image.resize(inner, Image.Resampling.BILINEAR), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def _center_crop(image: Image.Image, crop: tuple[int, int], name: str) -> Image.Image:
    height, width = crop
    if image.height < height or image.width < width:
        raise DataError(
            f"{name} is {image.height}×{image.width} after the resize, smaller than the crop of {height}×{width}. "
            "Set a larger 'resize_short' or a smaller 'crop'."
        )
    top, left = (image.height - height) // 2, (image.width - width) // 2
    return image.crop((left, top, left + width, top + height))


def _read_positive(value: object) -> int:
    count = _read_integer(value)
    if count < 1:
        raise ValueError
    return count


def _read_integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _read_offset(value: object) -> int:
    offset = _read_integer(value)
    if abs(offset) > LARGEST_OFFSET:
        raise ValueError
    return offset


def _read_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise TypeError
    return float(value)


def _read_numbers(value: object) -> tuple[float, ...]:
    entries = value if isinstance(value, list) else [value]
    return tuple(_read_number(entry) for entry in entries)


def _read_divisors(value: object) -> tuple[float, ...]:
    entries = _read_numbers(value)
    if any(entry <= 0 for entry in entries):
        raise ValueError
    return entries


def _read_size(value: object) -> tuple[int, int]:
    if not isinstance(value, list):
        return (_read_positive(value),) * 2
    height, width = value
    return _read_positive(height), _read_positive(width)


def _read_one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return read


def _read_name(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _optional(read: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value is None else read(value)


_READERS: dict[str, tuple[Callable[[object], Any], str]] = {
    "resize_short": (_optional(_read_positive), "a number of pixels"),
    "resize": (_optional(_read_size), "[height, width] in pixels"),
    "letterbox": (_optional(_read_size), "[height, width] in pixels"),
    "crop": (_optional(_read_size), "[height, width] in pixels"),
    "color": (_read_one_of(COLORS), "one of " + ", ".join(COLORS)),
    "layout": (_read_one_of(LAYOUTS), "one of " + ", ".join(LAYOUTS)),
    "scale": (_read_number, "a number"),
    "mean": (_read_numbers, "a number or one per channel"),
    "std": (_read_divisors, "a positive number or one per channel"),
    "label_offset": (_read_offset, "an integer"),
    "input": (_optional(_read_name), "the name of a model input"),
}
