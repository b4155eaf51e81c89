"""What a converted file leaves out, and that loading brings it back to the bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.conversion.emission import Emitter, emit_integer_matrix, emit_scales
from engine.model.quantized_layers import quantize_layer
from engine.numerics.half_scales import HALF_LEAST, to_half_scales
from engine.numerics.schemes import Granularity, Kernel, PerChannel, PerGroup, WeightScheme
from engine.numerics.weights import QuantizedWeight
from engine.plan import LayerPlan
from tests.engine.conversion.cases import convert_opened, open_with_data, single
from tests.engine.models import Array, build_model, normal, plan_for, run_model, serialize

CHANNELS, INPUTS, GROUP_SIZE = 40, 62, 8


def draw_weight(least: int, largest: int, *, symmetric: bool) -> QuantizedWeight:
    """Random 4-bit codes in groups whose multipliers span the whole range; the last group is short."""
    rng = np.random.default_rng(0)
    groups = -(-INPUTS // GROUP_SIZE)
    multiplier = rng.integers(least, largest + 1, (CHANNELS, groups)).astype(np.int8)
    multiplier[0, :2] = least, largest
    channel_scale = rng.uniform(0.1, 1, CHANNELS).astype(np.float32)
    return QuantizedWeight(
        bits=4,
        codes=rng.integers(-7 if symmetric else -8, 8, (CHANNELS, INPUTS)).astype(np.int8),
        scale=multiplier * channel_scale[:, None],
        zero_point=None if symmetric else rng.integers(-8, 8, (CHANNELS, groups)).astype(np.int8),
        group_size=GROUP_SIZE,
        multiplier=multiplier,
        channel_scale=channel_scale,
    )


@pytest.mark.parametrize(
    ("least", "largest", "symmetric", "stored"),
    [
        (1, 8, False, TensorProto.UINT4),
        (1, 15, True, TensorProto.UINT4),
        (1, 18, True, TensorProto.INT8),  # more than 4 bits hold
    ],
)
def test_that_multipliers_take_four_bits_where_they_fit_and_none_is_lost(
    least: int, largest: int, symmetric: bool, stored: int
) -> None:
    weight = draw_weight(least, largest, symmetric=symmetric)
    proto = build_model([helper.make_node("Identity", ["x"], ["y"])], {"x": [1]}, ["y"], {}, opset=21)
    model = ir.from_proto(proto)
    matrix = emit_integer_matrix(Emitter(model.graph, "q0.", model.graph[0], {}), weight)
    matrix.type = ir.TensorType(ir.DataType.INT8)
    model.graph.outputs.append(matrix)
    types = {tensor.name: tensor.data_type for tensor in ir.to_proto(model).graph.initializer}
    assert types["q0.m"] == stored
    for optimized in (False, True):
        found = run_model(serialize(model), {"x": np.zeros(1, np.float32)}, optimized=optimized)[1]
        assert np.array_equal(found.reshape(CHANNELS, -1)[:, :INPUTS], weight.integer_weight())


def test_that_scales_of_two_bytes_come_back_to_the_bit() -> None:
    """Those of all but dead channels, which are subnormal, too."""
    scale = to_half_scales(np.geomspace(HALF_LEAST, 100, CHANNELS, dtype=np.float32))
    weight = dataclasses.replace(draw_weight(1, 15, symmetric=True), channel_scale=scale, has_half_scales=True)
    proto = build_model([helper.make_node("Identity", ["x"], ["y"])], {"x": [1]}, ["y"], {}, opset=21)
    model = ir.from_proto(proto)
    restored = emit_scales(Emitter(model.graph, "q0.", model.graph[0], {}), weight, scale, "s")
    restored.type = ir.TensorType(ir.DataType.FLOAT)
    model.graph.outputs.append(restored)
    assert {tensor.name: tensor.data_type for tensor in ir.to_proto(model).graph.initializer}["q0.s"] == (
        TensorProto.FLOAT16
    )
    for optimized in (False, True):
        found = run_model(serialize(model), {"x": np.zeros(1, np.float32)}, optimized=optimized)[1]
        assert np.array_equal(found, scale)


@pytest.mark.parametrize("kernel", [Kernel.QLINEAR, Kernel.DYNAMIC, Kernel.FLOAT])
@pytest.mark.parametrize("granularity", [PerChannel(), PerGroup(16)])
def test_that_all_but_dead_channels_leave_the_layer_its_kernel_and_its_short_scales(
    granularity: Granularity, kernel: Kernel, tmp_path: Path
) -> None:
    weight = normal(96, 64, scale=0.3) * np.geomspace(1, 1e-9, 64, dtype=np.float32)
    constants = {"w": weight, "b": normal(64, seed=2)}
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="layer")
    proto = build_model([node], {"x": ["N", 96]}, ["y"], constants, opset=21)
    opened = open_with_data(proto, tmp_path)
    plan = plan_for(opened.model.summary, LayerPlan(WeightScheme(4, granularity=granularity), kernel))
    result = convert_opened(opened, plan, tmp_path / "out.onnx")
    assert result.layers[0].is_integer == (kernel != Kernel.FLOAT)
    half = [t for t in onnx.load(tmp_path / "out.onnx").graph.initializer if t.data_type == TensorProto.FLOAT16]
    assert [numpy_helper.to_array(tensor).size for tensor in half] == [64]


@pytest.mark.parametrize("symmetric", [True, False])
def test_that_weight_and_bias_of_a_loaded_convolution_are_those_that_were_chosen(
    symmetric: bool, tmp_path: Path
) -> None:
    opened = open_with_data(single("Conv", ["N", 32, 8, 8], (24, 32, 3, 3), 24, opset=21), tmp_path)
    scheme = WeightScheme(4, symmetric=symmetric, granularity=PerGroup(16))
    plan = plan_for(opened.model.summary, LayerPlan(scheme, Kernel.QLINEAR))
    convert_opened(opened, plan, tmp_path / "out.onnx")
    layer = opened.model.layers[0]
    weight = quantize_layer(layer.matrix(), opened.layer, plan.layer(layer.name))
    convolution, constants = load_convolution(tmp_path / "out.onnx", tmp_path / "loaded.onnx")
    assert np.array_equal(constants[convolution.input[3]].reshape(weight.codes.shape), weight.integer_weight())
    assert layer.bias is not None
    assert weight.channel_scale is not None
    scale = constants[convolution.input[1]] * constants[convolution.input[4]]
    assert np.array_equal(constants[convolution.input[4]], weight.channel_scale)
    assert np.array_equal(constants[convolution.input[8]], np.rint(layer.bias.astype(np.float64) / scale))
    written = onnx.load(tmp_path / "out.onnx").graph.initializer
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    per_channel = [(item.name, item.data_type) for item in written if item.data_type in floats and 24 in item.dims]
    assert per_channel == [("q0.s", TensorProto.FLOAT16)]


def load_convolution(path: Path, loaded: Path) -> tuple[onnx.NodeProto, dict[str, Array]]:
    """The QLinearConv that ONNX Runtime makes of a file, and the constants of the loaded graph."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(loaded)
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(loaded).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return next(node for node in graph.node if node.op_type == "QLinearConv"), constants


def test_that_equal_scalars_are_stored_once(tmp_path: Path) -> None:
    nodes, constants = [], {}
    for index, source in enumerate(("x", "c0", "c1")):
        constants |= {f"w{index}": normal(8, 8, 1, 1, seed=index), f"low{index}": np.float32(0)}
        constants[f"high{index}"] = np.float32(6)
        nodes.append(helper.make_node("Conv", [source, f"w{index}"], [f"v{index}"], name=f"conv{index}"))
        bounds = [f"low{index}", f"high{index}"]
        nodes.append(helper.make_node("Clip", [f"v{index}", *bounds], [f"c{index}"], name=f"clip{index}"))
    proto = build_model(nodes, {"x": ["N", 8, 4, 4]}, ["c2"], constants, opset=21)
    opened = open_with_data(proto, tmp_path)
    convert_opened(opened, plan_for(opened.model.summary, LayerPlan(WeightScheme(4))), tmp_path / "out.onnx")
    graph = onnx.load(tmp_path / "out.onnx").graph
    scalars = [numpy_helper.to_array(item).item() for item in graph.initializer if not item.dims]
    assert sorted(scalars) == [0, 6]
    assert len({tuple(node.input[1:]) for node in graph.node if node.op_type == "Clip"}) == 1
