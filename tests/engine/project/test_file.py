"""Project files: everything comes back, moves along, survives other versions, and hostile files are refused."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from engine.errors import OutputError, ProjectError
from engine.project import container, file, migration
from engine.project.file import ProjectEncoder, load_project, save_project
from engine.project.project import Project
from engine.requests.conversion import Evaluation


def save(project: Project, path: Path) -> Path:
    save_project(project, path, ProjectEncoder())
    return path


def load(path: Path, work: str = "work2") -> Project:
    workplace = path.parent / work
    workplace.mkdir(exist_ok=True)
    return load_project(path, workplace)


def edit(path: Path, name: str, change: Any) -> None:
    """Change one JSON member of a project's file."""
    members = container.read_container(path)
    document = json.loads(members[name])
    change(document)
    members[name] = json.dumps(document).encode()
    container.write_container(path, members)


def test_that_everything_comes_back(project: Project, tmp_path: Path) -> None:
    loaded = load(save(project, tmp_path / "p.bitsmith"))
    assert loaded.calibration is not None
    assert project.calibration is not None
    assert loaded.calibration.path.read_bytes() == project.calibration.path.read_bytes()
    assert loaded.calibration.path != project.calibration.path
    assert dataclasses.replace(loaded, calibration=project.calibration) == project


def test_that_a_second_save_encodes_only_what_is_new(project: Project, tmp_path: Path) -> None:
    encoder = ProjectEncoder()
    first = encoder.encode(project, tmp_path)
    noted = (*project.runs[:2], dataclasses.replace(project.runs[2], note="changed"))
    second = encoder.encode(dataclasses.replace(project, runs=noted), tmp_path)
    changed = {name for name in first if first[name] is not second[name]}
    assert changed == {"project.json", "runs/run3.json", "calibration.npz"}
    assert b"changed" in second["runs/run3.json"]


