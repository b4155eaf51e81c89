"""AdaRound and the search over flips: against every choice there is, nearest codes and GPTQ."""

from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
import torch

from engine.compensation import adaround, flips
from engine.compensation.adaround import round_adaround
from engine.compensation.flips import flip_codes
from engine.compensation.gptq import round_gptq
from engine.compensation.moments import Moments
from engine.numerics import schemes
from engine.numerics.schemes import (
    Granularity,
    GroupScales,
    PerChannel,
    PerGroup,
    PerTensor,
    RangeMethod,
    WeightScheme,
)
from engine.numerics.weights import QuantizedWeight, quantize_weight, range_of
from tests.engine.models import normal

Rows = npt.NDArray[np.float32]
INPUTS, CHANNELS = 96, 16


def correlated(rows: int = 800, inputs: int = INPUTS, groups: int = 1, seed: int = 0) -> Rows:
    """Rows [groups, rows, inputs] as after a ReLU: positive, a few directions with most of the energy."""
    directions = max(inputs // 8, 2)
    mixed = normal(groups, rows, directions, seed=seed) @ normal(groups, directions, inputs, seed=seed + 1)
    return np.maximum(mixed + 0.5 * normal(groups, rows, inputs, seed=seed + 2), 0)


def moments_of(rows: Rows, other: Rows | None = None) -> Moments:
    made = Moments.empty(rows.shape[0], rows.shape[2], is_quantized=other is not None)
    made.update(rows, other)
    return made


@pytest.fixture(autouse=True)
def _offer_three_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file stores them yet."""
    monkeypatch.setattr(schemes, "WEIGHT_BITS", (*schemes.WEIGHT_BITS, 3))


def scheme_of(bits: int, granularity: Granularity | None = None, *, symmetric: bool = True) -> WeightScheme:
    return WeightScheme(bits, symmetric, granularity or PerChannel(), RangeMethod.MSE)


def error_of(matrix: Rows, moments: Moments, weight: QuantizedWeight) -> float:
    return float(moments.error(matrix, weight.dequantize()).sum())


def least_error(matrix: Rows, moments: Moments, grid: QuantizedWeight, scheme: WeightScheme) -> float:
    """Over all ways to round every channel up or down."""
    zero_point = 0 if grid.zero_point is None else flips.per_weight(grid.zero_point, grid)
    floor = np.floor(matrix / flips.per_weight(grid.scale, grid) + zero_point)
    least = np.full(len(matrix), np.inf)
    for choice in product((0, 1), repeat=matrix.shape[1]):
        codes = np.clip(floor + np.array(choice), *range_of(scheme)).astype(np.int8)
        candidate = dataclasses.replace(grid, codes=codes)
        least = np.minimum(least, moments.error(matrix, candidate.dequantize()))
    return float(least.sum())


@pytest.mark.parametrize("granularity", [PerChannel(), PerGroup(4)], ids=str)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [4, 2])
def test_that_tiny_layers_come_close_to_the_best_of_all_choices(
    bits: int, symmetric: bool, granularity: Granularity
) -> None:
    matrix, scheme = normal(CHANNELS, 9), scheme_of(bits, granularity, symmetric=symmetric)
    moments, nearest = moments_of(correlated(inputs=9)), quantize_weight(matrix, scheme)
    least = least_error(matrix, moments, nearest, scheme)
    found = error_of(matrix, moments, round_adaround(matrix, moments, nearest, scheme))
    assert found <= least * 1.02
    assert error_of(matrix, moments, nearest) > least * 1.2
    assert error_of(matrix, moments, flip_codes(matrix, moments, nearest, scheme)) <= least * 1.03


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(32), PerGroup(7)], ids=str)
@pytest.mark.parametrize("bits", [4, 3, 2])
def test_that_noise_on_correlated_inputs_is_below_that_of_gptq(bits: int, granularity: Granularity) -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(bits, granularity)
    moments, nearest = moments_of(correlated()), quantize_weight(matrix, scheme)
    gptq = round_gptq(matrix, moments, nearest, scheme)
    assert gptq is not None
    found = error_of(matrix, moments, round_adaround(matrix, moments, nearest, scheme))
    assert found < 0.5 * error_of(matrix, moments, nearest)
    assert found < error_of(matrix, moments, gptq)


def test_that_learning_lowers_the_error_before_any_flip(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(4)
    moments, nearest = moments_of(correlated()), quantize_weight(matrix, scheme)
    monkeypatch.setattr(adaround, "flip_codes", lambda _matrix, _moments, weight, _scheme: weight)
    learned = round_adaround(matrix, moments, nearest, scheme, iterations=1000)
    assert error_of(matrix, moments, learned) < 0.5 * error_of(matrix, moments, nearest)


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(32), PerGroup(7)], ids=str)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_that_codes_are_floors_or_ceilings_on_the_frozen_grid(
    bits: int, symmetric: bool, granularity: Granularity
) -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(bits, granularity, symmetric=symmetric)
    moments, nearest = moments_of(correlated()), quantize_weight(matrix, scheme)
    found = round_adaround(matrix, moments, nearest, scheme, iterations=40)
    assert found.scale is nearest.scale
    assert found.zero_point is nearest.zero_point
    assert found.codes.dtype == np.int8
    zero_point = 0 if nearest.zero_point is None else flips.per_weight(nearest.zero_point, nearest)
    exact = matrix / flips.per_weight(nearest.scale, nearest) + zero_point
    lowest, highest = (np.clip(np.floor(exact) + up, *range_of(scheme)) for up in (0, 1))
    assert ((found.codes >= lowest) & (found.codes <= highest)).all()
    per_channel = moments.error(matrix, found.dequantize()) <= moments.error(matrix, nearest.dequantize())
    assert per_channel.all()


def test_that_a_reduced_range_is_kept() -> None:
    scheme = dataclasses.replace(scheme_of(8), reduce_range=True)
    matrix = normal(CHANNELS, INPUTS)
    moments, nearest = moments_of(correlated()), quantize_weight(matrix, scheme)
    found = round_adaround(matrix, moments, nearest, scheme, iterations=40)
    assert np.abs(found.codes.astype(int)).max() <= 63


@pytest.mark.parametrize("group_scales", [GroupScales.BYTE, GroupScales.PRODUCT])
def test_that_multipliers_stay_and_are_rounded_on(group_scales: GroupScales) -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(4, PerGroup(32))
    moments, nearest = moments_of(correlated()), quantize_weight(matrix, scheme, group_scales=group_scales)
    found = round_adaround(matrix, moments, nearest, scheme, iterations=100)
    assert found.multiplier is nearest.multiplier
    assert found.channel_scale is nearest.channel_scale
    assert error_of(matrix, moments, found) < 0.5 * error_of(matrix, moments, nearest)


def test_that_every_group_of_a_depthwise_layer_is_rounded_by_its_own_moments() -> None:
    matrix, scheme = normal(24, 9), scheme_of(4)
    rows = correlated(inputs=9, groups=12)
    nearest = quantize_weight(matrix, scheme)
    whole = round_adaround(matrix, moments_of(rows), nearest, scheme)
    for group in range(12):
        own = slice(2 * group, 2 * group + 2)
        part = dataclasses.replace(nearest, codes=nearest.codes[own], scale=nearest.scale[own])
        alone = round_adaround(matrix[own], moments_of(rows[group : group + 1]), part, scheme)
        assert np.array_equal(whole.codes[own], alone.codes)
    assert error_of(matrix, moments_of(rows), whole) < 0.7 * error_of(matrix, moments_of(rows), nearest)


def test_that_inputs_that_are_always_zero_keep_their_codes() -> None:
    matrix, scheme, rows = normal(CHANNELS, INPUTS), scheme_of(4), correlated()
    dead = [0, 5, INPUTS - 1]
    rows[:, :, dead] = 0
    moments, nearest = moments_of(rows), quantize_weight(matrix, scheme)
    found = round_adaround(matrix, moments, nearest, scheme, iterations=100)
    assert np.array_equal(found.codes[:, dead], nearest.codes[:, dead])
    assert error_of(matrix, moments, found) < 0.5 * error_of(matrix, moments, nearest)


def test_that_a_layer_without_any_signal_keeps_its_codes() -> None:
    matrix, scheme = normal(4, 8), scheme_of(4)
    moments, nearest = moments_of(np.zeros((1, 10, 8), np.float32)), quantize_weight(matrix, scheme)
    assert np.array_equal(round_adaround(matrix, moments, nearest, scheme).codes, nearest.codes)


def test_that_quantized_inputs_are_made_up_for() -> None:
    matrix, scheme, rows = normal(CHANNELS, INPUTS), scheme_of(4), correlated()
    seen = np.round(rows * 4) / 4 * np.float32(0.95)
    moments, nearest = moments_of(rows, seen), quantize_weight(matrix, scheme)
    told = round_adaround(matrix, moments, nearest, scheme)
    untold = round_adaround(matrix, moments_of(rows), nearest, scheme)
    assert error_of(matrix, moments, told) < 0.8 * error_of(matrix, moments, untold)
    direct = np.square(rows[0] @ matrix.T - seen[0] @ told.dequantize().T, dtype=np.float64).sum()
    assert error_of(matrix, moments, told) == pytest.approx(direct, rel=1e-3)


def test_that_parts_and_threads_change_nothing_but_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, scheme = normal(40, INPUTS), scheme_of(3)
    moments, nearest = moments_of(correlated()), quantize_weight(matrix, scheme)
    threads = torch.get_num_threads()
    whole = round_adaround(matrix, moments, nearest, scheme, iterations=60)
    assert torch.get_num_threads() == threads
    assert np.array_equal(round_adaround(matrix, moments, nearest, scheme, iterations=60).codes, whole.codes)
    monkeypatch.setattr(adaround, "PART_ELEMENTS", 1)
    monkeypatch.setattr(adaround, "MIN_CHANNELS", 7)
    monkeypatch.setattr(flips, "SEARCH_ELEMENTS", 1)
    in_parts = error_of(matrix, moments, round_adaround(matrix, moments, nearest, scheme, iterations=60))
    assert in_parts == pytest.approx(error_of(matrix, moments, whole), rel=0.05)


@pytest.mark.parametrize("bits", [4, 2])
def test_that_flips_improve_what_gptq_found(bits: int) -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(bits)
    moments = moments_of(correlated())
    gptq = round_gptq(matrix, moments, quantize_weight(matrix, scheme), scheme)
    assert gptq is not None
    found = flip_codes(matrix, moments, gptq, scheme)
    qmin, qmax = range_of(scheme)
    assert qmin <= found.codes.min() <= found.codes.max() <= qmax
    assert (moments.error(matrix, found.dequantize()) <= moments.error(matrix, gptq.dequantize())).all()
    assert error_of(matrix, moments, found) < 0.97 * error_of(matrix, moments, gptq)


def test_that_a_channel_with_few_codes_to_flip_waits_for_them() -> None:
    matrix = np.zeros((1, 40), np.float32)
    matrix[0, :2] = 0.45, 0.45
    scheme = scheme_of(4)
    grid = dataclasses.replace(
        quantize_weight(matrix, scheme), codes=np.zeros((1, 40), np.int8), scale=np.ones((1, 1), np.float32)
    )
    rows = np.zeros((1, 4, 40), np.float32)
    rows[:, :, :2] = 1
    found = flip_codes(matrix, moments_of(rows), grid, scheme, steps=50)
    assert found.codes[0, :2].sum() == 1
    assert not found.codes[0, 2:].any()
