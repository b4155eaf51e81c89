"""What a project holds, as one immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.latency.figures import Latencies
from engine.plan import Plan
from engine.project.runs import Run
from engine.requests.allocation import PolishStep
from engine.requests.benchmark import BenchmarkPoint
from engine.requests.data import DataChoice, DataSummary
from engine.sensitivity.matrix import Sensitivity
from engine.summary import ModelSummary

PROJECT_SUFFIX = ".bitsmith"


def is_project_path(path: object) -> bool:
    """Whether a file of this name is a project."""
    return str(path).lower().endswith(PROJECT_SUFFIX)


@dataclass(frozen=True)
class ModelReference:
    """Which model a project is about.

    Attributes:
        path: where it was last.
        sha256, file_bytes: as in `ModelSummary`; the bytes count external data, the digest does not.
    """

    path: str
    sha256: str
    file_bytes: int

    def is_same(self, model: ModelSummary) -> bool:
        """Whether an opened model is this one."""
        return (self.sha256, self.file_bytes) == (model.sha256, model.file_bytes)


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
class CalibrationFile:
    """Statistics of activations, as `engine.calibration` writes them, and what they were collected on."""

    path: Path
    data_digest: str
    samples: int


@dataclass(frozen=True)
class WindowState:
    """What was looked at."""

    metric: str = ""
    selected: str = ""
    page: str = ""


@dataclass(frozen=True)
class Project:
    """Everything but the model.

    Attributes:
        baseline: the plan that undoing everything brings back.
        origin: the run that `plan` was derived from, "" for none.
        runs_made: how many conversions there were, deleted ones included.
        is_analysed: `sensitivity` is a finished analysis, not what a cancelled one left.
        float_benchmark: the figures of the model itself.
        extra, extra_members: fields and parts of other versions, written back as they are.
    """

    model: ModelReference
    plan: Plan
    baseline: Plan
    data: LoadedData | None = None
    sensitivity: Sensitivity | None = None
    is_analysed: bool = False
    latencies: Latencies | None = None
    measured: tuple[PolishStep, ...] = ()
    float_benchmark: BenchmarkPoint | None = None
    calibration: CalibrationFile | None = None
    runs: tuple[Run, ...] = ()
    runs_made: int = 0
    origin: str = ""
    window: WindowState = WindowState()
    extra: Mapping[str, Any] = field(default_factory=dict)
    extra_members: Mapping[str, bytes] = field(default_factory=dict)
