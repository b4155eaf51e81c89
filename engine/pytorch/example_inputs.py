"""Inputs to trace a TorchScript model with: given, remembered by the archive, or annotated in its graph."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.pytorch.archive import Archive
from engine.pytorch.pickle_scan import find_foreign_globals

Shapes = tuple[tuple[str, tuple[int, ...]], ...]
TRACED_INPUTS = "traced_inputs.pkl"
_STORAGE_DTYPES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class InputSpec:
    """One tensor input: fixed shape and dtype (torch's name; None if unknown)."""

    name: str
    shape: tuple[int, ...]
    dtype: str | None = None


@dataclass(frozen=True)
class _Tensor:
    shape: tuple[int, ...]
    dtype: str


class _ShapeReader(pickle.Unpickler):
    """Reads the shapes of pickled tensors; every name in the pickle stands for a function of this module."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _read_tensor
        if (module, name) == ("torch.jit._pickle", "restore_type_tag"):
            return _first
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return pid[1]


def _read_tensor(dtype: str, _offset: int, size: tuple[int, ...], *_: object) -> _Tensor:
    return _Tensor(tuple(int(length) for length in size), dtype)


def _first(value: object, _tag: str) -> object:
    return value


def read_traced_inputs(archive: Archive) -> list[tuple[tuple[int, ...], str]] | None:
    """Shape and dtype of each argument that a traced archive was made with; None if it does not say."""
    if TRACED_INPUTS not in archive.members:
        return None
    data = archive.read(TRACED_INPUTS)
    if find_foreign_globals(data, is_script=True):
        return None
    try:
        found = _ShapeReader(io.BytesIO(data)).load()["forward"]
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, AttributeError, IndexError, EOFError):
        return None
    if not isinstance(found, list) or not found or not all(isinstance(item, _Tensor) for item in found):
        return None
    return [(item.shape, item.dtype) for item in found]


def choose_inputs(
    path: Path,
    names: Sequence[str],
    given: Shapes,
    traced: Sequence[tuple[tuple[int, ...], str]] | None,
    annotated: Mapping[str, tuple[tuple[int, ...], str]],
) -> list[InputSpec]:
    """One specification per input: as given, else as traced, else as annotated.

    Raises:
        ModelError: a shape is missing, or one is given for an input that the model does not have.
    """
    wanted = dict(given)
    if unknown := [name for name in wanted if name not in names]:
        raise ModelError(f"{path} has no input {unknown[0]!r}. Its inputs are: {', '.join(names)}.")
    known = dict(zip(names, traced, strict=True)) if traced is not None and len(traced) == len(names) else {}
    known = {**annotated, **known}
    missing = [name for name in names if name not in wanted and name not in known]
    if missing:
        options = " ".join(f"--input-shape {name}=1,3,224,224" for name in missing)
        raise ModelError(
            f"{path} does not say how large its inputs are ({', '.join(missing)}). Give the shapes, such as: {options}."
        )
    return [
        InputSpec(name, wanted.get(name) or known[name][0], known[name][1] if name in known else None) for name in names
    ]
