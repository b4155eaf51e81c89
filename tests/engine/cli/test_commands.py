"""The commands on the bundled sample, with the real engine: the loop as a user would type it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from engine.cli import recover
from engine.cli.command import UsageError
from engine.cli.job import ConsoleContext
from engine.cli.program import build_parser, run_program
from engine.model.opened import open_model
from engine.requests.data import SplitRequest
from tests.engine.models import conv_chain, draw_samples, save_model

pytestmark = pytest.mark.timeout(60)


class Shell:
    """Runs command lines in this process, in a folder of their own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def json(self, *arguments: object) -> Any:
        """Run with --json; the document on standard output."""
        status = run_program([*map(str, arguments), "--json"])
        captured = self._capsys.readouterr()
        assert status == 0, captured.err
        return json.loads(captured.out)

    def refusal(self, *arguments: object) -> str:
        """Run something that fails; the one line on standard error."""
        status = run_program([*map(str, arguments)])
        captured = self._capsys.readouterr()
        assert status == 1, captured.err
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert captured.err.startswith("bitsmith: ")
        assert "Bitsmith has a bug" not in captured.err
        return captured.err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)


@pytest.fixture
def sensitivity(shell: Shell, sample_model: Path, sample_calibration_data: Path) -> Path:
    shell.json("analyze", sample_model, "--data", sample_calibration_data, "--samples", 16, "-o", "sensitivity.json")
    return Path("sensitivity.json")


def test_that_inspect_lists_the_layers(shell: Shell, sample_model: Path) -> None:
    document = shell.json("inspect", sample_model)
    assert document["opset"] == 17
    assert document["file_bytes"] == sample_model.stat().st_size
    assert document["parameters"] == sum(layer["parameters"] for layer in document["layers"])
    assert len(document["layers"]) == 12
    stem = document["layers"][0]
    assert (stem["name"], stem["op"], stem["weight_shape"]) == ("stem.conv", "Conv", [32, 1, 3, 3])
    assert stem["macs"] == 8 * 8 * 32 * 9
    assert {"name", "op", "weight_shape", "parameters", "macs"} <= set(stem)


def test_that_a_calibration_serves_a_conversion(
    shell: Shell, sample_model: Path, sample_calibration_data: Path
) -> None:
    calibrated = shell.json(
        "calibrate", sample_model, "--data", sample_calibration_data, "--samples", 32, "-o", "digits.calib"
    )
    assert calibrated["samples"] == 32
    assert Path("digits.calib").is_file()
    document = shell.json("convert", sample_model, "--calibration", "digits.calib", "-o", "int8.onnx")
    assert document["file_bytes"] == Path("int8.onnx").stat().st_size
    assert document["file_bytes"] == pytest.approx(document["predicted_bytes"], rel=0.02)
    assert {layer["bits"] for layer in document["layers"]} == {8}
    assert all(layer["is_integer"] for layer in document["layers"])


def test_that_the_analysis_is_a_matrix_of_layers_and_bits(shell: Shell, sensitivity: Path) -> None:
    document = json.loads(sensitivity.read_text())
    assert len(document["layers"]) == 12
    for cells in document["layers"].values():
        assert set(cells) == {"16", "8", "4", "2"}
        assert cells["8"]["sqnr_db"] > cells["4"]["sqnr_db"] > cells["2"]["sqnr_db"]


def test_that_an_allocated_plan_meets_its_budget_and_converts(
    shell: Shell, sample_model: Path, sample_calibration_data: Path, sensitivity: Path
) -> None:
    document = shell.json(
        "allocate", sample_model, "--sensitivity", sensitivity, "--size-ratio", 0.22, "--lock", "head.fc",
        "-o", "plan.json",
    )  # fmt: skip
    assert document["predicted_bytes"] <= 0.22 * sample_model.stat().st_size
    locked = [layer for layer in document["layers"] if layer["locked"]]
    assert [(layer["name"], layer["bits"]) for layer in locked] == [("head.fc", 8)]
    converted = shell.json(
        "convert", sample_model, "--plan", "plan.json", "--data", sample_calibration_data, "--samples", 32,
        "-o", "mixed.onnx",
    )  # fmt: skip
    assert converted["file_bytes"] == pytest.approx(document["predicted_bytes"], rel=0.02)
    assert {layer["name"]: layer["bits"] for layer in converted["layers"]} == {
        layer["name"]: layer["bits"] for layer in document["layers"]
    }


