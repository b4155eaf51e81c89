"""What a window saves on the side, and how the next start finds what a crash or a power loss left.

Every window has a folder of its own in the user's state folder, with the autosaved project and a record of who
writes there: process id, when that process started, and the machine. A folder whose process is gone is left over;
so is one that its window gave up on purpose, because it holds work that was never saved under a name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ProjectError
from engine.project.codec import decode, encode
from engine.project.project import PROJECT_SUFFIX

RECORD, AUTOSAVE = "record.json", f"autosave{PROJECT_SUFFIX}"
SAME_START_S = 5.0
FORGOTTEN_S = 7 * 24 * 3600.0
MAX_RECORD_BYTES = 1 << 20


def state_folder() -> Path:
    """Bitsmith's folder for what must outlive a crash; `XDG_STATE_HOME` and `LOCALAPPDATA` are respected."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        is_mac = sys.platform == "darwin"
        usual = Path.home() / ("Library/Application Support" if is_mac else ".local/state")
        base = Path(os.environ.get("XDG_STATE_HOME") or usual)
    return base / "bitsmith"


@dataclass(frozen=True)
class Owner:
    """A process: its id alone may have been given to another one since."""

    pid: int
    started: float
    machine: str

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs; one on another machine is taken to be over, as containers change names."""
        if self.machine != socket.gethostname():
            return False
        import psutil  # for leftovers and autosaves, not for every start

        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.started) < SAME_START_S
            return bool(is_same and process.status() != psutil.STATUS_ZOMBIE)
        except (psutil.Error, ValueError):  # a damaged record may name a process that cannot be
            return False


def this_process() -> Owner:
    """The process that asks."""
    import psutil

    return Owner(os.getpid(), psutil.Process().create_time(), socket.gethostname())


@dataclass(frozen=True)
class Record:
    """What lies in a folder.

    Attributes:
        model: file name of the model.
        project: path of the project that the work belongs to, "" if it was never saved under a name.
        saved: when, in UTC, ISO 8601.
        owner: who writes there; None where a window gave it up on purpose.
    """

    model: str
    project: str
    saved: str
    layers: int
    measured_layers: int
    runs: int
    owner: Owner | None = None


@dataclass(frozen=True)
class Leftover:
    """Work that no window shows."""

    folder: Path
    record: Record

    @property
    def autosave(self) -> Path:
        """The project to restore."""
        return self.folder / AUTOSAVE


class RecoveryFolder:
    """A folder that this process owns; nothing is created before it is needed."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or _recoveries() / uuid.uuid4().hex

    @property
    def autosave(self) -> Path:
        """Where the project is saved on the side."""
        return self.path / AUTOSAVE

    def prepare(self) -> Path:
        """The folder, made if it is not there."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.path

    def write_record(self, record: Record) -> None:
        """Say what lies here; OSError if it cannot be written."""
        temporary = self.prepare() / f"{RECORD}.tmp"
        temporary.write_text(json.dumps(encode(record)), encoding="utf-8")
        os.replace(temporary, self.path / RECORD)

    def release(self) -> None:
        """Leave the work to the next start."""
        record = _read_record(self.path)
        if record is not None:
            with contextlib.suppress(OSError):
                self.write_record(dataclasses.replace(record, owner=None))

    def remove(self) -> None:
        """Drop the work."""
        shutil.rmtree(self.path, ignore_errors=True)


def find_leftovers() -> tuple[Leftover, ...]:
    """Work that no living process owns, the last saved first."""
    try:
        folders = list(_recoveries().iterdir())
    except OSError:
        return ()
    found = []
    for folder in folders:
        record = _read_record(folder)
        if _is_forgotten(folder):
            shutil.rmtree(folder, ignore_errors=True)
        if record is None or (record.owner is not None and record.owner.is_alive):
            continue
        if (folder / AUTOSAVE).is_file():
            found.append(Leftover(folder, record))
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return tuple(sorted(found, key=lambda leftover: leftover.record.saved, reverse=True))


def _is_forgotten(folder: Path) -> bool:
    """Whether a window made the folder long ago and ended before it wrote anything that could be restored."""
    try:
        has_content = any((folder / name).exists() for name in (RECORD, AUTOSAVE))
        return not has_content and time.time() - folder.stat().st_mtime > FORGOTTEN_S
    except OSError:
        return False


def claim(leftover: Leftover) -> RecoveryFolder:
    """Take work over, so that no other window does, and it is still there if this one crashes, too.

    Raises:
        ProjectError: another window was quicker.
    """
    folder = RecoveryFolder()
    try:
        os.replace(leftover.folder, folder.path)
        folder.write_record(dataclasses.replace(leftover.record, owner=this_process()))
    except OSError as error:
        raise ProjectError("This work is not there any more. Another window may have restored it.") from error
    return folder


def discard(leftover: Leftover) -> None:
    """Drop work for good."""
    shutil.rmtree(leftover.folder, ignore_errors=True)


def _recoveries() -> Path:
    return state_folder() / "recovery"


def _read_record(folder: Path) -> Record | None:
    try:
        with (folder / RECORD).open("rb") as file:
            return decode(Record, json.loads(file.read(MAX_RECORD_BYTES)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
