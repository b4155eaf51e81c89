"""What an allocation decides, and everything that is fixed: candidates as tables, plans from what was chosen."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine import knapsack
from engine.budgets import METRIC_NAMES, wanted_metric
from engine.candidates import OF_FOOTPRINT, Candidates, Cost, Decision, Footprint, Options, footprint_of, group_tied
from engine.errors import BudgetError, PlanError
from engine.latency.figures import Latencies
from engine.latency.prediction import predict_latency_us
from engine.plan import Plan, choose_layer_plan, ensure_plan_fits
from engine.prediction import layer_loss, predict_ram_bytes, predict_value
from engine.requests.allocation import AllocateRequest, FrontRequest, Prediction
from engine.sensitivity.matrix import Metric, Sensitivity
from engine.sizes import bits_per_weight, predict_file_bytes
from engine.summary import LayerSummary, ModelSummary

REASON = "reason"
"""Where a layer's choices say why it got its bits."""
Table = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Problem:
    """What is to be decided, and everything that is fixed."""

    model: ModelSummary
    plan: Plan
    sensitivity: Sensitivity
    metric: Metric
    decisions: tuple[Decision, ...]
    losses: Table
    latencies: Latencies | None = None

    @classmethod
    def of(cls, request: AllocateRequest | FrontRequest, *, offers_float: bool) -> Problem:
        """Candidates of all free layers.

        Raises:
            BudgetError: a layer has no kernel that is allowed, or the metric was not measured.
            PlanError: plan or sensitivity belong to another model.
        """
        model, plan, sensitivity = request.model, request.plan, request.sensitivity
        ensure_plan_fits(plan, model)
        plan, followers = _follow_locks(model, plan)
        if sensitivity.model_sha256 != model.sha256:
            raise PlanError(f"This sensitivity was measured on {sensitivity.model_name}. Analyse this model first.")
        metric = _choose_metric(request, sensitivity)
        candidates = Candidates(request, metric, offers_float=offers_float)
        decisions = tuple(
            candidates.decide(group)
            for group in group_tied(
                layer
                for layer in model.layers
                if layer.name not in followers and _is_free(layer, plan, sensitivity, metric)
            )
        )
        losses = _pad([decision.losses for decision in decisions])
        return cls(model, plan, sensitivity, metric, decisions, losses, request.latencies)

    def predict(self, plan: Plan) -> Prediction:
        """What a plan costs and loses."""
        latency = predict_latency_us(self.model, plan, self.latencies) if self.latencies else None
        return Prediction(
            file_bytes=predict_file_bytes(self.model, plan),
            bits_per_weight=bits_per_weight(self.model, plan),
            ram_bytes=predict_ram_bytes(self.model, plan),
            value=predict_value(self.model, plan, self.sensitivity.rows, self.metric),
            latency_ms=latency.us / 1000 if latency else None,
        )

    def costs(self, cost: Cost) -> Table:
        """float64 [decisions, candidates], infinite where there are fewer."""
        if cost not in OF_FOOTPRINT:
            return _pad([[cost(item.layers, option) for option in item.options] for item in self.decisions])
        kinds, of_decision = self._kinds
        table: Table = _pad([[cost((), option) for option in options] for options in kinds])[of_decision]
        return table

    @cached_property
    def _kinds(self) -> tuple[list[Options], npt.NDArray[np.int64]]:
        """The options that differ, and for every decision which of them it has: many layers have the same."""
        numbers: dict[int, int] = {}
        of_decision = [numbers.setdefault(id(item.options), len(numbers)) for item in self.decisions]
        by_id = {id(item.options): item.options for item in self.decisions}
        return [by_id[known] for known in numbers], np.array(of_decision, np.int64)

    def assemble(self, chosen: npt.NDArray[np.int64]) -> Plan:
        """The plan with these candidates."""
        return self.plan.with_layers(
            {
                layer.name: choice
                for decision, index in zip(self.decisions, chosen, strict=True)
                for layer, choice in zip(decision.layers, decision.options[index].choices, strict=True)
            }
        )

    def bits_of_layers(self, found: npt.NDArray[np.int64]) -> list[tuple[int, ...]]:
        """Per solution, the bits of every layer of the model, in its order."""
        column = {layer.name: at for at, layer in enumerate(self.model.layers)}
        own = [choice.weights.bits for choice in self.plan.choices(self.model.layers)]
        bits = np.repeat(np.array([own], np.uint8), len(found), axis=0)
        kinds, of_decision = self._kinds
        widths = np.zeros((len(kinds), self.losses.shape[1]), np.uint8)
        for row, options in zip(widths, kinds, strict=True):
            row[: len(options)] = [option.choices[0].weights.bits for option in options]
        (decided,) = knapsack.taken((widths[of_decision],), found)
        places = [(column[layer.name], row) for row, item in enumerate(self.decisions) for layer in item.layers]
        columns, rows = (list(at) for at in zip(*places, strict=True))
        bits[:, columns] = decided[:, rows]
        return [tuple(row.tobytes()) for row in bits]

    def fixed_loss(self) -> float:
        """Loss of the layers that are not free, as far as it was measured."""
        free = {layer.name for decision in self.decisions for layer in decision.layers}
        total = 0.0
        for layer in self.model.layers:
            if layer.name not in free:
                row = self.sensitivity.rows.get(layer.name)
                total += layer_loss(row, self.plan.layer(layer.name), self.metric) or 0.0
        return total

    @property
    def fixed(self) -> Footprint:
        """What the layers that are not free take as the plan has them."""
        free = {layer.name for decision in self.decisions for layer in decision.layers}
        fixed = [layer for layer in self.model.layers if layer.name not in free]
        return footprint_of(fixed, tuple(self.plan.choices(fixed)))

    def loss(self, chosen: Chosen) -> float:
        """What the free layers lose with these candidates."""
        return float(self.losses[np.arange(len(chosen)), chosen].sum())


