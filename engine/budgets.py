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
from engine.sensitivity.matrix import Metric, damage, undamage
from engine.sizes import bits_per_weight, predict_file_bytes
from engine.summary import ModelSummary

# By what part sums of losses or times may differ with the order of their terms.
ROUNDING = 1e-9
METRIC_NAMES = {
    Metric.SQNR: "SQNR",
    Metric.KL: "KL divergence",
    Metric.LOSS: "rise of the loss",
    Metric.MSE: "mean squared error",
    Metric.COSINE: "cosine similarity",
    Metric.TOP1_DROP: "drop of top-1",
}
# What a sum of losses is called where it counts as a loss, and its unit.
LOSS_NAMES = {**METRIC_NAMES, Metric.SQNR: "noise-to-signal ratio", Metric.COSINE: "1 − cosine similarity"}
LOSS_UNITS = {Metric.KL: " nats", Metric.LOSS: " nats", Metric.TOP1_DROP: " points"}


@dataclass(frozen=True)
class Limit:
    """One resource with a capacity.

    Attributes:
        cost: of one candidate of a decision.
        measure: of a whole plan, the same unit.
        say: whether it can be reached by itself, and the achievable range, in a sentence; from the least and the most.
    """

    capacity: float
    cost: Cost
    measure: Callable[[Plan], float]
    say: Callable[[float, float], str]


@dataclass(frozen=True)
class LossLimit:
    """The most that a plan may lose.

    Attributes:
        damage: as `damage` counts it.
        metric: that is summed up.
        is_sqnr: whether it was given as the least SQNR.
    """

    damage: float
    metric: Metric
    is_sqnr: bool

    @property
    def name(self) -> str:
        """What is limited, as users know it."""
        return "SQNR" if self.is_sqnr else LOSS_NAMES[self.metric]

    @property
    def _unit(self) -> str:
        return LOSS_UNITS.get(self.metric, "")

    def say(self, loss: float) -> str:
        """A loss in the unit of the limit."""
        return f"{undamage(Metric.SQNR, loss):.4g} dB" if self.is_sqnr else f"{loss:.4g}{self._unit}"

    def quote(self, loss: float) -> str:
        """As `say`, rounded so that this loss is within the limit that the text names."""
        if loss <= 0:
            return self.say(0.0)
        if not self.is_sqnr:
            return f"{_round_up(loss, _grain(loss, 4), '.4g')}{self._unit}"
        hundredths = math.ceil(100 * undamage(Metric.SQNR, loss))
        while damage(Metric.SQNR, hundredths / 100) < loss:
            hundredths -= 1
        return f"{hundredths / 100:.2f} dB"


def wanted_metric(budget: Budget, metric: Metric | None) -> Metric | None:
    """The metric that counts: what the budget limits, or the one asked for, if any."""
    return Metric.SQNR if budget.min_sqnr_db is not None else metric


def loss_limit(budget: Budget, metric: Metric) -> LossLimit | None:
    """The most that the plan may lose in a metric; None without such a limit."""
    if budget.min_sqnr_db is not None:
        return LossLimit(damage(Metric.SQNR, budget.min_sqnr_db) * (1 + ROUNDING), metric, is_sqnr=True)
    return None if budget.max_loss is None else LossLimit(budget.max_loss * (1 + ROUNDING), metric, is_sqnr=False)


def offers_float(budget: Budget) -> bool:
    """Whether layers may leave the integer kernels: where loss or latency is limited, not only the size."""
    limits = (budget.min_sqnr_db, budget.max_loss, budget.latency_ms, budget.latency_ratio)
    return any(limit is not None for limit in limits)


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
    if budget.size_ratio is not None:
        limits.append(_ratio_limit(budget.size_ratio, model))
    if budget.file_bytes is not None:
        limits.append(_size_limit(budget.file_bytes, model))
    if budget.bits_per_weight is not None:
        limits.append(_bits_limit(budget.bits_per_weight, model))
    if budget.ram_bytes is not None:
        limits.append(_ram_limit(budget.ram_bytes, model))
    if budget.latency_ms is not None:
        limits.append(_latency_limit(budget.latency_ms, model, latencies))
    if budget.latency_ratio is not None:
        limits.append(_latency_limit(budget.latency_ratio, model, latencies, is_ratio=True))
    if not limits and not offers_float(budget):
        raise BudgetError("The budget says no limit. Give a size, bits per weight, a loss, a latency or memory.")
    return limits


