"""Whole plans measured on data: a search that keeps the best, and predictions beside measurements."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QAbstractButton, QCheckBox, QDialog, QDoubleSpinBox, QLabel, QPushButton, QSpinBox
from pytestqt.qtbot import QtBot

from engine.project.project import LoadedData
from engine.requests.allocation import Budget, PolishStep, Prediction
from engine.requests.data import DataChoice, DataSummary
from engine.sensitivity.matrix import Metric
from gui.main_window import MainWindow
from gui.measured_plans import PolishChoice, describe_pair, format_error
from gui.session import Session
from gui.settings import Settings
from gui.tradeoff.points import Quantity, Series
from gui.tradeoff.texts import describe_point
from tests.gui.conftest import JOB_MS, build_row
from tests.gui.test_main_window import analyse, dialog_of, finish_jobs, press
from tests.gui.test_tradeoff import current_bits


@pytest.fixture
def analysed_window(sample_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The sample, analysed, with the Trade-off page in sight."""
    analyse(sample_window, qtbot)
    sample_window.tabs.setCurrentWidget(sample_window.tradeoff_page)
    qtbot.waitUntil(lambda: bool(sample_window.tradeoff_page.points), timeout=JOB_MS)
    return sample_window


def build_step(session: Session, kl: float) -> PolishStep:
    """The current plan, measured."""
    assert session.plan is not None
    return PolishStep(session.plan, Prediction(9000, 4.0, 9000, 0.05), {Metric.KL: kl, Metric.SQNR: 20.0}, 1)


def ask_for_search(window: MainWindow, percent: float, seconds: int) -> QDialog:
    window.actions_["action_auto_assign"].trigger()
    dialog = dialog_of(window, "allocate_dialog")
    value, spin = dialog.findChild(QDoubleSpinBox, "budget_value"), dialog.findChild(QSpinBox, "measure_seconds")
    box = dialog.findChild(QCheckBox, "measure_on_data")
    assert value is not None
    assert spin is not None
    assert box is not None
    value.setValue(percent)
    box.setChecked(True)
    spin.setValue(seconds)
    press(dialog, "accept_button")
    return dialog


def text_of(window: MainWindow, name: str) -> str:
    label = window.findChild(QLabel, name)
    assert label is not None
    return label.text()


def test_that_a_search_makes_the_best_measured_plan_the_current_one_in_one_step(
    analysed_window: MainWindow, qtbot: QtBot
) -> None:
    window, session, before = analysed_window, analysed_window.session, current_bits(analysed_window)
    notes: list[str] = []
    window.log.line_added.connect(notes.append)
    ask_for_search(window, 15.0, 5)
    with qtbot.waitSignal(window.runner.job_finished, timeout=JOB_MS):
        qtbot.waitUntil(lambda: bool(session.measured), timeout=JOB_MS)
    best = session.measured[-1]
    assert session.measured_current is best
    assert session.plan is not None
    assert session.plan.provenance.startswith("measured on")
    assert session.figures is not None
    assert session.figures.file_bytes <= 0.15 * session.figures.float_bytes
    assert any("plans measured:" in note and "predicted" in note for note in notes)
    assert session.undo_stack.count() == 1
    window.actions_["action_undo"].trigger()
    assert current_bits(window) == before
    assert Settings().polish == PolishChoice(is_wanted=True, seconds=5)


def test_that_a_cancelled_search_keeps_the_best_plan_so_far(analysed_window: MainWindow, qtbot: QtBot) -> None:
    window, session = analysed_window, analysed_window.session
    session.measured_changed.connect(window.runner.cancel)
    ask_for_search(window, 15.0, 60)
    with qtbot.waitSignal(window.runner.job_finished, timeout=JOB_MS):
        pass
    assert session.undo_stack.count() == 1
    assert session.measured_current is session.measured[-1]


