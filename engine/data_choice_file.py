"""A choice of data in a JSON file, for what options alone cannot say: samples left out, preprocessing in no file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from engine.errors import DataError
from engine.project.codec import decode
from engine.requests.data import DataChoice

SUFFIX = ".json"
KEY = "bitsmith_data"
VERSION = 1
LARGEST_BYTES = 256 << 20


def is_choice_path(path: str) -> bool:
    """Whether `path` can be such a file, and no samples."""
    return path.lower().endswith(SUFFIX)


def format_choice(choice: DataChoice) -> str:
    """The text of the file."""
    return json.dumps({KEY: VERSION, **dataclasses.asdict(choice)}, indent=2) + "\n"


def load_choice(path: Path) -> DataChoice:
    """Read such a file.

    Raises:
        DataError: it cannot be read, or is something else.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise DataError(f"{path} is too large for a choice of data. Choose another file.")
        document = json.loads(path.read_text("utf-8"))
        version = document.pop(KEY)
        if version != VERSION:
            raise DataError(f"{path} was written by a newer Bitsmith. Update Bitsmith to read it.")
        return decode(DataChoice, document)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Choose another data file.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path} is no choice of data, which bitsmith report writes. Choose a .npz, a .npy, a .txt or a folder."
        ) from error
