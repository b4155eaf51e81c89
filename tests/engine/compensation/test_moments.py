"""Moments: the error and the mean that they give are those of the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest

from engine.compensation import moments as module
from engine.compensation.moments import Moments
from tests.engine.models import normal


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("is_quantized", [True, False])
def test_that_error_and_mean_are_those_of_the_rows(
    groups: int, is_quantized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_ELEMENTS", 100)  # several blocks
    rows = normal(groups, 50, 8, seed=1) + 1
    other = rows + normal(*rows.shape, seed=2, scale=0.1) if is_quantized else rows
    found = Moments.empty(groups, 8, is_quantized=is_quantized)
    for part in (slice(0, 7), slice(7, 50)):
        found.update(rows[:, part], other[:, part] if is_quantized else None)
    weight, change = normal(6, 8, seed=3), normal(6, 8, seed=4, scale=0.2)
    wanted = found.split(weight) @ rows.transpose(0, 2, 1)
    difference = wanted - found.split(weight + change) @ other.transpose(0, 2, 1)
    assert np.allclose(found.error(weight, weight + change), np.square(difference).sum(axis=2).reshape(-1))
    assert np.allclose(found.output_shift(weight, weight + change), difference.mean(axis=2).reshape(-1))
    assert np.allclose(found.energy(weight), np.square(wanted).sum(axis=2).reshape(-1))
    assert found.rows == 50
