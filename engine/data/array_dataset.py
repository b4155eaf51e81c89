"""Samples in `.npy` and `.npz` files."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from typing_extensions import override

from engine.data.arrays import StoredArray, open_arrays
from engine.data.batches import Batch, Dataset, Sample
from engine.data.binding import Binding, Role, bind_arrays
from engine.data.preprocessing import Preprocessing
from engine.data.splitting import Rows
from engine.data.text import open_text
from engine.errors import DataError
from engine.job_context import JobContext
from engine.requests.data import DataChoice
from engine.summary import TensorSpec

TEXT_SUFFIX = ".txt"
_SCAN_BYTES = 16 << 20


class ArrayDataset(Dataset):
    """Arrays that are streamed row by row, by the rules of `engine.data.binding`."""

    def __init__(self, choice: DataChoice, inputs: tuple[TensorSpec, ...], preprocessing: Preprocessing | None) -> None:
        """Match the file's arrays with `inputs`; only headers, labels and the first image are read, or a whole text.

        Raises:
            DataError: the file does not fit the model.
        """
        path = Path(choice.path)
        is_text = path.suffix.lower() == TEXT_SUFFIX
        arrays = open_text(path, choice.tokenizer, inputs) if is_text else open_arrays(path)
        self._bindings = bind_arrays(arrays, inputs, preprocessing, path.name)
        self._preprocessing = preprocessing or Preprocessing()
        self._labels = self._read_labels()
        super().__init__(path, self._bindings.total, self._labels, choice, self._bindings.fixed_batch)
        self.is_tokens = any(entry.is_tokens for entry in self._bindings.entries)
        for entry in self._bindings.entries:
            if entry.is_image:
                _ensure_images_fit(entry, self._preprocessing)

    @property
    @override
    def description(self) -> str:
        """One line: the file, samples, arrays, labels."""
        parts = []
        for entry in self._bindings.entries:
            shape = entry.array.shape if entry.role is Role.CONSTANT else entry.array.shape[1:]
            size = "×".join(map(str, shape)) or "scalar"
            kind = "images " if entry.is_image else "constant " if entry.role is Role.CONSTANT else ""
            parts.append(f"{kind}{entry.array.name} {size} {entry.array.dtype}")
        unit = "sequence" if self.is_tokens else "sample"
        noun = unit if self.samples == 1 else f"{unit}s"
        ending = ", with labels" if self.has_labels else ""
        return f"{self.path.name}: {self.samples:,} {noun} of {', '.join(parts)}{ending}"

    @property
    @override
    def image_preprocessing(self) -> Preprocessing | None:
        """Of uint8 images that are the model's only input."""
        entries = self._bindings.entries
        return self._preprocessing if len(entries) == 1 and entries[0].is_image else None

    @override
    def first_image(self) -> tuple[bytes, str]:
        """The first image as a PNG file, which loses nothing."""
        array = self._bindings.entries[0].array
        image = _as_channels_last(array.take(np.asarray(self.rows[:1])), array)[0]
        stream = io.BytesIO()
        plain = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
        Image.fromarray(np.ascontiguousarray(plain)).save(stream, "PNG")
        return stream.getvalue(), ".png"

    @override
    def ensure_finite(self) -> None:
        """Read all samples and raise `DataError` if a value is NaN or infinite."""
        for entry in self._bindings.entries:
            if entry.array.dtype.kind == "f":
                _ensure_array_finite(entry, self.rows)

    @override
    def sample(self, position: int) -> Sample:
        row = np.asarray(self.rows[position : position + 1])
        number = int(row[0])
        label = int(self._labels[number]) if self._labels is not None else None
        image = next((entry for entry in self._bindings.entries if entry.is_image), None)
        picture = None
        if image is not None:
            values = _as_channels_last(image.array.take(row), image.array)[0]
            picture = values[..., np.newaxis] if values.ndim == 2 else values
        return Sample(f"{self.path.name} [{number}]", label, picture)

    @override
    def content_digests(self, context: JobContext, rows: Rows | None = None) -> list[bytes]:
        rows = range(self.total) if rows is None else rows
        digests = [hashlib.sha256() for _ in rows]
        for entry in self._bindings.entries:
            if entry.role is not Role.CONSTANT:
                for number, row in enumerate(_single_rows(entry.array, rows)):
                    context.report(number, len(rows), f"Reading {self.path.name}")
                    digests[number].update(f"{row.dtype}{row.shape}".encode() + row.tobytes())
        return [digest.digest() for digest in digests]

    @override
    def _stream(self, rows: Rows, size: int) -> Iterator[Batch]:
        streams = [self._values(entry, rows, size) for entry in self._bindings.entries]
        names = [entry.spec.name for entry in self._bindings.entries]
        for offset in range(0, len(rows), size):
            chosen = np.asarray(rows[offset : offset + size])
            values = [next(stream) for stream in streams]
            inputs = {name: value for name, (value, _) in zip(names, values, strict=True)}
            targets = next((target for _, target in values if target is not None), None)
            labels = self._labels[chosen] if self._labels is not None else None
            yield Batch(inputs, labels, targets, len(chosen))

    def _values(self, entry: Binding, rows: Rows, size: int) -> Iterator[tuple[NDArray[Any], NDArray[Any] | None]]:
        """What one input gets in each batch, and the next-token targets that come with tokens."""
        dtype = np.dtype(entry.spec.dtype)
        if entry.role is Role.CONSTANT:
            yield from repeat((_convert(entry.array.whole(), entry, rows), None))
        for chunk in _chunks(entry.array, rows, size):
            if entry.is_image:
                yield (
                    self._preprocessing.normalize(
                        self._preprocessing.prepare_array(_as_channels_last(chunk, entry.array), str(entry.array)),
                        dtype,
                    ),
                    None,
                )
            elif entry.is_tokens:
                yield _convert(chunk[:, :-1], entry, rows), chunk[:, 1:].astype(np.int64)
            else:
                yield _convert(chunk[0] if entry.role is Role.CALLS else chunk, entry, rows), None

    def _read_labels(self) -> NDArray[np.int64] | None:
        labels = self._bindings.labels
        if labels is None:
            return None
        return labels.whole().reshape(-1).astype(np.int64) + self._preprocessing.label_offset

    @override
    def _add_contents(self, digest: hashlib._Hash) -> None:
        with self.path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
        digest.update(self._preprocessing.to_json().encode())


