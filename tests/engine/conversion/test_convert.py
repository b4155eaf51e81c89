"""Every kind of layer under every scheme and kernel: valid, loadable, and computing what the engine says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.calibration.calibration import Calibration
from engine.conversion.convert import convert
from engine.conversion.rewriting import rewrite_model
from engine.data.dataset import Dataset
from engine.errors import PlanError
from engine.job_context import JobContext
from engine.jobs.requests import ConvertRequest, ConvertResult
from engine.model.opened import Model
from engine.model.quantized_layers import quantize_layer
from engine.numerics.packing import unpack
from engine.numerics.schemes import Granularity, Kernel, PerChannel, PerGroup, PerTensor, WeightScheme
from engine.plan import LayerPlan, Plan, refuse_layer_plan
from engine.summary import LayerSummary
from tests.engine.models import (
    Array,
    Shape,
    build_model,
    calibrate_on,
    draw_samples,
    normal,
    open_built,
    plan_for,
    run_model,
    serialize,
    sqnr_db,
    write_dataset,
)

ROWS = 20


def single(
    op: str, shape: Shape, weight: tuple[int, ...], bias: int = 0, *, opset: int = 17, **attributes: Any
) -> onnx.ModelProto:
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    constants: dict[str, Array] = {"w": normal(*weight, scale=0.3)}
    if bias:
        constants["b"] = normal(bias, seed=2)
    return build_model(
        [helper.make_node(op, inputs, ["y"], name="layer", **attributes)], {"x": shape}, ["y"], constants, opset=opset
    )


def matmul_with_bias(shape: Shape, *, opset: int = 17) -> onnx.ModelProto:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"], name="layer"), helper.make_node("Add", ["m", "b"], ["y"])]
    return build_model(
        nodes, {"x": shape}, ["y"], {"w": normal(40, 24, scale=0.3), "b": normal(24, seed=2)}, opset=opset
    )


def matmul_constant_left() -> onnx.ModelProto:
    node = helper.make_node("MatMul", ["w", "x"], ["y"], name="layer")
    return build_model([node], {"x": ["N", 40, 5]}, ["y"], {"w": normal(12, 40, scale=0.3)})


def embedding() -> onnx.ModelProto:
    node = helper.make_node("Gather", ["w", "x"], ["y"], name="layer")
    return build_model([node], {"x": ["N", 6]}, ["y"], {"w": normal(ROWS, 40)}, dtypes={"x": TensorProto.INT64})


CASES: dict[str, Callable[[], onnx.ModelProto]] = {
    "conv": lambda: single("Conv", ["N", 5, 8, 8], (12, 5, 3, 3), 12, pads=[1, 1, 1, 1]),
    "conv without bias": lambda: single("Conv", ["N", 5, 8, 8], (12, 5, 3, 3), opset=21),
    "conv 1-D": lambda: single("Conv", ["N", 5, 12], (12, 5, 3), 12, opset=21),
    "conv 3-D": lambda: single("Conv", ["N", 3, 4, 5, 6], (8, 3, 3, 2, 3), 8, opset=21),
    "conv depthwise": lambda: single("Conv", ["N", 12, 8, 8], (12, 1, 3, 3), 12, group=12),
    "conv grouped": lambda: single("Conv", ["N", 12, 8, 8], (8, 6, 3, 3), 8, group=2, opset=21),
    "conv dilated": lambda: single("Conv", ["N", 4, 9, 9], (8, 4, 3, 3), 8, dilations=[2, 2], opset=21),
    "conv strided": lambda: single(
        "Conv", ["N", 4, 9, 9], (8, 4, 3, 3), 8, strides=[2, 1], pads=[1, 0, 1, 2], opset=21
    ),
    "conv auto_pad": lambda: single(
        "Conv", ["N", 4, 9, 9], (8, 4, 3, 3), 8, strides=[2, 2], auto_pad="SAME_UPPER", opset=21
    ),
    "transposed": lambda: single("ConvTranspose", ["N", 6, 5, 5], (6, 8, 3, 3), 8, strides=[2, 2], opset=21),
    "transposed grouped": lambda: single("ConvTranspose", ["N", 6, 5, 5], (6, 4, 3, 3), 8, group=2),
    "gemm": lambda: single("Gemm", ["N", 40], (40, 24), 24, alpha=0.5, beta=2.0, opset=21),
    "gemm transB": lambda: single("Gemm", ["N", 40], (24, 40), 24, transB=1),
    "gemm without bias": lambda: single("Gemm", ["N", 40], (24, 40), transB=1, alpha=1.5, opset=21),
    "matmul": lambda: single("MatMul", ["N", 40], (40, 24), opset=21),
    "matmul 3-D": lambda: single("MatMul", ["N", 6, 40], (40, 24), opset=21),
    "matmul with bias": lambda: matmul_with_bias(["N", 6, 40]),
    "matmul 2-D with bias": lambda: matmul_with_bias(["N", 40], opset=21),
    "matmul constant left": matmul_constant_left,
    "matmul batched": lambda: single("MatMul", ["N", 3, 6, 40], (3, 40, 8), opset=21),
    "embedding": embedding,
}
GRANULARITIES: tuple[Granularity, ...] = (PerTensor(), PerChannel(), PerGroup(7), PerGroup(16))
# Kinds that differ from another one only in the shape of their data get the schemes that differ most.
THOROUGH = ("conv", "transposed grouped", "gemm transB", "matmul with bias", "embedding")
FEW = (
    (8, True, PerChannel()),
    (8, False, PerChannel()),
    (8, True, PerGroup(7)),
    (4, True, PerGroup(16)),
    (4, False, PerGroup(7)),
    (2, False, PerTensor()),
)


@dataclass
class Opened:
    model: Model
    dataset: Dataset
    calibration: Calibration
    feeds: dict[str, Array]

    @property
    def layer(self) -> LayerSummary:
        return self.model.summary.layers[0]


def open_with_data(proto: onnx.ModelProto, folder: Path) -> Opened:
    model = open_built(proto, folder)
    feeds = draw_samples(model.summary, 24, integers_below=ROWS)
    dataset = write_dataset(model, feeds, folder / "d.npz")
    return Opened(model, dataset, calibrate_on(model, dataset), feeds)


def choices(case: str, layer: LayerSummary) -> Iterator[LayerPlan]:
    yield LayerPlan(WeightScheme(16))
    schemes = product((8, 4, 2), (True, False), GRANULARITIES) if case in THOROUGH else FEW
    for (bits, symmetric, granularity), kernel in product(schemes, layer.kernels):
        yield LayerPlan(WeightScheme(bits, symmetric, granularity), kernel)


def describe(choice: LayerPlan) -> str:
    scheme = choice.weights
    return f"{scheme.bits} bits, symmetric {scheme.symmetric}, {scheme.granularity}, {choice.kernel}"


def convert_opened(opened: Opened, plan: Plan, output: Path) -> ConvertResult:
    request = ConvertRequest(str(opened.model.path), plan, str(output))
    return convert(opened.model, request, opened.calibration, opened.dataset, JobContext())


def output_scale(opened: Opened, plan: Plan, output: str) -> float:
    """The scale of a quantized graph output; 0 if it is float."""
    if output not in opened.calibration.tensors or opened.layer.op != "Conv":
        return 0.0
    if plan.layer(opened.layer.name).kernel != Kernel.QLINEAR:
        return 0.0
    return float(opened.calibration.quantization(output, plan.defaults.activation_range).scale)


def ensure_computes_what_the_engine_says(opened: Opened, plan: Plan, written: Path) -> None:
    """The file as written equals the simulation but for rounding; ONNX Runtime's optimised graph agrees."""
    simulation = serialize(rewrite_model(opened.model, plan, opened.calibration, JobContext(), is_simulation=True))
    (expected,) = run_model(simulation, opened.feeds)
    (literal,) = run_model(written, opened.feeds)
    (optimized,) = run_model(written, opened.feeds, optimized=True)
    if plan.layer(opened.layer.name).kernel == Kernel.NBITS:  # its int8 activations are no part of the simulation
        assert sqnr_db(expected, literal) > 30
        assert sqnr_db(expected, optimized) > 30
        return
    largest = np.abs(expected).max()
    step = output_scale(opened, plan, "y")
    for found in (literal, optimized):
        difference = np.abs(found - expected)
        # A value beside a rounding boundary of a quantized output may fall to the other side.
        assert difference.max() <= step * 1.001 + 2e-5 * largest
        assert (difference > 2e-5 * largest).mean() < 0.01


