"""What was converted and measured in this session; values, replaced and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.jobs.requests import BenchmarkPoint, ConvertResult, DataChoice, DataSummary, Evaluation
from engine.plan import Plan
from engine.pytorch import is_packed_path


@dataclass(frozen=True)
class WantedData:
    """Data that the user asked for, not yet checked."""

    calibration: DataChoice
    evaluation: DataChoice | None
    samples: int


@dataclass(frozen=True)
class LoadedData:
    """Data that fits the model: calibration and evaluation never share a sample."""

    calibration: DataChoice
    calibration_summary: DataSummary
    evaluation: DataChoice | None
    evaluation_summary: DataSummary | None
    samples: int
    """How many samples calibrate."""


@dataclass(frozen=True)
class ResultEntry:
    """One converted model, the plan it came from, and what was measured on it."""

    converted: ConvertResult
    plan: Plan
    bits_per_weight: float
    evaluation: Evaluation | None = None
    benchmark: BenchmarkPoint | None = None

    @property
    def name(self) -> str:
        """The file name, which is unique in the session."""
        return Path(self.converted.output).name

    @property
    def is_packed(self) -> bool:
        """Packed PyTorch weights, which nothing here runs."""
        return is_packed_path(self.converted.output)

    @property
    def sqnr_db(self) -> float | None:
        """Measured against float: by evaluation, else by the conversion's own check."""
        if self.evaluation is not None and self.evaluation.sqnr_db is not None:
            return self.evaluation.sqnr_db
        return None if self.converted.is_drawn else self.converted.sqnr_db

    @property
    def top1_delta(self) -> float | None:
        """Top-1 minus the float model's on the same samples, in points."""
        found = self.evaluation
        if found is None or found.top1 is None or found.reference_top1 is None:
            return None
        return found.top1 - found.reference_top1
