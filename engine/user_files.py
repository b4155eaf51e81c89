"""Presets that come with the program, and those that users add in their configuration folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

RESOURCES = Path(__file__).resolve().parents[1] / "resources"


def config_folder(kind: str = "") -> Path:
    """Where the user's own files of one kind belong; `XDG_CONFIG_HOME` and `APPDATA` are respected."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "bitsmith" / kind


def preset_files(kind: str) -> dict[str, Path]:
    """The JSON files of one kind by their stems, the program's own first; a user's file replaces its namesake."""
    found: dict[str, Path] = {}
    for folder in (RESOURCES / kind, config_folder(kind)):
        if folder.is_dir():
            found |= {path.stem: path for path in sorted(folder.glob("*.json"))}
    return found
