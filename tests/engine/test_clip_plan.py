"""Ranges set by hand in a plan: they survive the file, and the converted model computes with them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from engine.compensation.inputs import InputQuantization
from engine.diagnosis.remedies import candidates
from engine.diagnosis.report import RemedyKind
from engine.errors import PlanError
from engine.numerics.schemes import Granularity, Kernel, PerChannel, PerGroup, PerTensor, RangeMethod, WeightScheme
from engine.placement import find_layers_on_source, place
from engine.plan import LayerPlan, Plan, format_plan, load_plan, plan_from_json, plan_to_json
from tests.engine.conversion.cases import Opened, convert_opened, ensure_computes_what_the_engine_says, open_with_data
from tests.engine.models import build_model, conv_chain, normal, plan_for, run_model

CLIPPED = LayerPlan(
    WeightScheme(4, range_method=RangeMethod.MSE, clip=0.6), Kernel.QLINEAR, input_range=(-1.5, 2.0), is_locked=True
)


def initializers(path: Path) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}


def two_readers() -> onnx.ModelProto:
    """A Conv and, behind a MaxPool, another one; both read the values of x."""
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="left", pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["x"], ["p"], name="pool", kernel_shape=[1, 1]),
        helper.make_node("Conv", ["p", "w2"], ["b"], name="right", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a", "b"], ["y"], name="sum"),
    ]
    weights = {"w1": normal(4, 3, 3, 3, seed=1), "w2": normal(4, 3, 3, 3, seed=2)}
    return build_model(nodes, {"x": ["N", 3, 8, 8]}, ["y"], weights)


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return open_with_data(conv_chain(opset=21), tmp_path)


@pytest.fixture
def shared(tmp_path: Path) -> Opened:
    return open_with_data(two_readers(), tmp_path)


def static(opened: Opened, **ranges: tuple[float, float]) -> Plan:
    plan = plan_for(opened.model.summary, LayerPlan(WeightScheme(8), Kernel.QLINEAR))
    changes = {name: dataclasses.replace(plan.layer(name), input_range=pair) for name, pair in ranges.items()}
    return plan.with_layers(changes)


def test_that_ranges_set_by_hand_survive_the_file(opened: Opened, tmp_path: Path) -> None:
    plan = plan_for(opened.model.summary, CLIPPED)
    path = tmp_path / "p.json"
    path.write_text(format_plan(plan), encoding="utf-8")
    layer = json.loads(path.read_text(encoding="utf-8"))["layers"]["first"]
    assert (layer["clip"], layer["input_range"]) == (0.6, [-1.5, 2.0])
    loaded = load_plan(path)
    assert dict(loaded.layers) == dict(plan.layers)
    assert loaded.digest == plan.digest


def test_that_the_digest_knows_what_decides_the_file(opened: Opened) -> None:
    plain = plan_for(opened.model.summary, dataclasses.replace(CLIPPED, input_range=None))
    clipped = plan_for(opened.model.summary, CLIPPED)
    assert plain.digest != clipped.digest
    floats = [
        plan_for(opened.model.summary, LayerPlan(WeightScheme(4), input_range=pair)) for pair in (None, (-1.0, 1.0))
    ]
    assert floats[0].digest == floats[1].digest  # no static kernel reads it
    narrower = dataclasses.replace(CLIPPED, weights=dataclasses.replace(CLIPPED.weights, clip=0.5))
    assert plan_for(opened.model.summary, narrower).digest != clipped.digest


@pytest.mark.parametrize("pair", [[1.0, 2.0], [0.0, 0.0], [-1.0, float("inf")], [float("nan"), 1.0], [2.0, -1.0]])
def test_that_an_input_range_without_zero_or_end_is_refused(opened: Opened, pair: list[float]) -> None:
    document = plan_to_json(plan_for(opened.model.summary, CLIPPED))
    document["layers"]["first"]["input_range"] = pair
    with pytest.raises(PlanError, match="input range"):
        plan_from_json(document, "p.json")


@pytest.mark.parametrize(("field", "value"), [("clip", "wide"), ("clip", 2), ("input_range", [1]), ("input_range", 3)])
def test_that_a_malformed_range_is_a_plan_error(opened: Opened, field: str, value: object) -> None:
    document = plan_to_json(plan_for(opened.model.summary, CLIPPED))
    document["layers"]["first"][field] = value
    with pytest.raises(PlanError):
        plan_from_json(document, "p.json")


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel()], ids=str)
def test_that_onnxruntime_reads_the_clipped_weights(opened: Opened, tmp_path: Path, granularity: Granularity) -> None:
    clip, qmax = 0.6, 7
    scheme = WeightScheme(4, granularity=granularity, range_method=RangeMethod.MSE, clip=clip)
    convert_opened(opened, plan_for(opened.model.summary, LayerPlan(scheme)), tmp_path / "out.onnx")
    (found,) = run_model(tmp_path / "out.onnx", opened.feeds)
    source = onnx.load(opened.model.path)
    for item in source.graph.initializer:
        if item.name.startswith("w"):
            weight = numpy_helper.to_array(item).astype(np.float64)
            axes = None if isinstance(granularity, PerTensor) else tuple(range(1, weight.ndim))
            scale = np.abs(weight).max(axis=axes, keepdims=True) * clip / qmax
            item.CopyFrom(
                numpy_helper.from_array(
                    (np.clip(np.rint(weight / scale), -qmax, qmax) * scale).astype(np.float32), item.name
                )
            )
    (expected,) = run_model(source, opened.feeds)
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(16)], ids=str)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("kernel", [Kernel.QLINEAR, Kernel.FLOAT])
def test_that_a_clipped_file_computes_what_the_engine_says(
    opened: Opened, tmp_path: Path, kernel: Kernel, symmetric: bool, granularity: Granularity
) -> None:
    choice = LayerPlan(WeightScheme(4, symmetric, granularity, clip=0.7), kernel)
    plan = plan_for(opened.model.summary, choice)
    convert_opened(opened, plan, tmp_path / "out.onnx")
    ensure_computes_what_the_engine_says(opened, plan, tmp_path / "out.onnx")


def test_that_an_input_range_lands_in_the_file(opened: Opened, tmp_path: Path) -> None:
    low, high = -1.5, 2.0
    plan = static(opened, first=(low, high))
    convert_opened(opened, plan, tmp_path / "out.onnx")
    graph = onnx.load(tmp_path / "out.onnx").graph
    node = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "x")
    values = initializers(tmp_path / "out.onnx")
    assert float(values[node.input[1]]) == pytest.approx((high - low) / 255)
    assert int(values[node.input[2]]) == round(-low / ((high - low) / 255))
    grid = InputQuantization.of(opened.model, plan, opened.calibration).grids["x"]
    assert (float(grid.scale), grid.zero_point) == (pytest.approx((high - low) / 255), values[node.input[2]])
    ensure_computes_what_the_engine_says(opened, plan, tmp_path / "out.onnx")


def test_that_layers_on_one_tensor_share_its_range(shared: Opened, tmp_path: Path) -> None:
    model = shared.model.summary
    assert find_layers_on_source(model, static(shared), "right") == ("left", "right")
    assert place(model, static(shared, right=(-1.0, 1.0))).fixed_ranges == {"x": (-1.0, 1.0)}
    convert_opened(shared, static(shared, right=(-1.0, 1.0)), tmp_path / "out.onnx")
    scales = [value for name, value in initializers(tmp_path / "out.onnx").items() if name.endswith(".s")]
    assert any(np.isclose(value, 2 / 255).all() for value in scales if value.size == 1)


def test_that_two_ranges_for_one_tensor_are_refused_by_name(shared: Opened) -> None:
    plan = static(shared, left=(-1.0, 1.0), right=(-2.0, 1.0))
    with pytest.raises(PlanError, match="left and right read the same values"):
        place(shared.model.summary, plan)


def test_that_remedies_of_a_clipped_layer_take_the_clip_away(opened: Opened) -> None:
    plan = plan_for(opened.model.summary, CLIPPED)
    found = dict(candidates(opened.layer, plan))
    for kind, method in ((RemedyKind.FULL_RANGE, RangeMethod.MINMAX), (RemedyKind.MSE_RANGE, RangeMethod.MSE)):
        assert (found[kind].weights.clip, found[kind].weights.range_method) == (None, method)
        assert found[kind].input_range == CLIPPED.input_range
