"""The names of a model's classes, where the data know them."""

from __future__ import annotations

from pathlib import Path

from engine.data.image_dataset import list_classes
from engine.data.labels import find_label_table, read_class_names
from engine.data.preprocessing import Preprocessing
from engine.errors import DataError

MOST_CLASSES = 1_000_000
LARGEST_BYTES = 64 << 20


def find_class_names(folder: Path, table: Path | None, preprocessing: Preprocessing) -> tuple[str, ...]:
    """One name per class of the model, "" for those that the image folder does not show; empty if it has no names.

    They are what a table of labels calls the classes (by default the folder's own), or the names of the class
    sub-folders. Numbers of `MOST_CLASSES` and more get none.

    Raises:
        DataError: a table that makes no sense.
    """
    table = table or find_label_table(folder)
    names = dict(enumerate(list_classes(folder))) if table is None else read_class_names(table, folder)
    shifted = {label + preprocessing.label_offset: _one_line(name) for label, name in names.items()}
    count = max((label for label in shifted if 0 <= label < MOST_CLASSES), default=-1) + 1
    return tuple(shifted.get(index, "") for index in range(count))


def load_class_names(path: Path) -> tuple[str, ...]:
    """Read a file with one class name per line, in the order of the model's output.

    Raises:
        DataError: it cannot be read.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise DataError(f"{path} is too large for a list of class names. Give one name per line.")
        return tuple(line.strip() for line in path.read_text("utf-8-sig").splitlines())
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read the class names in {path}. Give a UTF-8 text file, one name per line.") from error


def _one_line(name: str) -> str:
    return " ".join(name.split())
