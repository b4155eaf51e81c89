"""What recovery finds: frozen, picklable, plain."""

from __future__ import annotations

from dataclasses import dataclass

from engine.plan import Plan
from engine.recovery.targets import Ending, Rung
from engine.requests.conversion import ConvertResult, Evaluation


@dataclass(frozen=True)
class RecoverStep:
    """One plan, converted and measured.

    Attributes:
        layer: whose method was changed, for `Rung.MIX`.
        seconds: that converting and measuring took; 0 if an earlier run had measured it.
        elapsed: since the start of the run.
        is_best: better than all before.
        conversion: of the file that this step put at the output; None if it put none there.
    """

    rung: Rung
    plan: Plan
    found: Evaluation
    seconds: float
    elapsed: float
    is_best: bool
    layer: str = ""
    conversion: ConvertResult | None = None


@dataclass(frozen=True)
class RecoverResult:
    """All steps in order, the best of them, and the conversion that lies at the output."""

    steps: tuple[RecoverStep, ...]
    best: RecoverStep
    ending: Ending
    conversion: ConvertResult


@dataclass(frozen=True)
class RecoverForecast:
    """Seconds per rung that applies, in the order of trying; `Rung.MIX` takes what time is left."""

    seconds: tuple[tuple[Rung, float], ...]

    @property
    def total(self) -> float:
        """Of all rungs."""
        return sum(seconds for _, seconds in self.seconds)