def test_that_a_measured_plan_for_an_sqnr_is_described_by_it(
    shell: Shell, sample_model: Path, sample_calibration_data: Path
) -> None:
    data = ("--data", sample_calibration_data, "--samples", 8)
    shell.json("analyze", sample_model, *data, "--method", "exact", "--bits", "8,4", "-o", "exact.json")
    document = shell.json(
        "allocate", sample_model, "--sensitivity", "exact.json", "--min-sqnr", 15, *data, "--seconds", 1, "-o", "p.json"
    )
    assert document["metric"] == document["polished_metric"] == "sqnr_db"
    assert document["predicted_sqnr_db"] >= 15
    nothing = shell.json("allocate", sample_model, "--sensitivity", "exact.json", "--max-loss", 0, "-o", "p.json")
    assert {layer["bits"] for layer in nothing["layers"]} <= {32, 8}
    assert nothing["predicted_kl"] == 0


def test_that_a_prediction_of_the_weights_alone_says_so(
    shell: Shell, sample_model: Path, sample_calibration_data: Path, sensitivity: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    data = ("--data", sample_calibration_data, "--samples", 8)
    shell.json("analyze", sample_model, *data, "--method", "loss", "--bits", "8,4", "-o", "loss.json")
    for file, is_alone in (("loss.json", True), (str(sensitivity), False)):
        assert (
            run_program(["allocate", str(sample_model), "--sensitivity", file, "--size-ratio", "0.3", "-o", "p"]) == 0
        )
        assert ("measured the weights alone" in capsys.readouterr().out) == is_alone


def test_that_layer_overrides_win_and_the_saved_plan_gives_the_same_bytes(
    shell: Shell, sample_model: Path, sample_calibration_data: Path
) -> None:
    data = ("--data", sample_calibration_data, "--samples", 32)
    document = shell.json(
        "convert", sample_model, "--weights", 4, "--layer", "head.*=8", "--layer", "stem.*=32", *data,
        "-o", "a.onnx", "--save-plan", "plan.json",
    )  # fmt: skip
    bits = {layer["name"]: layer["bits"] for layer in document["layers"]}
    assert (bits["stem.conv"], bits["block2.conv1"], bits["head.conv"], bits["head.fc"]) == (32, 4, 8, 8)
    shell.json("convert", sample_model, "--plan", "plan.json", *data, "-o", "b.onnx")
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()


def test_that_reduced_ranges_reach_the_file_through_plan_and_option(
    shell: Shell, sample_model: Path, sample_calibration_data: Path
) -> None:
    data = ("--data", sample_calibration_data, "--samples", 32)
    shell.json("convert", sample_model, "--reduce-range", *data, "-o", "a.onnx", "--save-plan", "plan.json")
    shell.json("convert", sample_model, "--plan", "plan.json", *data, "-o", "b.onnx")
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()
    codes = [
        onnx.numpy_helper.to_array(item) for item in onnx.load("a.onnx").graph.initializer if item.name[-2:] == ".w"
    ]
    assert codes
    assert max(int(np.abs(item.astype(int)).max()) for item in codes) == 63


def test_that_portable_is_demanded_of_a_plan_and_told_of_the_file(shell: Shell, sample_model: Path) -> None:
    weight_only = ("--activations", "float", "--kernel", "nbits")
    document = shell.json("convert", sample_model, *weight_only, "-o", "a.onnx")
    assert document["is_portable"] is False
    assert json.loads(Path("a.manifest.json").read_text())["is_portable"] is False
    assert "nbits" in shell.refusal("convert", sample_model, *weight_only, "--portable", "-o", "b.onnx")
    assert "nbits" in shell.refusal("convert", sample_model, "--plan", "a.plan.json", "--portable", "-o", "b.onnx")
    shell.json("convert", sample_model, "--activations", "dynamic8", "-o", "c.onnx")
    assert shell.json("convert", sample_model, "--plan", "c.plan.json", "--portable", "-o", "d.onnx")["is_portable"]
    assert json.loads(Path("d.plan.json").read_text())["defaults"]["portable"] is True
    assert not Path("b.onnx").exists()


def test_that_a_plan_that_is_read_is_not_overwritten_by_another(shell: Shell, sample_model: Path) -> None:
    shell.json("convert", sample_model, "--activations", "dynamic8", "-o", "a.onnx", "--save-plan", "net.plan.json")
    text = Path("net.plan.json").read_text()
    same = ("convert", sample_model, "--plan", "net.plan.json", "-o", "net.onnx")
    assert "net.plan.json" in shell.refusal(*same, "--layer", "head.*=4")
    assert not Path("net.onnx").exists()
    shell.json(*same)
    assert Path("net.plan.json").read_text() == text


def test_that_a_conversion_is_evaluated_and_benchmarked(
    shell: Shell, sample_model: Path, sample_test_data: Path
) -> None:
    shell.json("convert", sample_model, "--activations", "dynamic8", "-o", "dynamic.onnx")
    document = shell.json(
        "evaluate", "dynamic.onnx", "--reference", sample_model, "--data", sample_test_data, "--samples", 200
    )
    assert document["samples"] == 200
    assert document["top1"] > 95
    assert document["reference_top1"] > 95
    assert document["agreement"] > 97
    assert document["sqnr_db"] > 15
    timed = shell.json("benchmark", sample_model, "dynamic.onnx", "--seconds", 0.2)
    assert [model["path"] for model in timed["models"]] == [str(sample_model), "dynamic.onnx"]
    assert timed["models"][0]["speedup"] == 1.0
    assert set(timed["models"][1]["latency_ms"]) == {"p50", "p90", "p99"}


def test_that_the_demo_tells_the_whole_loop(
    sample_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.cli.demo.BENCHMARK_SECONDS", 0.1)
    folder = tmp_path / "demo"
    assert run_program(["demo", "--output", str(folder), "--no-pictures"]) == 0
    text = capsys.readouterr().out
    for word in ("Open", "Calibrate", "Analyse", "Allocate", "Convert", "top-1", "speed-up"):
        assert word in text
    for label in ("int8", "int4", "mixed"):
        assert (folder / f"digits-{label}.onnx").is_file()
        assert (folder / f"digits-{label}.plan.json").is_file()
    document = json.loads((folder / "demo.json").read_text())
    assert document["float_bytes"] == sample_model.stat().st_size
    assert [result["label"] for result in document["results"]] == ["int8", "int4", "mixed"]
    assert all(result["evaluate"]["top1"] > 90 for result in document["results"])
    assert not list(folder.glob("*.bitsmith-tmp"))


class TestBadInput:
    """Each gives one sentence and exit 1, and leaves no file."""

    @pytest.fixture(autouse=True)
    def nothing_is_written(self, shell: Shell, tmp_path: Path) -> Any:
        yield
        assert not (tmp_path / "out.onnx").exists()
        assert not list(tmp_path.rglob("*.bitsmith-tmp"))

    def test_that_models_that_are_none_are_refused(self, shell: Shell, sample_model: Path, tmp_path: Path) -> None:
        (tmp_path / "folder.onnx").mkdir()
        (tmp_path / "empty.onnx").write_bytes(b"")
        (tmp_path / "text.onnx").write_text("this is no model, but a few words of text\n" * 20)
        (tmp_path / "truncated.onnx").write_bytes(sample_model.read_bytes()[:200_000])
        for name in ("missing", "folder", "empty", "text", "truncated"):
            assert f"{name}.onnx" in shell.refusal("inspect", f"{name}.onnx")

    def test_that_a_model_without_its_external_data_is_refused(
        self, shell: Shell, sample_model: Path, tmp_path: Path
    ) -> None:
        model = onnx.load(str(sample_model))
        onnx.save_model(model, str(tmp_path / "external.onnx"), save_as_external_data=True, location="weights.bin")
        (tmp_path / "weights.bin").unlink()
        assert "weights.bin" in shell.refusal("convert", "external.onnx", "--activations", "float", "-o", "out.onnx")

    def test_that_a_model_with_nothing_to_quantize_is_refused(self, shell: Shell) -> None:
        node = onnx.helper.make_node("Relu", ["x"], ["y"])
        values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 4]) for name in "xy"]
        graph = onnx.helper.make_graph([node], "relu", values[:1], values[1:])
        opset = onnx.helper.make_opsetid("", 17)
        onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), "relu.onnx")
        assert "relu.onnx" in shell.refusal("convert", "relu.onnx", "--activations", "float", "-o", "out.onnx")

    def test_that_data_that_does_not_fit_is_refused(self, shell: Shell, sample_model: Path, tmp_path: Path) -> None:
        good = np.zeros((4, 1, 8, 8), np.float32)
        broken = good.copy()
        broken[2, 0, 3, 3] = np.nan
        wrong = {
            "names": {"labels": np.zeros(4, np.int64)},
            "shape": {"images": np.zeros((4, 1, 9, 9), np.float32)},
            "dtype": {"images": np.array(["a", "b"])},
            "nan": {"images": broken},
            "none": {"images": good[:0]},
        }
        for name, arrays in wrong.items():
            np.savez(tmp_path / f"{name}.npz", **arrays)
            message = shell.refusal("convert", sample_model, "--data", f"{name}.npz", "-o", "out.onnx")
            assert f"{name}.npz" in message
        assert "missing.npz" in shell.refusal("convert", sample_model, "--data", "missing.npz", "-o", "out.onnx")

    def test_that_a_static_conversion_without_samples_says_what_to_give(self, shell: Shell, sample_model: Path) -> None:
        assert "--data" in shell.refusal("convert", sample_model, "-o", "out.onnx")

    def test_that_output_paths_that_cannot_be_are_refused(
        self, shell: Shell, sample_model: Path, tmp_path: Path
    ) -> None:
        copy = tmp_path / "net.onnx"
        copy.write_bytes(sample_model.read_bytes())
        (tmp_path / "folder").mkdir()
        for output in ("missing/out.onnx", "folder", "net.onnx"):
            message = shell.refusal("convert", "net.onnx", "--activations", "float", "-o", output)
            assert output.split("/", maxsplit=1)[0] in message
        assert copy.read_bytes() == sample_model.read_bytes()

    def test_that_a_plan_for_another_model_is_refused(self, shell: Shell, sample_model: Path, tmp_path: Path) -> None:
        shell.json("convert", sample_model, "--activations", "float", "-o", "first.onnx", "--save-plan", "plan.json")
        document = json.loads(Path("plan.json").read_text())
        document["model"]["sha256"] = "0" * 64
        Path("other.json").write_text(json.dumps(document))
        assert "another model" in shell.refusal("convert", sample_model, "--plan", "other.json", "-o", "out.onnx")
        Path("broken.json").write_text("{")
        assert "broken.json" in shell.refusal("convert", sample_model, "--plan", "broken.json", "-o", "out.onnx")

    def test_that_a_pattern_that_matches_nothing_is_refused(self, shell: Shell, sample_model: Path) -> None:
        message = shell.refusal("convert", sample_model, "--layer", "haed.*=8", "-o", "out.onnx")
        assert "'haed.*'" in message

    def test_that_a_budget_out_of_reach_is_refused(self, shell: Shell, sample_model: Path, sensitivity: Path) -> None:
        message = shell.refusal(
            "allocate", sample_model, "--sensitivity", sensitivity, "--size-ratio", 0.001, "-o", "plan.json"
        )
        assert "%" in message or "MB" in message or "0." in message
        assert not Path("plan.json").exists()