def _ratio_limit(ratio: float, model: ModelSummary) -> Limit:
    size = _whole(ratio * model.file_bytes)

    def say(least: float, most: float) -> str:
        shown = _round_up(least / model.file_bytes, 1e-3, ".3f")
        return (
            f"A size ratio of {ratio:.3f} {_judge(size, least)}: with these layers free the file can be "
            f"{shown} to {max(float(shown), most / model.file_bytes):.3f} of the source."
        )

    return Limit(size, count_file_bytes, lambda plan: predict_file_bytes(model, plan), say)


def _size_limit(size: int, model: ModelSummary) -> Limit:
    def say(least: float, most: float) -> str:
        return (
            f"A file of {describe_bytes(size)} {_judge(size, least)}: with these layers free it can be "
            f"{_range_of_bytes(least, most)}."
        )

    return Limit(size, count_file_bytes, lambda plan: predict_file_bytes(model, plan), say)


def _bits_limit(bits: float, model: ModelSummary) -> Limit:
    weights = max(model.parameters, 1)
    capacity = _whole(bits * weights)

    def say(least: float, most: float) -> str:
        shown = _round_up(least / weights, 1e-2, ".2f")
        return (
            f"{bits:g} bits per weight {_judge(capacity, least)}: with these layers free they can be "
            f"{shown} to {max(float(shown), most / weights):.2f}, scales included."
        )

    def measure(plan: Plan) -> float:
        return round(bits_per_weight(model, plan) * weights)

    return Limit(capacity, count_stored_bits, measure, say)


def _ram_limit(size: int, model: ModelSummary) -> Limit:
    def say(least: float, most: float) -> str:
        return (
            f"Weights in {describe_bytes(size)} of memory {_judge(size, least)}: with these layers free they take "
            f"{_range_of_bytes(least, most)}."
        )

    return Limit(size, count_ram_bytes, lambda plan: predict_ram_bytes(model, plan), say)


def _latency_limit(value: float, model: ModelSummary, latencies: Latencies | None, *, is_ratio: bool = False) -> Limit:
    """Milliseconds per call.

    Raises:
        BudgetError: nothing was measured on this model.
    """
    cost = time_of(latencies, model)
    assert latencies is not None
    known = latencies
    float_ms = known.float_us / 1000
    capacity = value * float_ms if is_ratio else value

    def measure(plan: Plan) -> float:
        return predict_latency_us(model, plan, known).us / 1000

    def say(least: float, most: float) -> str:
        if is_ratio:
            shown = _round_up(least / float_ms, 1e-3, ".3f")
            return (
                f"A latency ratio of {value:.3f} {_judge(capacity, least)}: with these layers free it is predicted at "
                f"{shown} to {max(float(shown), most / float_ms):.3f} of the {float_ms:.3g} ms in float."
            )
        shown = _round_up(least, _grain(least, 3), ".3g") if least > 0 else "0"
        return (
            f"A latency of {value:.3g} ms {_judge(capacity, least)}: with these layers free it is predicted at "
            f"{shown} to {max(float(shown), most):.3g} ms, and {float_ms:.3g} ms in float."
        )

    return Limit(capacity * (1 + ROUNDING), cost, measure, say)


def _whole(value: float) -> int:
    """Whole bytes or bits; what multiplying a decimal loses is no less of them."""
    return math.floor(value + 1e-3)


def _judge(capacity: float, least: float) -> str:
    """Of several limits that leave no plan together, each may be within reach."""
    return "cannot be reached" if least > capacity else "alone could be reached"


def _range_of_bytes(least: float, most: float) -> str:
    grain = 10_000 if least >= 1e6 else 100
    shown = math.ceil(least / grain) * grain
    return f"{describe_bytes(shown)} to {describe_bytes(max(shown, most))}"


def _grain(value: float, digits: int) -> float:
    """One in the last of so many digits."""
    return 10.0 ** (math.floor(math.log10(value)) - digits + 1)


def _round_up(value: float, grain: float, form: str) -> str:
    """So that the least that is named is within reach as it is written."""
    steps = math.floor(value / grain)
    while float(format(steps * grain, form)) < value:
        steps += 1
    return format(steps * grain, form)


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