def test_that_a_project_that_is_moved_with_its_files_finds_them(project: Project, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    for name in ("net.onnx", "data.npz", "test.npz"):
        shutil.move(tmp_path / name, old / name)
    (old / "net-2.onnx").write_bytes(b"result")
    run = dataclasses.replace(
        project.runs[1], converted=dataclasses.replace(project.runs[1].converted, output=str(old / "net-2.onnx"))
    )
    assert project.data is not None
    data = dataclasses.replace(
        project.data, calibration=dataclasses.replace(project.data.calibration, path=str(old / "data.npz"))
    )
    moved = dataclasses.replace(
        project, model=dataclasses.replace(project.model, path=str(old / "net.onnx")), data=data, runs=(run,)
    )
    save(moved, old / "p.bitsmith")
    old.rename(new)
    loaded = load(new / "p.bitsmith")
    assert loaded.model.path == str(new / "net.onnx")
    assert loaded.data is not None
    assert loaded.data.calibration.path == str(new / "data.npz")
    assert loaded.data.calibration.preprocess == str(tmp_path / "prepare.json"), "it did not move"
    (run,) = loaded.runs
    assert run.converted.output == str(new / "net-2.onnx")
    assert run.evaluation is not None
    assert run.benchmark is not None
    assert (run.evaluation.model, run.benchmark.path) == (run.converted.output, run.converted.output)


def test_that_fields_and_parts_of_other_versions_survive(project: Project, tmp_path: Path) -> None:
    path = save(project, tmp_path / "p.bitsmith")
    edit(path, "project.json", lambda document: document.update(theme={"a": 1}))
    edit(path, "project.json", lambda document: document["window"].update(zoom=2))
    edit(path, "runs/run2.json", lambda document: document["converted"].update(energy_mj=3.5))
    edit(path, "plan.json", lambda document: document["layers"]["conv0"].update(flavour="x"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("report.html", "<p>")
    again = save(load(path), tmp_path / "again.bitsmith")
    members = container.read_container(again)
    main, run = json.loads(members["project.json"]), json.loads(members["runs/run2.json"])
    assert main["theme"] == {"a": 1}
    assert main["window"]["zoom"] == 2
    assert main["window"]["page"] == "history_page"
    assert run["converted"]["energy_mj"] == 3.5
    assert run["converted"]["file_bytes"] == 900
    assert json.loads(members["plan.json"])["layers"]["conv0"]["flavour"] == "x"
    assert members["report.html"] == b"<p>"


def test_that_an_older_version_is_migrated(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(project, tmp_path / "p.bitsmith")
    edit(path, "project.json", lambda document: document.update(run_names=document.pop("runs"), schema_version=1))

    def rename_runs(documents: migration.Documents) -> migration.Documents:
        main = dict(documents["project.json"])
        main["runs"] = main.pop("run_names")
        return {**documents, "project.json": main}

    monkeypatch.setattr(migration, "MIGRATIONS", {1: rename_runs})
    for module in (migration, file):
        monkeypatch.setattr(module, "SCHEMA_VERSION", 2)
    loaded = load(path)
    assert loaded.runs == project.runs
    members = container.read_container(save(loaded, tmp_path / "again.bitsmith"))
    assert json.loads(members["project.json"])["schema_version"] == 2


def test_that_a_newer_version_is_refused(project: Project, tmp_path: Path) -> None:
    path = save(project, tmp_path / "p.bitsmith")
    edit(path, "project.json", lambda document: document.update(schema_version=99))
    with pytest.raises(ProjectError, match="newer Bitsmith"):
        load(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("project.json", lambda document: document.update(format="other")),
        ("project.json", lambda document: document.pop("model")),
        ("project.json", lambda document: document["model"].update(path=3)),
        ("project.json", lambda document: document.update(measured=10**12)),
        ("project.json", lambda document: document.update(runs=["run1", "run1"])),
        ("project.json", lambda document: document.update(runs=["../../run1"])),
        ("project.json", lambda document: document.update(window=[])),
        ("runs/run1.json", lambda document: document.update(bits_per_weight="many")),
        ("runs/run1.json", lambda document: document.update(is_pinned=1)),
        ("plan.json", lambda document: document["layers"]["conv0"].update(bits=7)),
        ("sensitivity.json", lambda document: document.update(layers=5)),
        ("latencies.json", lambda document: document.pop("cpu")),
    ],
)
def test_that_a_document_that_is_wrong_is_one_sentence(
    project: Project, tmp_path: Path, name: str, change: Any
) -> None:
    path = save(project, tmp_path / "p.bitsmith")
    edit(path, name, change)
    with pytest.raises(ProjectError, match=r"p\.bitsmith"):
        load(path)


def test_that_a_file_that_is_no_project_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.bitsmith"
    for content in (b"", b"no zip at all", b"PK\x03\x04" + bytes(40)):
        path.write_bytes(content)
        with pytest.raises(ProjectError, match="not a Bitsmith project"):
            load(path)
    with pytest.raises(ProjectError, match="Cannot read"):
        load(tmp_path / "nowhere.bitsmith")


def test_that_every_truncation_is_refused(project: Project, tmp_path: Path) -> None:
    whole = save(project, tmp_path / "p.bitsmith").read_bytes()
    for length in range(0, len(whole), 257):
        (tmp_path / "cut.bitsmith").write_bytes(whole[:length])
        with pytest.raises(ProjectError):
            load(tmp_path / "cut.bitsmith")


@pytest.mark.parametrize("name", ["../evil.json", "/etc/evil", "a/../../b", "C:\\evil", "runs/\x00.json", ".hidden"])
def test_that_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "p.bitsmith"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("x" * len(name)), b"evil")
    path.write_bytes(path.read_bytes().replace(b"x" * len(name), name.encode()))
    with pytest.raises(ProjectError):
        load(path)
    assert not list(tmp_path.parent.glob("evil*"))


def test_that_a_bomb_is_stopped_early(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_MEMBER_BYTES", 1 << 20)
    path = save(project, tmp_path / "p.bitsmith")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(64 << 20))
    with pytest.raises(ProjectError, match="more than 1 MB"):
        load(path)
    # A header that claims less does not help the bomb.
    content = path.read_bytes().replace(struct.pack("<I", 64 << 20), struct.pack("<I", 100))
    path.write_bytes(content)
    with pytest.raises(ProjectError):
        load(path)


def test_that_deeply_nested_json_is_refused(project: Project, tmp_path: Path) -> None:
    path = save(project, tmp_path / "p.bitsmith")
    members = container.read_container(path)
    members["plan.json"] = b"[" * 200_000
    container.write_container(path, members)
    with pytest.raises(ProjectError):
        load(path)


def test_that_a_save_that_fails_leaves_the_old_file(project: Project, tmp_path: Path) -> None:
    path = save(project, tmp_path / "p.bitsmith")
    before = path.read_bytes()
    with pytest.raises(OutputError):
        save_project(project, tmp_path / "nowhere" / "p.bitsmith", ProjectEncoder())
    broken = {"project.json": b"{}", "bad": None}
    with pytest.raises(TypeError):
        container.write_container(path, broken)  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".p.bitsmith*"))


