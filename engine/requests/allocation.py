"""Bits by budget: allocation, the whole front, and the search with real evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.latency.figures import Latencies
from engine.numerics.schemes import Kernel
from engine.plan import Plan
from engine.requests.data import DataChoice
from engine.sensitivity.matrix import Metric, Sensitivity
from engine.summary import ModelSummary


@dataclass(frozen=True)
class Budget:
    """What a plan may cost; at least one limit.

    Attributes:
        size_ratio: file / float file, 0…1.
        file_bytes: of the file.
        bits_per_weight: all stored bits of all layers, scales included, per weight.
        min_sqnr_db: the predicted SQNR must not fall below this.
        max_loss: the predicted metric must not be worse than float by more, in the metric's unit.
        latency_ratio: predicted latency / float's, 0…1; needs measured latencies.
        latency_ms: predicted latency; needs measured latencies.
        ram_bytes: weights in memory while the model runs.
    """

    size_ratio: float | None = None
    file_bytes: int | None = None
    bits_per_weight: float | None = None
    min_sqnr_db: float | None = None
    max_loss: float | None = None
    latency_ratio: float | None = None
    latency_ms: float | None = None
    ram_bytes: int | None = None


@dataclass(frozen=True)
class AllocateRequest:
    """Choose bits per layer for a budget → `AllocateResult`.

    Attributes:
        metric: what is to lose least; by default what the sensitivity ranks by.
        latencies: of this model, for budgets of latency and to predict it.
        forbidden_kernels: never chosen for a free layer.
    """

    model: ModelSummary
    sensitivity: Sensitivity
    plan: Plan
    budget: Budget
    metric: Metric | None = None
    latencies: Latencies | None = None
    forbidden_kernels: frozenset[Kernel] = frozenset()


@dataclass(frozen=True)
class Prediction:
    """What a plan is predicted to cost and to lose.

    Attributes:
        value: of the metric; None while a layer that loses something has not been measured.
        latency_ms: None without measured latencies.
    """

    file_bytes: int
    bits_per_weight: float
    ram_bytes: int
    value: float | None
    latency_ms: float | None = None


@dataclass(frozen=True)
class AllocateResult:
    """A plan within the budget; locked layers kept what they had.

    Every free layer's `LayerPlan.extra["reason"]` says in a sentence why it got its bits.
    """

    plan: Plan
    metric: Metric
    predicted: Prediction


@dataclass(frozen=True)
class PolishRequest:
    """Allocate, measure the whole plan on data, and improve it by real evaluations → `PolishResult`.

    A `PolishStep` arrives as a partial result for every plan that is better than those before, so that a
    cancelled run leaves the best so far.

    Attributes:
        model: the file; `samples` of `data` are evaluated for every plan.
        seconds: no trial starts later than this.
    """

    model: str
    data: DataChoice
    sensitivity: Sensitivity
    plan: Plan
    budget: Budget
    metric: Metric | None = None
    latencies: Latencies | None = None
    forbidden_kernels: frozenset[Kernel] = frozenset()
    samples: int = 128
    seconds: float = 60.0


@dataclass(frozen=True)
class PolishStep:
    """The best plan so far.

    Attributes:
        measured: on the network's outputs against float, weights quantized and activations in float, as in
            the cells.
        evaluations: how many plans were measured until then, this one included.
    """

    plan: Plan
    predicted: Prediction
    measured: Mapping[Metric, float]
    evaluations: int


@dataclass(frozen=True)
class PolishResult:
    """What the search ended with.

    Attributes:
        first: the plan that allocation chose from the cells.
        best: the best measured one within the budget.
        metric: what was improved, of those measured: KL where the cells hold a loss.
    """

    first: PolishStep
    best: PolishStep
    metric: Metric
    evaluations: int


@dataclass(frozen=True)
class FrontRequest:
    """Every plan that nothing beats in both cost and loss → `Front`; the fields are those of `AllocateRequest`.

    Attributes:
        is_latency: trade loss against latency, which must be given, instead of file size.
    """

    model: ModelSummary
    sensitivity: Sensitivity
    plan: Plan
    metric: Metric | None = None
    latencies: Latencies | None = None
    forbidden_kernels: frozenset[Kernel] = frozenset()
    is_latency: bool = False


@dataclass(frozen=True)
class FrontPoint:
    """One plan of the front.

    Attributes:
        bits: of every layer of the model, in its order.
    """

    predicted: Prediction
    bits: tuple[int, ...]


@dataclass(frozen=True)
class Front:
    """The front, smallest file (or fastest plan) first."""

    metric: Metric
    points: tuple[FrontPoint, ...]
