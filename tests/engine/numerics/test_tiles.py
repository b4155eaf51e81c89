"""Weights are quantized in tiles, by several threads: neither tiles nor strides show in the result."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from engine.numerics import weights
from engine.numerics.schemes import Granularity, PerChannel, PerGroup, PerTensor, RangeMethod, WeightScheme
from engine.numerics.weights import WeightNotFinite, quantize_weight
from tests.engine.models import normal

GRANULARITIES = [PerTensor(), PerChannel(), PerGroup(16), PerGroup(200)]


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tiles in either direction, even of a small weight."""
    for name, value in (("TILE_ELEMENTS", 256), ("TILE_CHANNELS", 5), ("COPY_BLOCK", 4)):
        monkeypatch.setattr(weights, name, value)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
@pytest.mark.parametrize("method", RangeMethod)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_that_strides_do_not_change_codes_and_scales(
    granularity: Granularity, method: RangeMethod, symmetric: bool, dtype: type[np.floating]
) -> None:
    scheme = WeightScheme(4, symmetric, granularity, method)
    stored = normal(70, 23).astype(dtype)  # [inputs, channels], as MatMul has it
    wide = np.zeros((70, 46), dtype)
    wide[:, ::2] = stored
    expected = quantize_weight(np.ascontiguousarray(stored.T), scheme)
    for matrix in (stored.T, wide[:, ::2].T):
        found = quantize_weight(matrix, scheme)
        assert np.array_equal(found.codes, expected.codes)
        assert np.array_equal(found.scale, expected.scale)
        assert (found.zero_point is None) == symmetric
        assert symmetric or np.array_equal(found.zero_point, expected.zero_point)


@pytest.mark.usefixtures("small_tiles")
def test_that_every_group_is_rounded_on_the_grid_of_its_largest_value() -> None:
    matrix = normal(70, 23).T
    found = quantize_weight(matrix, WeightScheme(4, granularity=PerGroup(16)))
    for start in range(0, 70, 16):
        group = matrix[:, start : start + 16]
        scale = np.abs(group).max(axis=1, keepdims=True) / np.float32(7)
        assert np.array_equal(found.scale[:, start // 16], scale[:, 0])
        assert np.array_equal(found.codes[:, start : start + 16], np.rint(group / scale))


def transposed(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(matrix.T).T


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
@pytest.mark.parametrize("method", RangeMethod)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_that_one_value_that_is_not_finite_is_refused(
    granularity: Granularity, method: RangeMethod, value: float
) -> None:
    matrix = normal(23, 70)
    matrix[17, 66] = value
    for each in (matrix, transposed(matrix)):
        with pytest.raises(WeightNotFinite):
            quantize_weight(each, WeightScheme(4, granularity=granularity, range_method=method))
