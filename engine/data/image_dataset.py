"""Folders of images: class sub-folders, a `labels.csv`, or no labels at all."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from typing_extensions import override

from engine.data.array_dataset import ensure_image_fits
from engine.data.batches import Batch, Dataset
from engine.data.preprocessing import Preprocessing
from engine.errors import DataError
from engine.summary import TensorSpec

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
LABELS_FILE = "labels.csv"
_UNREADABLE = (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError)


@dataclass(frozen=True)
class ListedImage:
    """A file and its class number, before `label_offset`; None without labels."""

    path: Path
    label: int | None


class ImageDataset(Dataset):
    """Images that are decoded batch by batch."""

    def __init__(self, path: Path, inputs: tuple[TensorSpec, ...], preprocessing: Preprocessing, skip: int) -> None:
        """List the folder and decode the first image.

        Raises:
            DataError: no images, several inputs, or a first image that does not fit the model.
        """
        self._spec = _choose_input(path, inputs, preprocessing)
        self._images = list_images(path)
        fixed = self._spec.shape[0]
        super().__init__(path, len(self._images), skip, fixed if isinstance(fixed, int) else None)
        self._preprocessing = preprocessing
        self.has_labels = self._images[0].label is not None
        self._decode(self._images[skip])

    @property
    @override
    def description(self) -> str:
        """One line: the folder, images, classes."""
        labels = {image.label for image in self._images}
        ending = f", {len(labels):,} classes" if self.has_labels else ", without labels"
        noun = "image" if self.samples == 1 else "images"
        return f"{self.path.name}: {self.samples:,} {noun}{ending}"

    @override
    def _stream(self, start: int, stop: int, size: int) -> Iterator[Batch]:
        dtype = np.dtype(self._spec.dtype)
        for offset in range(start, stop, size):
            chosen = self._images[offset : min(offset + size, stop)]
            pixels = [self._decode(image) for image in chosen]
            for image, values in zip(chosen, pixels, strict=True):
                if values.shape != pixels[0].shape:
                    raise DataError(
                        f"{image.path.name} is {_size(values)} after preprocessing and {chosen[0].path.name} is "
                        f"{_size(pixels[0])}. Set 'crop' in the preprocessing file so that all have one size."
                    )
            labels = [image.label + self._preprocessing.label_offset for image in chosen if image.label is not None]
            inputs = {self._spec.name: self._preprocessing.normalize(np.stack(pixels), dtype)}
            yield Batch(inputs, np.asarray(labels, np.int64) if self.has_labels else None, None, len(chosen))

    def _decode(self, listed: ListedImage) -> NDArray[np.uint8]:
        try:
            with Image.open(listed.path) as image:
                image.load()
                pixels = self._preprocessing.prepare(image, listed.path.name)
        except _UNREADABLE as error:
            raise DataError(f"{listed.path} cannot be decoded ({error}). Repair or remove it.") from error
        ensure_image_fits(pixels.shape, self._spec, self._preprocessing, listed.path.name)
        return pixels

    @override
    def _compute_digest(self) -> str:
        digest = hashlib.sha256()
        for image in self._images:
            name = image.path.relative_to(self.path) if image.path.is_relative_to(self.path) else image.path
            content = image.path.read_bytes()
            digest.update(f"{name.as_posix()}\0{len(content)}\0{image.label}\0".encode())
            digest.update(content)
        digest.update(self._preprocessing.to_json().encode())
        return digest.hexdigest()


def list_images(folder: Path) -> list[ListedImage]:
    """The images of a folder in the order in which they are used.

    With a `labels.csv` that is its order. With class sub-folders (class numbers follow their sorted
    names) one image of each class comes in turn, so that the first samples cover all classes.
    Without either, file names are sorted and there are no labels.

    Raises:
        DataError: no images, or labels that make no sense.
    """
    table = folder / LABELS_FILE
    if table.is_file():
        return _list_from_table(table)
    loose = [ListedImage(path, None) for path in sorted(folder.iterdir()) if _is_image(path)]
    classes = [paths for child in sorted(folder.iterdir()) if child.is_dir() and (paths := _images_below(child))]
    if loose and classes:
        raise DataError(
            f"{folder.name} has images both beside and inside its sub-folders. Move them into class folders, "
            f"or add a {LABELS_FILE} with the columns file,label."
        )
    if not loose and not classes:
        raise DataError(f"{folder.name} has no images ({', '.join(EXTENSIONS)}). Choose another folder.")
    if loose:
        return loose
    labelled = [[ListedImage(path, label) for path in paths] for label, paths in enumerate(classes)]
    return [image for turn in zip_longest(*labelled) for image in turn if image is not None]


def _list_from_table(table: Path) -> list[ListedImage]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            if not {"file", "label"} <= set(reader.fieldnames or ()):
                raise DataError(f"{table} must have the columns file,label. Its first line names others; correct it.")
            listed = [_read_row(table, row, reader.line_num) for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"Cannot read {table} ({error}). Save it as UTF-8 text with the columns file,label.") from error
    if not listed:
        raise DataError(f"{table} lists no images. Add a line per image.")
    return listed


def _read_row(table: Path, row: dict[str, str | None], line: int) -> ListedImage:
    try:
        label = int(row["label"] or "")
    except ValueError as error:
        raise DataError(f"Line {line} of {table} has the label '{row['label']}'. Give a class number.") from error
    path = table.parent / (row["file"] or "")
    if not path.is_file():
        raise DataError(f"Line {line} of {table} names '{row['file']}', which is not there. Correct the line.")
    return ListedImage(path, label)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()


def _images_below(folder: Path) -> list[Path]:
    found = [Path(parent) / name for parent, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if _is_image(path))


def _choose_input(path: Path, inputs: tuple[TensorSpec, ...], preprocessing: Preprocessing) -> TensorSpec:
    if len(inputs) != 1:
        raise DataError(
            f"The image folder {path.name} can feed one input and the model has {len(inputs)}. "
            f"Save a .npz with the arrays {', '.join(spec.name for spec in inputs)}."
        )
    spec = inputs[0]
    if len(spec.shape) != 4:
        raise DataError(
            f"The model's input '{spec.name}' has rank {len(spec.shape)}, and images need rank 4. "
            "Give a .npz with an array of that shape."
        )
    return spec


def _size(pixels: NDArray[np.uint8]) -> str:
    return f"{pixels.shape[0]}×{pixels.shape[1]}"
