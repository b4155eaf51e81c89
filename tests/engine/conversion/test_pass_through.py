"""Operators between static convolutions: in ONNX Runtime's optimised graph they run on the integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from engine.conversion.convert import convert
from engine.job_context import JobContext
from engine.model.runtime import Session
from engine.plan import build_plan
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

BETWEEN: dict[str, tuple[dict[str, Array], list[str], dict[str, object]]] = {
    "Resize": (
        {"scales": np.array([1, 1, 2, 2], np.float32)},
        ["c", "", "scales"],
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
    "Gather": ({"order": np.arange(8)[::-1].copy()}, ["c", "order"], {"axis": 1}),
    "Tile": ({"repeats": np.array([1, 1, 2, 1])}, ["c", "repeats"], {}),
    "Sigmoid": ({}, ["c"], {}),
    "LeakyRelu": ({}, ["c"], {"alpha": 0.1}),
    "MaxPool": ({}, ["c"], {"kernel_shape": [2, 2]}),
    "Split": ({"sizes": np.array([4, 4])}, ["c", "sizes"], {"axis": 1}),
}


@pytest.mark.parametrize("op", BETWEEN)
def test_that_nothing_is_dequantized_between_two_static_convolutions(op: str, tmp_path: Path) -> None:
    constants, inputs, attributes = BETWEEN[op]
    nodes = [helper.make_node("Conv", ["x", "a"], ["c"], name="first", pads=[1, 1, 1, 1])]
    if op == "Split":
        nodes.append(helper.make_node(op, inputs, ["left", "right"], **attributes))
        nodes.append(helper.make_node("Concat", ["right", "left"], ["m"], axis=1))
    else:
        nodes.append(helper.make_node(op, inputs, ["m"], **attributes))
    nodes.append(helper.make_node("Conv", ["m", "b"], ["y"], name="second", pads=[1, 1, 1, 1]))
    weights = {"a": normal(8, 8, 3, 3, scale=0.1), "b": normal(8, 8, 3, 3, seed=1, scale=0.1)}
    model = open_built(build_model(nodes, {"x": ["N", 8, 12, 12]}, ["y"], {**weights, **constants}), tmp_path)
    feeds = draw_samples(model.summary, 8)
    dataset = write_dataset(model, feeds, tmp_path / "d.npz")
    request = ConvertRequest(str(model.path), build_plan(model.summary, 8), str(tmp_path / "out.onnx"))
    convert(model, request, calibrate_on(model, dataset), dataset, JobContext())
    Session(tmp_path / "out.onnx", optimized_model_path=tmp_path / "optimized.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert (kinds.count("QLinearConv"), kinds.count("DequantizeLinear"), kinds.count("QuantizeLinear")) == (2, 1, 1)
    (expected,) = run_model(model.path, feeds)
    (found,) = run_model(tmp_path / "out.onnx", feeds, optimized=True)
    assert sqnr_db(expected, found) > 25
