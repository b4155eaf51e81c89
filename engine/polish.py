"""From a predicted plan to a measured one: evaluate whole plans on data and keep what is really better.

Additivity of the layers' losses breaks at very low bits, so the plan that allocation chooses is measured
as a whole, and plans near it are tried: for a budget of size, swaps that take bits from one decision and
give them to another, in the order of their predicted gain; for a budget of loss, smaller and larger plans
of the front. Anytime: the best so far is handed out whenever it changes.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine import knapsack
from engine.allocation import explain
from engine.allocation_problem import Problem
from engine.allocation_solver import solve
from engine.budgets import Limit, LossLimit, loss_limit, offers_float, read_limits, wanted_metric
from engine.candidates import count_file_bytes
from engine.data.dataset import Dataset
from engine.errors import BudgetError
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.plan import Plan
from engine.requests.allocation import AllocateRequest, PolishRequest, PolishResult, PolishStep
from engine.sensitivity.matrix import Metric, damage
from engine.sensitivity.plan_meter import PlanMeter

# A loss budget is met by bisection over so many plans of the front: ten evaluations.
LADDER_PLANS = 1024
Chosen = npt.NDArray[np.int64]


def polish(model: Model, dataset: Dataset, request: PolishRequest, context: JobContext) -> PolishResult:
    """Allocate, measure, improve.

    Raises:
        BudgetError: out of reach, by prediction, or for a budget of loss by measurement.
        JobCancelled: cancelled; the steps handed out so far are the best plans until then.
    """
    budget = request.budget
    asked = AllocateRequest(
        model.summary,
        request.sensitivity,
        request.plan,
        budget,
        request.metric,
        request.latencies,
        request.forbidden_kernels,
    )
    problem = Problem.of(asked, offers_float=offers_float(budget))
    wanted = loss_limit(budget, problem.metric)
    limits = read_limits(budget, model.summary, request.latencies)
    context.report(0, 1, "Running the float model")
    meter = PlanMeter(model, dataset, request.samples, context)
    wish = wanted_metric(budget, request.metric)
    if wanted is not None and wish is None:
        wish = problem.metric
    search = _Search(problem, limits, meter, context, time.monotonic() + request.seconds, request.seconds, wish)
    start = solve(problem, limits, wanted)
    first = search.measure(start)
    if wanted is None:
        search.swap(start)
    else:
        search.bisect(wanted, _build_ladder(problem, asked))
    assert search.best is not None
    return PolishResult(first, search.best, search.metric, search.evaluations)


@dataclass
class _Search:
    """The best plan so far, and what has been tried.

    Attributes:
        deadline: no evaluation starts later, by `time.monotonic`; `seconds` after the start.
        wish: the metric to improve.
    """

    problem: Problem
    limits: Sequence[Limit]
    meter: PlanMeter
    context: JobContext
    deadline: float
    seconds: float
    wish: Metric | None
    evaluations: int = 0
    best: PolishStep | None = None
    metric: Metric = Metric.SQNR
    _losses: dict[bytes, float] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether time is up."""
        return time.monotonic() >= self.deadline

    def measure(self, chosen: Chosen) -> PolishStep:
        """Evaluate one plan."""
        left = max(self.deadline - time.monotonic(), 0.0)
        done = round(100 * (1 - left / self.seconds)) if self.seconds > 0 else 100
        self.context.report(done, 100, f"Measuring plan {self.evaluations + 1}")
        plan = explain(self.problem, chosen)
        measured = self.meter.measure(plan, self.context)
        self.evaluations += 1
        self.metric = self._choose_metric(measured)
        predicted = self.problem.predict(plan)
        step = PolishStep(self._named(plan), predicted, measured, self.evaluations)
        self._losses[chosen.tobytes()] = self.loss(step)
        if self.best is None:
            self.keep(step)
        return step

    def keep(self, step: PolishStep) -> None:
        """Make a step the best so far, and say so."""
        self.best = step
        self.context.partial(step)

    def loss(self, step: PolishStep) -> float:
        """What a step loses as measured, as `damage`."""
        value = damage(self.metric, step.measured[self.metric])
        return math.inf if math.isnan(value) else value

    # --- budgets of size, memory or latency ------------------------------------------------------

    def swap(self, start: Chosen) -> None:
        """Try neighbours until none is better or time is up."""
        current = start
        while not self.is_over:
            following = self._better_neighbour(current)
            if following is None:
                return
            current = following

    def _better_neighbour(self, chosen: Chosen) -> Chosen | None:
        assert self.best is not None
        for neighbour in self._neighbours(chosen):
            self.context.check_cancelled()
            if self.is_over:
                return None
            if neighbour.tobytes() in self._losses or not self._fits(neighbour):
                continue
            step = self.measure(neighbour)
            if self.loss(step) < self.loss(self.best):
                self.keep(step)
                return neighbour
        return None

    def _neighbours(self, chosen: Chosen) -> Iterator[Chosen]:
        """One decision up, or one up and another down, best predicted loss first."""
        losses, sizes = self.problem.losses, self.problem.costs(count_file_bytes)
        rows = np.arange(len(chosen))
        now_loss, now_size = losses[rows, chosen], sizes[rows, chosen]
        ups, downs = _steps(chosen, losses, -1), _steps(chosen, losses, +1)
        moves: list[tuple[float, tuple[tuple[int, int], ...]]] = [
            (losses[row, to] - now_loss[row], ((row, to),)) for row, to in ups
        ]
        for up, up_to in ups:
            for down, down_to in downs:
                grown = sizes[up, up_to] - now_size[up]
                freed = now_size[down] - sizes[down, down_to]
                if up == down or freed <= 0 or grown > 4 * freed:
                    continue
                change = losses[up, up_to] - now_loss[up] + losses[down, down_to] - now_loss[down]
                moves.append((change, ((up, up_to), (down, down_to))))
        for _, changes in sorted(moves, key=lambda move: move[0]):
            neighbour = chosen.copy()
            for row, to in changes:
                neighbour[row] = to
            yield neighbour

    def _fits(self, chosen: Chosen) -> bool:
        plan = self.problem.assemble(chosen)
        return all(limit.measure(plan) <= limit.capacity for limit in self.limits)

    # --- budgets of loss -----------------------------------------------------------------------------

    def bisect(self, wanted: LossLimit, ladder: Sequence[Chosen]) -> None:
        """The smallest plan of `ladder`, smallest first, whose measured loss is within `wanted`.

        Raises:
            BudgetError: none of those tried measures well enough.
        """
        assert self.best is not None
        found = self.best if self.loss(self.best) <= wanted.damage else None
        low, high = 0, len(ladder)
        while low < high and not self.is_over:
            self.context.check_cancelled()
            middle = (low + high) // 2
            chosen = ladder[middle]
            if not self._fits(chosen):
                high = middle
                continue
            step = None if chosen.tobytes() in self._losses else self.measure(chosen)
            if self._losses[chosen.tobytes()] > wanted.damage:
                low = middle + 1
                continue
            high = middle
            if step is not None and (found is None or step.predicted.file_bytes < found.predicted.file_bytes):
                found = step
                self.keep(step)
        if found is None:
            advice = "Give it more time, or allow" if low < high else "Allow"
            measured = dataclasses.replace(wanted, metric=self.metric)
            raise BudgetError(
                f"No plan measured a {measured.name} of {measured.say(wanted.damage)} or better; the best tried had "
                f"{measured.quote(min(self._losses.values()))}. {advice} more loss, or unlock layers."
            )

    def _choose_metric(self, measured: Mapping[Metric, float]) -> Metric:
        """What is improved: the metric asked for, a rise of the loss being a KL; without a wish KL where it is."""
        wanted = Metric.KL if self.wish in (None, Metric.LOSS) else self.wish
        return wanted if wanted in measured else Metric.SQNR

    def _named(self, plan: Plan) -> Plan:
        return dataclasses.replace(plan, provenance=f"measured on {self.meter.samples} samples")


def _build_ladder(problem: Problem, asked: AllocateRequest) -> Sequence[Chosen]:
    """Plans of the front by size, smallest first; the last one is what loses least.

    Top-1 drops of single layers are counts of a few samples, mostly zero: they neither add up nor tell plans
    apart. Plans are ranked by the metric that ranks layers then, which the same cells hold.
    """
    losses = problem.losses
    if problem.metric == Metric.TOP1_DROP:
        ranking = dataclasses.replace(asked, metric=problem.sensitivity.metrics[0])
        ranked = Problem.of(ranking, offers_float=offers_float(asked.budget))
        if [item.options for item in ranked.decisions] == [item.options for item in problem.decisions]:
            losses = ranked.losses
    return list(knapsack.front(problem.costs(count_file_bytes), losses, LADDER_PLANS))


def _steps(chosen: Chosen, losses: npt.NDArray[np.float64], direction: int) -> list[tuple[int, int]]:
    """(decision, candidate) one place away: candidates are sorted by bits, most first."""
    found = [(row, int(index) + direction) for row, index in enumerate(chosen)]
    return [(row, to) for row, to in found if 0 <= to < losses.shape[1] and np.isfinite(losses[row, to])]
