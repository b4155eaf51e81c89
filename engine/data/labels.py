"""Tables of labels: CSV files that name an image and its class on every line.

The columns are found by their usual names, else the first column names the file and the second its class. Class
numbers are taken as they are; class names are numbered in sorted order, as class folders are.
"""

from __future__ import annotations

import csv
from pathlib import Path

from engine.errors import DataError

FILE_COLUMNS = ("file", "filename", "file_name", "image", "image_file", "path", "image_path", "name", "id")
LABEL_COLUMNS = ("label", "class", "class_id", "label_id", "class_index", "category", "target", "y", "class_name")
DELIMITERS = ",;\t|"


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
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            start = stream.read(4096)
            stream.seek(0)
            rows = [(number, row) for number, row in enumerate(csv.reader(stream, _delimiter(start)), 1) if any(row)]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"Cannot read {table} ({error}). Save it as UTF-8 text with the columns file,label.") from error
    file_column, label_column, has_header = _find_columns(table, rows, folder)
    rows = rows[1:] if has_header else rows
    if not rows:
        raise DataError(f"{table} lists no images. Add a line per image.")
    paths, texts = [], []
    for number, row in rows:
        if len(row) <= max(file_column, label_column) or not row[label_column].strip():
            raise DataError(f"Line {number} of {table} has no label. Give a class number or name.")
        paths.append(_find_image(table, folder, row[file_column].strip(), number))
        texts.append(row[label_column].strip())
    numbers = _number_classes(table, texts, [number for number, _ in rows])
    return list(zip(paths, numbers, strict=True))


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
    numeric = [_as_number(text) for text in texts]
    if all(number is None for number in numeric):
        codes = {name: code for code, name in enumerate(sorted(set(texts)))}
        return [codes[text] for text in texts]
    for line, text, number in zip(lines, texts, numeric, strict=True):
        if number is None:
            raise DataError(
                f"Line {line} of {table} has the label '{text}', where others are numbers. Give a class number."
            )
    return [number for number in numeric if number is not None]


def _as_number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
