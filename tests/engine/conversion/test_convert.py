"""What is in a converted file: the codes of analysis, biases that overflow, shared weights, mixed kernels."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.model.quantized_layers import quantize_layer
from engine.numerics.packing import unpack
from engine.numerics.schemes import Granularity, Kernel, PerChannel, PerGroup, PerTensor, WeightScheme
from engine.plan import LayerPlan, Plan, refuse_layer_plan
from tests.engine.conversion.cases import (
    CASES,
    convert_opened,
    ensure_computes_what_the_engine_says,
    open_with_data,
    output_scale,
    single,
)
from tests.engine.models import Array, build_model, normal, plan_for, run_model, sqnr_db


def stored_codes(path: Path, bits: int) -> Array:
    """The packed weight of layer 0 in the file, int8, as it is shaped there."""
    tensor = next(item for item in onnx.load(path).graph.initializer if item.name == "q0.w")
    raw = np.frombuffer(tensor.raw_data, np.uint8)
    expected = {8: TensorProto.INT8, 4: TensorProto.INT4, 2: TensorProto.INT2}[bits]
    assert tensor.data_type == expected
    codes = unpack(raw, bits, int(np.prod(tensor.dims))).reshape(tuple(tensor.dims))
    assert np.array_equal(codes, numpy_helper.to_array(tensor).astype(np.int8))
    return codes


@pytest.mark.parametrize(
    "case", ["conv", "transposed grouped", "gemm", "matmul with bias", "matmul batched", "embedding"]
)
@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(8), PerGroup(7)], ids=str)
def test_that_the_codes_in_the_file_are_those_that_analysis_uses(
    case: str, bits: int, granularity: Granularity, tmp_path: Path
) -> None:
    opened = open_with_data(CASES[case](), tmp_path)
    layer = opened.model.layers[0]
    choice = LayerPlan(WeightScheme(bits, granularity=granularity), opened.layer.kernels[0])
    if refuse_layer_plan(opened.layer, choice):
        choice = LayerPlan(WeightScheme(bits), opened.layer.kernels[0])
    convert_opened(opened, plan_for(opened.model.summary, choice), tmp_path / "out.onnx")
    stored = stored_codes(tmp_path / "out.onnx", bits)
    codes = quantize_layer(layer.matrix(), opened.layer, choice).codes
    if stored.shape == layer.layout.weight_shape and stored.shape != codes.shape:
        stored = layer.layout.to_matrix(stored)
    elif stored.shape == codes.T.shape and stored.shape != codes.shape:
        stored = stored.T
    assert np.array_equal(stored.reshape(codes.shape), codes)


@pytest.mark.parametrize(("bits", "symmetric"), [(8, True), (4, True), (4, False), (2, True)])
@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(16)], ids=str)
def test_that_a_dead_channel_with_a_large_bias_keeps_its_bias(
    bits: int, symmetric: bool, granularity: Granularity, tmp_path: Path
) -> None:
    proto = single("Conv", ["N", 5, 8, 8], (12, 5, 3, 3), 12, opset=21)
    weight, bias = normal(12, 5, 3, 3, scale=0.3), normal(12, seed=2)
    if isinstance(granularity, PerTensor):
        weight *= np.float32(1e-9)
    weight[3] *= np.float32(1e-9)
    bias[3] = 50.0
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w"))
    proto.graph.initializer[1].CopyFrom(numpy_helper.from_array(bias, "b"))
    opened = open_with_data(proto, tmp_path)
    choice = LayerPlan(WeightScheme(bits, symmetric, granularity), Kernel.QLINEAR)
    if refuse_layer_plan(opened.layer, choice):
        choice = LayerPlan(WeightScheme(bits, symmetric), Kernel.QLINEAR)
    plan = plan_for(opened.model.summary, choice)
    convert_opened(opened, plan, tmp_path / "out.onnx")
    ensure_computes_what_the_engine_says(opened, plan, tmp_path / "out.onnx")
    (result,) = run_model(tmp_path / "out.onnx", opened.feeds, optimized=True)
    assert np.abs(result[:, 3] - 50).max() <= output_scale(opened, plan, "y")


@pytest.mark.parametrize("kernel", [Kernel.FLOAT, Kernel.QLINEAR])
@pytest.mark.parametrize("bits", [32, 16, 8, 4])
def test_that_a_weight_that_two_nodes_share_is_converted_for_both(bits: int, kernel: Kernel, tmp_path: Path) -> None:
    if bits > 8:
        kernel = Kernel.FLOAT
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="one", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Conv", ["r", "w"], ["y"], name="two", pads=[1, 1, 1, 1]),
    ]
    proto = build_model(nodes, {"x": ["N", 16, 6, 6]}, ["y"], {"w": normal(16, 16, 3, 3, scale=0.1)}, opset=21)
    opened = open_with_data(proto, tmp_path)
    plan = plan_for(opened.model.summary, LayerPlan(WeightScheme(bits), kernel))
    result = convert_opened(opened, plan, tmp_path / "out.onnx")
    (expected,) = run_model(opened.model.path, opened.feeds)
    (found,) = run_model(tmp_path / "out.onnx", opened.feeds, optimized=True)
    assert sqnr_db(expected, found) > {32: 120, 16: 60, 8: 30, 4: 12}[bits]
    assert abs(result.predicted_bytes - result.file_bytes) <= max(512, 0.01 * result.file_bytes)


def test_that_one_of_two_sharing_nodes_can_stay_float(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], name="one"),
        helper.make_node("MatMul", ["m", "w"], ["y"], name="two"),
    ]
    proto = build_model(nodes, {"x": ["N", 64]}, ["y"], {"w": normal(64, 64, scale=0.1)}, opset=21)
    opened = open_with_data(proto, tmp_path)
    plan = plan_for(opened.model.summary, LayerPlan()).with_layers({"one": LayerPlan(WeightScheme(4))})
    result = convert_opened(opened, plan, tmp_path / "out.onnx")
    ensure_computes_what_the_engine_says(opened, plan, tmp_path / "out.onnx")
    assert abs(result.predicted_bytes - result.file_bytes) <= max(512, 0.01 * result.file_bytes)


def perceptron() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Gemm", ["x", "w0", "b0"], ["h0"], name="l0"),
        helper.make_node("Relu", ["h0"], ["r0"]),
        helper.make_node("MatMul", ["r0", "w1"], ["h1"], name="l1"),
        helper.make_node("MatMul", ["h1", "w2"], ["m2"], name="l2"),
        helper.make_node("Add", ["m2", "b2"], ["h2"]),
        helper.make_node("Gemm", ["h2", "w3"], ["y"], name="l3", transB=1),
    ]
    constants = {f"w{index}": normal(32, 32, seed=index, scale=0.2) for index in range(4)}
    return build_model(nodes, {"x": ["N", 32]}, ["y"], constants | {"b0": normal(32), "b2": normal(32)}, opset=21)


MIXABLE = (Kernel.FLOAT, Kernel.QLINEAR, Kernel.DYNAMIC, Kernel.NBITS)


@pytest.mark.parametrize("kernels", list(product(MIXABLE, repeat=2)), ids="-".join)
def test_that_kernels_can_follow_each_other_in_any_order(kernels: tuple[Kernel, Kernel], tmp_path: Path) -> None:
    opened = open_with_data(perceptron(), tmp_path)
    plan = Plan(
        opened.model.summary.sha256,
        "m.onnx",
        {
            layer.name: LayerPlan(
                WeightScheme(8, granularity=PerGroup(32) if kernel == Kernel.NBITS else PerChannel()), kernel
            )
            for layer, kernel in zip(opened.model.summary.layers, kernels * 2, strict=True)
        },
    )
    result = convert_opened(opened, plan, tmp_path / "out.onnx")
    assert [layer.is_integer for layer in result.layers] == [kernel != Kernel.FLOAT for kernel in kernels * 2]
    (expected,) = run_model(opened.model.path, opened.feeds)
    (found,) = run_model(tmp_path / "out.onnx", opened.feeds, optimized=True)
    assert sqnr_db(expected, found) > 25
    assert abs(result.predicted_bytes - result.file_bytes) <= max(512, 0.01 * result.file_bytes)
