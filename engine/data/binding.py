"""Which array of a file feeds which model input, and how: the rules, on shapes alone.

With r the rank that the model declares for an input:

1. Rank r, axis 0 as long as there are samples: one row per sample (`ROWS`).
2. Rank r + 1: every entry along axis 0 is the whole input of one call (`CALLS`), so batches hold one.
3. Rank r − 1: one sample whose batch axis is missing; the axis is added.
4. Any other first dimension, where several inputs are given: the same value in every call (`CONSTANT`).
5. A rank-1 stream of integers, longer than one call, for a rank-2 integer input: windows of tokens.
6. uint8 images with preprocessing: one row per image, whatever the layout (`ROWS`, `is_image`).

What two rules could claim is refused.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.data.arrays import HeldArray, StoredArray, ensure_plain
from engine.data.preprocessing import Preprocessing
from engine.errors import DataError
from engine.summary import TensorSpec

LABEL_NAMES = ("y", "labels", "label")
DEFAULT_NAMES = ("x", "input", "images")
TOKENS_NAME = "tokens"
DEFAULT_SEQUENCE = 256
"""Tokens per window where the model leaves the length free."""
_NUMERIC_KINDS = ("b", "i", "u", "f")


class Role(enum.Enum):
    """How an array feeds an input."""

    ROWS = enum.auto()
    CALLS = enum.auto()
    CONSTANT = enum.auto()


@dataclass(frozen=True)
class Binding:
    """One input with its array; a constant has the shape of the input."""

    spec: TensorSpec
    array: StoredArray
    role: Role
    is_image: bool = False
    is_tokens: bool = False


@dataclass(frozen=True)
class Bindings:
    """All inputs with their arrays.

    Attributes:
        labels: class numbers [samples], or None.
        total: samples in the file.
        fixed_batch: the only batch size that fits; None if any does.
    """

    entries: tuple[Binding, ...]
    labels: StoredArray | None
    total: int
    fixed_batch: int | None


def bind_arrays(
    arrays: Mapping[str, StoredArray],
    inputs: tuple[TensorSpec, ...],
    preprocessing: Preprocessing | None,
    source: str,
) -> Bindings:
    """Match the arrays of the file `source` with the model's inputs.

    Raises:
        DataError: an input without an array, or shapes or dtypes that do not fit.
    """
    names = {spec.name for spec in inputs}
    labels = next((arrays[name] for name in LABEL_NAMES if name in arrays and name not in names), None)
    if labels is not None:
        labels = _as_labels(labels)
    chosen = _choose_arrays(arrays, inputs, source)
    found = [_classify(spec, array, preprocessing, is_only=len(inputs) == 1) for spec, array in chosen]
    if preprocessing is not None and preprocessing.changes_pixels and not any(entry.is_image for entry in found):
        raise DataError(
            f"Preprocessing prepares uint8 images for an input of rank 4, and {source} has none for this model: "
            f"{found[0].array}. Leave the preprocessing out."
        )
    total = _count_samples(found, labels, source)
    entries = tuple(_settle(entry, total, found) for entry in found)
    for entry in entries:
        if not entry.is_image:
            _ensure_shape(entry)
    return Bindings(entries, labels, total, _fixed_batch(entries, source))


def fixed_batch_of(inputs: tuple[TensorSpec, ...]) -> int | None:
    """The batch size that a model's input shapes dictate; None if it is free or there is no batch axis."""
    first_dimensions = [spec.shape[0] for spec in inputs if len(spec.shape) > 1]
    if not first_dimensions or any(isinstance(size, str) for size in first_dimensions):
        return None
    return int(first_dimensions[0])


def _choose_arrays(
    arrays: Mapping[str, StoredArray], inputs: tuple[TensorSpec, ...], source: str
) -> list[tuple[TensorSpec, StoredArray]]:
    if len(inputs) == 1:
        return [(inputs[0], _choose_only_array(arrays, inputs[0], source))]
    missing = [spec.name for spec in inputs if spec.name not in arrays]
    if missing:
        raise DataError(
            f"{source} has no array for the model's input '{missing[0]}'. It has {', '.join(arrays) or 'none'}; "
            f"save a .npz with the arrays {', '.join(spec.name for spec in inputs)}."
        )
    for spec in inputs:
        ensure_plain(arrays[spec.name])
    return [(spec, arrays[spec.name]) for spec in inputs]


def _choose_only_array(arrays: Mapping[str, StoredArray], spec: TensorSpec, source: str) -> StoredArray:
    preferred = [spec.name, *([TOKENS_NAME] if _is_integer(spec) else []), *DEFAULT_NAMES]
    for name in preferred:
        if name in arrays:
            ensure_plain(arrays[name])
            return arrays[name]
    others = [array for name, array in arrays.items() if name not in LABEL_NAMES]
    numeric = [array for array in others if array.dtype.kind in _NUMERIC_KINDS]
    if numeric:
        return numeric[0]
    for array in others:
        ensure_plain(array)
    raise DataError(f"{source} has no numeric array for the model's input '{spec.name}'. Save one under that name.")