def test_that_fifty_runs_are_read_within_a_second(project: Project, tmp_path: Path) -> None:
    runs = tuple(dataclasses.replace(project.runs[0], id=f"r{at}", number=at) for at in range(50))
    path = save(dataclasses.replace(project, runs=runs), tmp_path / "p.bitsmith")
    started = time.perf_counter()
    assert len(load(path).runs) == 50
    assert time.perf_counter() - started < 1.0


def test_that_a_run_under_the_name_of_another_is_refused(project: Project, tmp_path: Path) -> None:
    path = save(project, tmp_path / "p.bitsmith")
    edit(path, "runs/run2.json", lambda document: document.update(id="../run1"))
    with pytest.raises(ProjectError, match="another name"):
        load(path)


def test_that_a_number_beyond_all_measure_is_refused(project: Project, tmp_path: Path) -> None:
    path = save(project, tmp_path / "p.bitsmith")
    edit(path, "runs/run2.json", lambda document: document.update(bits_per_weight=10**400))
    with pytest.raises(ProjectError, match="too large"):
        load(path)


def test_that_file_names_that_are_no_utf8_come_back(project: Project, tmp_path: Path) -> None:
    odd = "/models/\udcff.onnx"
    changed = dataclasses.replace(project, model=dataclasses.replace(project.model, path=odd))
    assert load(save(changed, tmp_path / "p.bitsmith")).model.path == odd


def test_that_labels_tokenizer_and_reference_move_along(project: Project, tmp_path: Path) -> None:
    assert project.data is not None
    for name in ("l.csv", "t.json"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "net-1.onnx").write_bytes(b"x")
    files = {"label_file": str(tmp_path / "l.csv"), "tokenizer": str(tmp_path / "t.json")}
    choice = dataclasses.replace(project.data.calibration, **files)
    evaluation = Evaluation(str(tmp_path / "net-1.onnx"), project.model.path, 5)
    converted = dataclasses.replace(project.runs[0].converted, output=str(tmp_path / "net-1.onnx"))
    run = dataclasses.replace(project.runs[0], converted=converted, evaluation=evaluation)
    changed = dataclasses.replace(
        project, data=dataclasses.replace(project.data, calibration=choice), runs=(run, *project.runs[1:])
    )
    save(changed, tmp_path / "p.bitsmith")
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("p.bitsmith", "l.csv", "t.json", "net.onnx", "net-1.onnx"):
        shutil.move(tmp_path / name, moved / name)
    loaded = load(moved / "p.bitsmith")
    assert loaded.data is not None
    assert loaded.data.calibration.label_file == str(moved / "l.csv")
    assert loaded.data.calibration.tokenizer == str(moved / "t.json")
    assert loaded.runs[0].evaluation is not None
    assert loaded.runs[0].evaluation.reference == str(moved / "net.onnx")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_that_a_project_is_as_public_as_other_files_and_keeps_what_it_was_given(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_bytes(b"")
    path = save(project, tmp_path / "p.bitsmith")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    path.chmod(0o600)
    save(project, path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_that_nothing_is_written_that_could_not_be_read_again(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(project, tmp_path / "p.bitsmith")
    before = path.read_bytes()
    monkeypatch.setattr(container, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(OutputError, match="larger than a project can be"):
        save(project, path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    monkeypatch.setattr(file, "MAX_MEMBER_BYTES", 4)
    assert load(save(project, path)).calibration is None
