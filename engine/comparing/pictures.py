"""Samples as small pictures: what a model's input looked like before preprocessing."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.data.dataset import FOLDER_PREPROCESSING
from engine.data.preprocessing import Preprocessing, load_preprocessing, parse_preprocessing
from engine.requests.data import DataChoice

LARGEST_SIDE = 96
SMALLEST_SIDE = 4


def load_choice_preprocessing(choice: DataChoice) -> Preprocessing | None:
    """How the samples of this data became inputs; None if nothing says so."""
    if choice.preprocessing:
        return parse_preprocessing(choice.preprocessing, "The preprocessing")
    if choice.preprocess:
        return load_preprocessing(Path(choice.preprocess))
    own = Path(choice.path) / FOLDER_PREPROCESSING
    return load_preprocessing(own) if own.is_file() else None


def draw_picture(
    inputs: Mapping[str, npt.NDArray[Any]], position: int, preprocessing: Preprocessing | None
) -> bytes | None:
    """Sample `position` of a batch as PNG; None unless exactly one input is a grey or colour picture."""
    found = [_find_pixels(values, position) for values in inputs.values()]
    pictures = [picture for picture in found if picture is not None]
    if len(pictures) != 1:
        return None
    pixels = _to_bytes(pictures[0], preprocessing)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _find_pixels(values: npt.NDArray[Any], position: int) -> npt.NDArray[np.float32] | None:
    """float32 [height, width, 1 or 3]."""
    if values.ndim != 4 or position >= len(values):
        return None
    sample = values[position]
    if sample.shape[0] in (1, 3):
        sample = sample.transpose(1, 2, 0)
    is_picture = sample.shape[2] in (1, 3) and min(sample.shape[:2]) >= SMALLEST_SIDE
    return sample.astype(np.float32) if is_picture else None


def _to_bytes(values: npt.NDArray[np.float32], preprocessing: Preprocessing | None) -> npt.NDArray[np.uint8]:
    """Undo x = (pixel · scale − mean) / std; without knowing it, spread the values over black to white."""
    if preprocessing is not None and preprocessing.changes_values:
        mean, std = np.asarray(preprocessing.mean, np.float32), np.asarray(preprocessing.std, np.float32)
        values = (values * std + mean) / np.float32(preprocessing.scale)
    elif preprocessing is None:
        values = np.nan_to_num(values)
        least, most = float(values.min()), float(values.max())
        values = (values - least) * (255.0 / max(most - least, 1e-12))
    if preprocessing is not None and preprocessing.color == "BGR":
        values = values[..., ::-1]
    return np.ascontiguousarray(np.clip(np.rint(np.nan_to_num(values)), 0, 255).astype(np.uint8))