def _is_integer(spec: TensorSpec) -> bool:
    return _kind_of(spec) in ("i", "u")


def _kind_of(spec: TensorSpec) -> str:
    """numpy's letter for the input's dtype; empty for strings, sequences and other things that numpy lacks."""
    try:
        return str(np.dtype(spec.dtype).kind)
    except TypeError:
        return ""


def _as_labels(array: StoredArray) -> StoredArray:
    ensure_plain(array)
    is_column = len(array.shape) == 2 and array.shape[1] == 1
    if array.dtype.kind not in "iu" or array.dtype == np.uint64 or not (len(array.shape) == 1 or is_column):
        raise DataError(f"{array} must hold one class number per sample: integers of shape [N]. Save them like that.")
    return array


def _classify(spec: TensorSpec, array: StoredArray, preprocessing: Preprocessing | None, *, is_only: bool) -> Binding:
    """The first guess, from ranks: ROWS stands for "rows or constant" until the sample count is known."""
    rank, array_rank = len(spec.shape), len(array.shape)
    _ensure_kind(spec, array)
    if array.name == TOKENS_NAME != spec.name and is_only and rank == 2 and array_rank == 2:
        return _classify_tokens(spec, array)
    if is_only and rank == 2 and array_rank == 1 and _is_integer(spec) and _is_stream(spec, array):
        return _classify_tokens(spec, _cut_stream(array, spec))
    is_chosen = preprocessing is not None and preprocessing.input in (None, spec.name)
    if is_chosen and array.dtype == np.uint8 and array_rank in (3, 4) and rank == 4:
        return Binding(spec, array, Role.ROWS, is_image=True)
    if array_rank == rank and rank:
        if rank == 1 and spec.shape[0] not in (1, array.shape[0]) and not isinstance(spec.shape[0], str):
            raise _shape_error(spec, array, [spec.shape[0]])
        is_unbatched = rank == 1 and isinstance(spec.shape[0], int) and spec.shape[0] > 1
        return _hold(spec, array) if is_unbatched and is_only else Binding(spec, array, Role.ROWS)
    if array_rank == rank + 1:
        if array.shape[0] == 1 and not is_only:
            return Binding(spec, HeldArray(array.source, array.name, np.asarray(array.whole()[0])), Role.CONSTANT)
        return Binding(spec, array, Role.CALLS)
    if array_rank == rank == 0:
        return _hold(spec, array) if is_only else Binding(spec, array, Role.CONSTANT)
    if array_rank == rank - 1 and (isinstance(spec.shape[0], str) or spec.shape[0] == 1):
        _ensure_dimensions(spec, array, array.shape, spec.shape[1:])
        return Binding(spec, HeldArray(array.source, array.name, array.whole()[np.newaxis]), Role.ROWS)
    raise _shape_error(spec, array, ["N", *spec.shape[1:]] if rank else [])


def _hold(spec: TensorSpec, array: StoredArray) -> Binding:
    """One call's whole input, as the only entry along a new first axis."""
    return Binding(spec, HeldArray(array.source, array.name, array.whole()[np.newaxis]), Role.CALLS)


def _classify_tokens(spec: TensorSpec, array: StoredArray) -> Binding:
    if array.dtype.kind not in "iu" or array.shape[1] < 2:
        raise DataError(f"{array} must hold integer token ids of shape [N, T + 1] with T of at least 1. Save it so.")
    return Binding(spec, array, Role.ROWS, is_tokens=True)


def _is_stream(spec: TensorSpec, array: StoredArray) -> bool:
    """Whether integers without a batch axis are more than one call takes."""
    length = spec.shape[1] if isinstance(spec.shape[1], int) else DEFAULT_SEQUENCE
    return array.dtype.kind in "iu" and array.shape[0] > length


def _cut_stream(array: StoredArray, spec: TensorSpec) -> HeldArray:
    """A stream of token ids [tokens] as windows [windows, sequence + 1] that share no token; a rest is left out."""
    width = (spec.shape[1] if isinstance(spec.shape[1], int) else DEFAULT_SEQUENCE) + 1
    count = array.shape[0] // width
    return HeldArray(array.source, array.name, array.whole()[: count * width].reshape(count, width))


def _ensure_kind(spec: TensorSpec, array: StoredArray) -> None:
    kind = _kind_of(spec)
    if kind not in _NUMERIC_KINDS:
        raise DataError(
            f"The model's input '{spec.name}' is {spec.dtype}, which data files cannot feed. Convert the model."
        )
    if array.dtype.kind not in _NUMERIC_KINDS:
        raise DataError(f"{array} is not numeric. Save numbers for the model's input '{spec.name}'.")
    if kind != "f" and array.dtype.kind == "f":
        raise DataError(f"{array} holds fractions and the model's input '{spec.name}' is {spec.dtype}. Save integers.")


