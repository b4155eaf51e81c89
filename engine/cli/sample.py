"""Where the bundled sample lies, and what is known of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ModelError

# Beside `engine` in a checkout, in an editable install and in site-packages alike.
SAMPLE_FOLDER = Path(__file__).resolve().parents[2] / "resources" / "sample"


@dataclass(frozen=True)
class Sample:
    """A small trained network with data that it was not trained on; `float_top1` is in percent."""

    model: Path
    calibration_data: Path
    test_data: Path
    float_top1: float


def load_sample(folder: Path = SAMPLE_FOLDER) -> Sample:
    """Read `sample.json`.

    Raises:
        ModelError: the sample was not installed, or not whole.
    """
    try:
        document = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
        return Sample(
            model=folder / document["model"],
            calibration_data=folder / document["calibration_data"],
            test_data=folder / document["test_data"],
            float_top1=float(document["float_top1"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"The bundled sample is missing from {folder}. Install Bitsmith again.") from error