def test_that_presets_are_listed_and_one_decides_the_plan(
    shell: Shell, sample_model: Path, sample_calibration_data: Path
) -> None:
    listed = shell.json("presets")
    assert {"older-cpu", "mobile"} <= {preset["name"] for preset in listed["targets"]}
    assert "imagenet_torchvision" in {preset["name"] for preset in listed["preprocessing"]}
    data = ("--data", sample_calibration_data, "--shuffle", 0, "--samples", 16)
    shell.json(
        "convert", sample_model, "--preset", "older-cpu", "--weights", 4, *data, "-o", "o.onnx", "--save-plan", "p.json"
    )
    plan = json.loads(Path("p.json").read_text(encoding="utf-8"))
    assert plan["defaults"]["reduce_range"] is True
    assert plan["provenance"] == "preset older-cpu"
    assert {layer["bits"] for layer in plan["layers"].values()} == {4}
    assert "no preset 'nothing'" in shell.refusal("convert", sample_model, "--preset", "nothing", "-o", "n.onnx")


def test_that_weights_beside_a_model_elsewhere_are_found_by_every_step(
    shell: Shell, sample_model: Path, sample_calibration_data: Path
) -> None:
    Path("models").mkdir()
    model = Path("models/net.onnx")
    onnx.save(onnx.load(sample_model), model, save_as_external_data=True, location="net.data", size_threshold=0)
    data = ("--data", sample_calibration_data, "--samples", 8)
    for source in (sample_model, model):
        stem = source.stem
        shell.json("analyze", source, *data, "--method", "exact", "--bits", "4", "-o", f"{stem}.s.json")
        shell.json("convert", source, *data, "--weights", 8, "-o", f"{stem}-int8.onnx")
    shell.json("convert", model, "--weights", 16, "-o", "net-fp16.onnx")
    assert not [tensor for tensor in onnx.load("net-fp16.onnx").graph.initializer if tensor.data_location]
    shell.json("benchmark", model, "--layers")
    found, expected = (json.loads(Path(f"{name}.s.json").read_text())["layers"] for name in ("net", "digits"))
    assert found == expected
    tensors = [onnx.load(f"{name}-int8.onnx").graph.initializer for name in ("net", "digits")]
    assert [t.SerializeToString() for t in tensors[0]] == [t.SerializeToString() for t in tensors[1]]


