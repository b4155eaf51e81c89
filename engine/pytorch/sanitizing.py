"""A copy of an archive that holds only what was checked, so that torch never parses the user's own bytes.

Two zip readers can disagree about one file; they cannot about a file that was just written from what one
of them has read.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

from engine.pytorch.archive import Archive, ArchiveKind
from engine.pytorch.inspection import is_document, load_document, needed_members

_FOLDER = "archive"


def write_checked_copy(archive: Archive, target: Path) -> None:
    """Write what the loader needs of an archive without findings to `target`."""
    is_program = archive.kind == ArchiveKind.EXPORTED_PROGRAM
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as copy:
        for name in needed_members(archive):
            entry = zipfile.ZipInfo(f"{_FOLDER}/{name}")
            if is_program and is_document(name):
                copy.writestr(entry, json.dumps(load_document(archive, name)))
                continue
            entry.file_size = archive.members[name].file_size
            with archive.open(name) as source, copy.open(entry, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
