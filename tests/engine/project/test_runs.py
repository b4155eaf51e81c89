"""The files of a run: told to be there or not, and deleted only where they are the project's own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from engine.project.project import Project
from engine.project.runs import Run, RunFile, deletable_files, is_output_there, read_run_files


def write(run: Run, folder: Path, name: str = "net.onnx") -> Run:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"12345")
    (folder / "net.plan.json").write_text("{}")
    files = [{"name": name, "bytes": 5, "sha256": "f" * 64}]
    (folder / "net.manifest.json").write_text(json.dumps({"files": files}))
    output = folder / "net.onnx"
    return dataclasses.replace(
        run, converted=dataclasses.replace(run.converted, output=str(output)), files=read_run_files(output)
    )


def test_that_files_are_read_from_the_manifest(project: Project, tmp_path: Path) -> None:
    run = write(project.runs[0], tmp_path / "own")
    assert run.files == (RunFile("net.onnx", 5, "f" * 64),)
    assert is_output_there(run)
    (tmp_path / "own" / "net.onnx").write_bytes(b"123456")
    assert not is_output_there(run)


def test_that_only_files_in_the_projects_folder_can_be_deleted(project: Project, tmp_path: Path) -> None:
    run = write(project.runs[0], tmp_path / "own")
    names = {path.name for path in deletable_files(run, tmp_path / "own")}
    assert names == {"net.onnx", "net.plan.json", "net.manifest.json"}
    (tmp_path / "other").mkdir()
    assert deletable_files(run, tmp_path / "other") == ()


def test_that_a_link_out_of_the_folder_is_left(project: Project, tmp_path: Path) -> None:
    run = write(project.runs[0], tmp_path / "own")
    outside = tmp_path / "precious.onnx"
    outside.write_bytes(b"12345")
    (tmp_path / "own" / "net.onnx").unlink()
    (tmp_path / "own" / "net.onnx").symlink_to(outside)
    assert "net.onnx" not in {path.name for path in deletable_files(run, tmp_path / "own")}


def test_that_a_project_cannot_name_files_that_no_conversion_wrote(project: Project, tmp_path: Path) -> None:
    run = write(project.runs[0], tmp_path / "own")
    (tmp_path / "own" / "thesis.onnx").write_bytes(b"12345")
    claims = (RunFile("thesis.onnx", 5, ""), RunFile("../net.onnx", 5, ""))
    assert deletable_files(dataclasses.replace(run, files=claims), tmp_path) == ()


def test_that_a_manifest_cannot_name_files_elsewhere(project: Project, tmp_path: Path) -> None:
    run = write(project.runs[0], tmp_path / "own")
    (tmp_path / "other.onnx").write_bytes(b"12345")
    files = [{"name": name, "bytes": 5, "sha256": "f" * 64} for name in ("../other.onnx", "", "net.onnx")]
    (tmp_path / "own" / "net.manifest.json").write_text(json.dumps({"files": files}))
    run = dataclasses.replace(run, files=read_run_files(tmp_path / "own" / "net.onnx"))
    found = {path.name for path in deletable_files(run, tmp_path)}
    assert found == {"net.onnx", "net.plan.json", "net.manifest.json"}
