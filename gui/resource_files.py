"""Where the files that come with the program lie: icons, translations and the bundled sample."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

RESOURCES = Path(__file__).resolve().parent.parent / "resources"
ICONS = RESOURCES / "icons"
TRANSLATIONS = RESOURCES / "translations"
APP_ICON = ICONS / "bitsmith.svg"
_SAMPLE = RESOURCES / "sample"


@dataclass(frozen=True)
class Sample:
    """The bundled model and its data."""

    model: str
    calibration_data: str
    test_data: str


def load_cividis() -> list[str]:
    """The 256 colours of the colour map, as #rrggbb from dark blue to yellow: plots, which know it, load slowly."""
    colors: list[str] = json.loads((RESOURCES / "cividis.json").read_text(encoding="utf-8"))["colors"]
    return colors


def load_sample() -> Sample | None:
    """The bundled sample, or None if it was not installed."""
    try:
        names = json.loads((_SAMPLE / "sample.json").read_text(encoding="utf-8"))
        return Sample(
            model=str(_SAMPLE / names["model"]),
            calibration_data=str(_SAMPLE / names["calibration_data"]),
            test_data=str(_SAMPLE / names["test_data"]),
        )
    except (OSError, ValueError, KeyError):
        return None
