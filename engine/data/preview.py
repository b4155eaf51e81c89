"""One sample as it lies in the file and as the network gets it, with what is odd about the values."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.data.array_dataset import TEXT_SUFFIX
from engine.data.arrays import open_arrays
from engine.data.batches import Batch, Dataset
from engine.data.binding import LABEL_NAMES
from engine.data.dataset import open_dataset
from engine.data.guessing import guess_preprocessing
from engine.data.image_dataset import UNREADABLE, list_images
from engine.errors import DataError
from engine.requests.data import ChannelStatistics, DataChoice, DataPreview, Guess, PreviewRequest, PreviewWarning
from engine.summary import ModelSummary

LARGEST_PICTURE = 320
SHOWN_CHANNELS = 8
SHOWN_TOKENS = 48
# Inputs of a normalized network are a few units large; raw pixels reach 255.
RAW_MAXIMUM = 30.0
OFF_CENTRE_STD = 10.0


def build_preview(request: PreviewRequest, model: ModelSummary) -> DataPreview:
    """Look at one sample; without preprocessing, it is guessed where the data are images.

    What does not fit is told in `DataPreview.problem` if there is a guess, so that the guess is not lost.

    Raises:
        DataError: data that cannot be opened, or do not fit the model.
    """
    data, guess = request.data, None
    image_size = find_image_size(data, model)
    if image_size is not None and not (data.preprocessing or data.preprocess):
        guess = guess_preprocessing(model, Path(data.path), image_size)
        data = dataclasses.replace(data, preprocessing=guess.preprocessing)
    is_image = image_size is not None
    try:
        dataset = open_dataset(data, model.inputs)
        return _describe(dataset, request.index, model, data, guess, is_image=is_image)
    except DataError as error:
        if guess is None:
            raise
        return DataPreview(problem=str(error), guess=guess, is_image=is_image, preprocessing=guess.preprocessing)


def find_image_size(data: DataChoice, model: ModelSummary) -> tuple[int, int] | None:
    """Height and width of the first image, if the data are images for the only input of a model; else None.

    Raises:
        DataError: nothing there, or it cannot be read.
    """
    path = Path(data.path)
    if not path.exists():
        raise DataError(f"{path} does not exist. Choose another data file or folder.")
    if path.is_dir():
        first = list_images(path, Path(data.label_file) if data.label_file else None)[0].path
        try:
            with Image.open(first) as image:
                return image.height, image.width
        except UNREADABLE as error:
            raise DataError(f"{first} cannot be decoded ({error}). Repair or remove it.") from error
    if path.suffix.lower() == TEXT_SUFFIX or len(model.inputs) != 1 or len(model.inputs[0].shape) != 4:
        return None
    if path.suffix.lower() not in (".npz", ".npy"):
        return None
    for name, array in open_arrays(path).items():
        if array.dtype == np.uint8 and len(array.shape) in (3, 4) and name not in LABEL_NAMES:
            sizes = array.shape[1:]
            is_first = len(sizes) == 3 and sizes[0] in (1, 3, 4) and sizes[-1] not in (1, 3, 4)
            return (sizes[1], sizes[2]) if is_first else (sizes[0], sizes[1])
    return None


def find_warnings(channels: tuple[ChannelStatistics, ...], *, is_image: bool) -> tuple[PreviewWarning, ...]:
    """What makes these statistics unusual for the input of a network."""
    low, high = min(item.minimum for item in channels), max(item.maximum for item in channels)
    if low == high:
        return (PreviewWarning.CONSTANT,)
    if not is_image:
        return ()
    mean = sum(item.mean for item in channels) / len(channels)
    std = sum(item.std for item in channels) / len(channels)
    if low >= 0 and high > RAW_MAXIMUM:
        return (PreviewWarning.RAW,)
    if std > OFF_CENTRE_STD and abs(mean) > 1.5 * std:
        return (PreviewWarning.OFF_CENTRE,)
    if std < 1 / 255:
        return (PreviewWarning.SQUEEZED,)
    return ()


def _describe(
    dataset: Dataset, index: int, model: ModelSummary, data: DataChoice, guess: Guess | None, *, is_image: bool
) -> DataPreview:
    index = max(0, min(index, len(dataset.rows) - 1))
    sample, batch = dataset.sample(index), dataset.one(index)
    spec = model.inputs[0]
    values = batch.inputs[spec.name]
    is_last = is_image and dataset.image_preprocessing is not None and dataset.image_preprocessing.layout == "NHWC"
    channels = _channels(values, is_last=is_last)
    statistics = tuple(_statistics(channel) for channel in channels[:SHOWN_CHANNELS])
    is_inside = is_image and not np.issubdtype(values.dtype, np.floating)
    return DataPreview(
        index=index,
        samples=len(dataset.rows),
        name=sample.name,
        label=sample.label,
        before=None if sample.picture is None else _encode(sample.picture),
        before_size=None if sample.picture is None else sample.picture.shape[:2],
        after=_draw(channels),
        input=spec.name,
        shape=values.shape,
        dtype=str(values.dtype),
        channels=statistics,
        warnings=() if dataset.is_tokens or is_inside else find_warnings(statistics, is_image=is_image),
        guess=guess,
        is_image=is_image,
        is_tokens=dataset.is_tokens,
        has_labels=dataset.has_labels,
        preprocessing=data.preprocessing,
        text=_describe_tokens(batch) if dataset.is_tokens else "",
    )


def _channels(values: NDArray[Any], *, is_last: bool) -> NDArray[Any]:
    """One sample [1, …] → [channels, …]; what is no image is one channel."""
    sample = values[0] if values.ndim > 1 else values
    if sample.ndim != 3:
        return sample[np.newaxis]
    return sample.transpose(2, 0, 1) if is_last else sample


def _statistics(channel: NDArray[Any]) -> ChannelStatistics:
    exact = channel.astype(np.float64)
    return ChannelStatistics(float(exact.min()), float(exact.max()), float(exact.mean()), float(exact.std()))


def _draw(channels: NDArray[Any]) -> bytes | None:
    """The tensor as a picture: smallest value black, largest white, the first three channels red, green, blue."""
    if channels.ndim != 3 or min(channels.shape[1:]) < 2 or channels.shape[0] not in (1, 3):
        return None
    values = channels.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    pixels = ((values - low) * (255.0 / max(high - low, 1e-12))).round().astype(np.uint8)
    return _encode(pixels.transpose(1, 2, 0))


def _encode(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file with sides of at most `LARGEST_PICTURE`."""
    plain = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    image = Image.fromarray(np.ascontiguousarray(plain))
    image.thumbnail((LARGEST_PICTURE, LARGEST_PICTURE))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _describe_tokens(batch: Batch) -> str:
    ids = next(iter(batch.inputs.values())).reshape(-1)
    ending = " …" if ids.size > SHOWN_TOKENS else ""
    return " ".join(map(str, ids[:SHOWN_TOKENS])) + ending
