"""Streaming statistics: exact where they promise it, the same in any order, close to numpy elsewhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.calibration import statistics
from engine.calibration.statistics import BINS, MANTISSA_BITS, TensorStatistics
from engine.numerics.schemes import ActivationRange, CalibrationMethod
from tests.engine.models import normal

values_of_any_size = hnp.arrays(
    np.float32, st.integers(1, 60), elements=st.floats(allow_nan=False, allow_infinity=False, width=32)
)


def collect(*batches: npt.NDArray[np.float32]) -> TensorStatistics:
    result = TensorStatistics()
    for batch in batches:
        result.update(batch)
    return result


def ensure_same(one: TensorStatistics, other: TensorStatistics) -> None:
    assert (one.minimum, one.maximum) == (other.minimum, other.maximum)
    assert (one.count, one.nonfinite) == (other.count, other.nonfinite)
    assert np.array_equal(one.histogram, other.histogram)


@given(values=values_of_any_size, seed=st.integers(0, 9), size=st.integers(1, 20))
def test_that_order_and_batch_size_change_nothing(values: npt.NDArray[np.float32], seed: int, size: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(values)
    batches = [shuffled[start : start + size] for start in range(0, len(values), size)]
    ensure_same(collect(values), collect(*batches))


@given(values=values_of_any_size)
def test_that_minimum_maximum_and_count_are_exact(values: npt.NDArray[np.float32]) -> None:
    found = collect(values)
    assert (found.minimum, found.maximum) == (values.min(), values.max())
    assert found.count == found.histogram.sum() == values.size
    assert found.range(ActivationRange(CalibrationMethod.MINMAX)) == (values.min(), values.max())


def test_that_merging_two_passes_equals_one_pass() -> None:
    values = normal(5000)
    first, second = collect(values[:1234]), collect(values[1234:])
    first.merge(second)
    ensure_same(first, collect(values))


def test_that_chunks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = normal(7, 13, 11)
    values[3, 2, 1] = np.nan
    whole = collect(values)
    monkeypatch.setattr(statistics, "CHUNK_ELEMENTS", 17)
    ensure_same(collect(values), whole)


def test_that_nan_and_infinity_are_counted_and_left_out() -> None:
    found = collect(np.array([1.0, np.nan, -3.0, np.inf, -np.inf, 2.0], np.float32), np.full(4, np.nan, np.float32))
    assert (found.nonfinite, found.count, found.minimum, found.maximum) == (7, 3, -3.0, 2.0)
    assert found.histogram.sum() == 3


def test_that_nothing_seen_gives_an_empty_range() -> None:
    assert TensorStatistics().range(ActivationRange()) == (0.0, 0.0)
    assert collect(np.full(3, np.nan, np.float32)).range(ActivationRange()) == (0.0, 0.0)


@pytest.mark.parametrize("percentile", [99.0, 99.9, 99.99])
@pytest.mark.parametrize("shape", ["normal", "relu", "skewed", "tiny"])
def test_that_a_percentile_is_numpys_within_one_bin(percentile: float, shape: str) -> None:
    values = normal(200_000)
    if shape == "relu":
        values = np.maximum(values, 0)
    elif shape == "skewed":
        values = np.exp(values) - np.float32(0.5)
    elif shape == "tiny":
        values = values * np.float32(1e-20)
    low, high = collect(values).range(ActivationRange(CalibrationMethod.PERCENTILE, percentile))
    ordered = np.sort(values.astype(np.float64))
    bin_width = 2.0**-MANTISSA_BITS
    for found, share in ((low, 100 - percentile), (high, percentile)):
        expected = np.percentile(ordered, share)
        assert abs(found - expected) <= bin_width * abs(expected)


@pytest.mark.parametrize("method", CalibrationMethod)
@given(values=values_of_any_size, percentile=st.floats(90, 100))
def test_that_every_range_lies_inside_the_data(
    method: CalibrationMethod, values: npt.NDArray[np.float32], percentile: float
) -> None:
    low, high = collect(values).range(ActivationRange(method, percentile))
    assert values.min() <= low <= high <= values.max()


def test_that_the_average_range_is_the_mean_of_the_samples_ranges() -> None:
    found = collect(np.array([[1, 5], [-3, 7]], np.float32), np.array([[2, 3]], np.float32))
    assert found.range(ActivationRange(CalibrationMethod.AVERAGE)) == (0.0, 5.0)


def test_that_the_average_range_survives_samples_that_are_all_partly_nan() -> None:
    found = collect(np.array([[1, np.nan], [-3, np.inf]], np.float32))
    assert found.range(ActivationRange(CalibrationMethod.AVERAGE)) == (-3.0, 1.0)


def test_that_memory_does_not_depend_on_how_much_was_seen() -> None:
    few, many = collect(normal(3)), collect(*(normal(1000, seed=seed) for seed in range(50)))
    assert few.histogram.nbytes == many.histogram.nbytes == 8 * BINS
    assert vars(few).keys() == vars(many).keys()
    assert all(np.isscalar(value) for name, value in vars(many).items() if name != "histogram")
