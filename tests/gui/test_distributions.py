"""The Distributions page in the real window, with the real engine: dragging the clip changes the plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pyqtgraph as pg
import pytest
from onnx import numpy_helper
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from engine.jobs.supervisor import JobFailed
from engine.numerics.schemes import Kernel, PerTensor, RangeMethod, WeightScheme
from engine.plan import LayerPlan
from engine.requests.histograms import Histogram, WeightHistogram, WeightHistogramRequest
from gui.distributions.clip_edits import clip_share, find_input_range, moved_range, with_input_range
from gui.distributions.page import DistributionsPage
from gui.distributions.view_bar import Subject
from gui.histogram_feed import DEBOUNCE_MS
from gui.main_window import MainWindow
from gui.session import Session
from tests.engine.models import conv_chain, save_model

JOB_MS = 60_000
NONE, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton


def text_of(page: QWidget, name: str) -> str:
    label = page.findChild(QLabel, name)
    assert label is not None
    return label.text()


def choose(page: QWidget, name: str, value: object) -> None:
    box = page.findChild(QComboBox, name)
    assert box is not None
    box.setCurrentIndex(box.findData(value))


def wait_for(window: MainWindow, qtbot: QtBot) -> Histogram:
    """What is drawn, once it belongs to the plan."""
    feed = window.feed
    qtbot.waitUntil(lambda: feed.focused is not None and feed._next_missing() is None, timeout=JOB_MS)
    qtbot.waitUntil(lambda: window.distributions_page.plot.is_drawn)
    found = window.distributions_page._shown
    assert found is not None
    return found


def send_mouse(page: DistributionsPage, kind: QEvent.Type, x: float, button: Qt.MouseButton) -> None:
    """Move, press or release at a value on the horizontal axis; the left button is held except on the way there."""
    plot, box = page.plot, page.plot.getViewBox()
    position = plot.mapFromScene(box.mapViewToScene(QPointF(x, box.viewRange()[1][1] / 2)))
    place = QPointF(plot.viewport().mapToGlobal(position))
    is_held = kind != QEvent.Type.MouseButtonRelease and (button != NONE or plot.property("held"))
    plot.setProperty("held", bool(is_held))
    held = LEFT if is_held else NONE
    event = QMouseEvent(kind, QPointF(position), place, button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(plot.viewport(), event)


def drag_handle(page: DistributionsPage, share: float) -> None:
    """Drag the upper handle with the mouse to a share of where it is, and keep it held."""
    start = page.plot.handle_positions[1]
    send_mouse(page, QEvent.Type.MouseMove, start, NONE)
    send_mouse(page, QEvent.Type.MouseButtonPress, start, LEFT)
    for step in np.linspace(1.0, share, 8):
        send_mouse(page, QEvent.Type.MouseMove, start * float(step), NONE)


def release_handle(page: DistributionsPage) -> None:
    send_mouse(page, QEvent.Type.MouseButtonRelease, page.plot.handle_positions[1], LEFT)


@pytest.fixture(autouse=True)
def every_move_counts() -> Iterator[None]:
    """A test's mouse is quicker than pyqtgraph looks."""
    rate = pg.getConfigOption("mouseRateLimit")
    pg.setConfigOption("mouseRateLimit", 0)
    yield
    pg.setConfigOption("mouseRateLimit", rate)


@pytest.fixture
def page(sample_window: MainWindow, qtbot: QtBot) -> DistributionsPage:
    window = sample_window
    window.session.edit_layer(
        window.session.layers[2].name, LayerPlan(WeightScheme(4, granularity=PerTensor()), Kernel.QLINEAR), "per tensor"
    )
    window.session.select(window.session.layers[2].name)
    window.tabs.setCurrentWidget(window.distributions_page)
    wait_for(window, qtbot)
    return window.distributions_page


