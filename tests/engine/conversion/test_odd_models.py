"""Models that are valid and unusual, as a random generator of models found them: names, shapes, types, old opsets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.conversion.convert import convert
from engine.errors import ConversionError
from engine.job_context import JobContext
from engine.model.opened import open_model
from engine.numerics.schemes import ActivationMode, Kernel, PerChannel, PerGroup, WeightScheme
from engine.plan import LayerPlan, Plan, PlanDefaults, build_plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from tests.engine.models import (
    Array,
    Shape,
    build_model,
    calibrate_on,
    conv_chain,
    draw_samples,
    normal,
    open_built,
    plan_for,
    run_model,
    sqnr_db,
    write_dataset,
)

SAMPLES = 24


def convert_like(
    proto: onnx.ModelProto, folder: Path, plan: Plan | LayerPlan | None = None
) -> tuple[ConvertResult, list[Array], list[Array]]:
    """Convert with calibration on drawn samples, to 8 bits static by default; outputs of source and result."""
    model = open_built(proto, folder)
    feeds = draw_samples(model.summary, SAMPLES)
    dataset = write_dataset(model, feeds, folder / "d.npz")
    chosen = plan_for(model.summary, plan) if isinstance(plan, LayerPlan) else plan or build_plan(model.summary, 8)
    request = ConvertRequest(str(model.path), chosen, str(folder / "out.onnx"))
    result = convert(model, request, calibrate_on(model, dataset), dataset, JobContext())
    found = run_model(folder / "out.onnx", feeds, optimized=True)
    return result, run_model(model.path, feeds), found


def rename(proto: onnx.ModelProto, old: str, new: str) -> onnx.ModelProto:
    for node in proto.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    for tensor in proto.graph.initializer:
        tensor.name = new if tensor.name == old else tensor.name
    return proto


@pytest.mark.parametrize("mode", ActivationMode)
@pytest.mark.parametrize(
    ("old", "new"), [("w2", "q0.w"), ("w1", "a0.s"), ("c1", "q0.c"), ("r1", "a0.q"), ("f", "q2.d")]
)
def test_that_constants_and_values_may_have_names_that_conversion_gives(
    old: str, new: str, mode: ActivationMode, tmp_path: Path
) -> None:
    proto = rename(conv_chain(opset=21), old, new)
    proto.graph.node[1].name = "q0.i"
    plan = build_plan(open_built(proto, tmp_path).summary, 4, PlanDefaults(activations=mode))
    _, expected, found = convert_like(proto, tmp_path, plan)
    assert sqnr_db(expected[0], found[0]) > 12


def test_that_a_file_that_conversion_wrote_can_be_opened_and_converted_again(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["t", "x"], ["e"], name="table"),
        helper.make_node("MatMul", ["e", "w"], ["y"], name="layer"),
    ]
    constants = {"t": normal(20, 16), "w": normal(16, 8, scale=0.3)}
    proto = build_model(nodes, {"x": ["N", 6]}, ["y"], constants, dtypes={"x": TensorProto.INT64}, opset=21)
    summary = open_built(proto, tmp_path).summary
    convert_like(proto, tmp_path, plan_for(summary, LayerPlan()).with_layers({"table": LayerPlan(WeightScheme(8))}))
    again = tmp_path / "again"
    again.mkdir()
    written = onnx.load(tmp_path / "out.onnx")
    summary = open_built(written, again).summary
    plan = plan_for(summary, LayerPlan()).with_layers({"layer": LayerPlan(WeightScheme(8), Kernel.DYNAMIC)})
    result, (expected,), (found,) = convert_like(written, again, plan)
    assert result.layers[-1].is_integer
    assert sqnr_db(expected, found) > 30


@pytest.mark.parametrize("kernel", [Kernel.QLINEAR, Kernel.DYNAMIC, Kernel.NBITS, Kernel.FLOAT])
@pytest.mark.parametrize("op", ["MatMul", "Gemm"])
@pytest.mark.parametrize("with_norm", [False, True])
def test_that_an_add_that_adds_dimensions_is_no_bias(op: str, kernel: Kernel, with_norm: bool, tmp_path: Path) -> None:
    nodes = [helper.make_node(op, ["x", "w"], ["m"], name="layer"), helper.make_node("Add", ["m", "b"], ["y"])]
    constants = {"w": normal(40, 24, scale=0.3), "b": normal(1, 1, 1, 24, seed=2)}
    if with_norm:
        nodes[1].output[0] = "a"
        nodes.append(helper.make_node("Mul", ["a", "f"], ["y"]))
        constants["f"] = normal(24, seed=3)
    proto = build_model(nodes, {"x": ["N", 40]}, ["y"], constants, opset=21)
    layer = open_built(proto, tmp_path).summary.layers[0]
    assert layer.bias_elements == 0
    assert (Kernel.DYNAMIC in layer.kernels) is False  # ONNX Runtime 1.31 takes it for a bias all the same
    if kernel == Kernel.DYNAMIC:
        return
    scheme = WeightScheme(8, granularity=PerGroup(16)) if kernel == Kernel.NBITS else WeightScheme(8)
    _, (expected,), (found,) = convert_like(proto, tmp_path, LayerPlan(scheme, kernel))
    assert found.shape == expected.shape == (1, 1, SAMPLES, 24)
    assert sqnr_db(expected, found) > 30


def test_that_a_static_layer_may_read_an_embedding(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["t", "x"], ["e"], name="table"),
        helper.make_node("MatMul", ["e", "w"], ["y"], name="layer"),
    ]
    constants = {"t": normal(20, 16), "w": normal(16, 8, scale=0.3)}
    proto = build_model(nodes, {"x": ["N", 6]}, ["y"], constants, dtypes={"x": TensorProto.INT64}, opset=21)
    result, (expected,), (found,) = convert_like(proto, tmp_path)
    assert [layer.is_integer for layer in result.layers] == [True, True]
    assert sqnr_db(expected, found) > 30


@pytest.mark.parametrize(
    ("op", "first"), [("Gather", Kernel.FLOAT), *(("MatMul", kernel) for kernel in Kernel if kernel != Kernel.QLINEAR)]
)
def test_that_a_static_layer_may_read_a_graph_output(op: str, first: Kernel, tmp_path: Path) -> None:
    node = helper.make_node("Gather", ["t", "x"], ["e"], name="first")
    if op == "MatMul":
        node = helper.make_node("MatMul", ["x", "t"], ["e"], name="first")
    nodes = [node, helper.make_node("MatMul", ["e", "w"], ["y"], name="second")]
    constants = {"t": normal(20, 16), "w": normal(16, 8, scale=0.3)}
    is_table = op == "Gather"
    shape: Shape = ["N", 6] if is_table else ["N", 20]
    dtypes = {"x": TensorProto.INT64} if is_table else None
    proto = build_model(nodes, {"x": shape}, ["e", "y"], constants, dtypes=dtypes, opset=21)
    granularity = PerGroup(16) if first == Kernel.NBITS else PerChannel()
    choice = LayerPlan(WeightScheme(8, granularity=granularity), first)
    plan = build_plan(open_built(proto, tmp_path).summary, 8).with_layers({"first": choice})
    _, expected, found = convert_like(proto, tmp_path, plan)
    assert all(sqnr_db(*pair) > 30 for pair in zip(expected, found, strict=True))


def to_half(proto: onnx.ModelProto) -> onnx.ModelProto:
    for tensor in proto.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return proto


@pytest.mark.parametrize("bits", [32, 16, 8, 4])
def test_that_a_float16_model_converts_and_its_size_is_predicted(bits: int, tmp_path: Path) -> None:
    proto = to_half(conv_chain(opset=21, channels=256, size=4))
    model = open_built(proto, tmp_path)
    result = convert(
        model,
        ConvertRequest(
            str(model.path), plan_for(model.summary, LayerPlan(WeightScheme(bits))), str(tmp_path / "o.onnx")
        ),
        None,
        None,
        JobContext(),
    )
    feeds = {"x": normal(4, 3, 4, 4).astype(np.float16)}
    (expected,), (found,) = (run_model(path, feeds) for path in (model.path, tmp_path / "o.onnx"))
    assert found.dtype == np.float16
    assert sqnr_db(expected, found) > {32: 100, 16: 100, 8: 30, 4: 5}[bits]
    assert abs(result.predicted_bytes - result.file_bytes) <= 0.01 * result.file_bytes


@pytest.mark.parametrize("symmetric", [True, False])
def test_that_channels_along_no_single_axis_may_be_one_short_group_each(symmetric: bool, tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="layer")
    constants = {"w": normal(3, 5, 16, scale=0.3)}
    proto = build_model([node], {"x": ["N", 3, 4, 5]}, ["y"], constants, opset=21)
    choice = LayerPlan(WeightScheme(4, symmetric, PerGroup(7)))
    _, (expected,), (found,) = convert_like(proto, tmp_path, choice)
    assert sqnr_db(expected, found) > 12


def weight_output() -> onnx.ModelProto:
    """A weight that is a graph output, too."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"], name="layer"), helper.make_node("Relu", ["m"], ["y"])]
    proto = build_model(nodes, {"x": ["N", 64]}, ["y"], {"w": normal(64, 64, scale=0.1)}, opset=21)
    proto.graph.output.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [64, 64]))
    return proto


