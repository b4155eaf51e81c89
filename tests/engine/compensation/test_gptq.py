"""GPTQ: against the paper's own algorithm, against rounding to nearest, and where moments are poor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from engine.compensation.gptq import DAMPING, round_gptq
from engine.compensation.moments import Moments, Wide
from engine.compensation.rounding import round_weight
from engine.numerics import schemes
from engine.numerics.schemes import (
    Granularity,
    GroupScales,
    PerChannel,
    PerGroup,
    PerTensor,
    RangeMethod,
    Rounding,
    WeightScheme,
)
from engine.numerics.weights import QuantizedWeight, quantize_weight, range_of
from tests.engine.models import normal

INPUTS, CHANNELS = 150, 24
GRANULARITIES = (PerTensor(), PerChannel(), PerGroup(32), PerGroup(7))


def correlated(rows: int = 2000, inputs: int = INPUTS, seed: int = 0, draw: int = 0) -> npt.NDArray[np.float32]:
    """Rows [1, rows, inputs] in which a few directions, by `seed`, hold most of the energy."""
    mix = normal(inputs // 10, inputs, seed=seed + 1)
    drawn = normal(rows, inputs // 10, seed=seed + 1000 * draw) @ mix
    return (drawn + 0.7 * normal(rows, inputs, seed=seed + 2 + 1000 * draw))[None]


def moments_of(rows: npt.NDArray[np.float32], other: npt.NDArray[np.float32] | None = None) -> Moments:
    made = Moments.empty(rows.shape[0], rows.shape[2], is_quantized=other is not None)
    made.update(rows, other)
    return made


@pytest.fixture(autouse=True)
def _offer_three_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file stores them yet."""
    monkeypatch.setattr(schemes, "WEIGHT_BITS", (*schemes.WEIGHT_BITS, 3))


def scheme_of(bits: int, granularity: Granularity, *, symmetric: bool = True) -> WeightScheme:
    return WeightScheme(bits, symmetric, granularity, RangeMethod.MSE)


def codes_of_the_paper(
    matrix: npt.NDArray[np.float32], square: Wide, grid: QuantizedWeight, scheme: WeightScheme
) -> npt.NDArray[np.int64]:
    """Algorithm 1 of arXiv 2210.17323, one column after the other, without blocks, by an explicit inverse."""
    weights = matrix.astype(np.float64)
    damped = square + DAMPING * np.diagonal(square).mean() * np.eye(len(square))
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    codes = np.zeros(weights.shape, np.int64)
    shape = (len(matrix), grid.scale.shape[1])
    scale = np.broadcast_to(grid.scale, shape).astype(np.float64)
    zero_point = np.zeros(shape) if grid.zero_point is None else np.broadcast_to(grid.zero_point, shape)
    for column in range(weights.shape[1]):
        group = column // grid.group_size if shape[1] > 1 else 0
        own, zero = scale[:, group], zero_point[:, group]
        codes[:, column] = np.clip(np.rint(weights[:, column] / own) + zero, *range_of(scheme))
        error = (weights[:, column] - (codes[:, column] - zero) * own) / upper[column, column]
        weights[:, column:] -= error[:, None] * upper[column, column:]
    return codes


@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [8, 4, 3, 2])
def test_that_codes_are_those_of_the_paper(bits: int, symmetric: bool, granularity: Granularity) -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(bits, granularity, symmetric=symmetric)
    moments, grid = moments_of(correlated()), quantize_weight(matrix, scheme)
    found = round_gptq(matrix, moments, grid, scheme, is_ordered=False)
    assert found is not None
    assert np.array_equal(found.codes, codes_of_the_paper(matrix, moments.square[0], grid, scheme))


@pytest.mark.parametrize("group_scales", [GroupScales.BYTE, GroupScales.PRODUCT])
def test_that_progressive_scales_are_rounded_on_as_they_are_stored(group_scales: GroupScales) -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(4, PerGroup(32))
    moments, grid = moments_of(correlated()), quantize_weight(matrix, scheme, group_scales=group_scales)
    found = round_gptq(matrix, moments, grid, scheme, is_ordered=False)
    assert found is not None
    assert np.array_equal(found.codes, codes_of_the_paper(matrix, moments.square[0], grid, scheme))
    assert found.multiplier is grid.multiplier
    assert found.channel_scale is grid.channel_scale


