"""Bits per layer for a budget: candidates per layer, an exact knapsack over them, a plan with reasons.

Minimised is the sum of the layers' measured losses (`engine.prediction`). One limit on a resource, or one
on the loss, is solved exactly (`engine.knapsack`); several limits at once by mixed-integer programming
(HiGHS in SciPy) to a relative gap of 1e-4.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine import knapsack
from engine.budgets import Limit, describe_budget, describe_bytes, loss_limit, offers_float, read_limits
from engine.candidates import (
    OF_FOOTPRINT,
    Candidates,
    Cost,
    Decision,
    Footprint,
    Options,
    count_file_bytes,
    count_ram_bytes,
    count_stored_bits,
    footprint_of,
    group_tied,
    time_of,
)
from engine.errors import BudgetError, PlanError
from engine.latency.figures import Latencies
from engine.latency.prediction import predict_latency_us
from engine.placement import place
from engine.plan import Plan, ensure_plan_fits
from engine.prediction import layer_damage, predict_ram_bytes, predict_value
from engine.requests.allocation import AllocateRequest, AllocateResult, Front, FrontPoint, FrontRequest, Prediction
from engine.sensitivity.matrix import Metric, Sensitivity, undamage
from engine.sizes import (
    METADATA_BYTES,
    activation_bytes,
    bits_per_weight,
    predict_file_bytes,
)
from engine.summary import LayerSummary, ModelSummary

MILP_GAP = 1e-4
# Overheads that depend on the whole plan are known only afterwards; a plan that misses is solved for again.
MAX_CORRECTIONS = 4
REASON = "reason"
LATENCY_POINTS = 64
Table = npt.NDArray[np.float64]
Solutions = npt.NDArray[np.int64]


def allocate(request: AllocateRequest) -> AllocateResult:
    """Choose bits for every unlocked, measured layer, so that the plan loses least within the budget.

    With quantized activations the candidates are the measured integer widths, because a layer in 16 or
    32 bits would leave the integer kernels; where the budget limits the loss, those are candidates too.
    With float activations they are all measured widths and 32. A layer that was not measured (in the body
    of an If, say) keeps what the plan gives it, as if locked.

    Raises:
        BudgetError: the budget is out of reach; the text names the achievable range.
        PlanError: the sensitivity belongs to another model.
    """
    problem = Problem.of(request, offers_float=offers_float(request.budget))
    limits = read_limits(request.budget, request.model, request.latencies)
    chosen = problem.solve(limits, loss_limit(request.budget))
    result = dataclasses.replace(problem.explain(chosen), provenance=f"allocated for {describe_budget(request.budget)}")
    return AllocateResult(result, problem.metric, problem.predict(result))


def find_front(request: FrontRequest) -> Front:
    """The plans that nothing beats in both cost (size, or latency) and loss, over the candidates of `allocate`.

    Raises:
        BudgetError: no layer is free, or latency is asked for and was not measured.
        PlanError: the sensitivity belongs to another model.
    """
    problem = Problem.of(request, offers_float=request.is_latency)
    if not problem.decisions:
        raise BudgetError("All layers are locked or not measured. Unlock some, or analyse the model.")
    times = problem.costs(time_of(request.latencies, request.model)) if request.latencies else None
    if request.is_latency:
        found, predictions = _front_of_latency(problem, problem.costs(time_of(request.latencies, request.model)))
    else:
        found, predictions = _front_of_size(problem, times)
    points = (FrontPoint(*pair) for pair in zip(predictions, problem.bits_of_layers(found), strict=True))
    return Front(problem.metric, tuple(points))


def _front_of_size(problem: Problem, times: Table | None) -> tuple[Solutions, list[Prediction]]:
    """Pairs around activations are those of the smallest plan, and latency is extrapolated from it."""
    sizes = problem.costs(count_file_bytes)
    found = knapsack.front(sizes, problem.losses)
    smallest = problem.assemble(found[0])
    tables = (problem.losses, sizes, problem.costs(count_stored_bits), problem.costs(count_ram_bytes))
    loss, size, stored_bits, ram = knapsack.totals(tables, found)
    fixed = problem.fixed
    losses = problem.fixed_loss() + loss
    bits = (fixed.stored_bits + stored_bits) / max(problem.model.parameters, 1)
    ram += fixed.ram_bytes
    around = activation_bytes(problem.model, place(problem.model, smallest)) + METADATA_BYTES
    file_bytes = problem.model.fixed_bytes + around + fixed.file_bytes + size
    latency_ms: Sequence[float | None] = [None] * len(found)
    if times is not None and problem.latencies is not None:
        latency = predict_latency_us(problem.model, smallest, problem.latencies)
        latency_ms = _extrapolate(latency.us / 1000, times, found)
    columns = zip(file_bytes.tolist(), bits.tolist(), ram.tolist(), losses.tolist(), latency_ms, strict=True)
    return found, [
        Prediction(round(size), width, round(memory), undamage(problem.metric, loss), latency)
        for size, width, memory, loss, latency in columns
    ]


def _front_of_latency(problem: Problem, times: Table) -> tuple[Solutions, list[Prediction]]:
    """Every plan is predicted as a whole: what tensors cost between float and integer layers is no layer's own."""
    uniform = [
        [_nearest(decision, bits) for decision in problem.decisions]
        for bits in {option.choices[0].weights.bits for decision in problem.decisions for option in decision.options}
    ]
    found = np.concatenate([knapsack.front(times, problem.losses, LATENCY_POINTS), np.array(uniform)])
    predictions = [problem.predict(problem.assemble(chosen)) for chosen in found]
    latency = np.array([item.latency_ms for item in predictions])
    (loss,) = knapsack.totals((problem.losses,), found)
    kept = knapsack.undominated(latency, loss)
    return found[kept], [predictions[at] for at in kept]


