"""What recovery is to reach, and by which methods."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.requests.conversion import Evaluation


class TargetKind(StrEnum):
    """What is to be reached.

    `DROP`: at most so many points of top-1 lost against float, of agreement with it where there are no labels.
    `SQNR`: at least so many dB. `PERPLEXITY`: at most so many per cent more than float.
    """

    DROP = "drop"
    SQNR = "sqnr"
    PERPLEXITY = "perplexity"


@dataclass(frozen=True)
class Target:
    """When to stop."""

    kind: TargetKind
    value: float

    def reached(self, found: Evaluation) -> float | None:
        """What `found` has of the target, in its unit; None if it was not measured."""
        if self.kind == TargetKind.SQNR:
            return found.sqnr_db
        if self.kind == TargetKind.PERPLEXITY:
            if found.perplexity is None or not found.reference_perplexity:
                return None
            return 100.0 * (found.perplexity / found.reference_perplexity - 1.0)
        if found.top1 is not None and found.reference_top1 is not None:
            return found.reference_top1 - found.top1
        return None if found.agreement is None else 100.0 - found.agreement

    def is_met(self, found: Evaluation) -> bool:
        """Whether `found` is good enough."""
        value = self.reached(found)
        if value is None:
            return False
        return value >= self.value if self.kind == TargetKind.SQNR else value <= self.value


class Rung(StrEnum):
    """One kind of step, from seconds to minutes, in the order of trying.

    `START`: the plan as it is given, rounded to nearest. `CORRECT`: biases that take out the mean error.
    `EQUALIZE`: weight ranges evened out across layers. `SCALE`: weights scaled by what their inputs are like.
    `GPTQ`, `ADAROUND`: codes chosen by the second moments of the inputs. `MIX`: the method of single layers changed
    where the whole network gains by it. `RECONSTRUCT`: weights, scales and clips trained against the float network
    block by block. `DISTILL`: weights and scales trained as a whole.
    """

    START = "start"
    CORRECT = "correct"
    EQUALIZE = "equalize"
    SCALE = "scale"
    GPTQ = "gptq"
    ADAROUND = "adaround"
    MIX = "mix"
    RECONSTRUCT = "reconstruct"
    DISTILL = "distill"


class Ending(StrEnum):
    """Why the climb ended: target met, time up, or nothing left to try."""

    MET = "met"
    TIME = "time"
    TOP = "top"