def test_that_dragging_the_clip_changes_plan_figures_and_file(
    page: DistributionsPage, sample_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window, session = sample_window, sample_window.session
    name = session.selected
    before = wait_for(window, qtbot)
    assert before.clipped_fraction == 0
    assert "clipped <b>0 %</b>" in text_of(page, "distribution_facts")
    steps = session.undo_stack.count()
    assert session.plan is not None

    drag_handle(page, 0.5)
    low, high = page.plot.handle_positions
    assert low == pytest.approx(-high, rel=1e-3)
    qtbot.waitUntil(lambda: (page._shown or before).clipped_fraction > 0, timeout=JOB_MS)
    assert page.plot.is_dragging
    assert session.plan.layer(name).weights.clip is None
    release_handle(page)
    clip = session.plan.layer(name).weights.clip
    assert clip == pytest.approx(0.5, abs=0.03)
    assert session.undo_stack.count() == steps + 1
    after = wait_for(window, qtbot)
    assert after.clipped_fraction > 0
    assert after.range_max == pytest.approx(clip * before.full_max, rel=1e-5)
    assert page.plot.handle_positions == pytest.approx((after.range_min, after.range_max))
    assert "clipped <b>0 %</b>" not in text_of(page, "distribution_facts")
    assert f"{100 * clip:.1f} % of the full range" in text_of(page, "distribution_note")

    with qtbot.waitSignal(window.workflow.converted, timeout=JOB_MS):
        window.workflow.convert(tmp_path / "out.onnx", 16)
    values = [numpy_helper.to_array(item) for item in onnx.load(tmp_path / "out.onnx").graph.initializer]
    assert any(np.isclose(value, after.range_max / 7, rtol=1e-5, atol=0).any() for value in values if value.size == 1)
    qtbot.waitUntil(lambda: not window.runner.is_busy, timeout=JOB_MS)

    window.tabs.setCurrentWidget(page)
    window.actions_["action_undo"].trigger()
    assert session.plan.layer(name).weights.clip is None
    restored = wait_for(window, qtbot)
    assert (restored.range_max, restored.sqnr_db) == (before.range_max, before.sqnr_db)
    assert page.plot.handle_positions == pytest.approx((before.range_min, before.range_max))


def test_that_arrow_keys_move_the_clip_and_home_takes_it_back(
    page: DistributionsPage, sample_window: MainWindow, qtbot: QtBot
) -> None:
    session = sample_window.session
    steps = session.undo_stack.count()
    for _ in range(3):
        qtbot.keyPress(page.plot, Qt.Key.Key_Left)
    qtbot.keyRelease(page.plot, Qt.Key.Key_Left)
    assert session.plan is not None
    assert session.plan.layer(session.selected).weights.clip == pytest.approx(0.97)
    assert session.undo_stack.count() == steps + 1
    automatic = page.findChild(QPushButton, "distribution_automatic")
    assert automatic is not None
    qtbot.waitUntil(automatic.isEnabled, timeout=JOB_MS)
    qtbot.keyClick(page.plot, Qt.Key.Key_Home)
    assert session.plan.layer(session.selected).weights.clip is None
    wait_for(sample_window, qtbot)
    assert not automatic.isEnabled()


def test_that_a_click_on_the_strip_shows_that_channel_and_floats_have_no_handles(
    page: DistributionsPage, sample_window: MainWindow, qtbot: QtBot
) -> None:
    strip = page.strip
    whole = wait_for(sample_window, qtbot)
    assert isinstance(whole, WeightHistogram)
    position = strip.mapFromScene(strip.getViewBox().mapViewToScene(QPointF(5.0, 0.0)))
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=position)
    assert page.bar.channel == 5
    found = wait_for(sample_window, qtbot)
    assert isinstance(found, WeightHistogram)
    assert found.channel == 5
    assert sum(found.counts) == sum(whole.counts) // len(whole.channel_min)
    assert max(found.edges) == pytest.approx(whole.channel_max[5])
    sample_window.session.select(sample_window.session.layers[0].name)
    assert page.bar.channel is None

    wait_for(sample_window, qtbot)
    log = page.findChild(QCheckBox, "log_scale")
    assert log is not None
    top = page.plot.getViewBox().viewRange()[1][1]
    log.setChecked(True)
    assert page.plot.getViewBox().viewRange()[1][1] < top
    handles = page.plot.handle_positions
    sample_window.actions_["action_theme_light"].trigger()
    assert page.plot.handle_positions == handles

    sample_window.session.assign_bits([sample_window.session.selected], 16)
    assert wait_for(sample_window, qtbot).grid == ()
    assert "Give the layer 8, 4 or 2 bits" in text_of(page, "distribution_note")
    assert not any(line.isVisible() for line in page.plot._handles)


def test_that_inputs_are_collected_shown_and_clipped(
    page: DistributionsPage, sample_window: MainWindow, qtbot: QtBot
) -> None:
    window, session = sample_window, sample_window.session
    name = session.selected
    data = session.data
    session.set_data(None)
    choose(page, "distribution_subject", Subject.INPUTS)
    assert "Choose calibration data" in text_of(page, "distribution_empty")
    choose_data = page.findChild(QPushButton, "distribution_data")
    assert choose_data is not None
    assert choose_data.isVisible()
    session.set_data(data)
    assert not choose_data.isVisible()
    assert "Run the calibration data once" in text_of(page, "distribution_empty")
    button = page.findChild(QPushButton, "distribution_collect")
    assert button is not None
    assert button.isVisible()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.calibration is not None and not window.runner.is_busy, timeout=JOB_MS)
    before = wait_for(window, qtbot)
    assert page.plot.isVisible()
    drag_handle(page, 0.5)
    release_handle(page)
    assert session.plan is not None
    chosen = session.plan.layer(name).input_range
    assert chosen is not None
    assert chosen[1] == pytest.approx(0.5 * before.range_max, rel=0.05)
    after = wait_for(window, qtbot)
    assert after.above_fraction > before.above_fraction
    assert after.range_max == pytest.approx(chosen[1], rel=0.01)
    automatic = page.findChild(QPushButton, "distribution_automatic")
    assert automatic is not None
    qtbot.mouseClick(automatic, Qt.MouseButton.LeftButton)
    assert session.plan.layer(name).input_range is None
    assert wait_for(window, qtbot).range_max == before.range_max


