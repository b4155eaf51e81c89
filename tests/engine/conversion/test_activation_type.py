"""Static activations stored as int8: the same grids as with uint8, so the same results."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from engine.conversion.convert import convert
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.numerics.schemes import ActivationType, WeightScheme
from engine.plan import LayerPlan, Plan, PlanDefaults, build_plan
from engine.requests.conversion import ConvertRequest
from tests.engine.models import (
    Array,
    build_model,
    calibrate_on,
    draw_samples,
    normal,
    open_built,
    run_model,
    sqnr_db,
    write_dataset,
)

PADS = {"pads": [1, 1, 1, 1]}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Convolutions with a Relu, a bound, pooling and a residual sum between them."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1"], ["a"], name="first", **PADS),
        node("Relu", ["a"], ["b"], name="relu"),
        node("Conv", ["b", "w2"], ["c"], name="middle", **PADS),
        node("Min", ["c", "bound"], ["d"], name="bounded"),
        node("Add", ["b", "d"], ["e"], name="sum"),
        node("MaxPool", ["e"], ["f"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["f", "w3"], ["y"], name="last", **PADS),
    ]
    weights = {"w1": normal(8, 3, 3, 3), "w2": normal(8, 8, 3, 3, scale=0.2), "w3": normal(4, 8, 3, 3, scale=0.2)}
    bound = {"bound": np.array(1.5, np.float32)}
    return open_built(build_model(nodes, {"x": ["N", 3, 8, 8]}, ["y"], {**weights, **bound}), tmp_path)


def write(model: Model, plan: Plan, stored: ActivationType, folder: Path) -> tuple[Path, dict[str, Array]]:
    feeds = draw_samples(model.summary, 8)
    dataset = write_dataset(model, feeds, folder / "d.npz")
    plan = dataclasses.replace(plan, defaults=dataclasses.replace(plan.defaults, activation_type=stored))
    output = folder / f"{stored}.onnx"
    convert(
        model, ConvertRequest(str(model.path), plan, str(output)), calibrate_on(model, dataset), dataset, JobContext()
    )
    return output, feeds


@pytest.mark.parametrize("float_layer", [None, "middle"])
@pytest.mark.parametrize("bits", [8, 4])
def test_that_int8_activations_give_what_uint8_gives(
    model: Model, bits: int, float_layer: str | None, tmp_path: Path
) -> None:
    plan = build_plan(model.summary, bits)
    if float_layer is not None:
        plan = plan.with_layers({float_layer: LayerPlan(WeightScheme(32))})
    outputs = []
    for stored in ActivationType:
        path, feeds = write(model, plan, stored, tmp_path)
        graph = onnx.load(path).graph
        grids = [item for item in graph.initializer if item.name.startswith("a") and item.name.endswith(".z")]
        assert grids
        assert {numpy_helper.to_array(item).dtype for item in grids} == {np.dtype(str(stored))}
        outputs.append(run_model(path, feeds)[0])
    assert np.array_equal(*outputs)


def test_that_everything_computes_on_int8_where_the_runtime_does_so_as_on_arm(model: Model, tmp_path: Path) -> None:
    path, feeds = write(model, build_plan(model.summary, 8), ActivationType.INT8, tmp_path)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert (kinds.count("QLinearConv"), kinds.count("QLinearAdd")) == (3, 1)
    assert (kinds.count("QuantizeLinear"), kinds.count("DequantizeLinear")) == (1, 1)
    (expected,) = run_model(path, feeds)
    (found,) = session.run(None, feeds)
    assert sqnr_db(expected, found) > 35


def test_that_int8_makes_no_difference_without_static_layers(model: Model) -> None:
    defaults = PlanDefaults(activation_type=ActivationType.INT8)
    assert build_plan(model.summary, 8, defaults).layers == build_plan(model.summary, 8).layers
