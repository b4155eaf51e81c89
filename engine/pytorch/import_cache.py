"""Converted models, kept in the user's cache folder under the SHA-256 of the file they came from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine.cache_folder import cache_folder
from engine.errors import OutputError
from engine.job_context import JobContext
from engine.pytorch.example_inputs import Shapes

MODEL_NAME = "model.onnx"
KEPT = 12
# Part of every key: raise it when the conversion changes.
_VERSION = 1


def import_folder() -> Path:
    """Where converted models are kept."""
    return cache_folder("imported")


def find_imported(sha256: str, shapes: Shapes) -> Path | None:
    """The converted model; without `shapes`, the one that was used last. Using it keeps it."""
    if shapes:
        folders = [_folder(sha256, shapes)]
    else:
        folders = sorted(import_folder().glob(f"{sha256}-{_VERSION}-*"), key=_modified, reverse=True)
    for folder in folders:
        if (folder / MODEL_NAME).is_file():
            os.utime(folder)
            return folder / MODEL_NAME
    return None


@contextlib.contextmanager
def new_import(sha256: str, shapes: Shapes, context: JobContext) -> Iterator[Path]:
    """Yield an empty folder to work in; its `model.onnx` and data move into the cache when the block succeeds.

    Raises:
        OutputError: the cache folder cannot be written.
    """
    target = _folder(sha256, shapes)
    work = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    context.on_temporary(work)
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        yield work
        context.check_cancelled()
        for file in work.iterdir():
            if not file.name.startswith(MODEL_NAME):
                file.unlink()
        with contextlib.suppress(OSError):  # another process may have been faster; both wrote the same
            os.replace(work, target)
        _prune(target)
    except OSError as error:
        raise OutputError(f"Cannot write to {import_folder()}: {error.strerror or error}. Free some space.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _folder(sha256: str, shapes: Shapes) -> Path:
    text = ";".join(f"{name}={','.join(map(str, shape))}" for name, shape in sorted(shapes))
    return import_folder() / f"{sha256}-{_VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _modified(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _prune(newest: Path) -> None:
    folders = sorted((item for item in import_folder().iterdir() if item.name[0] != "."), key=_modified, reverse=True)
    for folder in folders[KEPT:]:
        if folder != newest:
            shutil.rmtree(folder, ignore_errors=True)