def test_that_a_weight_that_cannot_be_shown_says_why(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    proto = conv_chain()
    weight = next(item for item in proto.graph.initializer if item.name == "w2")
    weight.CopyFrom(numpy_helper.from_array(np.full((8, 8, 3, 3), np.nan, np.float32), "w2"))
    window.workflow.open_model(str(save_model(proto, tmp_path)))
    qtbot.waitUntil(lambda: window.session.model is not None and not window.runner.is_busy, timeout=JOB_MS)
    window.session.select("second")
    page = window.distributions_page
    window.tabs.setCurrentWidget(page)
    qtbot.waitUntil(lambda: "second holds NaN" in text_of(page, "distribution_empty"), timeout=JOB_MS)
    window.session.select("first")
    assert wait_for(window, qtbot).layer == "first"
    assert page.plot.isVisible()


@pytest.mark.parametrize(
    ("position", "is_upper", "share"), [(0.5, True, 0.25), (9.0, True, 1.0), (-0.5, True, 0.01), (-0.5, False, 0.5)]
)
def test_that_a_handle_stands_for_a_share_of_the_full_range(position: float, is_upper: bool, share: float) -> None:
    found = build_histogram(-1.0, 2.0)
    assert clip_share(found, position, is_upper=is_upper) == share


@pytest.mark.parametrize(
    ("position", "is_upper", "expected"),
    [(1.23456, True, (-0.5, 1.235)), (9.0, True, (-0.5, 2.0)), (-3.0, True, (-0.5, 0.0)), (0.7, False, (0.0, 1.5))],
)
def test_that_an_input_range_stays_within_the_values_and_keeps_zero(
    position: float, is_upper: bool, expected: tuple[float, float]
) -> None:
    assert moved_range(build_histogram(-1.0, 2.0), (-0.5, 1.5), position, is_upper=is_upper) == expected


def build_histogram(full_min: float, full_max: float) -> Histogram:
    return Histogram("layer", (0.0, 1.0), (1,), (1,), (0.0, 1.0), 0.0, 1.0, full_min, full_max, 0.0, 0.0, 2, None)


def test_that_the_inspector_names_a_clip_and_takes_it_away(loaded_window: MainWindow) -> None:
    session = loaded_window.session
    box = loaded_window.findChild(QComboBox, "inspector_range")
    assert box is not None
    session.edit_layer(session.selected, LayerPlan(WeightScheme(4, clip=0.7), Kernel.QLINEAR), "clip")
    assert box.currentIndex() == -1
    assert box.placeholderText() == "Clipped by hand"
    box.setCurrentIndex(box.findData(RangeMethod.MSE))
    box.activated.emit(box.currentIndex())
    assert session.plan is not None
    scheme = session.plan.layer(session.selected).weights
    assert (scheme.clip, scheme.range_method) == (None, RangeMethod.MSE)


def test_that_other_bits_drop_the_clip_and_keep_the_input_range(loaded_window: MainWindow) -> None:
    session = loaded_window.session
    choice = LayerPlan(WeightScheme(4, clip=0.7), Kernel.QLINEAR, input_range=(0.0, 3.0))
    session.edit_layer(session.selected, choice, "clip")
    session.assign_bits([session.selected], 8)
    assert session.plan is not None
    found = session.plan.layer(session.selected)
    assert (found.weights.bits, found.weights.clip, found.input_range) == (8, None, (0.0, 3.0))


def test_that_an_input_range_is_given_to_all_who_read_the_tensor(session: Session) -> None:
    assert session.plan is not None
    plan = with_input_range(session.plan, ("conv0", "conv2"), (-1.0, 2.0))
    assert {name for name, choice in plan.layers.items() if choice.input_range} == {"conv0", "conv2"}
    assert find_input_range(plan, ("conv1", "conv2")) == (-1.0, 2.0)
    assert find_input_range(plan, ("conv1",)) is None


def test_that_a_bug_in_a_histogram_is_reported_once(sample_window: MainWindow, qtbot: QtBot) -> None:
    window, reports = sample_window, []
    window.runner.crashed.connect(reports.append)
    name = window.session.layers[1].name
    with _buggy_worker(window):
        window.session.select(name)
        qtbot.waitUntil(lambda: bool(reports), timeout=JOB_MS)
        qtbot.wait(4 * DEBOUNCE_MS)
    assert sum("histogram" in report for report in reports) == 1


@contextmanager
def _buggy_worker(window: MainWindow) -> Iterator[None]:
    """Histograms raise; what else is asked for meanwhile is answered."""
    worker = window.runner._worker
    run = worker.run

    def fail(request: object, *arguments: object) -> object:
        if isinstance(request, WeightHistogramRequest):
            raise JobFailed("a bug in a histogram")
        return run(request, *arguments)  # type: ignore[arg-type]

    worker.run = fail  # type: ignore[assignment,method-assign]
    yield
    worker.run = run  # type: ignore[method-assign]
