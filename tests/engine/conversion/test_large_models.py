"""What happens beyond the size limits, with the limits lowered so that a small model is beyond them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

from engine.conversion.load_check import check
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.jobs.requests import ConvertRequest, ConvertResult, OpenRequest
from engine.numerics.schemes import ActivationMode
from engine.plan import PlanDefaults, build_plan
from engine.summary import ModelSummary
from tests.engine.models import build_model, normal

WEIGHT = (512, 64)


def write_model(folder: Path) -> Path:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="layer")]
    path = folder / "m.onnx"
    onnx.save(build_model(nodes, {"x": ["N", WEIGHT[0]]}, ["y"], {"w": normal(*WEIGHT, scale=0.3)}), str(path))
    return path


def convert_weight_only(path: Path, output: Path) -> ConvertResult:
    model = run_request(OpenRequest(str(path)), JobContext())
    assert isinstance(model, ModelSummary)
    plan = build_plan(model, 4, PlanDefaults(activations=ActivationMode.FLOAT))
    result = run_request(ConvertRequest(str(path), plan, str(output)), JobContext())
    assert isinstance(result, ConvertResult)
    return result


def test_that_weights_beyond_the_limit_go_to_a_file_beside_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_model(tmp_path)
    inside = convert_weight_only(source, tmp_path / "inside.onnx")
    monkeypatch.setattr("engine.conversion.convert.EXTERNAL_DATA_BYTES", 0)
    (tmp_path / "out").mkdir()
    outside = convert_weight_only(source, tmp_path / "out" / "outside.onnx")
    assert {"outside.onnx", "outside.onnx.data"} < {file.name for file in (tmp_path / "out").iterdir()}
    assert outside.file_bytes >= WEIGHT[0] * WEIGHT[1] // 2
    x = {"x": normal(3, WEIGHT[0], seed=5)}
    sessions = [ort.InferenceSession(item.output, providers=["CPUExecutionProvider"]) for item in (inside, outside)]
    first, second = (session.run(None, x)[0] for session in sessions)
    assert np.array_equal(first, second)


def test_that_a_result_that_was_not_compared_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_model(tmp_path)
    assert not convert_weight_only(source, tmp_path / "compared.onnx").warnings
    monkeypatch.setattr("engine.conversion.convert.IN_MEMORY_BYTES", 0)
    result = convert_weight_only(source, tmp_path / "apart.onnx")
    assert result.verified_samples == 0
    assert any("not compared with float" in warning for warning in result.warnings)


def test_that_the_load_check_accepts_a_model_that_runs_on_no_drawn_input(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["y"], name="layer"),
    ]
    constants = {"w": normal(7, 8), "shape": np.array([-1, 7])}
    path = tmp_path / "m.onnx"
    onnx.save(build_model(nodes, {"x": ["N", "M"]}, ["y"], constants), str(path))
    assert check(path)["is_finite"] is None


def test_that_the_load_check_sees_values_that_are_not_finite(tmp_path: Path) -> None:
    nodes = [helper.make_node("Div", ["x", "zero"], ["y"])]
    path = tmp_path / "m.onnx"
    onnx.save(build_model(nodes, {"x": [1, 8]}, ["y"], {"zero": np.zeros(8, np.float32)}), str(path))
    assert check(path)["is_finite"] is False
