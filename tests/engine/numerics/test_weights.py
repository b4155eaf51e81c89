"""Weight quantization against its definition, a plain loop, and its own promises."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.errors import PlanError
from engine.numerics import weights
from engine.numerics.schemes import Granularity, GroupScales, PerChannel, PerGroup, PerTensor, RangeMethod, WeightScheme
from engine.numerics.weights import QuantizedWeight, code_range, quantize_weight
from tests.engine.models import normal

GRANULARITIES: list[Granularity] = [PerTensor(), PerChannel(), PerGroup(8), PerGroup(7), PerGroup(64)]
SCHEMES = [
    WeightScheme(bits, symmetric, granularity, method)
    for bits, symmetric, granularity, method in product((8, 4, 2), (True, False), GRANULARITIES, RangeMethod)
]
GROUPED = [scheme for scheme in SCHEMES if isinstance(scheme.granularity, PerGroup) and scheme.bits < 8]


def name_scheme(scheme: WeightScheme) -> str:
    size = f"{scheme.granularity.group_size}" if isinstance(scheme.granularity, PerGroup) else ""
    kind = "symmetric" if scheme.symmetric else "asymmetric"
    return f"{scheme.bits}-{kind}-{type(scheme.granularity).__name__}{size}-{scheme.range_method}"


def spread(per_group: npt.NDArray[np.float32], weight: QuantizedWeight) -> npt.NDArray[np.float32]:
    """One value per weight."""
    channels, inputs = weight.codes.shape
    if per_group.shape[1] == 1:
        return np.broadcast_to(per_group, (channels, inputs))
    return per_group.repeat(weight.group_size, axis=1)[:, :inputs]


def squared_error(matrix: npt.NDArray[np.float32], weight: QuantizedWeight) -> float:
    return float(np.square(matrix.astype(np.float64) - weight.dequantize()).sum())


@pytest.mark.parametrize("scheme", SCHEMES, ids=name_scheme)
def test_that_codes_stay_in_range_and_shapes_follow_the_granularity(scheme: WeightScheme) -> None:
    weight = quantize_weight(normal(6, 30), scheme)
    qmin, qmax = code_range(scheme.bits, symmetric=scheme.symmetric)
    assert weight.codes.dtype == np.int8
    assert qmin <= weight.codes.min() <= weight.codes.max() <= qmax
    groups = -(-30 // scheme.granularity.group_size) if isinstance(scheme.granularity, PerGroup) else 1
    expected = (1, 1) if isinstance(scheme.granularity, PerTensor) else (6, groups)
    assert weight.scale.shape == expected
    assert (weight.scale > 0).all()
    if scheme.symmetric:
        assert weight.zero_point is None
    else:
        assert weight.zero_point is not None
        assert weight.zero_point.shape == expected
        assert qmin <= weight.zero_point.min() <= weight.zero_point.max() <= qmax


@pytest.mark.parametrize(
    "scheme", [scheme for scheme in SCHEMES if scheme.range_method == RangeMethod.MINMAX], ids=name_scheme
)
def test_that_minmax_errs_by_at_most_half_a_scale(scheme: WeightScheme) -> None:
    matrix = normal(6, 30) + np.float32(0.5)
    weight = quantize_weight(matrix, scheme)
    error = np.abs(weight.dequantize().astype(np.float64) - matrix)
    assert (error <= spread(weight.scale, weight) * (0.5 + 1e-5)).all()


@pytest.mark.parametrize(
    "scheme", [scheme for scheme in SCHEMES if scheme.range_method == RangeMethod.MSE], ids=name_scheme
)
@pytest.mark.parametrize("inputs", [30, 8, 17])
def test_that_the_mse_range_is_never_worse_than_minmax(scheme: WeightScheme, inputs: int) -> None:
    rng = np.random.default_rng(inputs)
    matrix = rng.standard_t(3, size=(20, inputs)).astype(np.float32)
    plain = WeightScheme(scheme.bits, scheme.symmetric, scheme.granularity)
    best, minmax = quantize_weight(matrix, scheme), quantize_weight(matrix, plain)
    if isinstance(scheme.granularity, PerTensor):
        assert squared_error(matrix, best) <= squared_error(matrix, minmax) * (1 + 1e-6)
        return
    ours, theirs = (np.square(matrix.astype(np.float64) - weight.dequantize()) for weight in (best, minmax))
    for start in range(0, inputs, best.group_size):
        group = slice(start, start + best.group_size)
        assert (ours[:, group].sum(axis=1) <= theirs[:, group].sum(axis=1) * (1 + 1e-5)).all(), f"inputs from {start}"


def test_that_the_mse_range_clips_an_outlier() -> None:
    matrix = normal(1, 4096)
    matrix[0, 0] = 8.0
    minmax = quantize_weight(matrix, WeightScheme(4))
    best = quantize_weight(matrix, WeightScheme(4, range_method=RangeMethod.MSE))
    assert best.scale[0, 0] < 0.8 * minmax.scale[0, 0]
    assert squared_error(matrix, best) < 0.8 * squared_error(matrix, minmax)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("inputs", [24, 29])
def test_that_per_group_minmax_is_what_a_plain_loop_computes(bits: int, symmetric: bool, inputs: int) -> None:
    matrix, size = normal(5, inputs, seed=bits), 8
    weight = quantize_weight(matrix, WeightScheme(bits, symmetric, PerGroup(size)))
    qmin, qmax = code_range(bits, symmetric=symmetric)
    for channel in range(5):
        for group in range(-(-inputs // size)):
            values = matrix[channel, group * size : (group + 1) * size]
            if symmetric:
                scale, zero_point = np.float32(np.abs(values).max() / np.float32(qmax)), 0
            else:
                low, high = min(values.min(), np.float32(0)), max(values.max(), np.float32(0))
                scale = np.float32((high - low) / np.float32(qmax - qmin))
                zero_point = int(np.clip(np.rint(qmin - low / scale), qmin, qmax))
            codes = np.clip(np.rint(values / scale) + zero_point, qmin, qmax)
            assert weight.scale[channel, group] == scale
            assert weight.codes[channel, group * size : (group + 1) * size].tolist() == codes.tolist()
            if weight.zero_point is not None:
                assert weight.zero_point[channel, group] == zero_point


def test_that_a_hand_computed_weight_gets_these_codes() -> None:
    matrix = np.array([[-7.0, 3.5, 0.5, 1.5, 2.5, 7.0]], np.float32)
    assert quantize_weight(matrix, WeightScheme(4)).codes.tolist() == [[-7, 4, 0, 2, 2, 7]]
    asymmetric = quantize_weight(np.array([[0.0, 1.0, 2.0, 3.0]], np.float32), WeightScheme(2, symmetric=False))
    assert asymmetric.codes.tolist() == [[-2, -1, 0, 1]]
    assert asymmetric.zero_point is not None
    assert (asymmetric.zero_point[0, 0], asymmetric.scale[0, 0]) == (-2, 1.0)


@pytest.mark.parametrize("scheme", SCHEMES, ids=name_scheme)
def test_that_an_all_zero_weight_stays_zero(scheme: WeightScheme) -> None:
    weight = quantize_weight(np.zeros((3, 20), np.float32), scheme)
    assert not weight.dequantize().any()
    assert np.isfinite(weight.scale).all()


@given(
    matrix=hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(-100, 100, width=32)
    ),
    scheme=st.sampled_from([scheme for scheme in SCHEMES if scheme.range_method == RangeMethod.MINMAX]),
)
def test_that_zero_weights_and_signs_survive(matrix: npt.NDArray[np.float32], scheme: WeightScheme) -> None:
    back = quantize_weight(matrix, scheme).dequantize()
    assert not back[matrix == 0].any()
    assert (back * matrix >= 0).all()


@pytest.mark.parametrize("scheme", GROUPED, ids=name_scheme)
@pytest.mark.parametrize("inputs", [32, 29])
def test_that_progressive_groups_are_an_int8_matrix_times_a_channel_scale(scheme: WeightScheme, inputs: int) -> None:
    matrix = normal(6, inputs) * np.linspace(0.01, 3, inputs, dtype=np.float32)
    weight = quantize_weight(matrix, scheme, group_scales=GroupScales.PRODUCT)
    assert weight.multiplier is not None
    assert weight.channel_scale is not None
    assert weight.multiplier.min() >= 1
    zero_point = 0 if weight.zero_point is None else spread(weight.zero_point.astype(np.float32), weight)
    wide = (weight.codes - zero_point) * spread(weight.multiplier.astype(np.float32), weight)
    assert np.abs(wide).max() <= 127
    assert np.array_equal(weight.integer_weight(), wide)
    assert np.array_equal(weight.dequantize(), wide.astype(np.float32) * weight.channel_scale[:, None])
    assert np.allclose(weight.scale, weight.multiplier * weight.channel_scale[:, None], rtol=1e-6)


@pytest.mark.parametrize(("symmetric", "limits"), [(True, (1, 15)), (False, (1, 8))])
def test_that_multipliers_beside_4_bit_codes_fit_4_bits(symmetric: bool, limits: tuple[int, int]) -> None:
    matrix = normal(8, 256) * np.repeat(np.geomspace(1e-3, 1, 16, dtype=np.float32), 16)
    scheme = WeightScheme(4, symmetric=symmetric, granularity=PerGroup(16))
    weight = quantize_weight(matrix, scheme, group_scales=GroupScales.PRODUCT)
    assert weight.multiplier is not None
    assert (weight.multiplier.min(), weight.multiplier.max()) == limits


def test_that_progressive_groups_lose_less_than_one_scale_per_channel() -> None:
    matrix = normal(8, 64) * np.repeat(np.float32([1, 8, 0.3, 2]), 16)
    progressive = quantize_weight(matrix, WeightScheme(4, granularity=PerGroup(16)), group_scales=GroupScales.PRODUCT)
    per_channel = quantize_weight(matrix, WeightScheme(4))
    assert squared_error(matrix, progressive) < 0.5 * squared_error(matrix, per_channel)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("granularity", [PerChannel(), PerTensor(), PerGroup(16)])
def test_that_a_percentile_range_clips_the_tails_of_what_shares_a_scale(
    symmetric: bool, granularity: Granularity
) -> None:
    matrix = normal(6, 60) + np.float32(0.3)
    scheme = WeightScheme(4, symmetric, granularity, RangeMethod.PERCENTILE, percentile=90)
    found = quantize_weight(matrix, scheme)
    size = found.group_size
    parts = (
        [matrix.reshape(1, -1)]
        if granularity == PerTensor()
        else [matrix[:, start : start + size] for start in range(0, 60, size)]
    )
    qmin, qmax = code_range(4, symmetric=symmetric)
    for index, part in enumerate(parts):
        if symmetric:
            expected = np.percentile(np.abs(part), 90, axis=1) / qmax
        else:
            low, high = np.percentile(part, (10, 90), axis=1)
            expected = (np.maximum(high, 0) - np.minimum(low, 0)) / (qmax - qmin)
        assert found.scale[:, index] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("inputs", [64, 60])
def test_that_byte_scales_lose_hardly_more_than_float_scales(bits: int, symmetric: bool, inputs: int) -> None:
    matrix = normal(24, inputs) * np.exp(normal(24, 1, seed=5))
    scheme = WeightScheme(bits, symmetric, PerGroup(16), RangeMethod.MSE)
    found = quantize_weight(matrix, scheme, group_scales=GroupScales.BYTE)
    assert found.multiplier is not None
    assert found.channel_scale is not None
    assert found.multiplier.min() >= 1
    expected = found.multiplier * found.channel_scale[:, None]
    assert np.allclose(found.scale, expected, rtol=1e-6)
    assert squared_error(matrix, found) < 1.03 * squared_error(matrix, quantize_weight(matrix, scheme))


@pytest.mark.parametrize(
    ("scheme", "group_scales"),
    [(scheme, GroupScales.FLOAT) for scheme in SCHEMES]
    + [(scheme, scales) for scheme in GROUPED for scales in (GroupScales.BYTE, GroupScales.PRODUCT)],
)
def test_that_chunking_does_not_change_results(
    monkeypatch: pytest.MonkeyPatch, scheme: WeightScheme, group_scales: GroupScales
) -> None:
    matrix = normal(11, 30)
    whole = quantize_weight(matrix, scheme, group_scales=group_scales)
    for name, value in (("TILE_ELEMENTS", 70), ("TILE_CHANNELS", 3), ("COPY_BLOCK", 4)):
        monkeypatch.setattr(weights, name, value)
    chunked = quantize_weight(matrix, scheme, group_scales=group_scales)
    for name in ("codes", "scale", "zero_point", "multiplier", "channel_scale"):
        one, other = getattr(whole, name), getattr(chunked, name)
        assert (one is None) == (other is None), name
        assert one is None or np.array_equal(one, other), name


def test_that_impossible_schemes_are_refused() -> None:
    with pytest.raises(PlanError, match="cannot have 3 bits"):
        WeightScheme(3)
    with pytest.raises(PlanError, match="group size of 1 is too small"):
        PerGroup(1)


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(16)], ids=str)
@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("symmetric", [True, False])
def test_that_a_reduced_range_keeps_what_kernels_multiply_with_within_seven_bits(
    bits: int, symmetric: bool, granularity: Granularity
) -> None:
    matrix = np.random.default_rng(5).standard_normal((12, 64)).astype(np.float32)
    scheme = WeightScheme(bits, symmetric, granularity, reduce_range=True)
    if bits == 8 and not symmetric:
        codes = quantize_weight(matrix, scheme).codes
        assert (codes.min(), codes.max()) >= (-64, 0)
        assert codes.max() <= 63
        return
    has_products = isinstance(granularity, PerGroup) and bits < 8
    group_scales = GroupScales.PRODUCT if has_products else GroupScales.FLOAT
    weight = quantize_weight(matrix, scheme, group_scales=group_scales)
    reach = 63 if bits == 8 or has_products else 127
    assert np.abs(weight.integer_weight().astype(int)).max() <= reach
    if bits == 8 and symmetric:
        assert np.abs(weight.codes).max() == 63
        step = np.repeat(weight.scale, weight.group_size, axis=1)[:, :64] if weight.groups > 1 else weight.scale
        assert (np.abs(weight.dequantize() - matrix) <= step / 2 * 1.0001).all()
