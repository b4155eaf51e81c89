"""Finding the preprocessing file that belongs to data, by name."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".preprocess.json"


def find_preprocess(data: Path, model: Path) -> Path | None:
    """`preprocess.json` in an image folder, or a sibling `<name>.preprocess.json` named like data or model."""
    inside = data / "preprocess.json"
    if inside.is_file():
        return inside
    if not data.parent.is_dir():
        return None
    for candidate in sorted(data.parent.glob(f"*{SUFFIX}")):
        name = candidate.name.removesuffix(SUFFIX)
        if data.name.startswith(name) or name in model.stem:
            return candidate
    return None
