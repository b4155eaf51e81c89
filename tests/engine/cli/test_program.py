"""What every command has in common: help, exit status, one line on failure, JSON and nothing else."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.cli.job import ConsoleContext
from engine.cli.program import COMMANDS, run_program
from engine.errors import DataError, JobCancelled
from engine.job_context import JobContext
from engine.requests.benchmark import Benchmark, BenchmarkPoint
from engine.requests.conversion import DEFAULT_EVALUATION_SAMPLES, EvaluateRequest, Evaluation

Engine = Callable[[object, JobContext], object]
EVALUATE = ["evaluate", "net.onnx", "--data", "d.npz"]


@pytest.fixture
def use_engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Engine], None]:
    """Replace the engine by a function, to test the command line alone."""

    def use(run_request: Engine) -> None:
        fake = types.ModuleType("engine.jobs.operations")
        fake.run_request = run_request  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "engine.jobs.operations", fake)

    return use


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_that_every_help_explains_and_shows_an_example(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    name = command.name  # type: ignore[attr-defined]
    assert run_program([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "example:" in text
    assert f"  bitsmith {name}" in text
    assert "--json" in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-command"],
        ["convert", "net.onnx"],
        ["convert", "net.onnx", "--weights", "5", "-o", "out.onnx"],
        ["convert", "net.onnx", "--layer", "head", "-o", "out.onnx"],
        ["convert", "net.onnx", "--layer", "head=7", "-o", "out.onnx"],
        ["convert", "net.onnx", "--preprocess", "p.json", "-o", "out.onnx"],
        ["convert", "net.onnx", "--group-size", "0", "-o", "out.onnx"],
        ["analyze", "net.onnx", "--data", "d.npz", "--bits", "8,three", "-o", "s.json"],
        ["analyze", "net.onnx", "--data", "d.npz", "--bits", "8,5", "-o", "s.json"],
        ["allocate", "net.onnx", "--sensitivity", "s.json", "--size-ratio", "3", "-o", "p.json"],
        ["benchmark"],
        ["benchmark", "net.onnx", "--seconds", "-1"],
        ["evaluate", "net.onnx", "--data", "d.npz", "--metric", "mood"],
    ],
    ids=" ".join,
)
def test_that_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(arguments) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err


def test_that_a_failure_is_one_line_and_ends_with_1(
    use_engine: Callable[[Engine], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(request: object, context: JobContext) -> object:
        raise DataError("No samples in d.npz.\nAdd some.")

    use_engine(refuse)
    assert run_program(EVALUATE) == 1
    captured = capsys.readouterr()
    assert captured.err == "bitsmith: No samples in d.npz. Add some.\n"
    assert captured.out == ""


def test_that_a_bug_is_one_line_that_names_debug(
    use_engine: Callable[[Engine], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down(request: object, context: JobContext) -> object:
        raise ZeroDivisionError("division by zero")

    use_engine(break_down)
    assert run_program(EVALUATE) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Bitsmith has a bug: ZeroDivisionError" in error
    assert "--debug" in error
    assert run_program([*EVALUATE, "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_that_json_is_one_document_without_what_json_cannot_say(
    use_engine: Callable[[Engine], None], capsys: pytest.CaptureFixture[str]
) -> None:
    use_engine(lambda request, context: Evaluation("net.onnx", None, 10, top1=50.0, sqnr_db=math.inf))
    assert run_program([*EVALUATE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "model": "net.onnx",
        "samples": 10,
        "top1": 50.0,
        "sqnr_db": None,
    }


def test_that_options_reach_the_request(use_engine: Callable[[Engine], None]) -> None:
    seen: list[object] = []

    def remember(request: object, context: JobContext) -> object:
        seen.append(request)
        return Evaluation("net.onnx", None, 10)

    use_engine(remember)
    assert run_program([*EVALUATE, "--preprocess", "p.json", "--skip", "7", "--reference", "float.onnx"]) == 0
    request = seen[0]
    assert isinstance(request, EvaluateRequest)
    assert (request.data.path, request.data.preprocess, request.data.skip) == ("d.npz", "p.json", 7)
    assert request.reference == "float.onnx"
    assert request.samples == DEFAULT_EVALUATION_SAMPLES


def test_that_a_metric_that_does_not_apply_is_refused(
    use_engine: Callable[[Engine], None], capsys: pytest.CaptureFixture[str]
) -> None:
    use_engine(lambda request, context: Evaluation("net.onnx", None, 10))
    assert run_program([*EVALUATE, "--metric", "top1"]) == 1
    assert "needs labels" in capsys.readouterr().err


def test_that_a_chosen_metric_is_the_only_one_shown(
    use_engine: Callable[[Engine], None], capsys: pytest.CaptureFixture[str]
) -> None:
    use_engine(lambda request, context: Evaluation("net.onnx", None, 10, top1=50.0, top5=90.0, cosine=0.5))
    assert run_program([*EVALUATE, "--metric", "top1", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"model", "samples", "top1"}


def test_that_a_benchmark_is_a_table_with_the_speedup(
    use_engine: Callable[[Engine], None], capsys: pytest.CaptureFixture[str]
) -> None:
    latency = {"p50": 1.5, "p90": 2.0, "p99": 3.0}
    point = BenchmarkPoint("net.onnx", 1_160_000, latency, 666.7, 2.5, None, 100)
    use_engine(lambda request, context: Benchmark((point,), 1, 1, "a CPU", "ONNX Runtime 1.31.1"))
    assert run_program(["benchmark", "net.onnx"]) == 0
    assert "net.onnx  1.16 MB   1.500   2.000   3.000         667     2.50×" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_that_ctrl_c_cancels_politely_and_ends_with_130(
    use_engine: Callable[[Engine], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def work_until_cancelled(request: object, context: JobContext) -> object:
        assert threading.current_thread() is not threading.main_thread()
        os.kill(os.getpid(), signal.SIGINT)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            context.report(0, 1, "working")
        raise AssertionError("never cancelled")

    before = signal.getsignal(signal.SIGINT)
    use_engine(work_until_cancelled)
    assert run_program(EVALUATE) == 130
    captured = capsys.readouterr()
    assert captured.err == "bitsmith: cancelled; nothing was written.\n"
    assert captured.out == ""
    assert signal.getsignal(signal.SIGINT) is before


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_that_progress_at_a_terminal_rewrites_one_line_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.cli.job.TTY_INTERVAL_S", 0)
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    context = ConsoleContext(terminal)
    context.report(1, 3, "Layer conv1 of a very long name")
    context.report(2, 3, "Layer conv2")
    context.clear_line()
    assert terminal.getvalue() == "\rLayer conv1 of a ve\rLayer conv2 2/3    \r" + " " * 19 + "\r"


def test_that_progress_in_a_file_is_sparse() -> None:
    log = io.StringIO()
    context = ConsoleContext(log)
    for step in range(1000):
        context.report(step, 1000, "Layer")
    assert log.getvalue() == ""


def test_that_the_demo_refuses_a_folder_it_cannot_create(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run_program(["demo", "--output", str(tmp_path / "file" / "demo")]) == 1
    assert "Cannot create the folder" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_that_a_terminal_that_closes_cancels_and_leaves_no_file(
    use_engine: Callable[[Engine], None], tmp_path: Path
) -> None:
    def write_until_cancelled(request: object, context: JobContext) -> object:
        with context.output(tmp_path / "out.onnx") as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGHUP)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                context.report(0, 1, "working")
        raise AssertionError("never cancelled")

    use_engine(write_until_cancelled)
    previous = signal.signal(signal.SIGHUP, lambda *_: pytest.fail("not handled"))
    try:
        assert run_program(EVALUATE) == 130
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert not list(tmp_path.iterdir())


def test_that_a_second_ctrl_c_leaves_no_file_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    context = ConsoleContext(io.StringIO())
    left: list[Path] = []

    def stop_twice() -> None:
        with context.output(tmp_path / "out.onnx") as temporary:
            temporary.write_text("half")
            context.stop()
            context.stop()
            left.extend(tmp_path.iterdir())

    with pytest.raises(JobCancelled):
        stop_twice()
    assert ends == [130]
    assert not left


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_that_an_answer_that_cannot_be_written_is_a_failure_in_one_line(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "import sys; from engine.cli.program import run_program; sys.exit(run_program(['presets']))",
    ]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("bitsmith: Cannot write the answer to standard output")
    assert ended.stderr.count("\n") == 1


def test_that_a_message_with_a_huge_name_stays_short_and_harmless(
    use_engine: Callable[[Engine], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(request: object, context: JobContext) -> object:
        raise DataError(f"d.npz has no array '\x1b[2J{'x' * 100_000}'. Save it.")

    use_engine(refuse)
    assert run_program(EVALUATE) == 1
    error = capsys.readouterr().err
    assert len(error) < 3000
    assert error.startswith("bitsmith: d.npz has no array '\\x1b[2Jxxx")
    assert error.endswith("Save it.\n")


def test_that_onnx_runtime_keeps_no_record_of_what_is_run(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    script = "import engine.model.runtime, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        check=True,
    )
    assert ended.stdout == b"1\n"
    assert not list(tmp_path.iterdir())
