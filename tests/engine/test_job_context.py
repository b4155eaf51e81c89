"""Writing results: complete or not at all, never in the place of something else, and no leftovers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import OutputError
from engine.job_context import JobContext, ensure_writable

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX files")


def write(target: Path, text: str = "new") -> None:
    with JobContext().output(target) as temporary:
        temporary.write_text(text)


def pid_of_a_dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    return child.pid


@posix
@pytest.mark.parametrize("name", ["null", "stdout", "never-heard-of.onnx"])
def test_that_no_device_is_replaced_by_a_result(name: str) -> None:
    before = sorted(Path("/dev").iterdir())
    with pytest.raises(OutputError, match="not a place for a file"):
        ensure_writable(Path("/dev") / name)
    assert sorted(Path("/dev").iterdir()) == before


@posix
def test_that_a_pipe_is_not_replaced_by_a_result(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="not a place for a file"):
        write(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


@posix
@pytest.mark.parametrize("name", ["a" * 300, "bad\udcff.onnx", "nul\0.onnx"])
def test_that_a_name_that_cannot_be_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="Cannot write"):
        ensure_writable(tmp_path / name)


def test_that_what_a_killed_process_left_of_the_same_target_goes(tmp_path: Path) -> None:
    target = tmp_path / "net[1].onnx"
    for owner in (pid_of_a_dead_process(), os.getpid()):  # numbers of processes come again, in containers soon
        (tmp_path / f".net[1].onnx.{owner}.bitsmith-tmp").mkdir()
    for other in (f".net[1].onnx.{os.getppid()}.bitsmith-tmp", f".other.onnx.{pid_of_a_dead_process()}.bitsmith-tmp"):
        (tmp_path / other).mkdir()
    write(target)
    assert target.read_text() == "new"
    assert sorted(path.name.split(".")[1] for path in tmp_path.glob(".*.bitsmith-tmp")) == ["net[1]", "other"]
