"""The names of a model's classes, where the data know them."""

from __future__ import annotations

import csv
from pathlib import Path

from engine.data.labels import find_label_table
from engine.data.preprocessing import Preprocessing
from engine.errors import DataError

LABEL_COLUMN = "label"
NAME_COLUMN = "name"


def find_class_names(folder: Path, table: Path | None, preprocessing: Preprocessing) -> tuple[str, ...]:
    """One name per class of the model, "" for those that the image folder does not show; empty if it has no names.

    They come from the column `name` of the table of labels (by default the folder's own), or are the names that its
    column `label` has instead of numbers, or those of the class sub-folders, both in sorted order.
    """
    table = table or find_label_table(folder)
    if table is not None:
        names = _names_in(table)
    else:
        children = sorted(child.name for child in folder.iterdir() if child.is_dir() and any(child.iterdir()))
        names = dict(enumerate(children))
    shifted = {label + preprocessing.label_offset: _one_line(name) for label, name in names.items()}
    count = max((label for label in shifted if label >= 0), default=-1) + 1
    return tuple(shifted.get(index, "") for index in range(count))


def _names_in(table: Path) -> dict[int, str]:
    with table.open(newline="", encoding="utf-8-sig") as stream:
        rows = [(str(row.get(LABEL_COLUMN) or "").strip(), row.get(NAME_COLUMN)) for row in csv.DictReader(stream)]
    if all(label.isdecimal() for label, _ in rows):
        return {int(label): name for label, name in rows if name}
    return dict(enumerate(sorted({label for label, _ in rows if label})))


def load_class_names(path: Path) -> tuple[str, ...]:
    """Read a file with one class name per line, in the order of the model's output.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return tuple(line.strip() for line in path.read_text("utf-8-sig").splitlines())
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read the class names in {path}. Give a UTF-8 text file, one name per line.") from error


def _one_line(name: str) -> str:
    return " ".join(name.split())