def _count_samples(found: list[Binding], labels: StoredArray | None, source: str) -> int:
    """The number of samples that the arrays agree on."""
    certain = {entry.array.shape[0]: entry for entry in found if entry.role is Role.CALLS or entry.is_image}
    open_entries = [entry for entry in found if entry.role is Role.ROWS and not entry.is_image]
    if len(found) == 1 and open_entries:
        certain = {open_entries[0].array.shape[0]: open_entries[0]}
    if not certain and labels is not None and any(entry.array.shape[0] == labels.shape[0] for entry in open_entries):
        return labels.shape[0]
    if not certain:
        certain = {
            entry.array.shape[0]: entry
            for entry in open_entries
            if entry.array.shape[0] != 1 and entry.array.shape[0] != entry.spec.shape[0]
        }
    if len(certain) > 1:
        one, other = list(certain.values())[:2]
        raise DataError(
            f"{one.array} and {other.array} disagree on the number of samples: {one.array.shape[0]:,} and "
            f"{other.array.shape[0]:,}. Give both the same first dimension."
        )
    sizes = {entry.array.shape[0] for entry in open_entries}
    total = next(iter(certain), next(iter(sizes)) if len(sizes) == 1 else 1)
    if labels is not None and labels.shape[0] != total:
        raise DataError(
            f"{labels} has {labels.shape[0]:,} entries for {total:,} samples in {source}. Give one label per sample."
        )
    return total


def _settle(entry: Binding, total: int, found: list[Binding]) -> Binding:
    """Turn an open entry into rows or a constant, now that the number of samples is known."""
    if entry.role is not Role.ROWS or entry.is_image or len(found) == 1:
        return entry
    size, declared = entry.array.shape[0], entry.spec.shape[0]
    is_whole = size == declared and any(
        other.spec.shape[:1] != entry.spec.shape[:1] for other in found if other.spec.shape and other is not entry
    )
    is_constant = size != total or (is_whole and size > 1)
    return Binding(entry.spec, entry.array, Role.CONSTANT) if is_constant else entry


def _ensure_shape(entry: Binding) -> None:
    spec, shape = entry.spec, entry.array.shape
    if entry.role is Role.CALLS:
        _ensure_dimensions(spec, entry.array, shape[1:], spec.shape)
    elif entry.role is Role.CONSTANT:
        _ensure_dimensions(spec, entry.array, shape, spec.shape, leading=())
    elif entry.is_tokens:
        _ensure_dimensions(spec, entry.array, (shape[1] - 1,), spec.shape[1:])
    else:
        _ensure_dimensions(spec, entry.array, shape[1:], spec.shape[1:])


def _ensure_dimensions(
    spec: TensorSpec,
    array: StoredArray,
    shape: tuple[int, ...],
    declared: tuple[int | str, ...],
    leading: tuple[str, ...] = ("N",),
) -> None:
    """Compare the part of the array's shape that is a sample with what is declared; names fit any size."""
    for size, wanted in zip(shape, declared, strict=True):
        if isinstance(wanted, int) and size != wanted:
            raise _shape_error(spec, array, [*leading, *declared])


def _shape_error(spec: TensorSpec, array: StoredArray, expected: list[int | str]) -> DataError:
    shape = ", ".join(str(size) for size in expected)
    if array.dtype == np.uint8 and len(spec.shape) == 4 and len(array.shape) in (3, 4):
        advice = "These look like images: pass --preprocess with a file that gives color, layout, scale, mean and std."
    else:
        advice = "Save it in that shape."
    return DataError(f"{array} does not fit the model's input '{spec.name}', which expects [{shape}]. {advice}")


def _fixed_batch(entries: tuple[Binding, ...], source: str) -> int | None:
    """1 if entries are whole calls; else what the declared first dimensions and the constants dictate."""
    if all(entry.role is Role.CONSTANT for entry in entries) or any(entry.role is Role.CALLS for entry in entries):
        return 1
    rows = [entry.spec.shape[0] for entry in entries if entry.role is Role.ROWS]
    sizes = {size for size in rows if isinstance(size, int)}
    batch_names: set[Any] = {size for size in rows if isinstance(size, str)}
    for entry in entries:
        if entry.role is Role.CONSTANT:
            sizes |= {
                size for size, name in zip(entry.array.shape, entry.spec.shape, strict=True) if name in batch_names
            }
    if len(sizes) > 1:
        raise DataError(
            f"The arrays in {source} fix the batch to {' and '.join(map(str, sorted(sizes)))} at once. "
            "Give each sample's whole inputs along a new first axis."
        )
    return next(iter(sizes), None)