def test_that_a_budget_out_of_reach_is_refused_in_the_dialog_before_anything_is_measured(
    analysed_window: MainWindow, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(analysed_window.workflow.search.allocation_refused, timeout=JOB_MS):
        dialog = ask_for_search(analysed_window, 1.0, 5)
    assert dialog.isVisible()
    assert analysed_window.session.measured == ()
    finish_jobs(analysed_window, qtbot)


def test_that_measuring_this_plan_shows_predicted_beside_measured_until_it_changes(
    analysed_window: MainWindow, qtbot: QtBot
) -> None:
    window, session = analysed_window, analysed_window.session
    button = window.findChild(QPushButton, "tradeoff_measure")
    assert button is not None
    with qtbot.waitSignal(window.runner.job_finished, timeout=JOB_MS):
        button.click()
    assert session.undo_stack.count() == 0
    assert text_of(window, "live_measured").endswith("dB")
    assert "measured" in text_of(window, "tradeoff_current")
    session.assign_bits([session.layers[0].name], 2)
    assert session.measured_current is None
    assert window.findChild(QLabel, "live_measured").isHidden()  # type: ignore[union-attr]
    assert "measured" not in text_of(window, "tradeoff_current")
    window.actions_["action_undo"].trigger()
    assert "measured" in text_of(window, "tradeoff_current")


def test_that_a_measured_plan_is_a_point_that_says_both_figures_and_can_be_taken(analysed_window: MainWindow) -> None:
    window, session = analysed_window, analysed_window.session
    before = current_bits(window)
    session.set_metric(Metric.SQNR)
    session.add_measured(build_step(session, 0.04))
    point = next(point for point in window.tradeoff_page.all_points() if point.series == Series.MEASURED)
    assert point.figures[Quantity.QUALITY] == 20.0
    text = describe_point(point, Metric.SQNR)
    assert "20.0 dB measured" in text
    assert "predicted" in text
    session.assign_bits([layer.name for layer in session.layers], 2)
    window.tradeoff_page.plot.point_chosen.emit(point)
    assert current_bits(window) == before
    assert session.plan is not None
    assert session.plan.provenance.startswith("trade-off: measured plan")


def test_that_other_data_drops_what_was_measured(session: Session) -> None:
    summary = DataSummary(10, has_labels=True, digest="digest", description="ten")
    session.set_data(LoadedData(DataChoice("/a.npz"), summary, DataChoice("/b.npz"), summary, 10))
    session.add_rows([build_row("conv0")])
    session.add_measured(build_step(session, 0.04))
    session.add_measured(build_step(session, 0.05))
    assert [plan.value(Metric.KL) for plan in session.measured] == [0.05]
    assert session.measured[0].value(Metric.LOSS) == 0.05
    session.set_data(None)
    assert session.measured == ()


def test_that_measuring_is_offered_only_with_data_and_cells(loaded_window: MainWindow, qtbot: QtBot) -> None:
    assert not loaded_window.actions_["action_measure_plan"].isEnabled()
    loaded_window.actions_["action_auto_assign"].trigger()
    box = dialog_of(loaded_window, "allocate_dialog").findChild(QCheckBox, "measure_on_data")
    assert box is not None
    assert not box.isEnabled()
    loaded_window.workflow.search.polish(Budget(size_ratio=0.5), 1.0)
    assert not loaded_window.runner.is_busy


@pytest.mark.parametrize(
    ("metric", "predicted", "measured", "text"),
    [
        (Metric.KL, 0.052, 0.0493, "+5 %"),
        (Metric.SQNR, 12.1, 22.4, "−10.3 dB"),
        (Metric.COSINE, 0.98, 0.99, "+100 %"),
        (Metric.KL, 0.1, 0.0, ""),
        (Metric.SQNR, float("inf"), 30.0, ""),
    ],
)
def test_that_a_prediction_error_is_said_in_the_metric_s_own_way(
    metric: Metric, predicted: float, measured: float, text: str
) -> None:
    assert format_error(metric, predicted, measured) == text
    assert describe_pair(metric, measured, predicted).endswith(f"({text})" if text else "predicted")


def test_that_the_small_trade_off_opens_the_page(analysed_window: MainWindow) -> None:
    window = analysed_window
    window.tabs.setCurrentWidget(window.layers_page)
    thumbnail = window.inspector.findChild(QAbstractButton, "tradeoff_thumbnail")
    assert thumbnail is not None
    assert thumbnail.isVisible()
    thumbnail.click()
    assert window.tabs.currentWidget() is window.tradeoff_page
