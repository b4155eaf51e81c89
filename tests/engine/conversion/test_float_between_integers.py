"""Layers kept in float between integer layers compute in float: ONNX Runtime must not quantize them by itself."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from engine.conversion.rewriting import rewrite_model
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.runtime import Session
from engine.numerics.schemes import WeightScheme
from engine.plan import LayerPlan, build_plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.data import DataChoice
from tests.engine.models import (
    build_model,
    calibrate_on,
    draw_samples,
    normal,
    open_built,
    run_model,
    serialize,
    sqnr_db,
    write_dataset,
)


def chain(kind: str) -> onnx.ModelProto:
    """Three layers of which the middle one is to stay in float."""
    node, pads = helper.make_node, {"pads": [1, 1, 1, 1]}
    if kind == "Gemm":
        weights = {"w1": normal(16, 24), "w2": normal(24, 24), "w3": normal(24, 8)}
        middle = node("Gemm", ["a", "w2"], ["b"], name="middle")
        nodes = [node("Gemm", ["x", "w1"], ["a0"], name="first"), node("Relu", ["a0"], ["a"]), middle]
        nodes += [node("Relu", ["b"], ["c"]), node("Gemm", ["c", "w3"], ["y"], name="last")]
        return build_model(nodes, {"x": ["N", 16]}, ["y"], weights)
    weights = {"w1": normal(8, 3, 3, 3), "w2": normal(8, 8, 3, 3), "w3": normal(8, 8, 3, 3)}
    groups = {}
    if kind == "depthwise":
        weights["w2"], groups = normal(8, 1, 3, 3), {"group": 8}
    op = "ConvTranspose" if kind == "ConvTranspose" else "Conv"
    middle = node(op, ["a", "w2"], ["b"], name="middle", **pads, **groups)
    nodes = [node("Conv", ["x", "w1"], ["a"], name="first", **pads), middle, node("Relu", ["b"], ["c"])]
    nodes.append(node("Conv", ["c", "w3"], ["y"], name="last", **pads))
    return build_model(nodes, {"x": ["N", 3, 8, 8]}, ["y"], weights)


@pytest.mark.parametrize("kind", ["Conv", "depthwise", "ConvTranspose", "Gemm"])
@pytest.mark.parametrize("bits", [32, 16, 4])
def test_that_a_float_layer_between_integer_layers_stays_float(kind: str, bits: int, tmp_path: Path) -> None:
    model = open_built(chain(kind), tmp_path)
    feeds = draw_samples(model.summary, 8)
    dataset = write_dataset(model, feeds, tmp_path / "data.npz")
    plan = build_plan(model.summary, 8).with_layers({"middle": LayerPlan(WeightScheme(bits))})
    output = tmp_path / "out.onnx"
    request = ConvertRequest(str(model.path), plan, str(output), DataChoice(str(tmp_path / "data.npz")), samples=8)
    result = run_request(request, JobContext())
    assert isinstance(result, ConvertResult)
    assert result.file_bytes == pytest.approx(result.predicted_bytes, rel=0.01, abs=128)

    optimized = tmp_path / "optimized.onnx"
    Session(output, optimized_model_path=optimized)
    kernels = [n.op_type for n in onnx.load(str(optimized)).graph.node]
    assert sum(op in ("QLinearConv", "QGemm", "QLinearMatMul") for op in kernels) == 2, kernels
    assert any(op in ("Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm") for op in kernels), kernels
    simulation = rewrite_model(model, plan, calibrate_on(model, dataset), JobContext(), is_simulation=True)
    expected = run_model(serialize(simulation), feeds)[0]
    assert sqnr_db(expected, Session(output).run(feeds)[0]) > 45
