"""A clip set by hand against its definition: every scale keeps that share of its own full range."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from engine.errors import PlanError
from engine.numerics.schemes import Granularity, GroupScales, PerChannel, PerGroup, PerTensor, RangeMethod, WeightScheme
from engine.numerics.weights import QuantizedWeight, code_range, quantize_weight
from tests.engine.models import normal

GRANULARITIES: list[Granularity] = [PerTensor(), PerChannel(), PerGroup(8), PerGroup(7)]
SCHEMES = [
    WeightScheme(bits, symmetric, granularity, method, clip=clip)
    for bits, symmetric, granularity, method, clip in product(
        (8, 4, 2), (True, False), GRANULARITIES, (RangeMethod.MINMAX, RangeMethod.MSE), (1.0, 0.8, 0.3)
    )
]


def name_scheme(scheme: WeightScheme) -> str:
    size = f"{scheme.granularity.group_size}" if isinstance(scheme.granularity, PerGroup) else ""
    kind = "symmetric" if scheme.symmetric else "asymmetric"
    return f"{scheme.bits}-{kind}-{type(scheme.granularity).__name__}{size}-{scheme.range_method}-{scheme.clip}"


def parts(matrix: npt.NDArray[np.float32], scheme: WeightScheme) -> Iterator[tuple[slice, slice, tuple[int, int]]]:
    """The weights that share a scale, and where the scale is."""
    channels, inputs = matrix.shape
    size = scheme.granularity.group_size if isinstance(scheme.granularity, PerGroup) else inputs
    if isinstance(scheme.granularity, PerTensor):
        yield slice(None), slice(None), (0, 0)
        return
    for channel in range(channels):
        for group, start in enumerate(range(0, inputs, size)):
            yield slice(channel, channel + 1), slice(start, start + size), (channel, group)


def plain_scale(values: npt.NDArray[np.float32], scheme: WeightScheme) -> float:
    assert scheme.clip is not None
    qmin, qmax = code_range(scheme.bits, symmetric=scheme.symmetric)
    low, high = float(min(values.min(), 0)) * scheme.clip, float(max(values.max(), 0)) * scheme.clip
    return max(-low, high) / qmax if scheme.symmetric else (high - low) / (qmax - qmin)


def dequantize(weight: QuantizedWeight, rows: slice, columns: slice, at: tuple[int, int]) -> npt.NDArray[np.float64]:
    zero_point = 0 if weight.zero_point is None else int(weight.zero_point[at])
    return (weight.codes[rows, columns].astype(np.float64) - zero_point) * float(weight.scale[at])


@pytest.mark.parametrize("scheme", SCHEMES, ids=name_scheme)
def test_that_every_scale_keeps_the_share_of_its_own_range(scheme: WeightScheme) -> None:
    matrix = normal(6, 30) + np.float32(0.3)
    weight = quantize_weight(matrix, scheme)
    qmin, qmax = code_range(scheme.bits, symmetric=scheme.symmetric)
    for rows, columns, at in parts(matrix, scheme):
        values = matrix[rows, columns].astype(np.float64)
        assert weight.scale[at] == pytest.approx(plain_scale(matrix[rows, columns], scheme), rel=1e-5)
        restored = dequantize(weight, rows, columns, at)
        zero_point = 0 if weight.zero_point is None else int(weight.zero_point[at])
        low, high = ((end - zero_point) * float(weight.scale[at]) for end in (qmin, qmax))
        assert (np.abs(restored - np.clip(values, low, high)) <= weight.scale[at] * (0.5 + 1e-4)).all()
        assert (restored[values > high] == pytest.approx(high)) if (values > high).any() else True


@pytest.mark.parametrize(("bits", "symmetric"), [(4, True), (4, False), (2, False)])
@pytest.mark.parametrize("clip", [1.0, 0.7])
@pytest.mark.parametrize("group_scales", [GroupScales.BYTE, GroupScales.PRODUCT])
def test_that_group_scales_that_are_multiples_are_as_near_as_multiples_get(
    bits: int, symmetric: bool, clip: float, group_scales: GroupScales
) -> None:
    scheme = WeightScheme(bits, symmetric, PerGroup(8), RangeMethod.MSE, clip=clip)
    matrix = normal(6, 30)
    weight = quantize_weight(matrix, scheme, group_scales=group_scales)
    assert weight.channel_scale is not None
    for rows, columns, at in parts(matrix, scheme):
        wanted = plain_scale(matrix[rows, columns], scheme)
        step = float(weight.channel_scale[at[0]])
        slack = 0.5 if group_scales == GroupScales.PRODUCT else 1.0  # int8 multiples are rounded up
        assert abs(float(weight.scale[at]) - wanted) <= max(slack, 1.0 - wanted / step) * step * 1.001
    assert np.abs(weight.integer_weight()).max() <= 127


@pytest.mark.parametrize("granularity", GRANULARITIES, ids=str)
@pytest.mark.parametrize("symmetric", [True, False])
def test_that_a_clip_of_one_is_the_full_range(symmetric: bool, granularity: Granularity) -> None:
    matrix = normal(6, 30)
    full = WeightScheme(4, symmetric, granularity)
    one, other = quantize_weight(matrix, full), quantize_weight(matrix, dataclasses.replace(full, clip=1.0))
    assert np.array_equal(one.codes, other.codes)
    assert np.array_equal(one.scale, other.scale)


@pytest.mark.parametrize("clip", [0.0, -0.5, 1.001, float("nan"), float("inf")])
def test_that_a_clip_that_is_no_share_is_refused(clip: float) -> None:
    with pytest.raises(PlanError, match="share of the full range"):
        WeightScheme(4, clip=clip)
