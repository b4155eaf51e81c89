"""PyTorch's zip archives: which kind a file is, and its members by name, without loading any of them.

Sources: torch/serialization.py, torch/csrc/jit/serialization (TorchScript), torch/export/pt2_archive/constants.py.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import IO

from engine.errors import ModelError

ZIP_MAGIC = b"PK\x03\x04"
MAX_COMPRESSED_BYTES = 512 << 20
"""Of members that are compressed, which PyTorch does with code and notes only."""


class ArchiveKind(StrEnum):
    """What a zip archive holds."""

    EXPORTED_PROGRAM = "ExportedProgram"
    TORCH_SCRIPT = "TorchScript"
    CHECKPOINT = "checkpoint"
    UNKNOWN = "unknown"


class Archive:
    """An open archive; names are without the folder that PyTorch puts around everything.

    Attributes:
        members: by name, in archive order.
    """

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path = path
        self._file = file
        self.members = _strip_folder(_checked_members(path, file))

    @cached_property
    def kind(self) -> ArchiveKind:
        """Told by the members that its loader looks for."""
        names = set(self.members)
        if "archive_format" in names or any(name.startswith("models/") for name in names):
            return ArchiveKind.EXPORTED_PROGRAM
        if "data.pkl" in names and ("constants.pkl" in names or any(name.startswith("code/") for name in names)):
            return ArchiveKind.TORCH_SCRIPT
        if "data.pkl" in names and names & {"version", ".data/version"}:
            return ArchiveKind.CHECKPOINT
        return ArchiveKind.UNKNOWN

    @property
    def stored_bytes(self) -> int:
        """What all members take when unpacked."""
        return sum(member.file_size for member in self.members.values())

    def read(self, name: str) -> bytes:
        """A whole member."""
        return self._file.read(self.members[name])

    def open(self, name: str) -> IO[bytes]:
        """A member as a stream."""
        return self._file.open(self.members[name])

    def starts_with(self, name: str, length: int) -> bytes:
        """The first bytes of a member."""
        with self.open(name) as stream:
            return stream.read(length)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive for reading.

    Raises:
        ModelError: no readable zip, or one that two readers could understand differently.
    """
    try:
        with zipfile.ZipFile(path) as file:
            yield Archive(path, file)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is a damaged zip archive ({error}). Save or download it again.") from error


def _checked_members(path: Path, file: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [member for member in file.infolist() if not member.filename.endswith("/")]
    seen: set[str] = set()
    for member in members:
        name = member.filename
        # torch's reader looks names up without regard to case, so two spellings are two answers.
        if name.casefold() in seen:
            raise ModelError(f"{path} holds {name} twice, so what it contains is not certain. Save the model again.")
        seen.add(name.casefold())
        if not name or ".." in name.split("/") or name.startswith("/") or "\\" in name or "\0" in name:
            raise ModelError(f"{path} holds a member with the unsafe name {name!r}. Save the model again.")
        if member.flag_bits & 1:
            raise ModelError(f"{path} is encrypted. Unpack it, or save the model without a password.")
    packed = sum(member.file_size for member in members if member.compress_type != zipfile.ZIP_STORED)
    if packed > MAX_COMPRESSED_BYTES:
        raise ModelError(
            f"{path} unpacks to {packed / 1e6:,.0f} MB, and PyTorch itself compresses no weights. Save the model again."
        )
    return members


def _strip_folder(members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    tops = {member.filename.split("/", 1)[0] for member in members}
    has_folder = len(tops) == 1 and all("/" in member.filename for member in members)
    return {member.filename.split("/", 1)[1] if has_folder else member.filename: member for member in members}
