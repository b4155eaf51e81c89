"""What a position of a clip handle means for the plan, as plain functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from engine.plan import LayerPlan, Plan
from engine.requests.histograms import Histogram

LEAST_SHARE = 0.01
DECIMALS = 3
DIGITS = 4

Range = tuple[float, float]


def clip_share(found: Histogram, position: float, *, is_upper: bool) -> float:
    """The share of the full range that a handle at `position` leaves, 0.01 to 1."""
    full = found.full_max if is_upper else found.full_min
    share = position / full if full else 1.0
    return round(min(max(share, LEAST_SHARE), 1.0), DECIMALS)


def clip_ends(found: Histogram, share: float) -> Range:
    """Where both handles are then."""
    return found.full_min * share, found.full_max * share


def with_clip(choice: LayerPlan, share: float | None) -> LayerPlan:
    """The layer with this clip; None goes back to the range method."""
    return dataclasses.replace(choice, weights=dataclasses.replace(choice.weights, clip=share))


def moved_range(found: Histogram, current: Range, position: float, *, is_upper: bool) -> Range:
    """The range with one end at `position`, within the values that were seen."""
    low, high = current
    least = LEAST_SHARE * (found.full_max - found.full_min)
    if is_upper:
        smallest = max(low + least, 0.0)
        return low, _rounded(min(max(position, smallest), found.full_max))
    largest = min(high - least, 0.0)
    return _rounded(max(min(position, largest), found.full_min)), high


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def find_input_range(plan: Plan, readers: Iterable[str]) -> Range | None:
    """The range that is set by hand for what these layers read, whichever of them has it."""
    found = (plan.layer(name).input_range for name in readers)
    return next((wanted for wanted in found if wanted is not None), None)


def with_input_range(plan: Plan, readers: Iterable[str], wanted: Range | None) -> Plan:
    """The plan with a range for what these layers read; all that read the same values must be among them."""
    return plan.with_layers({name: dataclasses.replace(plan.layer(name), input_range=wanted) for name in readers})
