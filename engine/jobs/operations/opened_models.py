"""The model that requests name, opened once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from engine.model.opened import Model, open_model
from engine.model.opening import external_stamps


def open_cached(path: str) -> Model:
    """The opened model; the last one stays open until its file, or one with weights beside it, changes."""
    try:
        stamp = Path(path).stat()
    except OSError:
        return open_model(path)
    model, stamps = _open_at(path, stamp.st_mtime_ns, stamp.st_size)
    try:
        is_same = external_stamps(model.source) == stamps
    except OSError:
        is_same = False  # opening says which file is gone
    if not is_same:
        _open_at.cache_clear()
        model, _ = _open_at(path, stamp.st_mtime_ns, stamp.st_size)
    return model


def forget_opened() -> None:
    """Open the next model anew, whatever its file."""
    _open_at.cache_clear()


@lru_cache(maxsize=1)
def _open_at(path: str, _modified_ns: int, _size: int) -> tuple[Model, tuple[str, ...]]:
    """The model, and what its files of weights were when it was opened."""
    model = open_model(path)
    return model, external_stamps(model.source)
