"""Folders of images: class sub-folders, a `labels.csv`, or no labels at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from typing_extensions import override

from engine.data.array_dataset import ensure_image_fits
from engine.data.batches import Batch, Dataset, Sample
from engine.data.labels import find_label_table, read_label_table
from engine.data.preprocessing import Preprocessing
from engine.data.splitting import Rows
from engine.errors import DataError
from engine.job_context import JobContext
from engine.requests.data import DataChoice
from engine.summary import TensorSpec

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
LABELS_FILE = "labels.csv"
UNREADABLE = (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError)


@dataclass(frozen=True)
class ListedImage:
    """A file and its class number, before `label_offset`; None without labels."""

    path: Path
    label: int | None


class ImageDataset(Dataset):
    """Images that are decoded batch by batch."""

    def __init__(self, choice: DataChoice, inputs: tuple[TensorSpec, ...], preprocessing: Preprocessing) -> None:
        """List the folder and decode the first image.

        Raises:
            DataError: no images, several inputs, or a first image that does not fit the model.
        """
        path = Path(choice.path)
        self._spec = _choose_input(path, inputs, preprocessing)
        self._images = list_images(path, Path(choice.label_file) if choice.label_file else None)
        self._preprocessing = preprocessing
        fixed = self._spec.shape[0]
        numbers = [image.label for image in self._images if image.label is not None]
        labels = np.asarray(numbers, np.int64) if numbers else None
        super().__init__(path, len(self._images), labels, choice, fixed if isinstance(fixed, int) else None)
        self._decode(self._images[self.rows[0]])

    @property
    @override
    def description(self) -> str:
        """One line: the folder, images, classes."""
        labels = {image.label for image in self._images}
        ending = f", {len(labels):,} classes" if self.has_labels else ", without labels"
        noun = "image" if self.samples == 1 else "images"
        return f"{self.path.name}: {self.samples:,} {noun}{ending}"

    @property
    @override
    def image_preprocessing(self) -> Preprocessing:
        """Of all images of the folder."""
        return self._preprocessing

    @override
    def first_image(self) -> tuple[bytes, str]:
        """The first file as it is."""
        path = self._images[self.rows[0]].path
        return _read_bytes(path), path.suffix.lower()

    @override
    def sample(self, position: int) -> Sample:
        listed = self._images[self.rows[position]]
        label = None if listed.label is None else listed.label + self._preprocessing.label_offset
        with _open_image(listed.path) as image:
            picture = np.asarray(image.convert("RGB"))
        return Sample(_relative(listed.path, self.path), label, picture)

    @override
    def content_digests(self, context: JobContext, rows: Rows | None = None) -> list[bytes]:
        images = self._images if rows is None else [self._images[row] for row in rows]
        digests = []
        for done, image in enumerate(images):
            context.report(done, len(images), f"Reading {self.path.name}")
            digests.append(hashlib.sha256(_read_bytes(image.path)).digest())
        return digests

    @override
    def _stream(self, rows: Rows, size: int) -> Iterator[Batch]:
        dtype = np.dtype(self._spec.dtype)
        for offset in range(0, len(rows), size):
            chosen = [self._images[row] for row in rows[offset : offset + size]]
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
        with _open_image(listed.path) as image:
            pixels = self._preprocessing.prepare(image, listed.path.name)
        ensure_image_fits(pixels.shape, self._spec, self._preprocessing, listed.path.name)
        return pixels

    @override
    def _add_contents(self, digest: hashlib._Hash) -> None:
        for image in self._images:
            content = _read_bytes(image.path)
            digest.update(f"{_relative(image.path, self.path)}\0{len(content)}\0{image.label}\0".encode())
            digest.update(content)
        digest.update(self._preprocessing.to_json().encode())


@contextlib.contextmanager
def _open_image(path: Path) -> Iterator[Image.Image]:
    """A decoded image.

    Raises:
        DataError: it cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            image.load()
            yield image
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be decoded ({error}). Repair or remove it.") from error


def _read_bytes(path: Path) -> bytes:
    """The file as it is.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Correct or remove it.") from error


def _relative(path: Path, folder: Path) -> str:
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def list_images(folder: Path, label_file: Path | None = None) -> list[ListedImage]:
    """The images of a folder in the order in which they are used.

    With a table of labels (`engine.data.labels`) that is its order. With class sub-folders (`list_classes`) one
    image of each class comes in turn, so that the first samples cover all classes. Without either, file names are
    sorted and there are no labels. Hidden files and folders are passed over.

    Raises:
        DataError: no images, or labels that make no sense.
    """
    table = label_file or find_label_table(folder)
    if table is not None:
        return [ListedImage(path, label) for path, label in read_label_table(table, folder)]
    loose = [ListedImage(path, None) for path in _sorted(folder.iterdir()) if _is_image(path)]
    classes = list(_class_images(folder).values())
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


def list_classes(folder: Path) -> tuple[str, ...]:
    """The names of the class sub-folders, those that hold images, in the order of their class numbers."""
    return tuple(_class_images(folder))


def _class_images(folder: Path) -> dict[str, list[Path]]:
    children = [child for child in _sorted(folder.iterdir()) if child.is_dir() and not _is_hidden(child.name)]
    return {child.name: paths for child in children if (paths := _images_below(child))}


def _is_hidden(name: str) -> bool:
    """Also the copies that notebooks keep in `.ipynb_checkpoints`, which would count as a class."""
    return name.startswith(".")


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not _is_hidden(path.name) and path.is_file()


def _images_below(folder: Path) -> list[Path]:
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        found += [Path(parent) / name for name in names]
    return _sorted(path for path in found if _is_image(path))


def _sorted(paths: Iterable[Path]) -> list[Path]:
    """In the order of their names, upper case first, which `sorted` alone gives on no Windows."""
    return sorted(paths, key=lambda path: path.parts)


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
