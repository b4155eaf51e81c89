"""What lies beside a converted model: a manifest that is true and reproducible, and the plan."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from engine.conversion.manifest import manifest_path_for, plan_path_for, rename_model
from engine.errors import JobCancelled, OutputError
from engine.job_context import CallbackContext, JobContext
from engine.jobs.operations.conversion import run_convert
from engine.machine import describe_cpu, describe_runtime
from engine.model.opened import Model
from engine.numerics.schemes import ActivationMode
from engine.plan import Plan, PlanDefaults, build_plan, format_plan, load_plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.sizes import bits_per_weight
from tests.engine.models import conv_chain, open_built

DYNAMIC = PlanDefaults(activations=ActivationMode.DYNAMIC)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return open_built(conv_chain(opset=21, channels=16), tmp_path)


def convert_to(model: Model, plan: Plan, output: Path, context: JobContext | None = None) -> ConvertResult:
    return run_convert(ConvertRequest(str(model.path), plan, str(output)), context or JobContext())


def read_manifest(output: Path) -> dict[str, Any]:
    document = json.loads(manifest_path_for(output).read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def describe(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"name": path.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_that_plan_and_manifest_share_the_name_of_the_model() -> None:
    assert plan_path_for(Path("a/net.onnx")) == Path("a/net.plan.json")
    assert manifest_path_for(Path("a/net.v2.onnx")) == Path("a/net.v2.manifest.json")
    assert manifest_path_for(Path("a/net.safetensors")) == Path("a/net.safetensors.manifest.json")


def test_that_the_manifest_is_true(model: Model, tmp_path: Path) -> None:
    plan = build_plan(model.summary, 4, DYNAMIC)
    output = tmp_path / "out.onnx"
    result = convert_to(model, plan, output)
    document = read_manifest(output)
    source = describe(model.path)
    assert document["source"] == source
    assert document["files"] == [describe(output)]
    assert document["plan_sha256"] == plan.digest == load_plan(plan_path_for(output)).digest
    assert document["calibration_sha256"] is None
    assert document["size_ratio"] == pytest.approx(output.stat().st_size / source["bytes"], abs=1e-4)
    assert document["bits_per_weight"] == pytest.approx(bits_per_weight(model.summary, plan), abs=1e-4)
    assert document["layers"] == [dataclasses.asdict(layer) for layer in result.layers]
    assert (document["opset"], document["is_portable"]) == (21, True)
    assert (document["runtime"], document["cpu"]) == (describe_runtime(), describe_cpu())
    assert document["warnings"] == list(result.warnings)


def test_that_the_same_conversion_writes_the_same_bytes(model: Model, tmp_path: Path) -> None:
    plan = build_plan(model.summary, 4, DYNAMIC)
    records = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        convert_to(model, plan, folder / "out.onnx")
        records.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert records[0] == records[1]
    assert set(records[0]) == {"out.onnx", "out.plan.json", "out.manifest.json"}


def test_that_external_weights_are_listed(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.conversion.convert.EXTERNAL_DATA_BYTES", 100)
    output = tmp_path / "out.onnx"
    result = convert_to(model, build_plan(model.summary, 8, DYNAMIC), output)
    document = read_manifest(output)
    assert document["files"] == [describe(output), describe(tmp_path / "out.onnx.data")]
    assert document["file_bytes"] == result.file_bytes == sum(file["bytes"] for file in document["files"])


def test_that_packed_weights_have_a_manifest_of_their_own(model: Model, tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    result = convert_to(model, build_plan(model.summary, 4, DYNAMIC), output)
    document = read_manifest(output)
    assert document["files"] == [describe(output)]
    assert document["opset"] is document["is_portable"] is document["sqnr_db"] is None
    assert 4 < document["bits_per_weight"] < 8 * result.file_bytes / model.summary.parameters


@pytest.mark.parametrize("name", ["out.onnx", "out.safetensors"])
def test_that_another_plan_in_the_place_of_the_record_is_kept(name: str, model: Model, tmp_path: Path) -> None:
    output = tmp_path / name
    precious = format_plan(build_plan(model.summary, 2, DYNAMIC))
    plan_path_for(output).write_text(precious, encoding="utf-8")
    with pytest.raises(OutputError, match=r"plan\.json holds something else"):
        convert_to(model, build_plan(model.summary, 8, DYNAMIC), output)
    assert plan_path_for(output).read_text(encoding="utf-8") == precious
    assert not output.exists()


def test_that_the_plan_that_is_converted_may_lie_there_in_its_own_words(model: Model, tmp_path: Path) -> None:
    output = tmp_path / "out.onnx"
    plan = build_plan(model.summary, 8, DYNAMIC)
    words = json.dumps(json.loads(format_plan(plan)))
    plan_path_for(output).write_text(words, encoding="utf-8")
    convert_to(model, plan, output)
    assert plan_path_for(output).read_text(encoding="utf-8") == words
    assert read_manifest(output)["plan_sha256"] == plan.digest


def test_that_the_record_of_an_earlier_conversion_is_replaced(model: Model, tmp_path: Path) -> None:
    output = tmp_path / "out.onnx"
    for bits in (8, 4):
        plan = build_plan(model.summary, bits, DYNAMIC)
        convert_to(model, plan, output)
        assert load_plan(plan_path_for(output)) == plan
        assert read_manifest(output)["files"] == [describe(output)]


def test_that_a_cancel_while_hashing_leaves_nothing(model: Model, tmp_path: Path) -> None:
    def progressed(_done: int, _total: int, message: str) -> None:
        if message.startswith("Hashing"):
            context.cancel()

    context = CallbackContext(progressed)
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(JobCancelled):
        convert_to(model, build_plan(model.summary, 8, DYNAMIC), folder / "out.onnx", context)
    assert not list(folder.iterdir())


def test_that_a_copy_is_named_as_it_is() -> None:
    text = json.dumps({"files": [{"name": "a.onnx"}, {"name": "a.onnx.data"}]})
    names = [file["name"] for file in json.loads(rename_model(text, "a.onnx", "b.onnx"))["files"]]
    assert names == ["b.onnx", "a.onnx.data"]
