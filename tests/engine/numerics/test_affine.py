"""Activation grids against ONNX Runtime, torch and the definition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.numerics.affine import TensorQuantization, choose_tensor_quantization
from tests.engine.models import run_model

finite = st.floats(-1e6, 1e6, width=32)


def run_onnx(values: npt.NDArray[np.float32], grid: TensorQuantization) -> list[npt.NDArray[np.float32]]:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[n] x, float s, uint8 z) => (uint8[n] q, float[n] y) '
        "{ q = QuantizeLinear(x, s, z)  y = DequantizeLinear(q, s, z) }"
    )
    return run_model(model, {"x": values, "s": np.asarray(grid.scale), "z": np.asarray(grid.zero_point, np.uint8)})


@pytest.mark.parametrize(("low", "high"), [(0, 6), (-1, 1), (-3.7, 0.2), (-5, -1), (2, 9), (-1e-4, 3e4)])
def test_that_codes_and_values_are_bit_exact_with_onnx_runtime(low: float, high: float) -> None:
    grid = choose_tensor_quantization(low, high)
    values = np.random.default_rng(0).uniform(low - 1, high + 1, 5000).astype(np.float32)
    codes, back = run_onnx(values, grid)
    assert np.array_equal(grid.quantize(values), codes)
    assert np.array_equal(grid.fake_quantize(values), back)


def test_that_ties_go_to_even_as_in_onnx_runtime_and_torch() -> None:
    grid = TensorQuantization(np.float32(0.5), 100)
    values = (np.arange(-420, 640, dtype=np.float32) + np.float32(0.5)) * np.float32(0.5)
    codes, back = run_onnx(values, grid)
    assert grid.quantize(np.array([0.25, 0.75, 1.25], np.float32)).tolist() == [100, 102, 102]
    assert np.array_equal(grid.quantize(values), codes)
    theirs = torch.fake_quantize_per_tensor_affine(torch.from_numpy(values), 0.5, 100, 0, 255).numpy()
    assert np.array_equal(grid.fake_quantize(values), theirs)
    assert np.array_equal(back, theirs)


@given(low=finite, high=finite)
def test_that_zero_is_always_on_the_grid(low: float, high: float) -> None:
    grid = choose_tensor_quantization(min(low, high), max(low, high))
    assert grid.fake_quantize(np.zeros(1, np.float32))[0] == 0
    assert 0 <= grid.zero_point <= 255
    assert grid.scale > 0


@given(
    low=finite,
    high=finite,
    shares=hnp.arrays(np.float64, 20, elements=st.floats(0, 1)),
)
def test_that_the_error_inside_the_range_is_at_most_half_a_scale(
    low: float, high: float, shares: npt.NDArray[np.float64]
) -> None:
    low, high = min(low, high, 0.0), max(low, high, 0.0)
    grid = choose_tensor_quantization(low, high)
    values = (low + shares * (high - low)).astype(np.float32)
    error = np.abs(values.astype(np.float64) - grid.fake_quantize(values))
    # Float32 rounding of value / scale and of the product adds an ulp of the range's size.
    assert (error <= grid.scale * 0.5 + np.spacing(np.float32(max(-low, high)))).all()


@given(
    low=finite,
    high=finite,
    values=hnp.arrays(np.float32, 20, elements=finite),
)
def test_that_quantizing_twice_changes_nothing(low: float, high: float, values: npt.NDArray[np.float32]) -> None:
    grid = choose_tensor_quantization(min(low, high), max(low, high))
    once = grid.fake_quantize(values)
    assert np.array_equal(grid.fake_quantize(once), once)


@pytest.mark.parametrize("value", [0.0, 1e-45, -1e-40])
def test_that_a_range_without_extent_gets_a_usable_scale(value: float) -> None:
    grid = choose_tensor_quantization(value, value)
    assert (grid.scale, grid.zero_point) == (1.0, 0)