def _nearest(decision: Decision, bits: int) -> int:
    """The candidate whose bits are nearest."""
    return min(range(len(decision.options)), key=lambda at: abs(decision.options[at].choices[0].weights.bits - bits))


def _extrapolate(first: float, costs: Table, found: npt.NDArray[np.int64]) -> list[float]:
    """Costs of plans, from that of the first and the layers' differences."""
    (own,) = knapsack.totals((costs,), found)
    return (first + own - own[0]).tolist()  # type: ignore[no-any-return]


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
        if sensitivity.model_sha256 != model.sha256:
            raise PlanError(f"This sensitivity was measured on {sensitivity.model_name}. Analyse this model first.")
        metric = _choose_metric(request, sensitivity)
        candidates = Candidates(request, metric, offers_float=offers_float)
        decisions = tuple(
            candidates.decide(group)
            for group in group_tied(layer for layer in model.layers if _is_free(layer, plan, sensitivity, metric))
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
        """Loss of the layers that are not free."""
        free = {layer.name for decision in self.decisions for layer in decision.layers}
        total = 0.0
        for layer in self.model.layers:
            row = self.sensitivity.rows.get(layer.name)
            if layer.name not in free and row is not None:
                total += layer_damage(row, self.plan.layer(layer.name), self.metric) or 0.0
        return total

    @property
    def fixed(self) -> Footprint:
        """What the layers that are not free take as the plan has them."""
        free = {layer.name for decision in self.decisions for layer in decision.layers}
        fixed = [layer for layer in self.model.layers if layer.name not in free]
        return footprint_of(fixed, tuple(self.plan.choices(fixed)))

    def solve(self, limits: Sequence[Limit], most: float | None) -> npt.NDArray[np.int64]:
        """The candidate of every decision.

        Raises:
            BudgetError: out of reach.
        """
        if most is not None and not limits:
            return self._solve_for_loss(most)
        capacities = [limit.capacity for limit in limits]
        for _ in range(MAX_CORRECTIONS):
            chosen = self._solve_once(limits, capacities)
            plan = self.assemble(chosen)
            excess = [limit.measure(plan) - limit.capacity for limit in limits]
            if max(excess) <= 0:
                break
            capacities = [capacity - max(over, 0.0) for capacity, over in zip(capacities, excess, strict=True)]
        else:
            raise BudgetError(self._describe_range(limits))
        if most is not None and self.fixed_loss() + self._loss(chosen) > most:
            best = undamage(self.metric, self.fixed_loss() + self._loss(chosen))
            raise BudgetError(
                f"Within this budget the predicted {self.metric} is {best:.4g} at best. Allow more loss or more size."
            )
        return chosen

    def _solve_once(self, limits: Sequence[Limit], capacities: Sequence[float]) -> npt.NDArray[np.int64]:
        tables = [self.costs(limit.cost) for limit in limits]
        rooms = []
        for limit, capacity, table in zip(limits, capacities, tables, strict=True):
            least = self.assemble(table.argmin(axis=1) if len(table) else np.zeros(0, np.int64))
            if limit.measure(least) > limit.capacity:
                raise BudgetError(self._describe_range(limits))
            rooms.append(capacity - (limit.measure(least) - knapsack.least_cost(table)))
        if len(limits) == 1:
            if knapsack.least_cost(tables[0]) > rooms[0]:
                raise BudgetError(self._describe_range(limits))
            return knapsack.solve(tables[0], self.losses, rooms[0])
        return self._solve_mixed(tables, rooms, limits)

    def _solve_mixed(
        self, tables: Sequence[Table], rooms: Sequence[float], limits: Sequence[Limit]
    ) -> npt.NDArray[np.int64]:
        """Several resources at once: one binary variable per candidate."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # a third of a second, for this alone

        is_there = np.isfinite(self.losses)
        owner, candidate = np.nonzero(is_there)
        one_each = np.zeros((len(self.losses), len(owner)))
        one_each[owner, np.arange(len(owner))] = 1
        usage = np.stack([table[is_there] for table in tables])
        found = milp(
            self.losses[is_there],
            integrality=np.ones(len(owner)),
            bounds=Bounds(0, 1),
            constraints=[LinearConstraint(one_each, 1, 1), LinearConstraint(usage, -np.inf, rooms)],
            options={"mip_rel_gap": MILP_GAP},
        )
        if found.x is None:
            raise BudgetError(self._describe_range(limits))
        taken = found.x > 0.5
        chosen = np.zeros(len(self.losses), np.int64)
        chosen[owner[taken]] = candidate[taken]
        return chosen

    def _solve_for_loss(self, most: float) -> npt.NDArray[np.int64]:
        """The smallest file that loses no more."""
        sizes = self.costs(count_file_bytes)
        room = most - self.fixed_loss()
        if knapsack.least_cost(self.losses) > room:
            least = undamage(self.metric, self.fixed_loss() + knapsack.least_cost(self.losses))
            raise BudgetError(
                f"A predicted {self.metric} of {undamage(self.metric, most):.4g} cannot be reached: with these "
                f"layers free it is {least:.4g} at best. Allow more loss, or unlock layers."
            )
        return knapsack.solve(self.losses, sizes, room)

    def _loss(self, chosen: npt.NDArray[np.int64]) -> float:
        return float(self.losses[np.arange(len(chosen)), chosen].sum())

    def _describe_range(self, limits: Sequence[Limit]) -> str:
        """What each limit could be with these layers free."""
        parts = []
        for limit in limits:
            table = self.costs(limit.cost)
            ends = [np.where(np.isfinite(table), sign * table, np.inf).argmin(axis=1) for sign in (1, -1)]
            least, most = (limit.measure(self.assemble(end)) for end in ends)
            parts.append(limit.say(least, most))
        together = " All limits together leave no plan." if len(limits) > 1 else ""
        return " ".join(parts) + together

    def explain(self, chosen: npt.NDArray[np.int64]) -> Plan:
        """The plan with these candidates, in which every free layer says why it got its bits."""
        plan = self.assemble(chosen)
        sizes = self.costs(count_file_bytes)
        total = self.fixed_loss() + self._loss(chosen)
        explained = {}
        for row, (decision, index) in enumerate(zip(self.decisions, chosen, strict=True)):
            reason = _explain(decision, int(index), sizes[row], total)
            for layer in decision.layers:
                choice = plan.layer(layer.name)
                explained[layer.name] = dataclasses.replace(choice, extra={**choice.extra, REASON: reason})
        return plan.with_layers(explained)


def _explain(decision: Decision, index: int, sizes: Table, total: float) -> str:
    bits = [option.choices[0].weights.bits for option in decision.options]
    own = decision.losses[index]
    share = own / total if total > 0 else 0.0
    parts = [f"{bits[index]} bits: {share:.1%} of the plan's predicted loss"]
    if len(bits) == 1:
        parts.append("nothing else is allowed")
    if index + 1 < len(bits):
        rise = (decision.losses[index + 1] - own) / total if total > 0 else 0.0
        saved = describe_bytes(sizes[index] - sizes[index + 1])
        effect = f"add {rise:.1%}" if rise < 1 else f"make that loss {1 + rise:.1f} times as large"
        parts.append(f"{bits[index + 1]} bits would save {saved} and {effect}")
    if index > 0:
        fall = (own - decision.losses[index - 1]) / total if total > 0 else 0.0
        cost = describe_bytes(sizes[index - 1] - sizes[index])
        parts.append(f"{bits[index - 1]} bits would take {cost} more and remove {fall:.1%}")
    return "; ".join(parts) + "."


def _choose_metric(request: AllocateRequest | FrontRequest, sensitivity: Sensitivity) -> Metric:
    measured = sensitivity.metrics
    if not measured:
        raise BudgetError("No layer has been measured. Analyse the model first.")
    wanted = request.metric
    if isinstance(request, AllocateRequest) and request.budget.min_sqnr_db is not None:
        wanted = Metric.SQNR
    if wanted is None:
        return measured[0]
    if wanted not in measured:
        raise BudgetError(f"The sensitivity holds no {wanted}. It holds: {', '.join(measured)}.")
    return wanted


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
