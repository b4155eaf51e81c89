"""Tables of labels: CSV files that name an image and its class on every line.

The columns are found by their usual names, else the first column names the file and the second its class. Class
numbers are taken as they are; class names are numbered in sorted order, as class folders are. A further column may
give numbers a name.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DataError

FILE_COLUMNS = ("file", "filename", "file_name", "image", "image_file", "path", "image_path", "name", "id")
LABEL_COLUMNS = ("label", "class", "class_id", "label_id", "class_index", "category", "target", "y", "class_name")
NAME_COLUMNS = ("name", "class_name", "label_name")
DELIMITERS = ",;\t|"
LARGEST_NUMBER = (1 << 31) - 1
LARGEST_BYTES = 256 << 20


@dataclass(frozen=True)
class _Table:
    """The lines of a table below its header, each with its number, and which columns they have.

    Attributes:
        labels: what stands in the column of labels, by line.
        name_column: None without names beside the labels.
    """

    path: Path
    rows: list[tuple[int, list[str]]]
    file_column: int
    labels: list[str]
    name_column: int | None

    def numbers(self) -> list[int]:
        """The class number of every line.

        Raises:
            DataError: some are numbers and others are not.
        """
        return _number_classes(self.path, self.labels, [line for line, _ in self.rows])


def find_label_table(folder: Path) -> Path | None:
    """`labels.csv`, or the only CSV file of a folder; None if there is neither."""
    usual = folder / "labels.csv"
    if usual.is_file():
        return usual
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv" and path.is_file())
    return tables[0] if len(tables) == 1 else None


def read_label_table(table: Path, folder: Path) -> list[tuple[Path, int]]:
    """Every image with its class number, in the table's order; files are looked up in `folder`, then beside the table.

    Raises:
        DataError: no such columns, a file that is not there, or a label that is none.
    """
    found = _read(table, folder)
    paths = [_find_image(table, folder, row[found.file_column].strip(), line) for line, row in found.rows]
    return list(zip(paths, found.numbers(), strict=True))


def read_class_names(table: Path, folder: Path) -> dict[int, str]:
    """The names of classes by number: the labels themselves where they are names, else a column of names.

    Raises:
        DataError: as for `read_label_table`.
    """
    found = _read(table, folder)
    if not any(_is_number(label) for label in found.labels):
        return dict(enumerate(sorted(set(found.labels))))
    column = found.name_column
    if column is None:
        return {}
    named = zip(found.numbers(), (row for _, row in found.rows), strict=True)
    return {number: row[column].strip() for number, row in named if len(row) > column and row[column].strip()}


def _read(table: Path, folder: Path) -> _Table:
    try:
        if table.stat().st_size > LARGEST_BYTES:
            raise DataError(
                f"{table} is too large for a table of labels. Give one of at most {LARGEST_BYTES >> 20} MB."
            )
        with table.open(newline="", encoding="utf-8-sig") as stream:
            start = stream.read(4096)
            stream.seek(0)
            rows = [(number, row) for number, row in enumerate(csv.reader(stream, _delimiter(start)), 1) if any(row)]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"Cannot read {table} ({error}). Save it as UTF-8 text with the columns file,label.") from error
    file_column, label_column, has_header = _find_columns(table, rows, folder)
    header = [cell.strip().lower() for cell in rows[0][1]] if has_header else []
    rows = rows[1:] if has_header else rows
    if not rows:
        raise DataError(f"{table} lists no images. Add a line per image.")
    for number, row in rows:
        if len(row) <= max(file_column, label_column) or not row[label_column].strip():
            raise DataError(f"Line {number} of {table} has no label. Give a class number or name.")
    taken = (file_column, label_column)
    name_column = next(
        (at for name in NAME_COLUMNS for at, cell in enumerate(header) if cell == name and at not in taken), None
    )
    return _Table(table, rows, file_column, [row[label_column].strip() for _, row in rows], name_column)


def _delimiter(start: str) -> type[csv.Dialect]:
    """The character that occurs most in the first line."""
    line = start.splitlines()[0] if start else ""
    best = max(DELIMITERS, key=line.count)

    class Dialect(csv.excel):
        delimiter = best

    return Dialect


def _find_columns(table: Path, rows: list[tuple[int, list[str]]], folder: Path) -> tuple[int, int, bool]:
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    file_column = next((header.index(name) for name in FILE_COLUMNS if name in header), None)
    label_column = next((header.index(name) for name in LABEL_COLUMNS if name in header), None)
    if file_column is not None and label_column is not None:
        return file_column, label_column, True
    if rows and len(rows[0][1]) == 2 and _is_image_of(folder, table, rows[0][1][0].strip()):
        return 0, 1, False
    raise DataError(
        f"{table} must have the columns file,label. Its first line names {', '.join(header) or 'none'}; correct it."
    )


def _is_image_of(folder: Path, table: Path, name: str) -> bool:
    return bool(name) and ((folder / name).is_file() or (table.parent / name).is_file())


def _find_image(table: Path, folder: Path, name: str, line: int) -> Path:
    for base in (folder, table.parent):
        if name and (base / name).is_file():
            return base / name
    raise DataError(f"Line {line} of {table} names '{name}', which is not there. Correct the line.")


def _number_classes(table: Path, texts: list[str], lines: list[int]) -> list[int]:
    if not any(map(_is_number, texts)):
        codes = {name: code for code, name in enumerate(sorted(set(texts)))}
        return [codes[text] for text in texts]
    for line, text in zip(lines, texts, strict=True):
        if not _is_number(text):
            raise DataError(
                f"Line {line} of {table} has the label '{text}', where others are numbers. Give a class number."
            )
        if abs(int(text)) > LARGEST_NUMBER:
            raise DataError(f"Line {line} of {table} has the label {text}, which is no class number. Correct it.")
    return [int(text) for text in texts]


def _is_number(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True
