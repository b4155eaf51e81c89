"""Data that the user asked for, before the engine has looked at it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.requests.data import DataChoice


@dataclass(frozen=True)
class WantedData:
    """Data that the user asked for, not yet checked."""

    calibration: DataChoice
    evaluation: DataChoice | None
    samples: int
