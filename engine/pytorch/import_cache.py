"""Converted models, kept in the user's cache folder under the SHA-256 of the file they came from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.cache_folder import cache_folder
from engine.errors import OutputError
from engine.job_context import JobContext
from engine.pytorch.example_inputs import Shapes

MODEL_NAME = "model.onnx"
KEPT = 12
# Part of every key: raise it when the conversion changes.
_VERSION = 2
_OPTIONS_NAME = f"{MODEL_NAME}.options.json"


@dataclass(frozen=True)
class ImportOptions:
    """What the user had to say so that a file could be converted.

    Attributes:
        is_trusted: its code could be run.
        input_shapes: name and shape of each input that the file does not tell.
    """

    is_trusted: bool = False
    input_shapes: Shapes = ()


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


def write_options(work: Path, options: ImportOptions) -> None:
    """Keep `options` with the model, in the folder that `new_import` yields; nothing if nothing had to be said."""
    if options != ImportOptions():
        document = {"is_trusted": options.is_trusted, "input_shapes": dict(options.input_shapes)}
        (work / _OPTIONS_NAME).write_text(json.dumps(document), encoding="utf-8")


def read_options(model: Path) -> ImportOptions:
    """Of a converted model in the cache."""
    try:
        document = json.loads(model.with_name(_OPTIONS_NAME).read_text(encoding="utf-8"))
        shapes = tuple((str(name), tuple(map(int, shape))) for name, shape in document["input_shapes"].items())
        return ImportOptions(bool(document["is_trusted"]), shapes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ImportOptions()


@contextlib.contextmanager
def new_import(sha256: str, shapes: Shapes, context: JobContext) -> Iterator[Path]:
    """Yield an empty folder to work in; `model.onnx` and what belongs to it move into the cache if the block succeeds.

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
