"""The multiple-choice knapsack: one choice per item, least loss within a capacity; exact, and the whole front.

Items are rows of padded arrays: `costs` and `losses` float64 [items, choices], infinite where an item has
fewer choices. The relaxation is solved on the items' convex hulls; reduced costs then fix all items but a
small core, over which dynamic programming with dominance is exact (Pisinger, "A minimal algorithm for the
multiple-choice knapsack problem", EJOR 1995).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Costs = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.int64]
Number = TypeVar("Number", np.float64, np.uint8)

# A core with more states than this is thinned out; its result is then best of those kept, not proven optimal.
MAX_STATES = 50_000
# Up to so many items the front is searched between the corners of its hull, too.
MAX_ITEMS_BETWEEN = 100
STATES_BETWEEN = 2048


@dataclass(frozen=True)
class _Steps:
    """The hull's steps from the cheapest choices on, in the order in which they pay.

    Attributes:
        start: [items], the cheapest choice of every item.
        item, choice: [steps], which item moves to which choice.
        cost, gain: [steps], what the step costs more and loses less.
    """

    start: Chosen
    item: Chosen
    choice: Chosen
    cost: Costs
    gain: Costs


def least_cost(costs: Costs) -> float:
    """What the cheapest choices cost together."""
    return float(costs.min(axis=1).sum()) if len(costs) else 0.0


def taken(tables: Sequence[npt.NDArray[Number]], found: Chosen) -> list[npt.NDArray[Number]]:
    """What several solutions take of each item, [points, items] per table of [items, choices], all of one shape.

    Args:
        found: int64 [points, items].
    """
    items, choices = tables[0].shape
    at = found + np.arange(items) * choices
    return [table.ravel().take(at) for table in tables]


def totals(tables: Sequence[Costs], found: Chosen) -> list[Costs]:
    """What several solutions take together, float64 [points] per table."""
    return [own.sum(axis=1) for own in taken(tables, found)]


def solve(costs: Costs, losses: Costs, capacity: float) -> Chosen:
    """The choice of every item, int64 [items]: least total loss at a total cost of at most `capacity`.

    Raises:
        ValueError: not even the cheapest choices fit.
    """
    if least_cost(costs) > capacity:
        raise ValueError(f"the cheapest choices cost {least_cost(costs)}, more than {capacity}")
    if not len(costs):
        return np.zeros(0, np.int64)
    steps = _walk_hulls(costs, losses)
    chosen, price = _fill(steps, costs, capacity)
    rows = np.arange(len(costs))
    best = float(losses[rows, chosen].sum())
    combined = losses + price * np.where(np.isfinite(costs), costs, 0.0)
    floor = combined.min(axis=1)
    reduced = combined - floor[:, None]
    gap = best - (float(floor.sum()) - price * capacity)
    tolerance = 1e-12 * max(abs(best), float(np.abs(losses[np.isfinite(losses)]).max(initial=0.0)))
    if gap <= tolerance:
        return chosen
    is_open = (reduced <= gap + tolerance) & np.isfinite(costs)
    debts = np.where(is_open, reduced, np.inf)
    return _search_core(costs, losses, debts, (capacity, gap + tolerance), chosen)


def front(costs: Costs, losses: Costs, limit: int = 256) -> npt.NDArray[np.int64]:
    """Choices that no other ones beat in both cost and loss, int64 [points, items], cheapest first.

    The corners of the front's convex hull are exact. Between them lie, for up to `MAX_ITEMS_BETWEEN` items,
    the best states of a thinned dynamic program; with more items neighbouring corners differ by one step
    of one item. Of more than `limit` points those are returned that lie evenly over the cost.
    """
    if not len(costs):
        return np.zeros((0, 0), np.int64)
    found = _corners(_walk_hulls(costs, losses), limit)
    if len(costs) <= MAX_ITEMS_BETWEEN:
        found = np.concatenate([found, _states_between(costs, losses)])
    cost, loss = totals((costs, losses), found)
    kept = undominated(cost, loss)
    return found[kept[_spread(cost[kept], limit)]]


def _corners(steps: _Steps, limit: int) -> npt.NDArray[np.int64]:
    """The start and what the steps lead to; of more than `limit` corners those even over the cost."""
    picked = _spread(np.append(0.0, np.cumsum(steps.cost)), limit)
    found = np.empty((len(picked), len(steps.start)), np.int64)
    current = steps.start.copy()
    done = 0
    for row, corner in enumerate(picked):
        current[steps.item[done:corner]] = steps.choice[done:corner]  # of an item's steps the last one counts
        done = corner
        found[row] = current
    return found


def _spread(cost: Costs, limit: int) -> npt.NDArray[np.intp]:
    """At most `limit` indices of ascending costs, even over the range, first and last included."""
    if len(cost) <= limit:
        return np.arange(len(cost))
    return np.unique(np.searchsorted(cost, np.linspace(cost[0], cost[-1], limit)))


def _walk_hulls(costs: Costs, losses: Costs) -> _Steps:
    """All items walk down their lower left hulls side by side, from the cheapest choice to the one that loses least."""
    items = np.arange(len(costs))
    start = np.lexsort((losses, costs), axis=1)[:, 0]
    current, walks = start, []
    while len(items):
        cost = costs[items] - costs[items, current][:, None]
        gain = losses[items, current][:, None] - losses[items]
        ratio = np.full(cost.shape, -1.0)
        np.divide(gain, cost, out=ratio, where=(gain > 0) & np.isfinite(cost))
        steepest = ratio.max(axis=1)
        # Of choices on one line the last is the next corner.
        following = np.where(ratio == steepest[:, None], cost, -1.0).argmax(axis=1)
        is_on = steepest > 0
        items, current = items[is_on], following[is_on]
        taken = is_on.nonzero()[0]
        walks.append((items, current, cost[taken, current], gain[taken, current], steepest[taken]))
    item, choice, cost, gain, ratio = (np.concatenate(parts) for parts in zip(*walks, strict=True))
    order = np.lexsort((item, -ratio))
    return _Steps(start, item[order], choice[order], cost[order], gain[order])


def _fill(steps: _Steps, costs: Costs, capacity: float) -> tuple[Chosen, float]:
    """Take steps while they fit, passing over those that do not; and the price of capacity in loss."""
    chosen = steps.start.copy()
    left = capacity - costs[np.arange(len(costs)), chosen].sum()
    price = 0.0
    is_blocked = np.zeros(len(costs), bool)
    for item, choice, cost, gain in zip(steps.item, steps.choice, steps.cost, steps.gain, strict=True):
        if is_blocked[item]:
            continue
        if cost <= left:
            chosen[item] = choice
            left -= cost
            continue
        is_blocked[item] = True
        if price == 0.0:
            price = float(gain / cost)
    return chosen, price


def _search_core(costs: Costs, losses: Costs, debts: Costs, limits: tuple[float, float], incumbent: Chosen) -> Chosen:
    """The optimum, or `incumbent` if that is it.

    Args:
        debts: reduced costs; infinite for choices that cannot be part of the optimum.
        limits: of the total cost, and of the total debt.
    """
    capacity, gap = limits
    is_open = np.isfinite(debts)
    chosen = incumbent.copy()
    core = np.flatnonzero(is_open.sum(axis=1) > 1)
    fixed = np.setdiff1d(np.arange(len(costs)), core)
    chosen[fixed] = np.argmax(is_open[fixed], axis=1)
    core = core[np.argsort(-np.where(is_open, debts, 0.0)[core].max(axis=1), kind="stable")]
    cheapest = np.where(is_open, costs, np.inf)[core].min(axis=1, initial=np.inf)
    to_come = np.append(np.cumsum(cheapest[::-1])[::-1][1:], 0.0) if len(core) else np.zeros(0)
    cost = np.array([costs[fixed, chosen[fixed]].sum()])
    loss = np.array([losses[fixed, chosen[fixed]].sum()])
    debt = np.array([debts[fixed, chosen[fixed]].sum()])
    trail: list[tuple[npt.NDArray[np.intp], Chosen]] = []
    for item, needed in zip(core, to_come, strict=True):
        options = np.flatnonzero(is_open[item])
        parent = np.tile(np.arange(len(cost)), len(options))
        option = np.repeat(options, len(cost))
        cost = (cost[None] + costs[item, options][:, None]).reshape(-1)
        loss = (loss[None] + losses[item, options][:, None]).reshape(-1)
        debt = (debt[None] + debts[item, options][:, None]).reshape(-1)
        kept = np.flatnonzero((debt <= gap) & (cost + needed <= capacity))
        kept = kept[undominated(cost[kept], loss[kept])]
        if len(kept) > MAX_STATES:
            kept = kept[np.sort(np.argpartition(debt[kept], MAX_STATES)[:MAX_STATES])]
        if not len(kept):
            return incumbent
        cost, loss, debt = cost[kept], loss[kept], debt[kept]
        trail.append((parent[kept], option[kept]))
    state = int(np.argmin(loss))
    rows = np.arange(len(costs))
    if loss[state] >= losses[rows, incumbent].sum():
        return incumbent
    for item, (parent, option) in zip(core[::-1], reversed(trail), strict=True):
        chosen[item] = option[state]
        state = int(parent[state])
    return chosen


def _states_between(costs: Costs, losses: Costs) -> npt.NDArray[np.int64]:
    """States of a dynamic program over all items, the best of every bucket of cost kept, with true costs."""
    cost, loss = np.zeros(1), np.zeros(1)
    trail: list[tuple[npt.NDArray[np.intp], Chosen]] = []
    for own_costs, own_losses in zip(costs, losses, strict=True):
        options = np.flatnonzero(np.isfinite(own_costs))
        parent = np.tile(np.arange(len(cost)), len(options))
        option = np.repeat(options, len(cost))
        cost = (cost[None] + own_costs[options][:, None]).reshape(-1)
        loss = (loss[None] + own_losses[options][:, None]).reshape(-1)
        kept = _thin(cost, undominated(cost, loss))
        cost, loss = cost[kept], loss[kept]
        trail.append((parent[kept], option[kept]))
    found = np.zeros((len(cost), len(costs)), np.int64)
    state = np.arange(len(cost))
    for item in range(len(costs) - 1, -1, -1):
        parent, option = trail[item]
        found[:, item] = option[state]
        state = parent[state]
    return found


def _thin(cost: Costs, kept: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """At most `STATES_BETWEEN` of the undominated states, the last one of every bucket: it loses least."""
    if len(kept) <= STATES_BETWEEN:
        return kept
    own = cost[kept]
    bucket = ((own - own[0]) * ((STATES_BETWEEN - 1) / (own[-1] - own[0]))).astype(np.int64)
    return kept[np.flatnonzero(np.append(bucket[1:] != bucket[:-1], True))]


def undominated(cost: Costs, loss: Costs) -> npt.NDArray[np.intp]:
    """Indices, cheapest first, of states than which none is both as cheap and as good."""
    order = np.lexsort((loss, cost))
    sorted_loss = loss[order]
    best_before = np.minimum.accumulate(np.append(np.inf, sorted_loss[:-1]))
    return order[sorted_loss < best_before]
