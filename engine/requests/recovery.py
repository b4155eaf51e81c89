"""Accuracy recovery up to a target."""

from __future__ import annotations

from dataclasses import dataclass

from engine.plan import Plan
from engine.recovery.targets import Rung, Target
from engine.requests.conversion import DEFAULT_EVALUATION_SAMPLES, DeviceChoice
from engine.requests.data import DataChoice

DEFAULT_RECOVERY_SAMPLES = 256
DEFAULT_RECOVERY_SECONDS = 900.0


@dataclass(frozen=True)
class RecoverRequest:
    """Climb from cheap to costly methods until the target is met or time is up → `RecoverResult`.

    A `RecoverStep` arrives for every plan that was converted and measured. Whenever one is the best so far, its
    model, plan and manifest are moved to `output`, so that a cancelled run leaves them there. What an earlier run
    measured is not measured again: the best of that is written to `output` before anything new is tried, and its
    `ConvertResult` arrives.

    Attributes:
        plan: bits, kernels and schemes are kept; how codes are chosen is what changes.
        data: what layers read is learnt from it; labels are not used.
        evaluation: what every plan is measured on; must have no sample of `data`.
        samples, evaluation_samples: at most so many of either.
        rungs: those that may be tried; all by default.
        is_fresh: measure anew what an earlier, cancelled run has measured.
        device: as in `ConvertRequest`.
    """

    model: str
    plan: Plan
    data: DataChoice
    evaluation: DataChoice
    output: str
    target: Target
    samples: int = DEFAULT_RECOVERY_SAMPLES
    evaluation_samples: int = DEFAULT_EVALUATION_SAMPLES
    seconds: float = DEFAULT_RECOVERY_SECONDS
    rungs: tuple[Rung, ...] = tuple(Rung)
    is_fresh: bool = False
    device: DeviceChoice = DeviceChoice.AUTO


@dataclass(frozen=True)
class RecoverForecastRequest:
    """How long each rung would take, from a timed trial → `RecoverForecast`."""

    recovery: RecoverRequest
