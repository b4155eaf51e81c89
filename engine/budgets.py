"""Budgets read into limits: a capacity, what a candidate uses of it, and how to say what can be reached."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from engine.candidates import Cost, count_file_bytes, count_ram_bytes, count_stored_bits, time_of
from engine.errors import BudgetError
from engine.latency.figures import Latencies
from engine.latency.prediction import predict_latency_us
from engine.plan import Plan
from engine.prediction import predict_ram_bytes
from engine.requests.allocation import Budget
from engine.sensitivity.matrix import Metric, damage
from engine.sizes import bits_per_weight, predict_file_bytes
from engine.summary import ModelSummary


@dataclass(frozen=True)
class Limit:
    """One resource with a capacity.

    Attributes:
        cost: of one candidate of a decision.
        measure: of a whole plan, the same unit.
        say: the achievable range in a sentence, from the least and the most.
    """

    capacity: float
    cost: Cost
    measure: Callable[[Plan], float]
    say: Callable[[float, float], str]


def loss_limit(budget: Budget) -> float | None:
    """The most that the plan may lose, as `damage`; None without such a limit."""
    if budget.min_sqnr_db is not None:
        return damage(Metric.SQNR, budget.min_sqnr_db)
    return budget.max_loss


def offers_float(budget: Budget) -> bool:
    """Whether layers may leave the integer kernels: where loss or latency is limited, not only the size."""
    return loss_limit(budget) is not None or budget.latency_ms is not None or budget.latency_ratio is not None


def read_limits(budget: Budget, model: ModelSummary, latencies: Latencies | None) -> list[Limit]:
    """The limits on resources.

    Raises:
        BudgetError: a value is out of range, or there is no limit at all.
    """
    for name in ("size_ratio", "latency_ratio"):
        value = getattr(budget, name)
        if value is not None and not 0 < value <= 1:
            raise BudgetError(f"A {name.replace('_', ' ')} of {value} is out of range. Give a number between 0 and 1.")
    limits = []
    size = budget.file_bytes
    if budget.size_ratio is not None:
        size = min(int(budget.size_ratio * model.file_bytes), size or model.file_bytes)
    if size is not None:
        limits.append(_size_limit(size, model))
    if budget.bits_per_weight is not None:
        limits.append(_bits_limit(budget.bits_per_weight, model))
    if budget.ram_bytes is not None:
        limits.append(_ram_limit(budget.ram_bytes, model))
    if budget.latency_ms is not None or budget.latency_ratio is not None:
        limits.append(_latency_limit(budget, model, latencies))
    if not limits and loss_limit(budget) is None:
        raise BudgetError("The budget says no limit. Give a size, bits per weight, a loss, a latency or memory.")
    return limits


def _size_limit(size: int, model: ModelSummary) -> Limit:
    def say(least: float, most: float) -> str:
        reachable = math.ceil(1000 * least / model.file_bytes) / 1000
        return (
            f"A size ratio of {size / model.file_bytes:.3f} cannot be reached: with these layers free the file can be "
            f"{reachable:.3f} to {most / model.file_bytes:.3f} of the source."
        )

    return Limit(size, count_file_bytes, lambda plan: predict_file_bytes(model, plan), say)


def _bits_limit(bits: float, model: ModelSummary) -> Limit:
    def say(least: float, most: float) -> str:
        reachable = math.ceil(100 * least / max(model.parameters, 1)) / 100
        return (
            f"{bits:g} bits per weight cannot be reached: with these layers free they can be "
            f"{reachable:.2f} to {most / max(model.parameters, 1):.2f}, scales included."
        )

    def measure(plan: Plan) -> float:
        return bits_per_weight(model, plan) * model.parameters

    return Limit(bits * model.parameters, count_stored_bits, measure, say)


def _ram_limit(size: int, model: ModelSummary) -> Limit:
    def say(least: float, most: float) -> str:
        return (
            f"Weights in {describe_bytes(size)} of memory cannot be reached: with these layers free they take "
            f"{describe_bytes(least)} to {describe_bytes(most)}."
        )

    return Limit(size, count_ram_bytes, lambda plan: predict_ram_bytes(model, plan), say)


def _latency_limit(budget: Budget, model: ModelSummary, latencies: Latencies | None) -> Limit:
    """Milliseconds per call.

    Raises:
        BudgetError: nothing was measured on this model.
    """
    cost = time_of(latencies, model)
    assert latencies is not None
    known = latencies
    limit = min(
        math.inf if budget.latency_ms is None else budget.latency_ms,
        math.inf if budget.latency_ratio is None else budget.latency_ratio * known.float_us / 1000,
    )

    def measure(plan: Plan) -> float:
        return predict_latency_us(model, plan, known).us / 1000

    def say(least: float, most: float) -> str:
        return (
            f"A latency of {limit:.3g} ms cannot be reached: with these layers free it is predicted at "
            f"{least:.3g} to {most:.3g} ms, and {known.float_us / 1000:.3g} ms in float."
        )

    return Limit(limit, cost, measure, say)


def describe_budget(budget: Budget) -> str:
    """Every limit that is set, for a plan's provenance."""
    said = {
        field.name.replace("_", " "): value
        for field in dataclasses.fields(budget)
        if (value := getattr(budget, field.name)) is not None
    }
    return ", ".join(f"{name} {value:g}" for name, value in said.items())


def describe_bytes(size: float) -> str:
    """In MB, or in kB below one."""
    return f"{size / 1e6:.2f} MB" if abs(size) >= 1e6 else f"{size / 1e3:.1f} kB"
