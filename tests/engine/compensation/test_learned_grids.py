"""Activation grids in training: what they compute is what is exported, and their gradients are LSQ's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.compensation.learned_grids import SCALE_REACH, LearnedGrid, drop_quantization
from engine.numerics.affine import TensorQuantization
from tests.engine.models import normal

VALUES = normal(400, scale=3.0)


def learned(scale: float, zero_point: int) -> LearnedGrid:
    grid = LearnedGrid(TensorQuantization(np.float32(scale), zero_point))
    for item in grid.parameters():
        item.requires_grad_()
    return grid


@pytest.mark.parametrize("zero_point", [0, 100])
def test_that_a_grid_computes_what_it_exports(zero_point: int) -> None:
    grid = learned(0.02, zero_point)
    with torch.no_grad():
        grid.log_scale.add_(0.1)
        if grid.zero_point is not None:
            grid.zero_point.add_(3.4)
    exported = grid.quantization()
    assert exported.zero_point == (103 if zero_point else 0)
    assert exported.scale == pytest.approx(0.02 * np.exp(0.1), rel=1e-6)
    for is_learning in (True, False):
        with torch.set_grad_enabled(is_learning):
            found = grid.apply(torch.from_numpy(VALUES)).detach().numpy()
        assert np.array_equal(found, exported.fake_quantize(VALUES))


@pytest.mark.parametrize("zero_point", [0, 100])
def test_that_gradients_are_those_of_the_definition(zero_point: int) -> None:
    scale = 0.02
    grid, weights = learned(scale, zero_point), normal(400, seed=1)
    values = torch.from_numpy(VALUES).requires_grad_()
    (grid.apply(values) * torch.from_numpy(weights)).sum().backward()
    codes = np.rint(VALUES / scale) + zero_point
    inside = (codes >= 0) & (codes <= 255)
    assert 0 < inside.sum() < len(codes)
    # LSQ: round(v / s) − v / s inside, the last code outside; times s, as the scale is learned as a logarithm.
    by_scale = np.where(inside, codes - zero_point - VALUES / scale, np.clip(codes, 0, 255) - zero_point) * scale
    assert values.grad is not None and np.array_equal(values.grad.numpy(), weights * inside)  # noqa: PT018
    assert grid.log_scale.grad is not None
    assert grid.log_scale.grad.item() == pytest.approx((weights * by_scale).sum(), rel=1e-3)
    if zero_point:
        assert grid.zero_point is not None and grid.zero_point.grad is not None  # noqa: PT018
        assert grid.zero_point.grad.item() == pytest.approx(-(weights * ~inside).sum() * scale, rel=1e-3)


def test_that_a_grid_is_brought_back_within_its_limits() -> None:
    grid = learned(0.02, 100)
    with torch.no_grad():
        grid.log_scale.fill_(5.0)
        assert grid.zero_point is not None
        grid.zero_point.fill_(300.0)
    grid.project()
    assert grid.log_scale.item() == pytest.approx(SCALE_REACH)
    assert grid.quantization().zero_point == 255


def test_that_a_share_of_the_values_is_left_as_it_is() -> None:
    noise = torch.Generator().manual_seed(0)
    found = drop_quantization(torch.zeros(10_000), torch.ones(10_000), 0.25, noise)
    assert set(found.tolist()) == {0.0, 1.0}
    assert 0.22 < (found == 0).float().mean().item() < 0.28
