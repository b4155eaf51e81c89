"""Steps of several jobs, in the real window: what changes or fails on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from engine.bottlenecks.report import SpeedRemedy, SpeedRemedyKind
from engine.numerics.schemes import ActivationMode
from engine.plan import Plan
from engine.requests.analysis import CalibrateRequest
from engine.requests.benchmark import BottlenecksRequest
from engine.requests.conversion import ConvertResult
from engine.summary import ModelSummary
from gui.compare.plan_remedies import apply_remedy
from gui.job_runner import Job
from gui.main_window import MainWindow

JOB_MS = 60_000


def wait_until_idle(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not window.runner.is_busy, timeout=JOB_MS)


def convert(window: MainWindow, qtbot: QtBot, path: Path) -> None:
    with qtbot.waitSignal(window.workflow.converted, timeout=JOB_MS):
        window.workflow.convert(path, 16)
    wait_until_idle(window, qtbot)


def test_that_a_plan_that_changes_while_it_is_calibrated_is_not_the_one_that_is_converted(
    sample_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    session = sample_window.session
    session.set_activations(ActivationMode.STATIC)
    wanted = session.plan

    def change(job: Job) -> None:
        if isinstance(job.request, CalibrateRequest):
            session.assign_bits([session.layers[0].name], 4)

    sample_window.runner.job_started.connect(change)
    convert(sample_window, qtbot, tmp_path / "a.onnx")
    assert session.plan != wanted
    assert session.results[0].plan == wanted


def test_that_a_result_that_cannot_be_evaluated_stops_no_other(
    sample_window: MainWindow, qtbot: QtBot, tmp_path: Path, message: Callable[[], str]
) -> None:
    for name in ("gone.onnx", "there.onnx"):
        convert(sample_window, qtbot, tmp_path / name)
    (tmp_path / "gone.onnx").unlink()
    with qtbot.waitSignal(sample_window.workflow.compared, timeout=JOB_MS):
        sample_window.actions_["action_compare"].trigger()
    assert "gone.onnx" in message()
    results = sample_window.session.results
    assert [run.evaluation is not None for run in results] == [False, True]


def test_that_the_threads_of_the_benchmark_are_those_that_are_looked_into(
    sample_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    convert(sample_window, qtbot, tmp_path / "a.onnx")
    sample_window.benchmark_page.set_threads(2)
    asked: list[object] = []
    sample_window.runner.job_started.connect(lambda job: asked.append(job.request))
    sample_window.compare_page.why_tab._find()
    sample_window.runner.cancel()
    wait_until_idle(sample_window, qtbot)
    (request,) = asked
    assert isinstance(request, BottlenecksRequest)
    assert request.threads == 2


def test_that_a_recent_file_that_is_chosen_during_a_job_is_not_passed_over(
    sample_window: MainWindow, qtbot: QtBot, message: Callable[[], str]
) -> None:
    sample_window.workflow.measure_latency(1)
    sample_window.open_path("/models/other.onnx")
    assert "other.onnx" in message()
    sample_window.runner.cancel()
    wait_until_idle(sample_window, qtbot)


def test_that_remedies_are_only_worked_out_for_who_looks(
    loaded_window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, tab = loaded_window.session, loaded_window.compare_page.why_tab
    remedy = SpeedRemedy(SpeedRemedyKind.INTEGER_LAYERS, tuple(layer.name for layer in session.layers))
    holder = tab._build_remedy(remedy)
    holder.setParent(tab)
    tab._update_remedies()
    button = tab._remedies[0][0]
    assert not button.isEnabled()
    asked: list[SpeedRemedy] = []

    def count(plan: Plan, model: ModelSummary, remedy: SpeedRemedy) -> Plan:
        asked.append(remedy)
        return apply_remedy(plan, model, remedy)

    monkeypatch.setattr("gui.compare.why_tab.apply_remedy", count)
    session.assign_bits([layer.name for layer in session.layers], 16)
    assert not asked
    loaded_window.tabs.setCurrentWidget(loaded_window.compare_page)
    loaded_window.compare_page.tabs.setCurrentWidget(tab)
    assert button.isEnabled()


def test_that_the_name_of_a_file_is_no_formula_in_the_table_of_compare(
    loaded_window: MainWindow, tmp_path: Path
) -> None:
    (tmp_path / "=1+1.onnx").write_bytes(b"")
    loaded_window.comparisons.add_file(str(tmp_path / "=1+1.onnx"))
    assert "'=1+1.onnx" in loaded_window.compare_page.view.format_table(",")


def test_that_results_are_shown_once_they_are_looked_at(
    loaded_window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, pages = loaded_window.session, (loaded_window.compare_page, loaded_window.benchmark_page)
    drawn: list[str] = []
    for page in pages:
        monkeypatch.setattr(page.model, "refresh", lambda page=page: drawn.append(page.objectName()))
    assert session.plan is not None
    session.add_result(ConvertResult("/results/a.onnx", 100, 100, 400, None, None, 0, ()), session.plan)
    assert not drawn
    assert [page.model.rowCount() for page in pages] == [2, 2]
    for page in pages:
        loaded_window.tabs.setCurrentWidget(page)
    assert drawn == ["compare_page", "benchmark_page"]