@pytest.mark.parametrize("granularity", [PerChannel(), PerGroup(32)], ids=str)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [4, 3, 2])
def test_that_the_noise_of_correlated_inputs_halves(bits: int, symmetric: bool, granularity: Granularity) -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(bits, granularity, symmetric=symmetric)
    nearest = quantize_weight(matrix, scheme)
    found = round_weight(Rounding.GPTQ, matrix, moments_of(correlated()), nearest, scheme)
    unseen = moments_of(correlated(draw=1))
    assert unseen.error(matrix, found.dequantize()).sum() < 0.5 * unseen.error(matrix, nearest.dequantize()).sum()


def test_that_order_by_energy_helps_where_energies_differ() -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(3, PerChannel())
    rows = correlated() * np.linspace(0.05, 2, INPUTS, dtype=np.float32)
    moments, nearest = moments_of(rows), quantize_weight(matrix, scheme)
    ordered, plain = (round_gptq(matrix, moments, nearest, scheme, is_ordered=flag) for flag in (True, False))
    assert ordered is not None
    assert plain is not None
    assert moments.error(matrix, ordered.dequantize()).sum() < moments.error(matrix, plain.dequantize()).sum()


def test_that_every_group_of_a_convolution_is_rounded_by_its_own_inputs() -> None:
    matrix, scheme = normal(12, 9), scheme_of(4, PerChannel())
    rows = np.concatenate([correlated(500, 9 * 10, seed)[:, :, :9] for seed in range(4)])
    nearest = quantize_weight(matrix, scheme)
    whole = round_gptq(matrix, moments_of(rows), nearest, scheme)
    assert whole is not None
    for group in range(4):
        own = slice(3 * group, 3 * group + 3)
        part = quantize_weight(matrix[own], scheme)
        alone = round_gptq(matrix[own], moments_of(rows[group : group + 1]), part, scheme)
        assert alone is not None
        assert np.array_equal(whole.codes[own], alone.codes)


def test_that_inputs_that_are_always_zero_keep_their_nearest_codes() -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(4, PerChannel())
    rows = correlated()
    rows[..., 10:20] = 0
    nearest = quantize_weight(matrix, scheme)
    found = round_gptq(matrix, moments_of(rows), nearest, scheme)
    assert found is not None
    assert np.array_equal(found.codes[:, 10:20], nearest.codes[:, 10:20])
    assert not np.array_equal(found.codes, nearest.codes)


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_that_few_rows_are_enough_not_to_be_worse_than_nearest(rows: int) -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(4, PerChannel())
    moments, nearest = moments_of(correlated(20)[:, :rows]), quantize_weight(matrix, scheme)
    found = round_weight(Rounding.GPTQ, matrix, moments, nearest, scheme)
    assert (moments.error(matrix, found.dequantize()) <= moments.error(matrix, nearest.dequantize())).all()


def test_that_moments_without_a_factor_leave_nearest_codes() -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(4, PerChannel())
    moments, nearest = moments_of(correlated()), quantize_weight(matrix, scheme)
    moments.square[0] -= 1e6 * np.eye(INPUTS)
    assert round_weight(Rounding.GPTQ, matrix, moments, nearest, scheme) is nearest


def test_that_errors_of_the_inputs_are_made_up_for() -> None:
    matrix, scheme = normal(CHANNELS, INPUTS), scheme_of(8, PerChannel())
    rows = correlated()
    other = rows * np.float32(0.8) + 0.05 * normal(*rows.shape, seed=9)
    moments, nearest = moments_of(rows, other), quantize_weight(matrix, scheme)
    found = round_weight(Rounding.GPTQ, matrix, moments, nearest, scheme)
    found_error, nearest_error = (moments.error(matrix, item.dequantize()).sum() for item in (found, nearest))
    assert found_error < 0.5 * nearest_error
