"""Bits per layer for a budget: a plan with reasons, and the front of all plans that nothing beats.

Minimised is the sum of the layers' measured losses (`engine.prediction`), over the candidates of
`engine.allocation_problem`, as `engine.allocation_solver` does it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine import knapsack
from engine.allocation_problem import REASON, Chosen, Problem, Table
from engine.allocation_solver import solve
from engine.budgets import describe_budget, describe_bytes, loss_limit, offers_float, read_limits
from engine.candidates import Decision, count_file_bytes, count_ram_bytes, count_stored_bits, time_of
from engine.errors import BudgetError
from engine.latency.prediction import predict_latency_us
from engine.placement import place
from engine.plan import Plan
from engine.requests.allocation import AllocateRequest, AllocateResult, Front, FrontPoint, FrontRequest, Prediction
from engine.sensitivity.matrix import undamage
from engine.sizes import METADATA_BYTES, activation_bytes

LATENCY_POINTS = 64
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
    chosen = solve(problem, limits, loss_limit(request.budget, problem.metric))
    result = dataclasses.replace(
        explain(problem, chosen), provenance=f"allocated for {describe_budget(request.budget)}"
    )
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


def _extrapolate(first: float, costs: Table, found: Chosen) -> list[float]:
    """Costs of plans, from that of the first and the layers' differences."""
    (own,) = knapsack.totals((costs,), found)
    return (first + own - own[0]).tolist()  # type: ignore[no-any-return]


def explain(problem: Problem, chosen: Chosen) -> Plan:
    """The plan with these candidates, in which every free layer says why it got its bits."""
    plan = problem.assemble(chosen)
    sizes = problem.costs(count_file_bytes)
    total = problem.fixed_loss() + problem.loss(chosen)
    explained = {}
    for row, (decision, index) in enumerate(zip(problem.decisions, chosen, strict=True)):
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
        parts.append(f"{bits[index + 1]} bits would save {saved} and {_say_change(rise, 'add')}")
    if index > 0:
        rise = (decision.losses[index - 1] - own) / total if total > 0 else 0.0
        cost = describe_bytes(sizes[index - 1] - sizes[index])
        parts.append(f"{bits[index - 1]} bits would take {cost} more and {_say_change(rise, 'remove')}")
    return "; ".join(parts) + "."


def _say_change(rise: float, usual: str) -> str:
    """A part of the loss that comes or goes; the unusual way round where the other bits have another kernel."""
    if rise >= 1:
        return f"make that loss {1 + rise:.1f} times as large"
    verb = usual if rise == 0 else "add" if rise > 0 else "remove"
    return f"{verb} {abs(rise):.1%}"
