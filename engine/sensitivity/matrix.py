"""The layers × bits matrix of one metric, filled row by row; plain data with a JSON form."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import BitsmithError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class SensitivityRow:
    """One layer's cells.

    Attributes:
        layer: the layer's name.
        sqnr_db: by bit width, SQNR of the layer's output when its weight has these bits, in dB;
            infinite where nothing is lost. A bit width that is missing was not measured.
        stored_bytes: by bit width, what the weight takes in the file, scales included.
    """

    layer: str
    sqnr_db: Mapping[int, float]
    stored_bytes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Sensitivity:
    """The matrix, with what it was measured on."""

    model_sha256: str
    model_name: str
    method: str
    samples: int
    data_digest: str
    rows: Mapping[str, SensitivityRow]

    def sqnr_db(self, layer: str, bits: int) -> float | None:
        """One cell; None if it was not measured. 32 bits lose nothing."""
        if bits == 32:
            return math.inf
        row = self.rows.get(layer)
        return None if row is None else row.sqnr_db.get(bits)


def noise_to_signal(sqnr_db: float) -> float:
    """The ratio of noise to signal energy that an SQNR in dB stands for; 0 at infinity."""
    return math.pow(10.0, -sqnr_db / 10.0)


def predict_sqnr_db(sqnrs_db: list[float]) -> float:
    """SQNR of a network whose layers have these SQNRs, were their noises independent and passed on unchanged.

    A prediction to rank plans by, not a measurement: noise-to-signal ratios add.
    """
    noise = sum(noise_to_signal(value) for value in sqnrs_db)
    return math.inf if noise == 0 else -10.0 * math.log10(noise)


def sensitivity_to_json(sensitivity: Sensitivity) -> dict[str, Any]:
    """The matrix as a JSON document; infinity is written as null."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": sensitivity.model_name, "sha256": sensitivity.model_sha256},
        "method": sensitivity.method,
        "metric": "sqnr_db",
        "samples": sensitivity.samples,
        "data_digest": sensitivity.data_digest,
        "layers": {
            name: {
                str(bits): {
                    "sqnr_db": round(value, 3) if math.isfinite(value) else None,
                    "stored_bytes": row.stored_bytes.get(bits),
                }
                for bits, value in sorted(row.sqnr_db.items(), reverse=True)
            }
            for name, row in sensitivity.rows.items()
        },
    }


def load_sensitivity(path: Path) -> Sensitivity:
    """Read a sensitivity file.

    Raises:
        BitsmithError: missing, unreadable or malformed.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = {
            name: SensitivityRow(
                layer=name,
                sqnr_db={
                    int(bits): math.inf if cell["sqnr_db"] is None else float(cell["sqnr_db"])
                    for bits, cell in cells.items()
                },
                stored_bytes={int(bits): int(cell["stored_bytes"]) for bits, cell in cells.items()},
            )
            for name, cells in document["layers"].items()
        }
        return Sensitivity(
            model_sha256=document["model"]["sha256"],
            model_name=document["model"]["name"],
            method=document["method"],
            samples=document["samples"],
            data_digest=document["data_digest"],
            rows=rows,
        )
    except OSError as error:
        raise BitsmithError(f"Cannot read the sensitivity file {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BitsmithError(f"{path} is not a sensitivity file. Make one with: bitsmith analyze") from error
