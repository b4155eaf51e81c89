"""Where measured latencies are kept: one file per model, processor, runtime and way of running; the newest stay."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from engine.cache_folder import cache_folder
from engine.latency.figures import SCHEMA_VERSION, Latencies, latencies_from_json, latencies_to_json

KEPT_FILES = 64


def latency_path(key: Sequence[object]) -> Path:
    """The file for everything that the figures depend on, machine included."""
    text = json.dumps([SCHEMA_VERSION, *key], default=str)
    return cache_folder("latency") / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"


def load_latencies(path: Path) -> Latencies | None:
    """The cached figures; None if there are none that can be read."""
    try:
        found = latencies_from_json(json.loads(path.read_text(encoding="utf-8")))
        path.touch()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found


def save_latencies(latencies: Latencies, path: Path) -> None:
    """Keep the figures and drop those unused for longest; a cache that cannot be written costs time only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(latencies_to_json(latencies)), encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        files = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[KEPT_FILES:]:
            file.unlink(missing_ok=True)