def _choose_metric(request: AllocateRequest | FrontRequest, sensitivity: Sensitivity) -> Metric:
    measured = sensitivity.metrics
    if not measured:
        raise BudgetError("No layer has been measured. Analyse the model first.")
    wanted = wanted_metric(request.budget, request.metric) if isinstance(request, AllocateRequest) else request.metric
    if wanted is None:
        return measured[0]
    if wanted not in measured:
        held = ", ".join(METRIC_NAMES[metric] for metric in measured)
        raise BudgetError(f"The sensitivity holds no {METRIC_NAMES[wanted]}. It holds: {held}.")
    return wanted


def _follow_locks(model: ModelSummary, plan: Plan) -> tuple[Plan, frozenset[str]]:
    """The plan in which layers that share a weight with a locked one have its bits, and the names of those layers."""
    changes = {}
    for group in group_tied(layer for layer in model.layers if layer.shares_weight):
        locked = next((layer for layer in group if plan.layer(layer.name).is_locked), None)
        if locked is None:
            continue
        held = plan.layer(locked.name)
        reason = f"Has the bits of {locked.title}, which is locked and shares its weight."
        for layer in group:
            own = plan.layer(layer.name)
            if own.is_locked:
                continue
            followed = choose_layer_plan(layer, held.weights.bits, plan.defaults)
            if layer.op == locked.op and held.kernel in layer.kernels:
                followed = dataclasses.replace(held, is_locked=False)
            extra = {**own.extra, REASON: reason}
            changes[layer.name] = dataclasses.replace(followed, input_range=own.input_range, extra=extra)
    return plan.with_layers(changes) if changes else plan, frozenset(changes)


def _is_free(layer: LayerSummary, plan: Plan, sensitivity: Sensitivity, metric: Metric) -> bool:
    row = sensitivity.rows.get(layer.name)
    is_measured = row is not None and any(metric in cell.values for cell in row.cells.values())
    return is_measured and not plan.layer(layer.name).is_locked


def _pad(rows: Sequence[Sequence[float]]) -> Table:
    lengths = np.array([len(row) for row in rows], np.int64)
    is_there = np.arange(lengths.max(initial=0)) < lengths[:, None]
    table = np.full(is_there.shape, np.inf)
    table[is_there] = list(itertools.chain.from_iterable(rows))
    return table
