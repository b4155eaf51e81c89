"""What is learned passes through rounding, and what comes out is what the file will hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.compensation.fake_quantization import (
    Limits,
    TrainableWeight,
    fake_quantize_dynamic,
    fake_quantize_static,
    round_through,
)
from engine.model.layout import channels_first, channels_last
from engine.numerics.affine import choose_tensor_quantization
from engine.numerics.half_scales import to_half_scales
from engine.numerics.schemes import (
    Granularity,
    GroupScales,
    PerChannel,
    PerGroup,
    PerTensor,
    WeightScheme,
)
from engine.numerics.weights import QuantizedWeight, largest_multiplier, quantize_weight, range_of
from tests.engine.models import normal

MATRIX = normal(6, 40, scale=0.3)
FORMS: dict[str, tuple[int, bool, Granularity, GroupScales]] = {
    "per tensor": (8, True, PerTensor(), GroupScales.FLOAT),
    "per channel": (4, True, PerChannel(), GroupScales.FLOAT),
    "per channel with zero points": (4, False, PerChannel(), GroupScales.FLOAT),
    "groups with a tail": (4, True, PerGroup(16), GroupScales.FLOAT),
    "groups with zero points": (2, False, PerGroup(16), GroupScales.FLOAT),
    "groups with bytes": (4, True, PerGroup(16), GroupScales.BYTE),
    "groups with products": (4, True, PerGroup(16), GroupScales.PRODUCT),
    "groups with products and zero points": (2, False, PerGroup(16), GroupScales.PRODUCT),
    "per channel in float16": (4, False, PerChannel(), GroupScales.FLOAT),
    "groups with products in float16": (4, True, PerGroup(16), GroupScales.PRODUCT),
}


def quantize(form: str) -> QuantizedWeight:
    bits, symmetric, granularity, group_scales = FORMS[form]
    scheme = WeightScheme(bits, symmetric=symmetric, granularity=granularity)
    return quantize_weight(MATRIX, scheme, group_scales=group_scales, half_scales="float16" in form)


def build(form: str) -> tuple[TrainableWeight, Limits, WeightScheme]:
    bits, symmetric, granularity, group_scales = FORMS[form]
    scheme = WeightScheme(bits, symmetric=symmetric, granularity=granularity)
    limits = Limits(*range_of(scheme), largest_multiplier(scheme, group_scales))
    return TrainableWeight(quantize(form), MATRIX, channels_first((6, 40)), limits), limits, scheme


@pytest.mark.parametrize("form", FORMS)
def test_that_training_starts_from_the_codes_given(form: str) -> None:
    start = quantize(form)
    found = build(form)[0].quantized()
    assert np.array_equal(found.codes, start.codes)
    assert np.array_equal(found.scale, start.scale)
    for one, other in ((found.zero_point, start.zero_point), (found.multiplier, start.multiplier)):
        assert (one is None and other is None) or np.array_equal(one, other)


@pytest.mark.parametrize("form", FORMS)
def test_that_what_is_trained_is_what_is_stored(form: str) -> None:
    weight, limits, _ = build(form)
    before = weight.quantized()
    noise = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in weight.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=noise))
    weight.project()
    found = weight.quantized()
    assert not np.array_equal(found.codes, before.codes)
    assert limits.qmin <= found.codes.min()
    assert found.codes.max() <= limits.qmax
    if found.zero_point is not None:
        assert limits.qmin <= found.zero_point.min()
        assert found.zero_point.max() <= limits.qmax
    if found.multiplier is not None:
        assert found.multiplier.min() >= 1
        assert found.multiplier.max() <= limits.largest_multiplier
    np.testing.assert_allclose(weight.stored().detach().numpy(), found.dequantize(), rtol=1e-6, atol=0)
    if found.has_half_scales:
        scale = found.scale if found.channel_scale is None else found.channel_scale
        assert not np.array_equal(scale, before.scale if before.channel_scale is None else before.channel_scale)
        assert np.array_equal(to_half_scales(scale), scale)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_against_plain_definitions(form: str) -> None:
    """ŵ = (codes − zero point) · channel scale · multiplier, rounding taken as the identity."""
    weight, _, scheme = build(form)
    stored = weight.quantized()
    slope = normal(6, 40, seed=9).astype(np.float64)
    (weight.stored() * torch.from_numpy(slope)).sum().backward()  # type: ignore[no-untyped-call]
    size = scheme.granularity.group_size if isinstance(scheme.granularity, PerGroup) else 40
    starts = range(0, 40, size)
    scale = np.repeat(np.broadcast_to(stored.scale, (6, len(starts))), size, axis=1)[:, :40]
    by_group = np.stack([(slope * stored.dequantize())[:, s : s + size].sum(axis=1) for s in starts], axis=1)
    np.testing.assert_allclose(gradient(weight.latent), slope * scale, rtol=1e-5)
    if weight.log_multiplier is None:
        wanted = by_group.sum() if stored.scale.size == 1 else by_group
        np.testing.assert_allclose(gradient(weight.log_scale), np.broadcast_to(wanted, stored.scale.shape), rtol=1e-4)
    else:
        np.testing.assert_allclose(gradient(weight.log_multiplier), by_group, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(gradient(weight.log_scale)[:, 0], by_group.sum(axis=1), rtol=1e-4, atol=1e-5)
    if weight.zero_point is not None:
        wanted = np.stack([-(slope * scale)[:, s : s + size].sum(axis=1) for s in starts], axis=1)
        np.testing.assert_allclose(gradient(weight.zero_point), wanted, rtol=1e-4, atol=1e-6)


def gradient(values: torch.Tensor) -> np.ndarray:
    assert values.grad is not None
    return values.grad.numpy()


def test_that_the_stored_shape_is_the_layers() -> None:
    scheme = WeightScheme(4)
    layout = channels_last((40, 6))
    weight = TrainableWeight(quantize_weight(MATRIX, scheme), MATRIX, layout, Limits(-7, 7, 127))
    assert np.array_equal(weight.stored().detach().numpy(), layout.from_matrix(weight.quantized().dequantize()))


def test_that_rounding_is_exact_and_passes_gradients() -> None:
    values = torch.tensor([0.5, 1.5, -2.4999, 1e6 + 0.25], requires_grad=True)
    found = round_through(values)
    assert found.tolist() == [0.0, 2.0, -2.0, 1e6]
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert gradient(values).tolist() == [1, 1, 1, 1]


def test_that_activations_are_those_of_the_kernels() -> None:
    grid = choose_tensor_quantization(-1.0, 3.0)
    values = torch.from_numpy(normal(1000, scale=2.0)).requires_grad_()
    found = fake_quantize_static(values, grid)
    np.testing.assert_allclose(found.detach().numpy(), grid.fake_quantize(values.detach().numpy()), atol=1e-6)
    found.sum().backward()  # type: ignore[no-untyped-call]
    low, high = (grid.scale * (code - grid.zero_point) for code in (0, 255))
    inside = (values.detach().numpy() > low) & (values.detach().numpy() < high)
    assert 0 < inside.sum() < 1000
    assert np.array_equal(gradient(values)[inside], np.ones(inside.sum()))
    beyond = np.abs(values.detach().numpy() - (low + high) / 2) > (high - low) / 2 + grid.scale
    assert not gradient(values)[beyond].any()
    values = values.detach()
    wide = choose_tensor_quantization(values.min().item(), values.max().item())
    assert torch.equal(fake_quantize_dynamic(values), fake_quantize_static(values, wide))
