"""Bundles of the quantized digits model: what is in them, and what stops one from being written."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from engine.bundle import building
from engine.errors import BitsmithError, ConversionError, JobCancelled, ModelError
from engine.job_context import CallbackContext, JobContext
from engine.jobs.operations import run_request
from engine.requests.conversion import Evaluation
from engine.requests.data import DataChoice
from engine.requests.handing_over import BundleRequest, BundleResult

pytestmark = pytest.mark.timeout(60)


def build(request: BundleRequest, context: JobContext | None = None) -> BundleResult:
    result = run_request(request, context or JobContext())
    assert isinstance(result, BundleResult)
    return result


def test_that_a_folder_has_everything_with_its_digest(
    tmp_path: Path, quantized_digits: Path, sample_test_data: Path
) -> None:
    evaluation = Evaluation(str(quantized_digits), None, 500, top1=98.8, sqnr_db=float("inf"))
    request = BundleRequest(
        str(quantized_digits), str(tmp_path / "out"), DataChoice(str(sample_test_data)), "digits", "2.1.0-rc.1",
        evaluation=evaluation,
    )  # fmt: skip
    result = build(request)
    folder = tmp_path / "out"
    assert set(result.files) == {path.name for path in folder.iterdir()} == {
        "model.onnx", "plan.json", "manifest.json", "predict.py", "service.py", "requirements.txt", "README.md",
    }  # fmt: skip
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert (manifest["name"], manifest["version"]) == ("digits", "2.1.0-rc.1")
    listed = {entry["name"]: entry["sha256"] for entry in manifest["files"]}
    assert set(listed) == set(result.files) - {"manifest.json"}
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (folder / "model.onnx").read_bytes() == quantized_digits.read_bytes()
    beside = json.loads(quantized_digits.with_name("digits-int8.manifest.json").read_text("utf-8"))
    for key in ("source", "plan_sha256", "calibration_sha256"):
        assert manifest[key] == beside[key] is not None
    assert manifest["metrics"]["conversion"]["sqnr_db"] == beside["sqnr_db"]
    assert manifest["metrics"]["evaluation"]["top1"] == 98.8
    assert manifest["metrics"]["evaluation"]["sqnr_db"] is None
    assert list(tmp_path.iterdir()) == [folder]


def test_that_a_zip_unpacks_to_what_predicts_the_class_that_was_said(
    tmp_path: Path, quantized_digits: Path, digit_images: Path
) -> None:
    request = BundleRequest(str(quantized_digits), str(tmp_path / "digits.zip"), DataChoice(str(digit_images)))
    result = build(request)
    assert result.predicted_class is not None
    assert result.predicted_name == f"{result.predicted_class} digit"
    with zipfile.ZipFile(tmp_path / "digits.zip") as archive:
        archive.extractall(tmp_path)
    image = digit_images / "0 digit" / "0.png"
    command = [sys.executable, "predict.py", str(image), "--json"]
    done = subprocess.run(command, cwd=tmp_path / "model-1.0.0", capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["class"] == result.predicted_class


def test_that_a_model_without_records_is_bundled_with_drawn_inputs(tmp_path: Path, sample_model: Path) -> None:
    result = build(BundleRequest(str(sample_model), str(tmp_path / "out")))
    assert result.sample == "drawn inputs"
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert (manifest["source"], manifest["metrics"]) == (None, {})


@pytest.mark.assets
def test_that_a_language_model_with_large_outputs_is_bundled(tmp_path: Path, assets: Path) -> None:
    data = DataChoice(str(assets / "data" / "tinystories_tok512_seq257.npz"))
    result = build(BundleRequest(str(assets / "models" / "stories260K.onnx"), str(tmp_path / "out"), data))
    assert result.predicted_class is None
    assert "preprocess.json" not in result.files


@pytest.mark.parametrize(
    ("script", "old", "new", "words"),
    [
        ("predict.py", "values *= np.float32(scale)", "values *= np.float32(scale) * 2", "another output"),
        ("predict.py", "import numpy as np", "import numpy as np\nimport engine", "No module named 'engine'"),
        ("service.py", "outputs = _predict(predictor)", "raise KeyError('oops')", "500"),
        ("service.py", "import waitress", "import waitress\nraise SystemExit('no port')", "no port"),
    ],
)
def test_that_a_bundle_that_does_something_else_is_not_written(
    tmp_path: Path, quantized_digits: Path, digit_images: Path, monkeypatch: pytest.MonkeyPatch,
    script: str, old: str, new: str, words: str,
) -> None:  # fmt: skip
    templates = tmp_path / "templates"
    shutil.copytree(building.TEMPLATES, templates, ignore=shutil.ignore_patterns("__pycache__"))
    text = (templates / script).read_text("utf-8")
    assert old in text
    (templates / script).write_text(text.replace(old, new, 1), encoding="utf-8")
    monkeypatch.setattr(building, "TEMPLATES", templates)
    with pytest.raises(ConversionError, match=words):
        build(BundleRequest(str(quantized_digits), str(tmp_path / "out"), DataChoice(str(digit_images))))
    assert list(tmp_path.iterdir()) == [templates]


def test_that_a_cancel_leaves_neither_files_nor_processes(
    tmp_path: Path, quantized_digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[subprocess.Popen[str]] = []
    original = subprocess.Popen

    def remember(*arguments: object, **options: object) -> subprocess.Popen[str]:
        children.append(original(*arguments, **options))  # type: ignore[call-overload]
        return children[-1]

    def progressed(_done: int, _total: int, message: str) -> None:
        if message.startswith("Starting"):
            context.cancel()

    monkeypatch.setattr("engine.bundle.verification.subprocess.Popen", remember)
    context = CallbackContext(progressed)
    with pytest.raises(JobCancelled):
        build(BundleRequest(str(quantized_digits), str(tmp_path / "out")), context)
    assert len(children) == 2
    assert all(child.poll() is not None for child in children)
    assert not list(tmp_path.iterdir())


def test_that_impossible_bundles_are_refused_with_the_reason(tmp_path: Path, quantized_digits: Path) -> None:
    changed = tmp_path / quantized_digits.name
    shutil.copyfile(quantized_digits.with_name("digits-int8.manifest.json"), tmp_path / "digits-int8.manifest.json")
    changed.write_bytes(quantized_digits.read_bytes() + b"\0")
    there = tmp_path / "there"
    there.mkdir()
    model, out = str(quantized_digits), str(tmp_path / "out")
    for request, words in (
        (BundleRequest(model, str(there)), "exists already"),
        (BundleRequest(model, out, version="1.0"), "no Semantic Version"),
        (BundleRequest(model, out, name="../up"), "cannot be the name"),
        (BundleRequest(str(changed), out), "is not the file that digits-int8.manifest.json describes"),
        (BundleRequest("net.safetensors", out), "packed PyTorch"),
        (BundleRequest(model, str(tmp_path / "no" / "out")), "does not exist"),
    ):
        with pytest.raises(BitsmithError, match=words):
            build(request)
    assert not (tmp_path / "out").exists()


def save_with_weights_in(folder: Path, model: Path, name: str) -> Path:
    """The model with its weights in a file of this name."""
    copy = folder / "net.onnx"
    onnx.save(onnx.load(model), copy, save_as_external_data=True, location=name, size_threshold=0)
    return copy


@pytest.mark.parametrize("name", ["numpy.py", "json.pyc", "predict.py", "MANIFEST.json", "a|b.data"])
def test_that_weights_that_a_bundle_would_run_or_mistake_are_refused(
    tmp_path: Path, sample_model: Path, name: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    model = save_with_weights_in(source, sample_model, name)
    with pytest.raises(ModelError, match="cannot be the name of weights"):
        build(BundleRequest(str(model), str(tmp_path / "out")))
    assert list(tmp_path.iterdir()) == [source]


def test_that_weights_beside_the_model_come_along_unless_they_were_changed(tmp_path: Path, sample_model: Path) -> None:
    model = save_with_weights_in(tmp_path, sample_model, "net weights.data")
    weights = tmp_path / "net weights.data"
    files = [{"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in (model, weights)]
    (tmp_path / "net.manifest.json").write_text(json.dumps({"files": files}))
    assert "net weights.data" in build(BundleRequest(str(model), str(tmp_path / "out"))).files
    weights.write_bytes(weights.read_bytes()[:-4] + bytes(4))
    with pytest.raises(ModelError, match=r"net weights\.data is not the file that net\.manifest\.json describes"):
        build(BundleRequest(str(model), str(tmp_path / "again")))


def test_that_a_model_with_large_inputs_is_bundled_with_a_service_that_takes_them(tmp_path: Path) -> None:
    inputs = [helper.make_tensor_value_info("file", TensorProto.FLOAT, [1, 3, 640, 640])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 1, 1])]
    graph = helper.make_graph([helper.make_node("GlobalAveragePool", ["file"], ["y"])], "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    build(BundleRequest(str(tmp_path / "net.onnx"), str(tmp_path / "out")))
    limit = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["max_request_bytes"]
    assert limit > 3 * 640 * 640 * 16
    assert f"Requests above {limit >> 20} MiB" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_that_what_is_no_model_or_calibration_is_named(tmp_path: Path, quantized_digits: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no model")
    for request, words in (
        (BundleRequest(str(tmp_path / "net.onnx"), str(tmp_path / "out")), r"net\.onnx"),
        (BundleRequest(str(quantized_digits), str(tmp_path / "out"), calibration="none.calib"), r"none\.calib"),
    ):
        with pytest.raises(BitsmithError, match=words):
            build(request)
