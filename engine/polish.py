"""From a predicted plan to a measured one: evaluate whole plans on data and keep what is really better.

Additivity of the layers' losses breaks at very low bits, so the plan that allocation chooses is measured
as a whole, and plans near it are tried: for a budget of size, swaps that take bits from one decision and
give them to another, in the order of their predicted gain; for a budget of loss, tighter and looser
limits on the predicted loss. Anytime: the best so far is handed out whenever it changes.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.allocation import Problem
from engine.budgets import Limit, loss_limit, offers_float, read_limits
from engine.candidates import count_file_bytes
from engine.data.dataset import Dataset
from engine.errors import BudgetError
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.plan import Plan
from engine.requests.allocation import AllocateRequest, PolishRequest, PolishResult, PolishStep
from engine.sensitivity.matrix import Metric, damage, undamage
from engine.sensitivity.plan_meter import PlanMeter

# A loss budget is met by bisection over the limit on the predicted loss.
BISECTIONS = 12
WIDEST_FACTOR = 64.0
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
    wanted = loss_limit(budget)
    problem = Problem.of(asked, offers_float=offers_float(budget))
    limits = read_limits(budget, model.summary, request.latencies)
    context.report(0, 1, "Running the float model")
    meter = PlanMeter(model, dataset, request.samples, context)
    wish = Metric.SQNR if budget.min_sqnr_db is not None else request.metric
    if wanted is not None and wish is None:
        wish = problem.metric
    search = _Search(problem, limits, meter, context, time.monotonic() + request.seconds, request.seconds, wish)
    start = problem.solve(limits, wanted)
    first = search.measure(start)
    if wanted is None:
        search.swap(start)
    else:
        search.bisect(wanted)
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
        plan = self.problem.explain(chosen)
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

    def bisect(self, wanted: float) -> None:
        """The smallest plan whose measured loss is within `wanted`, along the plans that prediction ranks.

        Raises:
            BudgetError: not even the best plan measures well enough.
        """
        assert self.best is not None
        tight, loose = 1 / WIDEST_FACTOR, WIDEST_FACTOR
        found = self.best if self.loss(self.best) <= wanted else None
        tight, loose = (1.0, loose) if found else (tight, 1.0)
        for _ in range(BISECTIONS):
            factor = math.sqrt(tight * loose)
            chosen = self._solve_near(wanted * factor)
            if chosen is None:
                tight = factor
                continue
            if self.is_over:
                break
            is_new = chosen.tobytes() not in self._losses
            step = self.measure(chosen) if is_new else None
            if self._losses[chosen.tobytes()] > wanted:
                loose = factor
                continue
            tight = factor
            if step is not None and (found is None or step.predicted.file_bytes < found.predicted.file_bytes):
                found = step
                self.keep(step)
        if found is None:
            raise BudgetError(
                f"No plan measured {_say(self.metric, wanted)} or better; the best tried had "
                f"{_say(self.metric, self.loss(self.best))}. Allow more loss, or unlock layers."
            )

    def _solve_near(self, limit: float) -> Chosen | None:
        try:
            return self.problem.solve(self.limits, limit)
        except BudgetError:
            return None

    def _choose_metric(self, measured: Mapping[Metric, float]) -> Metric:
        """What is improved: the metric asked for, a rise of the loss being a KL; without a wish KL where it is."""
        wanted = Metric.KL if self.wish in (None, Metric.LOSS) else self.wish
        return wanted if wanted in measured else Metric.SQNR

    def _named(self, plan: Plan) -> Plan:
        return dataclasses.replace(plan, provenance=f"measured on {self.meter.samples} samples")


def _steps(chosen: Chosen, losses: npt.NDArray[np.float64], direction: int) -> list[tuple[int, int]]:
    """(decision, candidate) one place away: candidates are sorted by bits, most first."""
    found = [(row, int(index) + direction) for row, index in enumerate(chosen)]
    return [(row, to) for row, to in found if 0 <= to < losses.shape[1] and np.isfinite(losses[row, to])]


def _say(metric: Metric, loss: float) -> str:
    return f"{metric} {undamage(metric, loss):.4g}"
