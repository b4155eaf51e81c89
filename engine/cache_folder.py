"""Where the platform keeps what can be made again; `XDG_CACHE_HOME` and `LOCALAPPDATA` are respected."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder(kind: str = "") -> Path:
    """Bitsmith's folder, or the part of it for one kind of content; it may not exist yet."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "bitsmith" / kind
