"""Calibration, sensitivity with its forecast, and diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.numerics.schemes import CalibrationMethod
from engine.plan import Plan
from engine.requests.data import DEFAULT_CALIBRATION_SAMPLES, DataChoice


class AnalysisMethod(StrEnum):
    """How sensitivity is measured: `quick` at each layer's own output, `loss` by gradients, `exact` end to end."""

    QUICK = "quick"
    LOSS = "loss"
    EXACT = "exact"


@dataclass(frozen=True)
class CalibrateRequest:
    """Collect activation statistics into a file → `CalibrateResult`.

    `method` is a note in the file: how ranges are read from it unless a plan says otherwise.
    """

    model: str
    data: DataChoice
    output: str
    samples: int = DEFAULT_CALIBRATION_SAMPLES
    method: CalibrationMethod | None = None


@dataclass(frozen=True)
class CalibrateResult:
    """A calibration file."""

    output: str
    samples: int
    tensors: int
    digest: str


@dataclass(frozen=True)
class AnalyzeRequest:
    """What every layer loses at every bit width → `Sensitivity`; a `SensitivityRow` arrives per finished layer.

    Attributes:
        is_racing: exact only: stop a cell as soon as its place is decided; figures get rougher, not ranks.
        is_fresh: exact only: measure anew what an earlier, cancelled run has measured already.
    """

    model: str
    data: DataChoice
    plan: Plan
    bits: tuple[int, ...] = (16, 8, 4, 2)
    samples: int = 64
    method: AnalysisMethod = AnalysisMethod.QUICK
    is_racing: bool = False
    is_fresh: bool = False


@dataclass(frozen=True)
class DiagnoseRequest:
    """Why layers lose what they lose under a plan → `Diagnosis`; a `LayerDiagnosis` arrives per layer.

    Attributes:
        layers: names; all layers by default.
    """

    model: str
    data: DataChoice
    plan: Plan
    samples: int = 64
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForecastRequest:
    """How long an exact analysis would take, from a timed trial → `Forecast`."""

    analysis: AnalyzeRequest


@dataclass(frozen=True)
class Forecast:
    """Cost of an analysis.

    Attributes:
        seconds: of what is left to measure.
        cells: to measure in all; `done_cells` of them were found from an earlier run.
    """

    seconds: float
    cells: int
    done_cells: int = 0
