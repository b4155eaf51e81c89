"""The file of a project: a zip of named members, written whole or not at all and read with distrust.

Nothing is ever extracted under a name that the file chooses. Limits hold for what is decompressed, not for what
the headers say.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import uuid
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from engine.errors import OutputError, ProjectError

MAX_MEMBERS = 20_000
MAX_MEMBER_BYTES = 256 << 20
MAX_TOTAL_BYTES = 1 << 30
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,3}")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1


def write_container(path: Path, members: Mapping[str, bytes]) -> None:
    """Write all members; they are on the disk before the file gets its name. It keeps its permissions.

    Raises:
        OutputError: the folder is missing, read-only or full, or the members are more than can be read again.
    """
    if len(members) > MAX_MEMBERS or sum(map(len, members.values())) > MAX_TOTAL_BYTES:
        raise OutputError(f"{path} would be larger than a project can be. Delete runs or measured plans first.")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.bitsmith-tmp")
    try:
        with temporary.open("xb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in members.items():
                    archive.writestr(name, content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}. Choose another folder.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_container(path: Path) -> dict[str, bytes]:
    """All members by name.

    Raises:
        ProjectError: missing, no such file, damaged, or beyond the limits.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_members(archive, path)
    except OSError as error:
        raise ProjectError(f"Cannot read the project {path}: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ProjectError(f"{path} is not a Bitsmith project, or it is damaged: {error}.") from error


def _read_members(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise ProjectError(f"{path} has {len(infos)} parts, more than a project ever has. It is not opened.")
    members: dict[str, bytes] = {}
    total = 0
    for info in infos:
        if not SAFE_NAME.fullmatch(info.filename) or info.filename in members:
            raise ProjectError(f"{path} has a part named {info.filename!r}, which no project has. It is not opened.")
        if info.compress_type not in METHODS or info.flag_bits & ENCRYPTED:
            raise ProjectError(f"{path} is encrypted or packed in a way that Bitsmith never uses. It is not opened.")
        limit = min(MAX_MEMBER_BYTES, MAX_TOTAL_BYTES - total)
        with archive.open(info) as member:
            content = member.read(limit + 1)
        if len(content) > limit:
            raise ProjectError(f"{path} would take more than {limit >> 20} MB in memory. It is not opened.")
        total += len(content)
        members[info.filename] = content
    return members
