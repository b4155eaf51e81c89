"""The candidates that lose least within limits on resources, or the smallest file within a limit on the loss.

One limit is an exact knapsack (`engine.knapsack`); several are mixed-integer programming (HiGHS in SciPy) to
a relative gap of 1e-4. Both want costs that add up over layers. What a plan costs beyond (pairs around
activations, passages of tensors between float and integers) hangs on which layers compute on static integers
and on little else: with those given, the plan found is exact, and over those a local search goes from all
layers in integers, from all in float, and from what the layers' own costs ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine import knapsack
from engine.allocation_problem import Chosen, Problem, Table
from engine.budgets import Limit, LossLimit
from engine.candidates import count_file_bytes
from engine.errors import BudgetError
from engine.numerics.schemes import Kernel
from engine.sizes import predict_file_bytes

MILP_GAP = 1e-4
# What a plan costs beyond its layers is known only afterwards; it is solved for again with that.
MAX_CORRECTIONS = 4
# Sets of integer layers that are solved for: so many for a small model, fewer where a plan takes longer to predict.
MOST_TRIALS = 128
FEWEST_TRIALS = 8
LAYERS_TRIED = 4096
Mask = npt.NDArray[np.bool_]
Amounts = npt.NDArray[np.float64]


def solve(problem: Problem, limits: Sequence[Limit], most: LossLimit | None) -> Chosen:
    """The candidate of every decision.

    Raises:
        BudgetError: out of reach.
    """
    if most is not None and not limits:
        return _solve_for_loss(problem, most)
    chosen = _Search(problem, limits).run()
    if chosen is None:
        raise BudgetError(_describe_range(problem, limits))
    loss = problem.fixed_loss() + problem.loss(chosen)
    if most is not None and loss > most.damage:
        raise BudgetError(
            f"Within this budget the predicted {most.name} is {most.quote(loss)} at best. Allow more loss or more size."
        )
    return chosen


def _solve_for_loss(problem: Problem, most: LossLimit) -> Chosen:
    """The smallest file that loses no more, pairs around activations included."""
    sizes = problem.costs(count_file_bytes)
    fixed = problem.fixed_loss()
    room = most.damage - fixed
    if knapsack.least_cost(problem.losses) > room:
        raise BudgetError(
            f"A predicted {most.name} of {most.say(most.damage)} cannot be reached: with these layers free it is "
            f"{most.quote(fixed + knapsack.least_cost(problem.losses))} at best. Allow more loss, or unlock layers."
        )
    found = []
    for family in _families(problem):
        losses = np.where(family, problem.losses, np.inf)
        if knapsack.least_cost(losses) <= room:
            found.append(knapsack.solve(losses, np.where(family, sizes, np.inf), room))
    return min(found, key=lambda chosen: predict_file_bytes(problem.model, problem.assemble(chosen)))


@dataclass(frozen=True)
class _Trial:
    """What was found among some candidates.

    Attributes:
        chosen: what loses least within the limits; None if nothing is found within them.
        excess: by what part the worst limit is exceeded at the least, 0 if none is.
        loss: of `chosen`; infinite without.
    """

    chosen: Chosen | None
    excess: float
    loss: float

    def is_better_than(self, other: _Trial) -> bool:
        """Nearer to the limits; within them, loses less."""
        return (self.chosen is None, self.excess, self.loss) < (other.chosen is None, other.excess, other.loss)


@dataclass
class _Search:
    """Over the sets of layers that compute on static integers.

    Attributes:
        known: trials by set, a bool per decision that may be in it or not.
    """

    problem: Problem
    limits: Sequence[Limit]
    known: dict[bytes, _Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tables = [self.problem.costs(limit.cost) for limit in self.limits]
        self._capacities = np.array([limit.capacity for limit in self.limits], np.float64)
        self._every = np.isfinite(self.problem.losses)
        self._is_static = _static_candidates(self.problem)
        is_static_somewhere = self._is_static.any(axis=1)
        self._movable = np.flatnonzero(is_static_somewhere & (self._every & ~self._is_static).any(axis=1))
        layers = max(len(self.problem.model.layers), 1)
        self._trials_left = min(max(LAYERS_TRIED // layers, FEWEST_TRIALS), MOST_TRIALS)

    def run(self) -> Chosen | None:
        """The best found; None if nothing is found within the limits."""
        best = self._try(self._every)
        if not len(self._movable):
            return best.chosen
        starts = [np.full(len(self._movable), is_static) for is_static in (True, False)]
        if best.chosen is not None:
            starts.append(self._is_static[self._movable, best.chosen[self._movable]])
        trials = [self._try_set(start) for start in starts]
        for at in sorted(range(len(starts)), key=lambda at: _rank(trials[at])):
            found = self._climb(starts[at], trials[at])
            best = found if found.is_better_than(best) else best
        return best.chosen

    def _climb(self, start: Mask, trial: _Trial) -> _Trial:
        """From one set to a better neighbour, until there is none or trials have run out."""
        current, best, has_moved = start, trial, True
        while has_moved:
            has_moved = False
            for run in _runs(len(start)):
                neighbour = current.copy()
                neighbour[run] = ~neighbour[run]
                if neighbour.tobytes() in self.known or self._cannot_beat(neighbour, best):
                    continue
                if self._trials_left <= 0:
                    return best
                found = self._try_set(neighbour, best.loss)
                if found.is_better_than(best):
                    current, best, has_moved = neighbour, found, True
        return best

    def _cannot_beat(self, is_static: Mask, best: _Trial) -> bool:
        losses = np.where(self._mask(is_static), self.problem.losses, np.inf)
        return float(losses.min(axis=1).sum()) >= best.loss

    def _mask(self, is_static: Mask) -> Mask:
        """The candidates that keep to a set."""
        mask = self._every.copy()
        mask[self._movable] &= self._is_static[self._movable] == is_static[:, None]
        return mask

    def _try_set(self, is_static: Mask, ceiling: float = np.inf) -> _Trial:
        key = is_static.tobytes()
        if key not in self.known:
            self._trials_left -= 1
            self.known[key] = self._try(self._mask(is_static), ceiling)
        return self.known[key]

    def _try(self, mask: Mask, ceiling: float = np.inf) -> _Trial:
        """Solve with what the cheapest plan costs beyond its layers, then with what the found ones do.

        Args:
            ceiling: a loss from which on a plan is of no use.
        """
        tables = [np.where(mask, table, np.inf) for table in self._tables]
        losses = np.where(mask, self.problem.losses, np.inf)
        ends = [_cheapest(table) for table in tables]
        measured = [self._measure(end) for end in ends]
        least = np.array([own[at] for at, own in enumerate(measured)])
        if (least > self._capacities).any():
            excess = (least - self._capacities) / np.maximum(self._capacities, 1e-300)
            return _Trial(None, float(excess.max()), np.inf)
        best: Chosen | None = None
        for end, own in zip(ends, measured, strict=True):
            best = self._better(best, end, own)
        beyond = least - [knapsack.least_cost(table) for table in tables]
        missed = np.zeros(len(tables))
        for _ in range(MAX_CORRECTIONS):
            chosen = _solve_additive(tables, losses, self._capacities - beyond - missed, ceiling)
            if chosen is None:
                break
            own = self._measure(chosen)
            best = self._better(best, chosen, own)
            rows = np.arange(len(chosen))
            before, beyond = beyond, own - [table[rows, chosen].sum() for table in tables]
            if np.allclose(before, beyond, rtol=1e-9, atol=0.0):
                if (own <= self._capacities).all():
                    break
                # Mixed-integer programming keeps to the rooms but for its tolerance.
                missed += np.maximum(own - self._capacities, 0.0)
        return _Trial(best, 0.0, np.inf if best is None else self.problem.loss(best))

    def _measure(self, chosen: Chosen) -> Amounts:
        """What a plan takes, per limit."""
        plan = self.problem.assemble(chosen)
        return np.array([limit.measure(plan) for limit in self.limits], np.float64)

    def _better(self, best: Chosen | None, chosen: Chosen, measured: Amounts) -> Chosen | None:
        if (measured > self._capacities).any():
            return best
        return chosen if best is None or self.problem.loss(chosen) < self.problem.loss(best) else best


def _rank(trial: _Trial) -> tuple[bool, float, float]:
    return trial.chosen is None, trial.excess, trial.loss


def _runs(count: int) -> Iterator[slice]:
    """Neighbouring decisions: one by one, then by two, by four, and so on."""
    length = 1
    while length < count:
        for start in range(0, count - length + 1, max(length // 2, 1)):
            yield slice(start, start + length)
        length *= 2


def _static_candidates(problem: Problem) -> Mask:
    """Which candidates compute on static integers."""
    found = np.zeros(problem.losses.shape, bool)
    for row, decision in enumerate(problem.decisions):
        found[row, : len(decision.options)] = [
            any(choice.kernel == Kernel.QLINEAR for choice in option.choices) for option in decision.options
        ]
    return found


def _families(problem: Problem) -> list[Mask]:
    """All candidates; and, where there are both, only those on static integers, and only the others."""
    every = np.isfinite(problem.losses)
    is_static = _static_candidates(problem)
    families = [every]
    for family in (is_static, every & ~is_static):
        kept = np.where(family.any(axis=1, keepdims=True), family, every)
        if (kept != every).any():
            families.append(kept)
    return families


def _cheapest(table: Table) -> Chosen:
    """The candidate of every decision that costs least by itself."""
    return table.argmin(axis=1) if len(table) else np.zeros(0, np.int64)


def _solve_additive(tables: Sequence[Table], losses: Table, rooms: Amounts, ceiling: float) -> Chosen | None:
    """The least loss with costs that add up within all rooms; None if nothing is, or nothing below the ceiling."""
    if any(knapsack.least_cost(table) > room for table, room in zip(tables, rooms, strict=True)):
        return None
    rows = np.arange(len(losses))
    for own, own_room in zip(tables, rooms, strict=True):
        chosen = knapsack.solve(own, losses, own_room)
        if losses[rows, chosen].sum() >= ceiling:
            return None
        if all(table[rows, chosen].sum() <= room for table, room in zip(tables, rooms, strict=True)):
            return chosen
    return _solve_mixed(tables, losses, rooms)


def _solve_mixed(tables: Sequence[Table], losses: Table, rooms: Amounts) -> Chosen | None:
    """Several resources at once: one binary variable per candidate; None if nothing is within all rooms."""
    from scipy.optimize import Bounds, LinearConstraint, milp  # a third of a second, for this alone

    is_there = np.isfinite(losses)
    owner, candidate = np.nonzero(is_there)
    one_each = np.zeros((len(losses), len(owner)))
    one_each[owner, np.arange(len(owner))] = 1
    scales = np.maximum(np.abs(rooms), 1e-300)
    usage = np.stack([table[is_there] for table in tables]) / scales[:, None]
    found = milp(
        losses[is_there],
        integrality=np.ones(len(owner)),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(one_each, 1, 1), LinearConstraint(usage, -np.inf, rooms / scales)],
        options={"mip_rel_gap": MILP_GAP},
    )
    if found.x is None:
        return None
    taken = found.x > 0.5
    chosen = np.zeros(len(losses), np.int64)
    chosen[owner[taken]] = candidate[taken]
    return chosen


def _describe_range(problem: Problem, limits: Sequence[Limit]) -> str:
    """What each limit could be with these layers free."""
    parts = []
    for limit in limits:
        table = problem.costs(limit.cost)
        tables = [np.where(family, sign * table, np.inf) for family in _families(problem) for sign in (1, -1)]
        ends = [limit.measure(problem.assemble(_cheapest(signed))) for signed in tables]
        parts.append(limit.say(min(ends), max(ends)))
    together = " All limits together leave no plan." if len(limits) > 1 else ""
    return " ".join(parts) + together
