"""Files of PyTorch open, convert and agree with torch; what cannot be opened is refused with the way out."""

from __future__ import annotations

import html
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.cli.program import run_program
from engine.errors import ModelError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import open_model
from engine.plan import build_plan
from engine.pytorch.archive import ArchiveKind, open_archive
from engine.pytorch.example_inputs import read_traced_inputs
from engine.pytorch.import_cache import import_folder
from engine.pytorch.importing import hash_file
from engine.requests.benchmark import BenchmarkRequest
from engine.requests.conversion import ConvertRequest, ConvertResult, EvaluateRequest, Evaluation
from engine.requests.data import DataChoice
from engine.requests.opening import OpenRequest
from tests.conftest import ROOT
from tests.engine.models import normal, run_model, sqnr_db
from tests.engine.pytorch.networks import mlp, small_conv


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        open_model(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    return message


def test_that_the_kind_is_told_by_the_content(torch_files: Path) -> None:
    kinds = {}
    for name in ("conv.pt2", "traced.pt", "scripted.pt", "state.pth", "module.pt"):
        with open_archive(torch_files / name) as archive:
            kinds[name] = archive.kind
    assert kinds == {
        "conv.pt2": ArchiveKind.EXPORTED_PROGRAM,
        "traced.pt": ArchiveKind.TORCH_SCRIPT,
        "scripted.pt": ArchiveKind.TORCH_SCRIPT,
        "state.pth": ArchiveKind.CHECKPOINT,
        "module.pt": ArchiveKind.CHECKPOINT,
    }


@pytest.mark.parametrize("name", ["conv.pt2", "traced.pt"])
def test_that_a_convolution_network_opens_converts_and_agrees_with_torch(
    torch_files: Path, tmp_path: Path, name: str
) -> None:
    path = torch_files / name
    summary: Any = run_request(OpenRequest(str(path)), JobContext())
    assert (summary.path, summary.sha256, summary.file_bytes) == (str(path), hash_file(path), path.stat().st_size)
    assert [layer.title for layer in summary.layers] == ["stem", "body", "head"]
    x = normal(64, 3, 16, 16)
    np.savez(tmp_path / "data.npz", x=x)
    data = DataChoice(str(tmp_path / "data.npz"))
    expected = small_conv()(torch.from_numpy(x)).detach().numpy()
    assert sqnr_db(expected, run_model(open_model(path).source.onnx_path, {"x": x})[0]) > 90
    request = ConvertRequest(str(path), build_plan(summary, 8), str(tmp_path / "int8.onnx"), data)
    result: Any = run_request(request, JobContext())
    assert isinstance(result, ConvertResult)
    assert all(layer.is_integer for layer in result.layers)
    assert result.sqnr_db is not None
    assert result.sqnr_db > 25
    assert sqnr_db(expected, run_model(tmp_path / "int8.onnx", {"x": x}, optimized=True)[0]) > 25
    evaluation: Any = run_request(EvaluateRequest(result.output, data, reference=str(path)), JobContext())
    assert isinstance(evaluation, Evaluation)
    assert evaluation.reference == str(path)
    assert evaluation.sqnr_db == pytest.approx(result.sqnr_db, abs=3)


def test_that_an_mlp_opens_and_converts(torch_files: Path, tmp_path: Path) -> None:
    path = torch_files / "mlp.pt2"
    summary: Any = run_request(OpenRequest(str(path)), JobContext())
    x = normal(32, 64)
    np.savez(tmp_path / "data.npz", x=x)
    request = ConvertRequest(
        str(path), build_plan(summary, 8), str(tmp_path / "int8.onnx"), DataChoice(str(tmp_path / "data.npz"))
    )
    run_request(request, JobContext())
    expected = mlp()(torch.from_numpy(x)).detach().numpy()
    assert sqnr_db(expected, run_model(tmp_path / "int8.onnx", {"x": x}, optimized=True)[0]) > 25


def test_that_a_file_of_pytorch_can_be_timed(torch_files: Path) -> None:
    path = str(torch_files / "mlp.pt2")
    benchmark: Any = run_request(BenchmarkRequest((path,), seconds=0.1), JobContext())
    assert [point.path for point in benchmark.points] == [path]
    assert benchmark.points[0].file_bytes == Path(path).stat().st_size


def test_that_traced_inputs_are_read_without_unpickling(torch_files: Path) -> None:
    with open_archive(torch_files / "traced.pt") as archive:
        assert read_traced_inputs(archive) == [((2, 3, 16, 16), "float32")]


def test_that_torchscript_without_shapes_is_refused_with_the_option_and_opens_with_it(torch_files: Path) -> None:
    path = torch_files / "scripted.pt"
    assert "--input-shape x=1,3,224,224" in refusal(path)
    with pytest.raises(ModelError, match=r"no input 'y'. Its inputs are: x"):
        run_request(OpenRequest(str(path), input_shapes=(("y", (1, 3)),)), JobContext())
    with pytest.raises(ModelError, match=r"cannot be run with the inputs x \[1, 5, 8, 8\]"):
        run_request(OpenRequest(str(path), input_shapes=(("x", (1, 5, 8, 8)),)), JobContext())
    summary: Any = run_request(OpenRequest(str(path), input_shapes=(("x", (1, 3, 16, 16)),)), JobContext())
    assert summary.inputs[0].shape == ("batch", 3, 16, 16)
    assert len(open_model(path).layers) == 3


@pytest.mark.parametrize("name", ["state.pth", "checkpoint.pth"])
def test_that_a_state_dict_is_refused_with_the_way_out(torch_files: Path, name: str) -> None:
    message = refusal(torch_files / name)
    assert "state dict" in message
    assert "torch.export.save or torch.onnx.export" in message


def test_that_an_old_checkpoint_is_refused_with_the_way_out(torch_files: Path) -> None:
    assert "Export the model" in refusal(torch_files / "old_state.pth")


def test_that_a_truncated_archive_is_refused(torch_files: Path, tmp_path: Path) -> None:
    data = (torch_files / "conv.pt2").read_bytes()
    for length in (10, len(data) // 2, len(data) - 1):
        path = tmp_path / "cut.pt2"
        path.write_bytes(data[:length])
        assert "damaged" in refusal(path)


def test_that_an_import_is_done_once_and_leaves_only_the_model(
    torch_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = torch_files / "mlp.pt2"
    first = open_model(path).source.onnx_path
    monkeypatch.setattr("engine.pytorch.importing._convert", None)
    assert open_model(path).source.onnx_path == first
    folders = list(import_folder().iterdir())
    assert all(not folder.name.startswith(".") for folder in folders)
    assert [file.name for file in first.parent.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("module.pt", ["--input-shape", "x=1,3,16,16", "--trust-file"]),
        ("scripted.pt", ["--input-shape", "x=1,3,16,16"]),
        ("traced.pt", []),
    ],
)
def test_that_the_commands_in_a_report_open_the_file_where_it_was_never_opened(
    torch_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: list[str]
) -> None:
    path = tmp_path / f"it's  my $HOME & <{name}"
    shutil.copyfile(torch_files / name, path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "first"))
    output = tmp_path / "report.html"
    assert run_program(["report", str(path), *options, "-o", str(output)]) == 0
    blocks = re.findall(r"<pre>(.*?)</pre>", output.read_text("utf-8"), re.DOTALL)
    lines = [html.unescape(re.sub(r"</?span>", "", block)) for block in blocks]
    shell = [subprocess.check_output(["sh", "-c", f"printf '%s\\0' {line}"], text=True) for line in lines]
    inspect, report = (words.split("\0")[1:-1] for words in shell)
    assert inspect == ["inspect", str(path), *options]
    assert report == ["report", str(path), *options, "-o", str(output)]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "second"))
    assert run_program(inspect) == 0