def _chunks(array: StoredArray, rows: Rows, size: int) -> Iterator[NDArray[Any]]:
    """These rows, `size` at a time: streamed where they follow each other, picked otherwise."""
    if isinstance(rows, range):
        yield from array.chunks(rows.start, rows.stop, size)
        return
    for offset in range(0, len(rows), size):
        yield array.take(rows[offset : offset + size])


def _single_rows(array: StoredArray, rows: Rows) -> Iterator[NDArray[Any]]:
    row_bytes = max(1, int(np.prod(array.shape[1:])) * array.dtype.itemsize)
    for chunk in _chunks(array, rows, max(1, _SCAN_BYTES // row_bytes)):
        yield from chunk


def _convert(values: NDArray[Any], entry: Binding, rows: Rows) -> NDArray[Any]:
    """Cast to the input's dtype; refuse what that would change beyond rounding."""
    dtype = np.dtype(entry.spec.dtype)
    if dtype.kind in "iu" and values.dtype != dtype and values.size:
        limits = np.iinfo(dtype)
        if int(values.min()) < limits.min or int(values.max()) > limits.max:
            raise DataError(
                f"{entry.array} has values from {values.min()} to {values.max()}, outside the {dtype} of the model's "
                f"input '{entry.spec.name}'. Correct the data."
            )
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(values, dtype) if values.ndim else np.asarray(values, dtype)
    if dtype.kind == "f" and not np.isfinite(converted).all():
        _ensure_array_finite(entry, rows)
    return converted


def _ensure_array_finite(entry: Binding, rows: Rows) -> None:
    """Scan these rows, as cast to the input's dtype, and say how many values are bad and where the first is."""
    array, dtype = entry.array, np.dtype(entry.spec.dtype)
    if dtype.kind != "f":
        return
    if entry.role is Role.CONSTANT:
        chunks, size, rows = iter([array.whole()[np.newaxis]]), 1, range(1)
    else:
        row_bytes = max(1, int(np.prod(array.shape[1:])) * array.dtype.itemsize)
        size = max(1, _SCAN_BYTES // row_bytes)
        chunks = _chunks(array, rows, size)
    count, first = 0, None
    for index, chunk in enumerate(chunks):
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(chunk.astype(dtype, copy=False))
        per_sample = bad.reshape(len(chunk), -1).sum(axis=1)
        count += int(per_sample.sum())
        if first is None and count:
            first = int(rows[index * size + int(np.argmax(per_sample > 0))])
    if count:
        noun = "value" if count == 1 else "values"
        raise DataError(
            f"{array} has {count:,} NaN or infinite {noun} as {dtype}, the first in sample {first}. Correct the data."
        )


def _as_channels_last(images: NDArray[Any], array: StoredArray) -> NDArray[Any]:
    """uint8 images in any usual axis order → [B, height, width] or [B, height, width, channels]."""
    if images.ndim == 3:
        return images
    counts = (1, 3, 4)
    is_last, is_first = images.shape[3] in counts, images.shape[1] in counts
    if is_last == is_first:
        which = "both its second and its last axis" if is_last else "neither its second nor its last axis"
        raise DataError(
            f"{array} should be images, but {which} could be the colour channels. "
            "Save them as [N, height, width, 3] or [N, height, width]."
        )
    return images if is_last else images.transpose(0, 2, 3, 1)


def _ensure_images_fit(entry: Binding, preprocessing: Preprocessing) -> None:
    """Prepare the first image and compare its shape with the input's."""
    if not entry.array.shape[0]:
        return
    first = next(entry.array.chunks(0, 1, 1))
    pixels = preprocessing.prepare_array(_as_channels_last(first, entry.array), str(entry.array))
    ensure_image_fits(pixels[0].shape, entry.spec, preprocessing, str(entry.array))


def ensure_image_fits(shape: tuple[int, ...], spec: TensorSpec, preprocessing: Preprocessing, name: str) -> None:
    """Raise `DataError` unless a prepared image of [height, width, channels] fits `spec` and its dtype allows it."""
    height, width, channels = shape
    actual = (channels, height, width) if preprocessing.layout == "NCHW" else (height, width, channels)
    if any(isinstance(wanted, int) and wanted != size for wanted, size in zip(spec.shape[1:], actual, strict=True)):
        raise DataError(
            f"{name} becomes {list(actual)} after preprocessing, and the model's input '{spec.name}' expects "
            f"[{', '.join(map(str, spec.shape[1:]))}]. Correct 'crop', 'color' or 'layout' in the preprocessing file."
        )
    if not np.issubdtype(np.dtype(spec.dtype), np.floating) and preprocessing.changes_values:
        raise DataError(
            f"The model's input '{spec.name}' takes {spec.dtype} pixels, which 'scale', 'mean' and 'std' would turn "
            "into fractions. Leave them out of the preprocessing file."
        )
