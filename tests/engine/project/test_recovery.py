"""What a crash leaves is found, once; what a living window writes is left alone."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import ProjectError
from engine.project.recovery import (
    Owner,
    Record,
    RecoveryFolder,
    claim,
    discard,
    find_leftovers,
    this_process,
)

RECORD = Record("net.onnx", "", "2026-01-02T03:04:05+00:00", 12, 5, 2)


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def leave(owner: Owner | None) -> RecoveryFolder:
    folder = RecoveryFolder()
    folder.write_record(dataclasses.replace(RECORD, owner=owner))
    folder.autosave.write_bytes(b"project")
    return folder


def dead_process() -> Owner:
    script = "from engine.project.recovery import this_process as t; o = t(); print(o.pid, repr(o.started), o.machine)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    pid, started, machine = done.stdout.split()
    return Owner(int(pid), float(started), machine)


def test_that_work_of_a_living_process_is_nobodys_leftover() -> None:
    leave(this_process())
    assert find_leftovers() == ()


def test_that_work_of_a_dead_process_is_found() -> None:
    folder = leave(dead_process())
    (found,) = find_leftovers()
    assert found.autosave == folder.autosave
    assert (found.record.model, found.record.runs, found.record.measured_layers) == ("net.onnx", 2, 5)


def test_that_a_process_id_that_was_given_to_another_process_does_not_hide_the_work() -> None:
    me = this_process()
    leave(dataclasses.replace(me, started=me.started - 3600))
    assert len(find_leftovers()) == 1


def test_that_released_work_is_found_and_removed_work_is_not() -> None:
    kept, removed = leave(this_process()), leave(this_process())
    kept.release()
    removed.remove()
    (found,) = find_leftovers()
    assert found.folder == kept.path


def test_that_only_one_window_can_take_it() -> None:
    leave(dead_process())
    (found,) = find_leftovers()
    folder = claim(found)
    assert folder.autosave.read_bytes() == b"project"
    assert find_leftovers() == ()
    with pytest.raises(ProjectError, match="Another window"):
        claim(found)
    folder.release()
    assert [item.folder for item in find_leftovers()] == [folder.path]


def test_that_discarded_work_is_gone() -> None:
    folder = leave(None)
    (found,) = find_leftovers()
    discard(found)
    assert not folder.path.exists()


def test_that_a_folder_without_a_project_is_cleared_and_a_foreign_one_is_left() -> None:
    empty = RecoveryFolder()
    empty.write_record(dataclasses.replace(RECORD, owner=dead_process()))
    foreign = RecoveryFolder()
    (foreign.prepare() / "record.json").write_text('{"owner": 5}')
    forgotten, fresh = RecoveryFolder().prepare(), RecoveryFolder().prepare()
    os.utime(forgotten, (0, 0))
    assert find_leftovers() == ()
    assert not empty.path.exists()
    assert not forgotten.exists()
    assert fresh.exists()
    assert foreign.path.exists()


def test_that_a_record_of_a_process_that_cannot_be_is_no_obstacle() -> None:
    owner = dataclasses.replace(this_process(), pid=-1)
    folder = RecoveryFolder()
    folder.write_record(dataclasses.replace(RECORD, owner=owner))
    folder.autosave.write_bytes(b"project")
    assert [leftover.folder for leftover in find_leftovers()] == [folder.path]
    text = (folder.path / "record.json").read_text("utf-8").replace(str(owner.started), "1" + "0" * 400)
    (folder.path / "record.json").write_text(text, "utf-8")
    assert find_leftovers() == ()
