"""Scales fitted to codes: least squares by another route, never worse, and left alone where they are bound."""

from __future__ import annotations

import numpy as np
import pytest

from engine.compensation.moments import Moments
from engine.compensation.scaling import fit_scales, refine_scales
from engine.numerics.schemes import Granularity, GroupScales, PerChannel, PerGroup, PerTensor, WeightScheme
from engine.numerics.weights import quantize_weight
from tests.engine.models import normal


def moments_of(rows: np.ndarray, quantized: np.ndarray | None = None) -> Moments:
    """Of rows [groups, rows, inputs]."""
    found = Moments.empty(rows.shape[0], rows.shape[2], is_quantized=quantized is not None)
    found.update(rows, quantized)
    return found


def draw_rows(groups: int = 1, inputs: int = 24) -> np.ndarray:
    """Correlated inputs of uneven size."""
    mixing = normal(groups, inputs, inputs, seed=1) * np.geomspace(0.2, 2, inputs, dtype=np.float32)
    return np.asarray(normal(groups, 400, inputs, seed=2) @ mixing, np.float32)


@pytest.mark.parametrize("granularity", [PerGroup(8), PerGroup(10), PerChannel()])
@pytest.mark.parametrize("is_quantized", [False, True])
def test_scales_are_those_of_least_squares_on_the_rows(granularity: Granularity, *, is_quantized: bool) -> None:
    rows = draw_rows()
    quantized = rows + normal(*rows.shape, seed=3, scale=0.3) if is_quantized else rows
    matrix = normal(5, 24, seed=4)
    weight = quantize_weight(matrix, WeightScheme(4, symmetric=False, granularity=granularity))
    found = fit_scales(matrix, moments_of(rows, quantized if is_quantized else None), weight)
    assert weight.zero_point is not None
    for channel in range(5):
        zero_point = np.repeat(weight.zero_point[channel], weight.group_size)[:24]
        centred = weight.codes[channel].astype(np.float64) - zero_point
        columns = [
            quantized[0][:, start : start + weight.group_size] @ centred[start : start + weight.group_size]
            for start in range(0, 24, weight.group_size)
        ]
        expected, *_ = np.linalg.lstsq(np.stack(columns, axis=1), rows[0] @ matrix[channel].astype(np.float64))
        np.testing.assert_allclose(found.scale[channel], expected, rtol=2e-3)


@pytest.mark.parametrize("groups", [1, 3])
def test_refining_lowers_the_error_of_the_rows(groups: int) -> None:
    rows = draw_rows(groups)
    moments, matrix, scheme = moments_of(rows), normal(6, 24, seed=4), WeightScheme(2, symmetric=False)
    weight = quantize_weight(matrix, scheme)
    found = refine_scales(matrix, moments, weight, scheme)

    def error(restored: np.ndarray) -> np.ndarray:
        change = (matrix - restored).reshape(groups, -1, 24).transpose(0, 2, 1)
        return np.square(rows.astype(np.float64) @ change).sum(axis=1).reshape(-1)

    before, after = error(weight.dequantize()), error(found.dequantize())
    assert (after <= before).all()
    assert after.sum() < 0.7 * before.sum()
    assert np.array_equal(found.zero_point, weight.zero_point)  # type: ignore[arg-type]


def test_fitted_scales_are_numbers_that_float16_holds_where_these_are_stored() -> None:
    moments, matrix, scheme = moments_of(draw_rows()), normal(6, 24, seed=4), WeightScheme(2, symmetric=False)
    weight = quantize_weight(matrix, scheme, half_scales=True)
    found = refine_scales(matrix, moments, weight, scheme)
    assert found.has_half_scales
    assert not np.array_equal(found.scale, weight.scale)
    assert np.array_equal(found.scale.astype(np.float16).astype(np.float32), found.scale)


def test_bound_scales_stay() -> None:
    moments, matrix = moments_of(draw_rows()), normal(6, 24, seed=4)
    grouped = WeightScheme(4, granularity=PerGroup(8))
    for scheme, group_scales in (
        (WeightScheme(4, granularity=PerTensor()), GroupScales.FLOAT),
        (grouped, GroupScales.BYTE),
        (WeightScheme(4, granularity=PerGroup(8), clip=0.8), GroupScales.FLOAT),
    ):
        weight = quantize_weight(matrix, scheme, group_scales=group_scales)
        found = refine_scales(matrix, moments, weight, scheme)
        assert np.array_equal(found.scale, weight.scale)
        error, before = (moments.error(matrix, item.dequantize()) for item in (found, weight))
        assert (error <= before).all()
        assert error.sum() < before.sum()