def is_integer_expected(layer: LayerSummary, choice: LayerPlan) -> bool:
    return choice.kernel != Kernel.FLOAT or (layer.op == "Gather" and choice.weights.is_integer)


@pytest.mark.parametrize("case", CASES)
def test_that_a_layer_converts_under_every_scheme_and_kernel(case: str, tmp_path: Path) -> None:
    opened = open_with_data(CASES[case](), tmp_path)
    converted = 0
    for choice in choices(case, opened.layer):
        plan = plan_for(opened.model.summary, choice)
        output = tmp_path / "out.onnx"
        try:
            if reason := refuse_layer_plan(opened.layer, choice):
                assert opened.layer.title in reason
                with pytest.raises(PlanError) as caught:
                    convert_opened(opened, plan, output)
                assert str(caught.value) == reason
                continue
            result = convert_opened(opened, plan, output)
            onnx.checker.check_model(str(output), full_check=choice.kernel != Kernel.NBITS)
            ensure_computes_what_the_engine_says(opened, plan, output)
            assert result.layers[0].is_integer == is_integer_expected(opened.layer, choice)
            assert result.file_bytes == output.stat().st_size
            assert abs(result.predicted_bytes - result.file_bytes) <= max(512, 0.01 * result.file_bytes)
        except Exception as error:
            error.add_note(f"{case}: {describe(choice)}")
            raise
        converted += 1
    assert converted > len(opened.layer.kernels)


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
