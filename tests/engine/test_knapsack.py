"""The knapsack against brute force on instances small enough to enumerate."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.knapsack import front, least_cost, solve

Table = npt.NDArray[np.float64]
Item = list[tuple[float, float]]
numbers = st.one_of(st.integers(0, 30).map(float), st.floats(0, 10))
choices = st.lists(st.tuples(st.integers(1, 800).map(float), numbers), min_size=1, max_size=4)
items = st.lists(choices, min_size=1, max_size=5)


def as_tables(drawn: list[Item]) -> tuple[Table, Table]:
    width = max(len(item) for item in drawn)
    tables = np.full((2, len(drawn), width), np.inf)
    for row, item in enumerate(drawn):
        tables[:, row, : len(item)] = np.array(item).T
    return tables[0], tables[1]


def enumerate_totals(drawn: list[Item]) -> list[tuple[float, float]]:
    return [(sum(c for c, _ in picked), sum(v for _, v in picked)) for picked in product(*drawn)]


def total(table: Table, chosen: npt.NDArray[np.int64]) -> float:
    return float(table[np.arange(len(chosen)), chosen].sum())


@given(drawn=items, share=st.floats(0, 1))
def test_that_the_choice_is_as_good_as_brute_force(drawn: list[Item], share: float) -> None:
    costs, losses = as_tables(drawn)
    least = least_cost(costs)
    most = sum(max(cost for cost, _ in item) for item in drawn)
    capacity = least + share * (most - least)
    chosen = solve(costs, losses, capacity)
    assert total(costs, chosen) <= capacity
    best = min(loss for cost, loss in enumerate_totals(drawn) if cost <= capacity)
    assert total(losses, chosen) == pytest.approx(best, rel=1e-9, abs=1e-9)


@given(drawn=items)
def test_that_the_front_is_what_nothing_beats(drawn: list[Item]) -> None:
    costs, losses = as_tables(drawn)
    found = [(total(costs, chosen), total(losses, chosen)) for chosen in front(costs, losses, limit=10_000)]
    best: list[tuple[float, float]] = []
    for cost, loss in sorted(enumerate_totals(drawn)):
        if not best or loss < best[-1][1] - 1e-9:
            best.append((cost, loss))
    assert found == sorted(found)
    for cost, loss in best:
        assert any(c <= cost + 1e-9 and v <= loss + 1e-9 for c, v in found)


def test_that_a_capacity_below_the_cheapest_choices_is_refused() -> None:
    with pytest.raises(ValueError, match="cheapest choices cost"):
        solve(np.array([[5.0, 7.0]]), np.array([[1.0, 0.0]]), 4.0)


def draw_layers(count: int) -> tuple[Table, Table]:
    """Sizes and losses as real layers have them: 2 to 32 bits, noise falling fourfold per bit."""
    rng = np.random.default_rng(3)
    bits = np.array([32, 16, 8, 4, 2])
    costs = (rng.integers(1, 2000, count)[:, None] * bits).astype(np.float64)
    noise = rng.lognormal(0, 2, count)[:, None] * 4.0**-bits * rng.lognormal(0, 0.5, (count, 5))
    return costs, np.maximum.accumulate(noise, axis=1)


def test_that_many_layers_are_solved_to_the_bound_of_the_relaxation() -> None:
    from scipy.optimize import linprog

    costs, losses = draw_layers(200)
    capacity = 0.2 * costs.max(axis=1).sum()
    chosen = solve(costs, losses, capacity)
    one_each = np.kron(np.eye(200), np.ones(5))
    bound = linprog(losses.ravel(), costs.ravel()[None], [capacity], one_each, np.ones(200), (0, 1)).fun
    assert total(costs, chosen) <= capacity
    assert bound <= total(losses, chosen) * (1 + 1e-9)
    assert total(losses, chosen) <= bound * 1.01


def test_that_a_long_front_is_thinned_and_keeps_its_ends() -> None:
    costs, losses = draw_layers(300)
    found = front(costs, losses, limit=50)
    assert 40 <= len(found) <= 50
    assert total(costs, found[0]) == least_cost(costs)
    assert total(losses, found[-1]) == losses.min(axis=1).sum()