def weight_read_elsewhere() -> onnx.ModelProto:
    """A weight that a Mul reads, too."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], name="layer"),
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Mul", ["w", "s"], ["k"]),
        helper.make_node("MatMul", ["m", "k"], ["y"]),
    ]
    return build_model(nodes, {"x": ["N", 64]}, ["y"], {"w": normal(64, 64, scale=0.1)}, opset=21)


def grouped_between_static() -> onnx.ModelProto:
    """A grouped convolution whose channels are not those of its input, behind a static one."""
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"], name="first"),
        helper.make_node("Conv", ["a", "w"], ["y"], name="layer", group=16),
    ]
    constants = {"v": normal(16, 4, 1, 1), "w": normal(512, 1, 1, 1)}
    return build_model(nodes, {"x": ["N", 4, 3, 3]}, ["y"], constants, opset=21)


@pytest.mark.parametrize("bits", [32, 16, 8, 4])
@pytest.mark.parametrize("build", [weight_output, weight_read_elsewhere, grouped_between_static])
def test_that_the_size_is_predicted(build: Callable[[], onnx.ModelProto], bits: int, tmp_path: Path) -> None:
    proto = build()
    summary = open_built(proto, tmp_path).summary
    plan = build_plan(summary, 8).with_layers({"layer": LayerPlan(WeightScheme(bits))})
    result, _, _ = convert_like(proto, tmp_path, plan)
    assert abs(result.predicted_bytes - result.file_bytes) <= max(512, 0.01 * result.file_bytes)


def old_upsample() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="first"),
        helper.make_node("Upsample", ["c", "s"], ["u"], name="up", mode="nearest"),
        helper.make_node("Conv", ["u", "w"], ["y"], name="second"),
    ]
    constants = {"w": normal(4, 4, 1, 1), "s": np.array([1, 1, 2, 2], np.float32)}
    return build_model(nodes, {"x": ["N", 4, 5, 5]}, ["y"], constants, opset=9)


def old_bounded(op: str, *, is_half: bool, **attributes: object) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="layer"),
        helper.make_node(op, ["c"], ["y"], **attributes),
    ]
    proto = build_model(nodes, {"x": ["N", 4, 5, 5]}, ["y"], {"w": normal(4, 4, 1, 1)}, opset=10)
    return to_half(proto) if is_half else proto


PADS = [0, 0, 1, 1, 0, 0, 1, 1]
OLD: dict[str, Callable[[], onnx.ModelProto]] = {
    "Upsample between layers": old_upsample,
    "Pad by edges": lambda: old_bounded("Pad", is_half=False, pads=PADS, mode="edge", value=0.0),
    "Pad in float16": lambda: old_bounded("Pad", is_half=True, pads=PADS, value=1.5),
    "Clip in float16": lambda: old_bounded("Clip", is_half=True, min=-1.0, max=1.0),
}


@pytest.mark.parametrize("case", OLD)
def test_that_operators_of_old_opsets_survive_being_raised(case: str, tmp_path: Path) -> None:
    model = open_built(OLD[case](), tmp_path)
    dtype = np.float16 if model.summary.layers[0].float_bits == 16 else np.float32
    feeds: dict[str, Array] = {"x": normal(6, 4, 5, 5).astype(dtype)}
    dataset = write_dataset(model, feeds, tmp_path / "d.npz")
    plan = build_plan(model.summary, 8)
    request = ConvertRequest(str(model.path), plan, str(tmp_path / "out.onnx"))
    result = convert(model, request, calibrate_on(model, dataset), dataset, JobContext())
    assert result.opset == 13
    (expected,), (found,) = (run_model(path, feeds, optimized=True) for path in (model.path, tmp_path / "out.onnx"))
    assert found.dtype == dtype
    assert sqnr_db(expected, found) > 30


@pytest.mark.parametrize(("op", "shape", "weight"), [
    ("Conv", ["N", 4, 5, 5], (8, 4, 1, 1)), ("Gemm", ["N", 20], (20, 8)),
])  # fmt: skip
@pytest.mark.parametrize("granularity", ["whole", "channel"])
def test_that_dead_channels_keep_an_exact_bias(
    op: str, shape: Shape, weight: tuple[int, ...], granularity: str, tmp_path: Path
) -> None:
    values = np.zeros(weight, np.float32) if granularity == "whole" else normal(*weight, scale=0.01)
    values[(slice(None), 3) if op == "Gemm" else 3] = 0
    bias = np.full(8, 1e-3, np.float32)
    nodes = [helper.make_node(op, ["x", "w", "b"], ["m"], name="layer"), helper.make_node("Tanh", ["m"], ["y"])]
    if op == "Gemm":
        nodes = [helper.make_node(op, ["x", "w", "b"], ["y"], name="layer")]
    proto = build_model(nodes, {"x": shape}, ["y"], {"w": values, "b": bias}, opset=21)
    _, (expected,), (found,) = convert_like(proto, tmp_path, LayerPlan(WeightScheme(8), Kernel.QLINEAR))
    step = 0 if op == "Gemm" else 1.1 * np.abs(expected).max() / 127  # the output of a convolution is quantized
    assert np.abs(found[:, 3] - expected[:, 3]).max() <= step + 1e-7


def test_that_a_source_that_overflows_is_compared_where_it_is_finite(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["a"], name="first"),
        helper.make_node("MatMul", ["a", "w"], ["b"], name="second"),
        helper.make_node("Sub", ["b", "a"], ["y"]),
    ]
    huge = normal(16, 16) * np.float32(1e30)
    proto = build_model(nodes, {"x": ["N", 16]}, ["y"], {"v": huge, "w": huge}, opset=21)
    _, (expected,), _ = convert_like(proto, tmp_path, LayerPlan(WeightScheme(8)))
    assert not np.isfinite(expected).all()


def test_that_a_plan_under_which_a_finite_model_overflows_is_refused(tmp_path: Path) -> None:
    weight = np.full((16, 16), 0.9, np.float32)  # with 2 bits, all become 1
    weight[0] = 1
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="layer")
    feeds = draw_samples(
        open_built(build_model([node], {"x": ["N", 16]}, ["y"], {"w": weight}), tmp_path).summary, SAMPLES
    )
    weight *= np.float32(3.3e38 / np.abs(feeds["x"] @ weight).max())
    proto = build_model([node], {"x": ["N", 16]}, ["y"], {"w": weight})
    with pytest.raises(ConversionError, match="NaN or infinite values where the float model does not"):
        convert_like(proto, tmp_path, LayerPlan(WeightScheme(2, symmetric=False)))
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("bits", [16, 8])
def test_that_a_weight_with_nan_is_refused_as_such(bits: int, tmp_path: Path) -> None:
    weight = normal(16, 16)
    weight[2, 3] = np.nan
    proto = build_model(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="layer")], {"x": ["N", 16]}, ["y"], {"w": weight}
    )
    model = open_built(proto, tmp_path)
    plan = plan_for(model.summary, LayerPlan(WeightScheme(bits)))
    request = ConvertRequest(str(model.path), plan, str(tmp_path / "out.onnx"))
    with pytest.raises(ConversionError, match="layer holds NaN or infinite values"):
        convert(model, request, None, None, JobContext())


@pytest.mark.parametrize("kernel", [Kernel.FLOAT, Kernel.QLINEAR, Kernel.DYNAMIC])
@pytest.mark.parametrize("bits", [16, 8, 4])
@pytest.mark.parametrize("hidden", [40, 24])
def test_that_a_tied_autoencoder_reads_its_weight_both_ways(
    hidden: int, bits: int, kernel: Kernel, tmp_path: Path
) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="encoder"),
        helper.make_node("Gemm", ["h", "w"], ["y"], name="decoder", transB=1),
    ]
    proto = build_model(nodes, {"x": ["N", 40]}, ["y"], {"w": normal(40, hidden, scale=0.3)}, opset=21)
    choice = LayerPlan(WeightScheme(bits), kernel if bits < 16 else Kernel.FLOAT)
    result, (expected,), (found,) = convert_like(proto, tmp_path, choice)
    assert sqnr_db(expected, found) > {16: 60, 8: 30, 4: 12}[bits]
    assert hidden == 40 or abs(result.predicted_bytes - result.file_bytes) <= 512


def test_that_a_function_and_a_body_may_use_the_same_names(tmp_path: Path) -> None:
    function = helper.make_function(
        "own", "Block", ["a", "b"], ["y"],
        [helper.make_node("MatMul", ["a", "b"], ["m"]), helper.make_node("Relu", ["m"], ["y"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node("MatMul", ["h", "w"], ["m"]), helper.make_node(op, ["m"], ["o"])],
            name, [], [helper.make_tensor_value_info("o", TensorProto.FLOAT, ["N", 6])],
        )
        for name, op in (("then", "Tanh"), ("else", "Relu"))
    }  # fmt: skip
    graph = helper.make_graph(
        [
            helper.make_node("Block", ["x", "w"], ["h"], domain="own", name="call"),
            helper.make_node("If", ["is_on"], ["y"], name="choice", **branches),
        ],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6]),
            helper.make_tensor_value_info("is_on", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 6])],
        [numpy_helper.from_array(normal(6, 6, scale=0.4), "w")],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    proto = helper.make_model(graph, opset_imports=imports, ir_version=8, functions=[function])
    onnx.checker.check_model(proto)
    onnx.save(proto, tmp_path / "m.onnx")
    model = open_model(tmp_path / "m.onnx")
    request = ConvertRequest(str(model.path), build_plan(model.summary, 8, FLOAT), str(tmp_path / "out.onnx"))
    convert(model, request, None, None, JobContext())
    for is_on in (True, False):
        feeds = {"x": normal(5, 6), "is_on": np.array(is_on)}
        (expected,), (found,) = (run_model(path, feeds) for path in (model.path, tmp_path / "out.onnx"))
        assert sqnr_db(expected, found) > 30


FLOAT = PlanDefaults(activations=ActivationMode.FLOAT)
