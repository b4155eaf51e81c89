"""How far the user wants recovery to go."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.recovery.targets import Rung, Target, TargetKind
from engine.requests.recovery import DEFAULT_RECOVERY_SECONDS

DEFAULT_TARGETS = {TargetKind.DROP: 1.0, TargetKind.SQNR: 20.0, TargetKind.PERPLEXITY: 5.0}


@dataclass(frozen=True)
class RecoverChoice:
    """What the page asks.

    Attributes:
        targets: a value for every kind, of which `kind` counts.
        rungs: those that may be tried; `Rung.START` always is.
    """

    kind: TargetKind = TargetKind.DROP
    targets: dict[TargetKind, float] = field(default_factory=lambda: dict(DEFAULT_TARGETS))
    seconds: float = DEFAULT_RECOVERY_SECONDS
    rungs: tuple[Rung, ...] = tuple(Rung)

    @property
    def target(self) -> Target:
        """When to stop."""
        return Target(self.kind, self.targets[self.kind])
