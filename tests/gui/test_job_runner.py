"""The bridge: exactly one outcome per job, the worker may die, cancel is quick, internal jobs give way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from pytestqt.qtbot import QtBot

from engine.jobs.supervisor import JobFailed, WorkerProcess
from engine.requests.benchmark import BenchmarkRequest
from engine.requests.opening import OpenRequest
from engine.summary import ModelSummary
from gui.job_runner import Job, JobRunner

JOB_MS = 30_000
CANCEL_MS = 2_000


@pytest.fixture
def runner(qtbot: QtBot) -> Iterator[JobRunner]:
    made = JobRunner()
    yield made
    made.close()


class BuggyWorker:
    """Stands in for a worker process whose engine has a bug."""

    pid = None

    def start(self) -> None:
        """Nothing to start."""

    def cancel(self) -> None:
        """Nothing to cancel."""

    def terminate(self) -> None:
        """Nothing to end."""

    def run(self, *_arguments: object) -> object:
        raise JobFailed("Traceback: a bug")


def outcomes_of(job: Job) -> list[str]:
    seen: list[str] = []
    for name in ("succeeded", "failed", "crashed", "cancelled", "finished"):
        getattr(job, name).connect(lambda *_values, name=name: seen.append(name))
    return seen


def test_that_a_job_succeeds_and_finishes(runner: JobRunner, sample_model: Path, qtbot: QtBot) -> None:
    job = runner.create(OpenRequest(str(sample_model)), "open")
    seen = outcomes_of(job)
    results: list[object] = []
    job.succeeded.connect(results.append)
    with qtbot.waitSignal(runner.job_finished, timeout=JOB_MS):
        runner.start(job)
        assert runner.is_busy
    assert seen == ["succeeded", "finished"]
    assert isinstance(results[0], ModelSummary)
    assert not runner.is_busy


def test_that_a_user_error_is_a_sentence(runner: JobRunner, tmp_path: Path, qtbot: QtBot) -> None:
    job = runner.create(OpenRequest(str(tmp_path / "absent.onnx")), "open")
    with qtbot.waitSignal(job.failed, timeout=JOB_MS) as failed:
        runner.start(job)
    assert "absent.onnx" in failed.args[0]
    assert "Traceback" not in failed.args[0]
    qtbot.waitUntil(lambda: not runner.is_busy, timeout=JOB_MS)


def test_that_cancel_is_over_within_two_seconds(runner: JobRunner, sample_model: Path, qtbot: QtBot) -> None:
    job = runner.create(BenchmarkRequest((str(sample_model),), seconds=60), "benchmark")
    seen = outcomes_of(job)
    with qtbot.waitSignal(job.progressed, timeout=JOB_MS):
        runner.start(job)
    with qtbot.waitSignal(runner.job_finished, timeout=CANCEL_MS):
        runner.cancel()
    assert seen == ["cancelled", "finished"]


def test_that_a_killed_worker_is_a_failed_job_and_the_next_one_works(
    runner: JobRunner, sample_model: Path, qtbot: QtBot
) -> None:
    job = runner.create(BenchmarkRequest((str(sample_model),), seconds=60), "benchmark")
    with qtbot.waitSignal(job.progressed, timeout=JOB_MS):
        runner.start(job)
    assert runner.worker_pid is not None
    with qtbot.waitSignal(runner.job_finished, timeout=JOB_MS), qtbot.waitSignal(job.failed, timeout=JOB_MS) as failed:
        os.kill(runner.worker_pid, signal.SIGKILL)
    assert "killed by signal 9" in failed.args[0]
    again = runner.create(OpenRequest(str(sample_model)), "open")
    with qtbot.waitSignals([again.succeeded, runner.job_finished], timeout=JOB_MS):
        runner.start(again)


def test_that_an_internal_job_gives_way_to_the_user(runner: JobRunner, sample_model: Path, qtbot: QtBot) -> None:
    internal = runner.create_internal(BenchmarkRequest((str(sample_model),), seconds=60))
    with qtbot.waitSignal(internal.progressed, timeout=JOB_MS):
        runner.start(internal)
    assert not runner.is_busy
    job = runner.create(OpenRequest(str(sample_model)), "open")
    with qtbot.waitSignals([internal.cancelled, job.succeeded, runner.job_finished], timeout=JOB_MS):
        runner.start(job)


def test_that_a_job_that_waits_for_an_internal_one_has_started_and_can_be_cancelled(
    runner: JobRunner, sample_model: Path, qtbot: QtBot
) -> None:
    internal = runner.create_internal(BenchmarkRequest((str(sample_model),), seconds=60))
    with qtbot.waitSignal(internal.progressed, timeout=JOB_MS):
        runner.start(internal)
    job = runner.create(OpenRequest(str(sample_model)), "open")
    seen = outcomes_of(job)
    heard: list[tuple[str, object]] = []
    runner.job_started.connect(lambda started: heard.append(("started", started)))
    runner.job_finished.connect(lambda finished: heard.append(("finished", finished)))
    runner.start(job)
    assert heard == [("started", job)]
    runner.cancel()
    assert heard == [("started", job), ("finished", job)]
    assert seen == ["cancelled", "finished"]
    qtbot.waitUntil(lambda: runner.is_at_rest, timeout=JOB_MS)
    assert seen == ["cancelled", "finished"]


def test_that_a_bug_in_the_engine_is_reported_and_the_job_ends(qtbot: QtBot) -> None:
    runner = JobRunner(cast("WorkerProcess", BuggyWorker()))
    job = runner.create(OpenRequest("net.onnx"), "open")
    seen = outcomes_of(job)
    with qtbot.waitSignal(runner.crashed) as crashed, qtbot.waitSignal(runner.job_finished):
        runner.start(job)
    assert crashed.args == ["Traceback: a bug"]
    assert seen == ["crashed", "finished"]


def test_that_closing_during_a_job_ends_the_worker(runner: JobRunner, sample_model: Path, qtbot: QtBot) -> None:
    job = runner.create(BenchmarkRequest((str(sample_model),), seconds=60), "benchmark")
    with qtbot.waitSignal(job.progressed, timeout=JOB_MS):
        runner.start(job)
    runner.close()
    assert runner.worker_pid is None
