"""The interpreter: old forms of operators, whole models, cuts, replaced weights and intercepted inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from onnx import TensorProto, helper

from engine.data.dataset import open_dataset
from engine.errors import UnsupportedOperator
from engine.model.opened import Model, open_model
from engine.requests.data import DataChoice
from engine.torch_graph.graph import TorchGraph
from engine.torch_graph.tensors import to_tensor
from tests.engine.models import Array, build_model, conv_chain, draw_samples, normal, open_built, run_model


def graph_of(model: Model) -> TorchGraph:
    return TorchGraph(model.graph, model.layers)


def node(op: str, *inputs: str, outputs: tuple[str, ...] = ("y",), **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


IMAGE = normal(2, 6, 5, 7)
AXES = {"axes": np.array([1, 3])}
# Name → opset, the node, its inputs beside "x", and the outputs.
FORMS: dict[str, tuple[int, onnx.NodeProto, dict[str, Array]]] = {
    "squeeze by attribute": (11, node("Squeeze", "x", axes=[0]), {"x": IMAGE[:1]}),
    "squeeze without axes": (17, node("Squeeze", "x"), {"x": IMAGE[:1]}),
    "unsqueeze by attribute": (9, node("Unsqueeze", "x", axes=[0, 3]), {}),
    "sum by attribute": (11, node("ReduceSum", "x", axes=[1, -1], keepdims=0), {}),
    "sum by input": (13, node("ReduceSum", "x", "axes"), AXES),
    "mean by attribute": (13, node("ReduceMean", "x", axes=[2, 3]), {}),
    "mean by input": (18, node("ReduceMean", "x", "axes", keepdims=0), AXES),
    "maximum of everything": (12, node("ReduceMax", "x"), {}),
    "slice by attribute": (9, node("Slice", "x", starts=[1, -3], ends=[1000, -1], axes=[1, 3]), {}),
    "slice backwards": (
        13,
        node("Slice", "x", "s", "e", "a", "t"),
        {"s": np.array([-1]), "e": np.array([-(2**63)]), "a": np.array([2]), "t": np.array([-2])},
    ),
    "pad by attribute": (10, node("Pad", "x", pads=[0, 1, 0, 2, 0, 0, 3, 1], value=0.5), {}),
    "pad by reflection": (10, node("Pad", "x", pads=[0, 0, 2, 1, 0, 0, 3, 4], mode="reflect"), {}),
    "pad that cuts off": (11, node("Pad", "x", "p"), {"p": np.array([0, 0, -1, 0, 0, 0, 2, -2])}),
    "clip by attribute": (10, node("Clip", "x", min=-0.5), {}),
    "clip by input": (13, node("Clip", "x", "", "high"), {"high": np.array(0.25, np.float32)}),
    "softmax over all behind": (11, node("Softmax", "x"), {}),
    "softmax along one axis": (13, node("Softmax", "x", axis=1), {}),
    "logarithm of softmax over all behind": (9, node("LogSoftmax", "x", axis=2), {}),
    "dropout by attribute": (9, node("Dropout", "x", ratio=0.3), {}),
    "split by attribute": (11, node("Split", "x", outputs=("y", "z"), axis=1, split=[2, 4]), {}),
    "split by input": (13, node("Split", "x", "parts", outputs=("y", "z"), axis=1), {"parts": np.array([5, 1])}),
    "split evenly": (11, node("Split", "x", outputs=("y", "z"), axis=1), {}),
    "split by number": (18, node("Split", "x", outputs=("y", "z", "w"), axis=3, num_outputs=3), {}),
    "largest by attribute": (9, node("TopK", "x", outputs=("y", "z"), axis=1, k=3), {}),
    "upsample by attribute": (7, node("Upsample", "x", scales=[1.0, 1.0, 2.0, 3.0]), {}),
    "upsample by input": (
        9,
        node("Upsample", "x", "s", mode="linear"),
        {"s": np.array([1, 1, 2, 1.5], np.float32)},
    ),
    "resize of opset 10": (10, node("Resize", "x", "s"), {"s": np.array([1, 1, 0.6, 2.5], np.float32)}),
    "resize to a size": (
        13,
        node("Resize", "x", "", "", "s", mode="linear", coordinate_transformation_mode="align_corners"),
        {"s": np.array([2, 6, 9, 4])},
    ),
    "batch normalization of opset 7": (
        7,
        node("BatchNormalization", "x", "scale", "bias", "mean", "variance", epsilon=1e-3),
        {name: np.abs(normal(6, seed=3)) for name in ("scale", "bias", "mean", "variance")},
    ),
    "cast to a whole number": (13, node("Cast", "x", to=TensorProto.INT32), {}),
    "cast to a condition": (13, node("Cast", "x", to=TensorProto.BOOL), {"x": np.round(IMAGE)}),
    "cast like": (15, node("CastLike", "x", "like"), {"like": np.zeros(1, np.int64)}),
    "constant": (13, node("Constant", value_floats=[1.0, 2.5]), {}),
    "average of opset 7": (7, node("AveragePool", "x", kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 2]), {}),
    "average that counts pads": (
        11,
        node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 0, 2, 1], count_include_pad=1, auto_pad="NOTSET"),
        {},
    ),
    "maximum with the ceiling": (
        11,
        node("MaxPool", "x", kernel_shape=[2, 3], strides=[2, 2], pads=[0, 1, 1, 1], ceil_mode=1),
        {},
    ),
    "maximum, same": (8, node("MaxPool", "x", kernel_shape=[2, 3], strides=[2, 2], auto_pad="SAME_LOWER"), {}),
    "convolution, same, in groups": (
        11,
        node("Conv", "x", "w", "b", group=2, strides=[2, 1], auto_pad="SAME_LOWER"),
        {"w": normal(4, 3, 2, 4), "b": normal(4)},
    ),
    "convolution of one dimension": (11, node("Conv", "x", "w", pads=[2, 0], dilations=[2]),
                                     {"x": IMAGE[0], "w": normal(4, 5, 3)}),
    "convolution of three dimensions": (11, node("Conv", "x", "w", pads=[1, 0, 1, 0, 0, 1]),
                                        {"x": normal(2, 3, 4, 5, 6), "w": normal(4, 3, 2, 3, 2)}),
    "transposed convolution in groups": (
        11,
        node("ConvTranspose", "x", "w", "b", group=3, strides=[2, 3], dilations=[2, 1], pads=[1, 0, 2, 1]),
        {"w": normal(6, 2, 3, 2), "b": normal(6)},
    ),
    "transposed convolution with an output shape": (
        11,
        node("ConvTranspose", "x", "w", strides=[2, 2], output_shape=[10, 14]),
        {"w": normal(6, 4, 3, 3)},
    ),
    "transposed convolution, same": (
        11,
        node("ConvTranspose", "x", "w", strides=[2, 2], auto_pad="SAME_UPPER"),
        {"w": normal(6, 4, 4, 3)},
    ),
    "product of batches": (13, node("MatMul", "x", "w"), {"w": normal(6, 7, 4)}),
    "gemm with everything": (
        13,
        node("Gemm", "x", "w", "b", alpha=0.5, beta=2.0, transA=1, transB=1),
        {"x": normal(5, 3), "w": normal(4, 5), "b": normal(4)},
    ),
    "two directions of an LSTM": (
        14,
        node("LSTM", "x", "w", "r", "b", outputs=("y", "h", "c"), hidden_size=5, direction="bidirectional"),
        {"x": IMAGE[0], "w": normal(2, 20, 7), "r": normal(2, 20, 5, seed=1), "b": normal(2, 40, seed=2)},
    ),
    "a GRU in reverse": (
        14,
        node("GRU", "x", "w", "r", "b", outputs=("y", "h"), hidden_size=5, direction="reverse", linear_before_reset=1),
        {"x": IMAGE[0], "w": normal(1, 15, 7), "r": normal(1, 15, 5, seed=1), "b": normal(1, 30, seed=2)},
    ),
    "an RNN": (
        14,
        node("RNN", "x", "w", "r", outputs=("y", "h"), hidden_size=5),
        {"x": IMAGE[0], "w": normal(1, 5, 7), "r": normal(1, 5, 5, seed=1)},
    ),
}  # fmt: skip


OUTPUT_DTYPES = {
    "largest by attribute": {"z": TensorProto.INT64},
    "cast to a whole number": {"y": TensorProto.INT32},
    "cast to a condition": {"y": TensorProto.BOOL},
    "cast like": {"y": TensorProto.INT64},
}


@pytest.mark.parametrize("form", FORMS)
def test_that_a_form_of_an_operator_gives_what_onnx_runtime_gives(form: str) -> None:
    opset, made, constants = FORMS[form]
    constants = {"x": IMAGE, **constants}
    feeds = {name: constants.pop(name) for name in ("x",)}
    shapes, dtypes = {"x": list(feeds["x"].shape)}, OUTPUT_DTYPES.get(form)
    proto = build_model([made], shapes, list(made.output), constants, opset=opset, dtypes=dtypes)
    found = TorchGraph(ir.from_proto(proto).graph, []).run({"x": to_tensor(feeds["x"])}, list(made.output))
    for expected, tensor in zip(run_model(proto, feeds), found, strict=True):
        assert tensor.numpy().dtype == expected.dtype
        np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-4, atol=1e-5)


MODELS = {
    "cifar10_resnet20.onnx": ("cifar10_calib_1000.npz", "cifar10.preprocess.json"),
    "imagenet_mobilenet_v2_dequant_ptq.onnx": ("imagenet_500", "mobilenet_v2.preprocess.json"),
    "imagenet_squeezenet1.1.onnx": ("imagenet_500", "squeezenet.preprocess.json"),
    "kws_dscnn.onnx": ("kws_mfcc_500.npz", None),
    "mnist_cntk.onnx": ("mnist_test_5000.npz", "mnist.preprocess.json"),
    "stories260K.onnx": ("tinystories_tok512_seq257.npz", None),
}


@pytest.mark.assets
@pytest.mark.parametrize("file", MODELS)
def test_that_a_real_model_gives_what_onnx_runtime_gives(file: str, assets: Path) -> None:
    model = open_model(assets / "models" / file)
    data, preprocess = MODELS[file]
    folder = assets / "data"
    choice = DataChoice(str(folder / data), str(folder / preprocess) if preprocess else None)
    dataset = open_dataset(choice, model.summary.inputs)
    batch = next(iter(dataset.batches(dataset.batch_size_for(2), limit=2)))
    names = [spec.name for spec in model.summary.outputs]
    given = {name: to_tensor(value) for name, value in batch.inputs.items()}
    with torch.no_grad():
        found = graph_of(model).run(given, names)
    for expected, tensor in zip(run_model(model.path, batch.inputs), found, strict=True):
        np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.assets
def test_that_a_model_with_bodies_is_refused_by_the_name_of_the_operator(assets: Path) -> None:
    model = open_model(assets / "models" / "silero_vad_16k_op15.onnx")
    with pytest.raises(UnsupportedOperator, match=r"The operator If \(node .*\) has no torch form"):
        graph_of(model)


def test_that_an_operator_of_another_domain_is_refused(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    next(iter(model.graph)).domain = "com.microsoft"
    with pytest.raises(UnsupportedOperator, match=r"The operator Conv \(node first\) has no torch form"):
        graph_of(model)


def test_that_operands_that_do_not_fit_name_the_node(tmp_path: Path) -> None:
    graph = graph_of(open_built(conv_chain(), tmp_path))
    with pytest.raises(UnsupportedOperator, match=r"Conv \(node first\) has no torch form with these operands"):
        graph.run({"x": torch.zeros(1, 4, 8, 8)}, ["y"])


def test_that_a_cut_runs_only_what_lies_behind_it(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    graph = graph_of(model)
    read: list[str] = []

    def note(name: str, value: torch.Tensor) -> torch.Tensor:
        read.append(name)
        return value

    given = {"x": to_tensor(draw_samples(model.summary, 3)["x"])}
    middle, output = graph.run(given, ["r1", "y"])
    (rest,) = graph.run({"r1": middle}, ["y"], intercept=note)
    assert read == ["second", "head"]
    assert torch.equal(rest, output)


def test_that_given_weights_take_the_place_of_the_layers_own(tmp_path: Path) -> None:
    proto = conv_chain()
    model = open_built(proto, tmp_path)
    feeds = draw_samples(model.summary, 3)
    changed = normal(8, 8, 3, 3, seed=9)
    (found,) = graph_of(model).run({"x": to_tensor(feeds["x"])}, ["y"], weights={"second": to_tensor(changed)})
    next(item for item in proto.graph.initializer if item.name == "w2").raw_data = changed.tobytes()
    np.testing.assert_allclose(found.numpy(), run_model(proto, feeds)[0], rtol=1e-4, atol=1e-4)


def test_that_what_an_intercept_returns_is_what_the_layer_reads(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    feeds = {"x": to_tensor(draw_samples(model.summary, 3)["x"])}
    (found,) = graph_of(model).run(feeds, ["y"], intercept=lambda name, value: value * 0 if name == "head" else value)
    bias = next(layer for layer in model.layers if layer.name == "head").bias
    assert bias is not None
    np.testing.assert_allclose(found.numpy(), np.tile(bias, (3, 1)), rtol=1e-6)


def test_that_gradients_of_weights_and_inputs_are_those_of_differences(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    graph = graph_of(model)
    source = to_tensor(draw_samples(model.summary, 1)["x"]).double().requires_grad_()
    graph._constants = {name: value.double() for name, value in graph._constants.items()}
    weight = graph.weights["second"].double().requires_grad_()

    def loss(source: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return graph.run({"x": source}, ["y"], weights={"second": weight})[0].square().sum()

    assert torch.autograd.gradcheck(loss, (source, weight), atol=1e-3, rtol=1e-3, fast_mode=True)


def test_that_half_precision_is_computed_in_single(tmp_path: Path) -> None:
    weight = normal(8, 4).astype(np.float16)
    proto = build_model(
        [node("Cast", "x", outputs=("h",), to=TensorProto.FLOAT16), node("MatMul", "h", "w")],
        {"x": ["N", 8]},
        ["y"],
        {"w": weight},
        dtypes={"y": TensorProto.FLOAT16},
    )
    source = normal(3, 8)
    (found,) = graph_of(open_built(proto, tmp_path)).run({"x": to_tensor(source)}, ["y"])
    np.testing.assert_allclose(found.numpy(), source @ weight.astype(np.float32), rtol=1e-5)