def test_that_options_beside_a_preset_are_not_dropped(
    shell: Shell, sample_model: Path, sample_calibration_data: Path
) -> None:
    data = ("--data", sample_calibration_data, "--samples", 16)
    for options, expected in (((), {"qlinear", "float"}), (("--activations", "dynamic8"), {"dynamic", "float"})):
        shell.json("convert", sample_model, "--preset", "mobile", *options, *data, "-o", "o.onnx", "--save-plan", "p")
        plan = json.loads(Path("p").read_text(encoding="utf-8"))
        assert {layer["kernel"] for layer in plan["layers"].values()} <= expected
        assert expected - {"float"} <= {layer["kernel"] for layer in plan["layers"].values()}


def test_that_recovery_starts_from_the_preset(
    shell: Shell, sample_model: Path, sample_calibration_data: Path, sample_test_data: Path
) -> None:
    (Path.cwd() / "config" / "bitsmith" / "presets").mkdir(parents=True)
    preset = {"title": "Four", "weights": {"bits": 4}, "kernels": ["float"]}
    (Path.cwd() / "config" / "bitsmith" / "presets" / "four.json").write_text(json.dumps(preset))
    common = (
        "recover", sample_model, "--data", sample_calibration_data, "--evaluation", sample_test_data, "--samples", 16,
        "--evaluation-samples", 16, "--target", "sqnr=-100", "-o", "o.onnx",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.user_files.config_folder", lambda kind="": Path.cwd() / "config" / "bitsmith" / kind)
        shell.json(*common, "--preset", "four")
    layers = json.loads(Path("o.plan.json").read_text(encoding="utf-8"))["layers"].values()
    assert {(layer["bits"], layer["kernel"]) for layer in layers} == {(4, "float")}


def test_that_samples_to_measure_on_are_read_like_those_to_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[SplitRequest] = []
    monkeypatch.setattr(recover, "run_job", lambda request, *_: asked.append(request))
    line = "recover net.onnx --data d --evaluation e --preprocess imagenet_torchvision --tokenizer t.json"
    arguments = build_parser().parse_args([*line.split(), "--target", "drop=1", "-o", "o.onnx"])
    recover._divide(arguments, ConsoleContext())
    learnt, measured = asked[0].calibration, asked[0].evaluation
    assert measured == dataclasses.replace(learnt, path="e")
    assert Path(learnt.preprocess or "").is_file()
    arguments.skip = 3
    with pytest.raises(UsageError, match="--skip"):
        recover._divide(arguments, ConsoleContext())


def test_that_data_options_without_data_or_beside_a_choice_are_refused(
    shell: Shell, sample_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("choice.json").write_text(json.dumps({"bitsmith_data": 1, "path": "x.npz"}))
    for options, words in (
        (["--shuffle", "0"], "--shuffle belongs to --data"),
        (["--data", "choice.json", "--skip", "3"], "does not go with --skip"),
    ):
        assert run_program(["convert", str(sample_model), *options, "-o", "o.onnx"]) == 2
        assert words in capsys.readouterr().err
    assert "x.npz does not exist" in shell.refusal("convert", sample_model, "--data", "choice.json", "-o", "o.onnx")


@pytest.mark.parametrize("command", ["analyze", "calibrate", "convert", "packed"])
def test_that_no_command_writes_over_the_weights_of_its_model(shell: Shell, tmp_path: Path, command: str) -> None:
    location = "weights.safetensors" if command == "packed" else "weights.bin"
    path, weights = tmp_path / "m.onnx", tmp_path / location
    onnx.save(conv_chain(), path, save_as_external_data=True, location=location, size_threshold=0)
    before = weights.read_bytes()
    np.savez(tmp_path / "d.npz", **draw_samples(open_model(path).summary, 4))
    options = ["--data", str(tmp_path / "d.npz"), *(["--weights", "8"] if command in ("convert", "packed") else [])]
    word = "convert" if command == "packed" else command
    assert "holds weights of" in shell.refusal(word, path, *options, "-o", weights)
    assert weights.read_bytes() == before


@pytest.mark.parametrize("output", ["images/0.png", "p.json", "images/labels.csv"])
def test_that_a_result_replaces_nothing_that_the_command_reads(shell: Shell, tmp_path: Path, output: str) -> None:
    path = save_model(conv_chain(), tmp_path)
    (tmp_path / "images").mkdir()
    for name in ("images/0.png", "p.json", "images/labels.csv"):
        (tmp_path / name).write_text("mine")
    options = ["--data", str(tmp_path / "images"), "--preprocess", str(tmp_path / "p.json")]
    assert "is read by this command" in shell.refusal("calibrate", path, *options, "-o", tmp_path / output)
    assert (tmp_path / output).read_text() == "mine"


def test_that_a_saved_plan_does_not_replace_the_model_that_was_written(tmp_path: Path) -> None:
    path = save_model(conv_chain(), tmp_path)
    same = str(tmp_path / "out.onnx")
    options = ["--weights", "8", "--activations", "dynamic8", "-o", same]
    assert run_program(["convert", str(path), *options, "--save-plan", same]) == 2
    assert run_program(["convert", str(path), *options, "--save-plan", str(tmp_path / "out.manifest.json")]) == 2
    assert not Path(same).exists()


def test_that_names_in_a_file_reach_no_terminal_as_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = conv_chain()
    model.graph.node[0].name = "\x1b]0;owned\x07\x1b[2J\nfake line\u202e"
    assert run_program(["inspect", str(save_model(model, tmp_path))]) == 0
    output = capsys.readouterr().out
    assert not set(output) & set("\x1b\x07\u202e")
    assert not any(line.startswith("fake line") for line in output.splitlines())
