"""What happens beyond the size limits, with the limits lowered so that a small model is beyond them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

from benchmarks.child_process import run_measured
from benchmarks.transformers import SEVEN_BILLION, write_decoder
from engine.conversion.load_check import check
from engine.conversion.pieces import input_specs, split_model
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.observation import draw_inputs
from engine.model.runtime import Session
from engine.numerics.schemes import ActivationMode, Kernel, PerGroup, WeightScheme
from engine.plan import LayerPlan, PlanDefaults, build_plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.opening import OpenRequest
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


def write_branching_model(path: Path, *, scale: float = 1.0) -> Path:
    """Three layers, of which the last reads what the first one made; an If between them captures a value."""
    then = helper.make_graph(
        [helper.make_node("MatMul", ["a", "w1"], ["t"], name="second")],
        "then",
        [],
        [helper.make_tensor_value_info("t", onnx.TensorProto.FLOAT, None)],
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["e"])],
        "other",
        [],
        [helper.make_tensor_value_info("e", onnx.TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"], name="first"),
        helper.make_node("If", ["yes"], ["b"], then_branch=then, else_branch=other),
        helper.make_node("MatMul", ["b", "w2"], ["c"], name="third"),
        helper.make_node("Add", ["a", "c"], ["y"]),
    ]
    constants = {f"w{index}": normal(32, 32, seed=index) for index in range(3)}
    constants["w2"] *= np.float32(scale)
    constants["yes"] = np.array(True)
    model = build_model(nodes, {"x": ["N", 32]}, ["y"], constants)
    onnx.save(model, str(path), save_as_external_data=True, location=f"{path.name}.data", size_threshold=1024)
    return path


def test_that_pieces_hold_a_part_of_the_weights_each_and_all_nodes_once(tmp_path: Path) -> None:
    path = write_branching_model(tmp_path / "m.onnx")
    model = onnx.load(str(path), load_external_data=False)
    pieces = split_model(model, 32 * 32 * 4 + 64)
    assert [node.op_type for piece in pieces for node in piece.nodes] == ["MatMul", "If", "MatMul", "Add"]
    assert [piece.weights - {"yes"} for piece in pieces] == [{"w0"}, {"w1"}, {"w2"}]
    assert [piece.inputs for piece in pieces] == [("x",), ("a",), ("a", "b")]
    assert [piece.outputs for piece in pieces] == [("a",), ("b",), ("y",)]
    assert len(split_model(model, 1 << 30)) == 1


def test_that_pieces_run_in_turn_compute_what_the_model_does(tmp_path: Path) -> None:
    path = write_branching_model(tmp_path / "m.onnx")
    model = onnx.load(str(path), load_external_data=False)
    values = draw_inputs(input_specs(model))
    expected = Session(path).run(values)[0]
    for piece in split_model(model, 5000):
        (tmp_path / "piece.onnx").write_bytes(piece.build(model, values))
        session = Session(tmp_path / "piece.onnx")
        values |= dict(zip(piece.outputs, session.run({name: values[name] for name in piece.inputs}), strict=True))
    assert np.allclose(values["y"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("scale", "is_finite"), [(1.0, True), (1e38, False)])
def test_that_the_load_check_of_pieces_finds_what_that_of_the_whole_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: float, is_finite: bool
) -> None:
    path = write_branching_model(tmp_path / "m.onnx", scale=scale)
    whole = check(path)
    monkeypatch.setattr("engine.conversion.load_check.PIECE_BYTES", 5000)
    assert check(path) == whole
    assert whole["is_finite"] is is_finite
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]


def test_that_pieces_say_which_layers_run_on_integer_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"], name=f"layer{i}") for i in range(3)]
    constants = {f"w{index}": normal(128, 128, seed=index) for index in range(3)}
    source, output = tmp_path / "m.onnx", tmp_path / "out.onnx"
    onnx.save(build_model(nodes, {"x0": ["N", 128]}, ["x3"], constants), str(source))
    model = run_request(OpenRequest(str(source)), JobContext())
    assert isinstance(model, ModelSummary)
    choice = LayerPlan(WeightScheme(4, granularity=PerGroup(32)), Kernel.NBITS)
    plan = build_plan(model, 4).with_layers(dict.fromkeys(model.layer_by_name, choice))
    run_request(ConvertRequest(str(source), plan, str(output)), JobContext())
    whole = check(output)
    monkeypatch.setattr("engine.conversion.load_check.PIECE_BYTES", 10_000)
    assert check(output) == whole
    assert whole["integer_layers"] == [0, 1, 2]


def test_that_pieces_of_a_model_that_runs_on_no_drawn_input_are_loaded_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["y"], name="layer"),
    ]
    constants = {"w": normal(7, 8), "shape": np.array([-1, 7])}
    path = tmp_path / "m.onnx"
    onnx.save(build_model(nodes, {"x": ["N", "M"]}, ["y"], constants), str(path))
    monkeypatch.setattr("engine.conversion.load_check.PIECE_BYTES", 1)
    assert check(path)["is_finite"] is None


def test_that_mapped_weights_convert_to_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="layer")]
    model = build_model(nodes, {"x": ["N", WEIGHT[0]]}, ["y"], {"w": normal(*WEIGHT, scale=0.3)})
    source = tmp_path / "m.onnx"
    onnx.save(model, str(source), save_as_external_data=True, location="m.data", size_threshold=1024)
    written = []
    for limit in (1, 1 << 30):
        monkeypatch.setattr("engine.model.graph.MAPPED_BYTES", limit)
        output = tmp_path / f"{limit}.onnx"
        convert_weight_only(source, output)
        written.append(output.read_bytes())
    assert written[0] == written[1]


@pytest.mark.huge
@pytest.mark.timeout(1800)
def test_that_seven_billion_parameters_convert_in_two_gigabytes(tmp_path: Path) -> None:
    needed = SEVEN_BILLION.parameters * 3
    if shutil.disk_usage(tmp_path).free < needed:
        pytest.skip(f"needs {needed / 1e9:.0f} GB of free disk")
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:  # pytest would keep the files of three runs
        source, output = write_decoder(Path(folder) / "decoder.onnx", SEVEN_BILLION, np.float16), f"{folder}/out.onnx"
        arguments = ["--child", "bitsmith", str(source), output, "minmax"]
        measured = run_measured("benchmarks.decoder_conversion", arguments)
        assert sum(file.stat().st_size for file in Path(folder).glob("out.onnx*")) < 4.2e9
    assert measured.tree_bytes <= 2e9
