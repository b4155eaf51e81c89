"""Scales that float16 holds: rounding against its definition, and what it costs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from engine.numerics import weights
from engine.numerics.half_scales import HALF_LARGEST, HALF_LEAST, to_half_scales
from engine.numerics.schemes import Granularity, GroupScales, PerChannel, PerGroup, PerTensor, RangeMethod, WeightScheme
from engine.numerics.weights import QuantizedWeight, quantize_weight
from tests.engine.models import normal

GRANULARITIES: list[tuple[Granularity, GroupScales]] = [
    (PerChannel(), GroupScales.FLOAT),
    (PerGroup(8), GroupScales.BYTE),
    (PerGroup(8), GroupScales.PRODUCT),
]
FORMS = list(product((4, 2), (True, False), GRANULARITIES, (*RangeMethod, "clip")))


def stored_scales(weight: QuantizedWeight) -> np.ndarray:
    return weight.scale if weight.channel_scale is None else weight.channel_scale


def quantize(matrix: np.ndarray, form: tuple[int, bool, tuple[Granularity, GroupScales], str]) -> QuantizedWeight:
    bits, symmetric, (granularity, group_scales), method = form
    if method == "clip":
        scheme = WeightScheme(bits, symmetric, granularity, clip=0.8)
    else:
        scheme = WeightScheme(bits, symmetric, granularity, RangeMethod(method))
    return quantize_weight(matrix, scheme, group_scales=group_scales, half_scales=True)


def test_that_scales_are_rounded_to_the_nearest_or_the_next_float16() -> None:
    every = np.arange(1, 0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)  # all that are above 0
    assert (every[0], every[-1]) == (HALF_LEAST, HALF_LARGEST)
    assert np.array_equal(to_half_scales(every), every)
    assert np.array_equal(to_half_scales(every, up=True), every)
    above, below = np.nextafter(every[:-1], np.float32(np.inf)), np.nextafter(every[1:], np.float32(0))
    assert np.array_equal(to_half_scales(above), every[:-1])
    assert np.array_equal(to_half_scales(below), every[1:])
    assert np.array_equal(to_half_scales(above, up=True), every[1:])
    assert np.array_equal(to_half_scales(below, up=True), every[1:])


def test_that_no_scale_becomes_0_or_infinite() -> None:
    beyond = np.array([1e-30, 1e-9, 66000, 1e30], np.float32)
    for up in (False, True):
        assert to_half_scales(beyond, up=up).tolist() == [HALF_LEAST, HALF_LEAST, HALF_LARGEST, HALF_LARGEST]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_that_float16_holds_every_stored_scale_and_little_is_lost(
    form: tuple[int, bool, tuple[Granularity, GroupScales], str],
) -> None:
    matrix = normal(40, 60) * np.geomspace(1, 1e-5, 40, dtype=np.float32)[:, None]  # the least are subnormal
    bits, symmetric, (granularity, group_scales), method = form
    found = quantize(matrix, form)
    assert found.has_half_scales
    stored = stored_scales(found)
    assert np.array_equal(stored.astype(np.float16).astype(np.float32), stored)
    if found.multiplier is not None:
        assert np.array_equal(found.scale, found.multiplier * stored[:, None])
    clip, chosen = (0.8, RangeMethod.MINMAX) if method == "clip" else (None, RangeMethod(method))
    scheme = WeightScheme(bits, symmetric, granularity, chosen, clip=clip)
    single = quantize_weight(matrix, scheme, group_scales=group_scales)
    assert not single.has_half_scales
    ours, theirs = (np.square(matrix - weight.dequantize(), dtype=np.float64).sum(axis=1) for weight in (found, single))
    assert ours.sum() <= 1.01 * theirs.sum()
    assert np.mean(ours[:24] / theirs[:24]) <= 1.02  # of channels down to 1/1000 of the widest alike


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [4, 2])
def test_that_a_full_range_loses_no_end(bits: int, symmetric: bool) -> None:
    matrix = (normal(40, 60) + np.float32(0.5)) * np.geomspace(1, 1e-6, 40, dtype=np.float32)[:, None]
    found = quantize_weight(matrix, WeightScheme(bits, symmetric), half_scales=True)
    assert (np.abs(matrix - found.dequantize()) <= found.scale * (0.5 + 1e-5)).all()


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_that_weights_beyond_float16_keep_single_scales(factor: float) -> None:
    matrix = normal(30, 40) * np.float32(factor)
    for granularity, group_scales in GRANULARITIES:
        scheme = WeightScheme(4, granularity=granularity)
        found = quantize_weight(matrix, scheme, group_scales=group_scales, half_scales=True)
        single = quantize_weight(matrix, scheme, group_scales=group_scales)
        assert not found.has_half_scales
        assert np.array_equal(found.scale, single.scale)
        assert np.array_equal(found.codes, single.codes)
    tensor = quantize_weight(normal(30, 40), WeightScheme(4, granularity=PerTensor()), half_scales=True)
    assert not tensor.has_half_scales


def test_that_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = normal(40, 60) * np.geomspace(1, 1e-5, 40, dtype=np.float32)[:, None]
    whole = [quantize(matrix, form) for form in FORMS]
    monkeypatch.setattr(weights, "TILE_ELEMENTS", 300)
    for form, one in zip(FORMS, whole, strict=True):
        other = quantize(matrix, form)
        assert np.array_equal(one.codes, other.codes)
        assert np.array_equal(one.scale, other.scale)
