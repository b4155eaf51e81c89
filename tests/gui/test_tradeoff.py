"""The Trade-off page: the front in sight, every point a plan that can be taken and taken back."""

from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QComboBox, QDoubleSpinBox, QLabel, QRadioButton, QSlider
from pytestqt.qtbot import QtBot

from engine.requests.allocation import Front, FrontPoint, Prediction
from engine.requests.analysis import AnalysisMethod
from engine.requests.conversion import ConvertResult
from engine.sensitivity.matrix import Metric
from gui.main_window import MainWindow
from gui.settings import Settings
from gui.tradeoff.points import PlanPoint, Quantity, apply_point, bits_of, front_points
from gui.tradeoff.targets import build_targets
from tests.gui.conftest import JOB_MS, build_row, build_summary
from tests.gui.test_main_window import analyse, dialog_of, finish_jobs, press


@pytest.fixture
def analysed_window(sample_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The sample, analysed, with its front in sight."""
    analyse(sample_window, qtbot)
    sample_window.tabs.setCurrentWidget(sample_window.tradeoff_page)
    qtbot.waitUntil(lambda: bool(sample_window.tradeoff_page.points), timeout=JOB_MS)
    return sample_window


def current_bits(window: MainWindow) -> tuple[int, ...]:
    assert window.session.model is not None
    assert window.session.plan is not None
    return bits_of(window.session.model, window.session.plan)


def middle_point(window: MainWindow) -> PlanPoint:
    points = window.tradeoff_page.points
    return points[len(points) // 2]


def test_that_the_page_says_what_is_missing_before_an_analysis(loaded_window: MainWindow) -> None:
    window = loaded_window
    window.tabs.setCurrentWidget(window.tradeoff_page)
    hint = window.findChild(QLabel, "tradeoff_hint")
    assert hint is not None
    assert "Analyse" in hint.text()
    slider = window.findChild(QSlider, "tradeoff_budget")
    assert slider is not None
    assert not slider.isEnabled()


def test_that_clicking_a_point_takes_its_plan_and_undo_gives_the_old_one_back(
    analysed_window: MainWindow, qtbot: QtBot
) -> None:
    window, before = analysed_window, current_bits(analysed_window)
    plot, point = window.tradeoff_page.plot, middle_point(analysed_window)
    assert plot.point_at(plot.place_of(point)) is not None
    with qtbot.waitSignal(window.session.plan_changed):
        qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=plot.place_of(point).toPoint())
    taken = current_bits(window)
    assert taken != before
    assert taken in {found.bits for found in window.tradeoff_page.points}
    assert window.session.undo_stack.count() == 1
    window.actions_["action_undo"].trigger()
    assert current_bits(window) == before


def test_that_a_prediction_of_the_weights_alone_says_so(analysed_window: MainWindow) -> None:
    session, plot = analysed_window.session, analysed_window.tradeoff_page.plot
    plot.point_hovered.emit(None)
    assert "measure the one you take" in plot.toolTip()
    assert "weights alone" not in plot.toolTip()
    session.add_rows([dataclasses.replace(row, activations={}) for row in session.rows.values()])
    plot.point_hovered.emit(None)
    assert "weights alone" in plot.toolTip()


def test_that_the_predicted_size_of_a_taken_point_is_that_of_the_live_figures(analysed_window: MainWindow) -> None:
    window = analysed_window
    point = middle_point(window)
    window.tradeoff_page.plot.point_chosen.emit(point)
    assert window.session.figures is not None
    assert window.session.figures.file_bytes == pytest.approx(point.figures[Quantity.FILE_BYTES], rel=0.01)
    assert window.session.figures.value == pytest.approx(point.figures[Quantity.QUALITY], abs=0.01)


def test_that_arrow_keys_move_along_the_front_and_enter_takes_the_plan(
    analysed_window: MainWindow, qtbot: QtBot
) -> None:
    window, page = analysed_window, analysed_window.tradeoff_page
    slider = window.findChild(QSlider, "tradeoff_budget")
    assert slider is not None
    qtbot.keyClick(page.plot, Qt.Key.Key_Home)
    assert slider.value() == 0
    qtbot.keyClick(page.plot, Qt.Key.Key_Right)
    assert slider.value() == 1
    qtbot.keyClick(page.plot, Qt.Key.Key_Return)
    assert current_bits(window) == page.points[1].bits


def test_that_the_slider_previews_without_touching_the_plan_and_assign_takes_it(analysed_window: MainWindow) -> None:
    window, before = analysed_window, current_bits(analysed_window)
    slider, preview = window.findChild(QSlider, "tradeoff_budget"), window.findChild(QLabel, "tradeoff_preview")
    assert slider is not None
    assert preview is not None
    slider.setValue(3)
    assert "smaller" in preview.text()
    assert current_bits(window) == before
    assert not window.runner.is_busy
    press(window, "tradeoff_assign")
    assert current_bits(window) == window.tradeoff_page.points[3].bits


def test_that_a_locked_layer_keeps_its_bits_and_the_front_is_asked_for_anew(
    analysed_window: MainWindow, qtbot: QtBot
) -> None:
    window, session = analysed_window, analysed_window.session
    with qtbot.waitSignal(window.fronts.front_changed, timeout=JOB_MS):
        session.toggle_lock([session.layers[0].name])
    qtbot.waitUntil(lambda: {point.bits[0] for point in window.tradeoff_page.points} == {8})
    window.tradeoff_page.plot.point_chosen.emit(window.tradeoff_page.points[0])
    assert session.plan is not None
    assert session.plan.layer(session.layers[0].name).is_locked
    assert current_bits(window)[0] == 8


def test_that_an_edit_of_a_free_layer_asks_for_no_front(analysed_window: MainWindow, qtbot: QtBot) -> None:
    window, front = analysed_window, analysed_window.fronts.current
    window.session.assign_bits([window.session.layers[0].name], 4)
    with qtbot.waitSignal(window.feed.histogram_changed, timeout=JOB_MS):
        window.session.select(window.session.layers[1].name)
    assert window.fronts.current is front


def test_that_a_result_joins_the_picture_and_other_axes_can_be_chosen(
    analysed_window: MainWindow, qtbot: QtBot
) -> None:
    window, session = analysed_window, analysed_window.session
    assert session.plan is not None
    box = window.findChild(QComboBox, "tradeoff_y")
    assert box is not None
    assert box.findData(Quantity.MEASURED_SQNR) < 0
    converted = ConvertResult("net.onnx", 100_000, 100_100, 526_000, 31.0, None, 32, ())
    session.add_result(converted, session.plan)
    qtbot.waitUntil(lambda: box.findData(Quantity.MEASURED_SQNR) >= 0)
    box.setCurrentIndex(box.findData(Quantity.MEASURED_SQNR))
    box.activated.emit(box.currentIndex())
    assert box.currentData() == Quantity.MEASURED_SQNR


def test_that_auto_assign_meets_a_quality_and_says_why_each_layer_got_its_bits(
    analysed_window: MainWindow, qtbot: QtBot
) -> None:
    window = analysed_window
    window.actions_["action_auto_assign"].trigger()
    dialog = dialog_of(window, "allocate_dialog")
    kind, value = dialog.findChild(QComboBox, "budget_kind"), dialog.findChild(QDoubleSpinBox, "budget_value")
    assert kind is not None
    assert value is not None
    kind.setCurrentIndex(2)
    value.setValue(20.0)
    with qtbot.waitSignal(window.workflow.search.allocated, timeout=JOB_MS):
        press(dialog, "accept_button")
    finish_jobs(window, qtbot)
    assert window.session.figures is not None
    assert window.session.figures.sqnr_db is not None
    assert 20.0 <= window.session.figures.sqnr_db < 25.0
    reason = window.findChild(QLabel, "inspector_reason")
    assert reason is not None
    assert "bits" in reason.text()


def test_that_a_budget_out_of_reach_is_explained_in_the_dialog(analysed_window: MainWindow, qtbot: QtBot) -> None:
    window, before = analysed_window, current_bits(analysed_window)
    window.actions_["action_auto_assign"].trigger()
    dialog = dialog_of(window, "allocate_dialog")
    value, problem = dialog.findChild(QDoubleSpinBox, "budget_value"), dialog.findChild(QLabel, "problem")
    assert value is not None
    assert problem is not None
    value.setValue(1.0)
    with qtbot.waitSignal(window.workflow.search.allocation_refused, timeout=JOB_MS):
        press(dialog, "accept_button")
    assert dialog.isVisible()
    assert "cannot be reached" in problem.text()
    assert current_bits(window) == before
    finish_jobs(window, qtbot)


def test_that_analyse_asks_how_and_remembers_it(sample_window: MainWindow, qtbot: QtBot) -> None:
    sample_window.actions_["action_analyse"].trigger()
    dialog = dialog_of(sample_window, "analyse_dialog")
    racing, estimate = (dialog.findChild(QAbstractButton, name) for name in ("is_racing", "estimate_time"))
    assert racing is not None
    assert estimate is not None
    assert not racing.isEnabled()
    exact = dialog.findChild(QRadioButton, "method_exact")
    assert exact is not None
    exact.setChecked(True)
    assert racing.isEnabled()
    racing.setChecked(True)
    forecast = dialog.findChild(QLabel, "forecast")
    assert forecast is not None
    with qtbot.waitSignal(sample_window.workflow.forecast_ready, timeout=JOB_MS):
        estimate.click()
    assert "cells" in forecast.text()
    quick = dialog.findChild(QRadioButton, "method_quick")
    assert quick is not None
    quick.setChecked(True)
    assert forecast.text() == ""
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    finish_jobs(sample_window, qtbot)
    assert sample_window.session.is_analysed
    assert Settings().analysis.method == AnalysisMethod.QUICK
    assert Settings().analysis.is_racing


def test_that_a_point_leaves_alone_what_cannot_be_measured() -> None:
    from engine.plan import build_plan

    model = build_summary(3)
    plan = build_plan(model, 8)
    rows = {name: build_row(name) for name in ("conv0", "conv1")}
    point = front_points(model, Front(Metric.SQNR, (FrontPoint(Prediction(9000, 3.0, 9000, 20.0), (4, 2, 8)),)))[0]
    taken = apply_point(point, model, plan.with_lock(["conv1"], locked=True), rows, "trade-off: 9.00 kB")
    assert taken.provenance == "trade-off: 9.00 kB"
    assert bits_of(model, taken) == (4, 8, 8)
    assert taken.layer("conv2") is plan.layer("conv2")


def test_that_a_target_finds_the_best_point_within_it() -> None:
    model = build_summary(3)
    sizes, qualities = (2000, 3000, 4000), (10.0, 20.0, 30.0)
    front = Front(
        Metric.SQNR,
        tuple(
            FrontPoint(Prediction(size, size / 1000, size, value), (8, 8, 8))
            for size, value in zip(sizes, qualities, strict=True)
        ),
    )
    points = front_points(model, front)
    size, bits, quality, memory = build_targets(model, Metric.SQNR, has_latencies=False)
    assert bits.best_point(points, 3.5) == 1
    assert quality.best_point(points, 15.0) == 1
    assert quality.best_point(points, 31.0) == -1
    assert memory.best_point(points, 4.0) == 2
    for target in (size, bits, quality, memory):
        for at, point in enumerate(points):
            value = target.value_of(point)
            assert value is not None
            assert target.best_point(points, value) == at


def test_that_every_control_of_the_page_has_a_name_and_a_tip(loaded_window: MainWindow) -> None:
    page = loaded_window.tradeoff_page
    assert page.plot.accessibleName()
    for widget in (*page.findChildren(QComboBox), *page.findChildren(QSlider)):
        assert widget.objectName()
        assert widget.toolTip()
        assert widget.accessibleName()
    for button in (child for child in page.children() if isinstance(child, QAbstractButton)):
        assert button.toolTip()
