"""Documents of older versions, brought up to this one step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

SCHEMA_VERSION = 1
Documents = dict[str, Any]
"""The JSON parts of a project by member name; `project.json` is the one that names the version."""

MIGRATIONS: Mapping[int, Callable[[Documents], Documents]] = {}
"""By version: what makes documents of that version documents of the next one. Version 1 is the first."""


def migrate(documents: Documents, version: int) -> Documents:
    """The documents as this version writes them; KeyError if a step is missing."""
    for step in range(version, SCHEMA_VERSION):
        documents = MIGRATIONS[step](documents)
    return documents