def test_that_missing_torch_is_one_sentence_with_the_command(
    torch_files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    real = importlib.import_module

    def absent(name: str, package: str | None = None) -> Any:
        if name == "torch":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr("engine.pytorch.torch_conversion.importlib.import_module", absent)
    message = refusal(torch_files / "mlp.pt2")
    assert "pip install bitsmith" in message
    assert not list(tmp_path.rglob("model.onnx"))


def test_that_the_engine_runs_without_loading_torch(sample_model: Path) -> None:
    code = (
        "import sys; from engine.jobs.operations import run_request; from engine.requests.opening import OpenRequest; "
        f"from engine.job_context import JobContext; run_request(OpenRequest({str(sample_model)!r}), JobContext()); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_that_the_command_line_opens_and_consents(
    torch_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(["inspect", str(torch_files / "conv.pt2"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [layer["title"] for layer in document["layers"]] == ["stem", "body", "head"]
    path = tmp_path / "module.pt"
    path.write_bytes((torch_files / "module.pt").read_bytes())
    shape = ["--input-shape", "x=2,3,16,16"]
    assert run_program(["inspect", str(path), *shape]) == 1
    assert "--trust-file" in capsys.readouterr().err
    assert run_program(["inspect", str(path), "--trust-file", *shape]) == 0
    assert run_program(["inspect", str(path), "--input-shape", "x=a"]) == 2


def test_that_a_benchmark_asks_for_consent_and_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, module = tmp_path / "module.pt", small_conv()
    module.register_buffer("mark", torch.ones(1))  # a file that no other test consents to
    torch.save(module, path)
    command = ["benchmark", str(path), "--input-shape", "x=2,3,16,16", "--batch", "2", "--seconds", "0.1"]
    assert run_program(command) == 1
    assert "--trust-file" in capsys.readouterr().err
    assert run_program([*command, "--trust-file"]) == 0


def test_that_an_operator_without_onnx_is_refused_in_one_sentence_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Bessel(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(x)

    path = tmp_path / "bessel.pt"
    torch.jit.trace(Bessel(), torch.randn(2, 3)).save(path)
    capfd.readouterr()
    assert "could not convert to ONNX" in refusal(path)
    assert capfd.readouterr().out == ""
