"""Equalization: the network computes the same, weights have even ranges, and what cannot be scaled stays."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from engine.cli.scheme_options import add_scheme, read_scheme
from engine.compensation.equalization import MAX_SCALE, equalize
from engine.errors import BitsmithError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import open_model
from engine.numerics.schemes import InputScaling, PerTensor
from engine.plan import PlanDefaults, build_plan, plan_from_json, plan_to_json
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.data import DataChoice
from tests.engine.models import (
    Array,
    build_model,
    conv_chain,
    draw_samples,
    normal,
    open_built,
    run_model,
    save_model,
    serialize,
    sqnr_db,
    write_dataset,
)

REAL_MODELS = (
    "cifar10_resnet20.onnx",
    "imagenet_mobilenet_v2_dequant_ptq.onnx",
    "imagenet_squeezenet1.1.onnx",
    "kws_dscnn.onnx",
    "mnist_cntk.onnx",
    "stories260K.onnx",
)


def uneven(*shape: int, seed: int) -> Array:
    """A weight whose rows differ tenfold in range."""
    rows = np.geomspace(0.3, 3, shape[0])
    factors = np.random.default_rng(seed).permutation(rows).reshape(-1, *[1] * (len(shape) - 1))
    return (normal(*shape, seed=seed) * factors).astype(np.float32)


def inverted_residual() -> onnx.ModelProto:
    """Conv 1×1 → Clip 6 → depthwise → Clip 6 → Conv 1×1, beside a shortcut, then Relu and Conv; as in MobileNetV2."""
    constants: Mapping[str, Array] = {
        "w0": uneven(8, 3, 1, 1, seed=1), "b0": normal(8, seed=2),
        "w1": uneven(16, 8, 1, 1, seed=3), "b1": normal(16, seed=4, scale=3),
        "w2": uneven(16, 1, 3, 3, seed=5), "b2": normal(16, seed=6),
        "w3": uneven(8, 16, 1, 1, seed=7), "b3": normal(8, seed=8),
        "w4": uneven(4, 8, 3, 3, seed=9), "b4": normal(4, seed=10),
        "low": np.zeros((), np.float32), "high": np.full((), 6, np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], name="stem"),
        helper.make_node("Conv", ["c0", "w1", "b1"], ["c1"], name="expand"),
        helper.make_node("Clip", ["c1", "low", "high"], ["k1"], name="clip1"),
        helper.make_node("Conv", ["k1", "w2", "b2"], ["c2"], name="depthwise", group=16, pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["c2", "low", "high"], ["k2"], name="clip2"),
        helper.make_node("Conv", ["k2", "w3", "b3"], ["c3"], name="project"),
        helper.make_node("Add", ["c0", "c3"], ["a"], name="add"),
        helper.make_node("Conv", ["a", "w4", "b4"], ["y"], name="last"),
    ]
    return build_model(nodes, {"x": ["N", 3, 8, 8]}, ["y"], dict(constants))


def grouped_and_transposed() -> onnx.ModelProto:
    """Grouped Conv → LeakyRelu → MaxPool → ConvTranspose in groups → Relu → AveragePool → Flatten → Gemm."""
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c0"], name="first", group=2, pads=[1, 1, 1, 1]),
        helper.make_node("LeakyRelu", ["c0"], ["l"], name="leaky"),
        helper.make_node("MaxPool", ["l"], ["m"], name="max", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("ConvTranspose", ["m", "w1", "b1"], ["c1"], name="up", group=2),
        helper.make_node("Relu", ["c1"], ["r"], name="relu"),
        helper.make_node("AveragePool", ["r"], ["p"], name="mean", kernel_shape=[3, 3]),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["y"], name="head", beta=0.5),
    ]
    constants = {
        "w0": uneven(8, 2, 3, 3, seed=1), "w1": uneven(8, 3, 3, 3, seed=2), "b1": normal(6, seed=3),
        "w2": uneven(6 * 16, 5, seed=4), "b2": normal(5, seed=5),
    }  # fmt: skip
    return build_model(nodes, {"x": ["N", 4, 8, 8]}, ["y"], constants)


def products() -> onnx.ModelProto:
    """MatMul + bias → Relu → two MatMuls that are added → Relu → MatMul."""
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["m0"], name="first"),
        helper.make_node("Add", ["m0", "b0"], ["a0"], name="bias"),
        helper.make_node("Relu", ["a0"], ["r0"], name="relu0"),
        helper.make_node("MatMul", ["r0", "w1"], ["m1"], name="left"),
        helper.make_node("MatMul", ["r0", "w2"], ["m2"], name="right"),
        helper.make_node("Add", ["m1", "m2"], ["a1"], name="sum"),
        helper.make_node("Relu", ["a1"], ["r1"], name="relu1"),
        helper.make_node("MatMul", ["r1", "w3"], ["y"], name="last"),
    ]
    constants = {
        "w0": uneven(6, 12, seed=1), "b0": normal(12, seed=2), "w1": uneven(12, 10, seed=3),
        "w2": uneven(12, 10, seed=4), "w3": uneven(10, 5, seed=5),
    }  # fmt: skip
    return build_model(nodes, {"x": ["N", 3, 6]}, ["y"], constants)


@pytest.mark.parametrize("build", [inverted_residual, grouped_and_transposed, products, conv_chain])
def test_the_network_computes_the_same_with_other_weights(build: Callable[[], onnx.ModelProto], tmp_path: Path) -> None:
    model = open_built(build(), tmp_path)
    found = equalize(model)
    feeds = draw_samples(model.summary, 6)
    expected, computed = (run_model(serialize(item.graph_model), feeds)[0] for item in (model, found))
    np.testing.assert_allclose(computed, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
    before, after = ({layer.name: layer.matrix() for layer in item.layers} for item in (model, found))
    assert list(before) == list(after)
    assert all(np.abs(before[name] - after[name]).max() > 0.05 * np.abs(before[name]).max() for name in before)


def test_a_clip_gets_one_bound_per_channel(tmp_path: Path) -> None:
    """With inputs that reach the bound in some channels and not in others."""
    model = open_built(inverted_residual(), tmp_path)
    feeds = {"x": draw_samples(model.summary, 6)["x"] * 4}
    source = onnx.load(model.path)
    source.graph.output.extend([helper.make_empty_tensor_value_info(name) for name in ("k1", "k2")])
    _, *clipped = run_model(source, feeds)
    assert all(0.01 < np.mean(values == 6) < 0.9 for values in clipped)
    expected, computed = (run_model(serialize(item.graph_model), feeds)[0] for item in (model, equalize(model)))
    np.testing.assert_allclose(computed, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


def test_scales_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    """Two convolutions: the closed form of the paper, channel by channel."""
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c"], name="first"),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "w1"], ["y"], name="second"),
    ]
    first, bias, second = uneven(7, 3, 3, 3, seed=1), normal(7, seed=2), normal(4, 7, 3, 3, seed=3)
    constants = {"w0": first, "b0": bias, "w1": second}
    found = equalize(open_built(build_model(nodes, {"x": ["N", 3, 8, 8]}, ["y"], constants), tmp_path))
    for channel in range(7):
        written, read = np.abs(first[channel]).max(), np.abs(second[:, channel]).max()
        scale = np.sqrt(written * read) / read
        assert 1 / MAX_SCALE < scale < MAX_SCALE
        one, other = found.layers
        np.testing.assert_allclose(one.matrix()[channel], first[channel].reshape(-1) / scale, rtol=1e-6)
        assert one.bias is not None
        np.testing.assert_allclose(one.bias[channel], bias[channel] / scale, rtol=1e-6)
        stored = other.layout.from_matrix(other.matrix())
        np.testing.assert_allclose(stored[:, channel], second[:, channel] * scale, rtol=1e-6)


def test_weights_behind_a_dead_channel_are_cleared(tmp_path: Path) -> None:
    """Its row is 0 and its bias not positive: after the Clip it is 0, whatever huge weights read it."""
    proto = inverted_residual()
    weights = {item.name: item for item in proto.graph.initializer}
    changed = {name: onnx.numpy_helper.to_array(weights[name]).copy() for name in ("w1", "b1", "w2")}
    changed["w1"][5], changed["b1"][5], changed["w2"][5] = 0, -1, 300
    for name, value in changed.items():
        weights[name].CopyFrom(onnx.numpy_helper.from_array(value, name))
    model = open_built(proto, tmp_path)
    found = equalize(model)
    feeds = draw_samples(model.summary, 6)
    expected, computed = (run_model(serialize(item.graph_model), feeds)[0] for item in (model, found))
    np.testing.assert_allclose(computed, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
    depthwise = found.layers[2].matrix()
    assert not depthwise[5].any()
    assert np.abs(depthwise).max() < 10


def test_what_cannot_be_scaled_stays(tmp_path: Path) -> None:
    """A shared weight, a tensor that is an output, one that a Sigmoid reads, and a Clip that does not start at 0."""
    chain = {"w0": uneven(6, 6, 1, 1, seed=1), "w1": uneven(6, 6, 1, 1, seed=2)}

    def first_and_second(middle: list[onnx.NodeProto], read: str, second: str = "w1") -> list[onnx.NodeProto]:
        return [
            helper.make_node("Conv", ["x", "w0"], ["c"], name="first"),
            *middle,
            helper.make_node("Conv", [read, second], ["y"], name="second"),
        ]

    bounds = {"low": np.full((), -1, np.float32), "high": np.full((), 6, np.float32)}
    cases = [
        (first_and_second([], "c", "w0"), ["y"], {"w0": chain["w0"]}),
        (first_and_second([], "c"), ["y", "c"], chain),
        (first_and_second([helper.make_node("Sigmoid", ["c"], ["s"])], "s"), ["y"], chain),
        (first_and_second([helper.make_node("Sigmoid", ["c"], ["s"])], "c"), ["y", "s"], chain),
        (first_and_second([helper.make_node("Clip", ["c", "low", "high"], ["k"])], "k"), ["y"], chain | bounds),
    ]
    for index, (nodes, outputs, constants) in enumerate(cases):
        proto = build_model(nodes, {"x": ["N", 6, 4, 4]}, outputs, constants)
        model = open_built(proto, tmp_path, f"{index}.onnx")
        assert equalize(model) is model


def test_per_tensor_weights_of_an_equalized_network(tmp_path: Path) -> None:
    """Closer to float than without, on integer kernels throughout, and the Min compares codes."""
    proto = inverted_residual()
    factors = np.geomspace(0.02, 1, 16, dtype=np.float32)
    for item in proto.graph.initializer:
        if item.name in ("w2", "b2"):
            value = onnx.numpy_helper.to_array(item)
            item.CopyFrom(onnx.numpy_helper.from_array((value.T * factors).T, item.name))
        if item.name == "w3":
            value = onnx.numpy_helper.to_array(item)
            item.CopyFrom(onnx.numpy_helper.from_array(value / factors[:, None, None], item.name))
    path = save_model(proto, tmp_path)
    model = open_model(path)
    feeds = draw_samples(model.summary, 64)
    data = DataChoice(str(write_dataset(model, feeds, tmp_path / "d.npz").path))
    expected = run_model(path, feeds)[0]
    found = {}
    for is_equalized in (False, True):
        output = tmp_path / f"{is_equalized}.onnx"
        plan = build_plan(model.summary, 8, PlanDefaults(per_tensor=True, equalize=is_equalized))
        result = run_request(ConvertRequest(str(path), plan, str(output), data), JobContext())
        assert isinstance(result, ConvertResult)
        assert all(layer.is_integer for layer in result.layers)
        assert not result.warnings
        found[is_equalized] = sqnr_db(expected, run_model(output, feeds, optimized=True)[0])
    assert found[True] > found[False] + 3
    written = onnx.load(tmp_path / "True.onnx").graph
    makers = {name: node.op_type for node in written.node for name in node.output}
    bounded = [node for node in written.node if node.op_type == "Min"]
    assert len(bounded) == 2
    assert all(makers[name] == "QuantizeLinear" for node in bounded for name in node.input)


def test_what_belongs_to_the_source_is_refused(tmp_path: Path) -> None:
    """Its activation ranges from a file or by hand, and packed weights, which hold no constants between layers."""
    path = save_model(inverted_residual(), tmp_path)
    plan = build_plan(open_model(path).summary, 8, PlanDefaults(equalize=True))
    request = ConvertRequest(str(path), plan, str(tmp_path / "o.onnx"))
    by_hand = plan.with_layers({"last": dataclasses.replace(plan.layer("last"), input_range=(-1.0, 1.0))})
    for changed, problem in (
        (dataclasses.replace(request, calibration=str(tmp_path / "c.calib")), "before it is equalized"),
        (dataclasses.replace(request, plan=by_hand), "sets input ranges by hand"),
        (dataclasses.replace(request, output=str(tmp_path / "o.safetensors")), "Write an ONNX file"),
    ):
        with pytest.raises(BitsmithError, match=problem):
            run_request(changed, JobContext())


def test_the_switch_changes_the_digest(tmp_path: Path) -> None:
    summary = open_built(conv_chain(), tmp_path).summary
    plan = build_plan(summary, 8)
    switched = {
        dataclasses.replace(plan, defaults=dataclasses.replace(plan.defaults, **{name: True})).digest
        for name in ("equalize", "correct_bias")
    }
    assert len({plan.digest, *switched}) == 3


def test_options_reach_the_plan_and_survive_a_round_trip(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_scheme(parser)
    arguments = parser.parse_args(["--per-tensor", "--equalize", "--correct-bias", "--scale-inputs", "awq"])
    defaults = read_scheme(arguments)
    assert defaults == PlanDefaults(per_tensor=True, equalize=True, correct_bias=True, input_scaling=InputScaling.AWQ)
    summary = open_built(conv_chain(), tmp_path).summary
    plan = build_plan(summary, 8, defaults)
    assert all(layer.weights.granularity == PerTensor() for layer in plan.layers.values())
    assert plan_from_json(plan_to_json(plan), "p.json") == plan
    assert "equalize" not in plan_to_json(build_plan(summary, 8))["defaults"]


@pytest.mark.assets
@pytest.mark.parametrize("name", REAL_MODELS)
def test_real_networks_compute_the_same(name: str, assets: Path) -> None:
    model = open_model(assets / "models" / name)
    found = equalize(model)
    feeds = draw_samples(model.summary, 1)
    expected, computed = (run_model(serialize(item.graph_model), feeds)[0] for item in (model, found))
    np.testing.assert_allclose(computed, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
