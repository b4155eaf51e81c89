"""Jobs through a real worker process: every way that one can end, and that the next one works."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.calibration.calibration import load_calibration
from engine.errors import DataError, JobCancelled, ModelError, WorkerCrashed
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.jobs.supervisor import JobFailed, WorkerProcess
from engine.model.opened import open_model
from engine.numerics.schemes import ActivationMode
from engine.plan import PlanDefaults, build_plan
from engine.requests.analysis import AnalyzeRequest, CalibrateRequest, CalibrateResult
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.data import DataChoice
from engine.requests.opening import OpenRequest
from engine.sensitivity.matrix import Sensitivity
from engine.summary import ModelSummary
from tests.engine.models import conv_chain, draw_samples, open_built, write_dataset

SAMPLES = 4000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")
    model = open_built(conv_chain(), folder)
    write_dataset(model, draw_samples(model.summary, SAMPLES), folder / "d.npz")
    return folder


@pytest.fixture(scope="module")
def shared_worker() -> Iterator[WorkerProcess]:
    worker = WorkerProcess()
    yield worker
    worker.terminate()
    assert worker.pid is None
    assert not multiprocessing.active_children()


@pytest.fixture
def worker(shared_worker: WorkerProcess) -> WorkerProcess:
    """A worker that is running; started before the check for leftovers of one test would count it."""
    return shared_worker


@pytest.fixture(autouse=True, scope="module")
def started(shared_worker: WorkerProcess) -> None:
    shared_worker.start()


def model_of(folder: Path) -> str:
    return str(folder / "m.onnx")


def calibrate_request(folder: Path, output: Path, samples: int = 64) -> CalibrateRequest:
    return CalibrateRequest(model_of(folder), DataChoice(str(folder / "d.npz")), str(output), samples)


def ensure_works(worker: WorkerProcess, folder: Path) -> None:
    summary = worker.run(OpenRequest(model_of(folder)))
    assert isinstance(summary, ModelSummary)
    assert [layer.name for layer in summary.layers] == ["first", "second", "head"]


def test_that_a_job_succeeds_with_progress_in_order(worker: WorkerProcess, folder: Path, tmp_path: Path) -> None:
    reports: list[tuple[int, int, str]] = []
    output = tmp_path / "c.calib"
    result = worker.run(calibrate_request(folder, output), lambda *report: reports.append(report))
    assert isinstance(result, CalibrateResult)
    assert (result.output, result.samples) == (str(output), 64)
    assert load_calibration(output).digest == result.digest
    assert reports[-1][:2] == (64, 64)
    assert [done for done, _, _ in reports] == sorted(done for done, _, _ in reports)
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.calib"]


def test_that_partial_results_arrive_before_the_result(worker: WorkerProcess, folder: Path) -> None:
    plan = build_plan(open_model(model_of(folder)).summary, 8)
    rows: list[object] = []
    request = AnalyzeRequest(model_of(folder), DataChoice(str(folder / "d.npz")), plan, (8, 4), 16)
    result = worker.run(request, partial_ready=rows.append)
    assert isinstance(result, Sensitivity)
    assert rows == list(result.rows.values())


def test_that_a_users_mistake_keeps_its_class_and_text_and_the_worker(worker: WorkerProcess, folder: Path) -> None:
    ensure_works(worker, folder)
    pid = worker.pid
    with pytest.raises(ModelError, match=r"absent\.onnx does not exist"):
        worker.run(OpenRequest(str(folder / "absent.onnx")))
    with pytest.raises(DataError, match=r"absent\.npz"):
        worker.run(CalibrateRequest(model_of(folder), DataChoice("absent.npz"), str(folder / "c.calib")))
    ensure_works(worker, folder)
    assert worker.pid == pid


def test_that_a_bug_is_a_failed_job_with_a_traceback_and_the_worker_lives(worker: WorkerProcess, folder: Path) -> None:
    with pytest.raises(JobFailed, match=r"Traceback[\s\S]*KeyError"):
        worker.run("no request at all")  # type: ignore[arg-type]
    ensure_works(worker, folder)


def test_that_cancel_amid_calibration_leaves_no_file_and_the_next_job_works(
    worker: WorkerProcess, folder: Path, tmp_path: Path
) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if 0 < done < total:
            worker.cancel()

    with pytest.raises(JobCancelled):
        worker.run(calibrate_request(folder, tmp_path / "c.calib", SAMPLES), stop)
    assert not list(tmp_path.iterdir())
    ensure_works(worker, folder)


@pytest.fixture
def own_worker(folder: Path) -> Iterator[WorkerProcess]:
    worker = WorkerProcess()
    ensure_works(worker, folder)
    yield worker
    worker.terminate()
    assert worker.pid is None


def test_that_an_error_in_a_callback_does_not_leak_into_the_next_job(
    own_worker: WorkerProcess, folder: Path, tmp_path: Path
) -> None:
    def fail(done: int, total: int, message: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        own_worker.run(calibrate_request(folder, tmp_path / "c.calib", SAMPLES), fail)
    ensure_works(own_worker, folder)


def test_that_a_killed_worker_is_a_failed_job_and_a_new_one_takes_over(
    own_worker: WorkerProcess, folder: Path, tmp_path: Path
) -> None:
    pid = own_worker.pid
    assert pid is not None

    def kill(done: int, total: int, message: str) -> None:
        if 0 < done < total:
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(WorkerCrashed, match="killed by signal 9"):
        own_worker.run(calibrate_request(folder, tmp_path / "c.calib", SAMPLES), kill)
    assert own_worker.pid is None
    assert not list(tmp_path.iterdir())
    ensure_works(own_worker, folder)
    assert own_worker.pid != pid


def test_that_a_stuck_worker_is_ended_within_two_seconds_of_cancel(
    own_worker: WorkerProcess, folder: Path, tmp_path: Path
) -> None:
    pid = own_worker.pid
    assert pid is not None
    cancelled_at: list[float] = []

    def freeze(done: int, total: int, message: str) -> None:
        if 0 < done < total and not cancelled_at:
            os.kill(pid, signal.SIGSTOP)
            cancelled_at.append(time.monotonic())
            own_worker.cancel()

    with pytest.raises(JobCancelled):
        own_worker.run(calibrate_request(folder, tmp_path / "c.calib", SAMPLES), freeze)
    assert time.monotonic() - cancelled_at[0] < 2
    assert own_worker.pid is None
    assert not list(tmp_path.iterdir())


def test_that_cancel_may_come_from_another_thread(worker: WorkerProcess, folder: Path, tmp_path: Path) -> None:
    is_running = threading.Event()

    def cancel() -> None:
        assert is_running.wait(30)
        worker.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(JobCancelled):
        worker.run(calibrate_request(folder, tmp_path / "c.calib", SAMPLES), lambda *report: is_running.set())
    thread.join()
    ensure_works(worker, folder)


@pytest.mark.parametrize("mode", [ActivationMode.STATIC, ActivationMode.DYNAMIC])
def test_that_the_same_request_gives_the_same_bytes_here_and_in_the_worker(
    worker: WorkerProcess, folder: Path, tmp_path: Path, mode: ActivationMode
) -> None:
    plan = build_plan(open_model(model_of(folder)).summary, 4, PlanDefaults(activations=mode))
    outputs = [tmp_path / name / "out.onnx" for name in ("first", "second", "worker")]
    requests = [
        ConvertRequest(model_of(folder), plan, str(output), DataChoice(str(folder / "d.npz")), samples=50)
        for output in outputs
    ]
    for output in outputs:
        output.parent.mkdir()
    run_request(requests[0], JobContext())
    run_request(requests[1], JobContext())
    assert isinstance(worker.run(requests[2]), ConvertResult)
    first, second, third = (output.read_bytes() for output in outputs)
    assert first == second
    assert first == third
