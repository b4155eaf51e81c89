"""The Graph page on the sample: the picture of the network, linked with everything else."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from engine.graph_view.building import lay_out
from engine.graph_view.drawing import Box, BoxKind, Drawing
from engine.graph_view.grouping import Group
from engine.graph_view.units import Unit
from gui.graph.canvas import GraphCanvas
from gui.graph.colours import Quantity
from gui.main_window import MainWindow
from gui.theme import Theme
from tests.gui.conftest import JOB_MS, build_row

LAYERS = 4


@pytest.fixture
def graph_window(sample_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The sample, with its graph in sight."""
    window = sample_window
    window.tabs.setCurrentWidget(window.graph_page)
    qtbot.waitUntil(lambda: window.graph_page.feed.current is not None, timeout=JOB_MS)
    window.graph_page.canvas.grab()
    return window


@pytest.fixture
def asked(loaded_window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> list[frozenset[str] | None]:
    """What the page asks for instead of asking the worker: the groups to be expanded."""
    found: list[frozenset[str] | None] = []
    monkeypatch.setattr(loaded_window.graph_page.feed, "show_groups", found.append)
    return found


@pytest.fixture
def hand_window(loaded_window: MainWindow, asked: list[frozenset[str] | None]) -> MainWindow:
    """A window without a worker's answer: the layers of a hand-made model, two of them in a group."""
    window = loaded_window
    window.tabs.setCurrentWidget(window.graph_page)
    show(window, draw_chain(frozenset({"block"})))
    return window


def draw_chain(expanded: frozenset[str]) -> Drawing:
    """conv0 → conv1 → conv2 → conv3, of which 1 and 2 are a group."""
    units = [
        Unit(BoxKind.LAYER, f"layer{n}.conv", [f"conv{n}"], ["Conv"], [f"conv{n}"], (), {n - 1} if n else set(), "Conv")
        for n in range(LAYERS)
    ]
    return lay_out(units, [Group("block", "block", (1, 2))], expanded, lambda: None, nodes=LAYERS)


def show(window: MainWindow, drawing: Drawing) -> None:
    window.graph_page.feed.current = drawing
    window.graph_page.feed.drawing_changed.emit()
    window.graph_page.canvas.grab()


def box_of(window: MainWindow, layer: str) -> Box:
    return next(box for box in boxes(window) if layer in box.layers)


def boxes(window: MainWindow) -> tuple[Box, ...]:
    assert window.graph_page.canvas.scene is not None
    return window.graph_page.canvas.scene.boxes


def place_of(canvas: GraphCanvas, box: Box) -> QPointF:
    return canvas.viewport.to_widget(QPointF(box.x, box.y))


def click(window: MainWindow, box: Box, *, is_double: bool = False) -> None:
    canvas = window.graph_page.canvas
    press = QTest.mouseDClick if is_double else QTest.mouseClick
    press(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place_of(canvas, box).toPoint())


def color_of(window: MainWindow, box: Box) -> QColor:
    """Of the ground of a box, beside what is written on it."""
    canvas = window.graph_page.canvas
    canvas.center_on(boxes(window).index(box))
    place = place_of(canvas, box) - QPointF(0, box.height / 2 - 2.5) * canvas.viewport.scale
    return canvas.grab().toImage().pixelColor(place.toPoint())


def current_title(window: MainWindow) -> str:
    return boxes(window)[window.graph_page.canvas.current].title


def test_that_the_sample_is_drawn_and_a_click_selects_the_layer_in_the_table(
    graph_window: MainWindow, qtbot: QtBot
) -> None:
    window = graph_window
    layers = [layer.name for layer in window.session.layers]
    assert [name for box in boxes(window) for name in box.layers] == layers
    box = box_of(window, layers[1])
    assert window.session.selected == layers[0]
    with qtbot.waitSignal(window.session.selection_changed):
        click(window, box)
    assert window.session.selected == layers[1]
    assert window.layers_page.view.selected_names() == [layers[1]]
    title = window.session.layers[1].title
    assert any(label.text() == title for label in window.inspector.findChildren(QLabel))


def test_that_selecting_in_the_table_marks_the_box_and_brings_it_into_sight(graph_window: MainWindow) -> None:
    window, canvas = graph_window, graph_window.graph_page.canvas
    layer = window.session.layers[-1]
    canvas.viewport.scale = 3.0
    window.layers_page.view.selectRow(len(window.session.layers) - 1)
    box = boxes(window)[canvas.current]
    assert layer.name in box.layers
    assert canvas.rect().contains(place_of(canvas, box).toPoint())


def test_that_the_graph_job_leaves_the_users_jobs_alone(sample_window: MainWindow, qtbot: QtBot) -> None:
    window = sample_window
    started = []
    window.runner.job_started.connect(started.append)
    window.tabs.setCurrentWidget(window.graph_page)
    window.actions_["action_latency"].trigger()
    qtbot.waitUntil(lambda: window.graph_page.feed.current is not None, timeout=JOB_MS)
    qtbot.waitUntil(lambda: not window.runner.is_busy, timeout=JOB_MS)
    assert len(started) == 1
    assert window.session.latencies is not None


def test_that_colours_follow_cells_and_an_edit_of_the_plan(hand_window: MainWindow, theme: Theme, qtbot: QtBot) -> None:
    window, session = hand_window, hand_window.session
    window.theme.set_mode(theme.mode)
    window.graph_page.canvas.grab()
    box = box_of(window, "conv0")
    empty = window.theme.color("cell_empty")
    assert color_of(window, box) in [empty, window.theme.color("cell_hatch")]
    session.add_rows([build_row("conv0")])
    expected = {bits: window.theme.cell_color(session.scale.fragility(db)) for bits, db in ((8, 44.0), (2, 6.0))}
    qtbot.waitUntil(lambda: color_of(window, box) == expected[8])
    session.assign_bits(["conv0"], 2)
    qtbot.waitUntil(lambda: color_of(window, box) == expected[2])
    window.actions_["action_undo"].trigger()
    qtbot.waitUntil(lambda: color_of(window, box) == expected[8])


def test_that_bits_and_sizes_colour_the_boxes(hand_window: MainWindow) -> None:
    window, page = hand_window, hand_window.graph_page
    window.session.assign_bits(["conv0"], 32)
    window.session.assign_bits(["conv3"], 2)
    for quantity, darkest in ((Quantity.BITS, "conv0"), (Quantity.SIZE, "conv3")):
        page.quantity.setCurrentIndex(page.quantity.findData(quantity))
        page.quantity.activated.emit(page.quantity.currentIndex())
        assert color_of(window, box_of(window, darkest)) == window.theme.cell_color(0.0)


def test_that_find_centres_the_node_and_enter_goes_to_the_next(graph_window: MainWindow, qtbot: QtBot) -> None:
    window, page = graph_window, graph_window.graph_page
    window.actions_["action_filter"].trigger()
    assert window.tabs.currentWidget() is page
    qtbot.waitUntil(page.find_field.hasFocus)
    QTest.keyClicks(page.find_field, "conv")
    found = [at for at, box in enumerate(boxes(window)) if "conv" in f"{box.title} {box.detail} {box.names}".casefold()]
    assert len(found) > 1
    count = window.findChild(QLabel, "graph_found")
    assert count is not None
    assert count.text().startswith(str(len(found)))
    for at in (*found, found[0]):
        assert page.canvas.current == at
        distance = place_of(page.canvas, boxes(window)[at]) - QPointF(page.canvas.rect().center())
        assert distance.manhattanLength() < 3
        QTest.keyClick(page.find_field, Qt.Key.Key_Return)
    QTest.keyClicks(page.find_field, "no such node")
    assert count.text() == "nothing found"


def test_that_arrow_keys_follow_edges_and_digits_give_bits(hand_window: MainWindow, qtbot: QtBot) -> None:
    window, canvas, session = hand_window, hand_window.graph_page.canvas, hand_window.session
    assert session.plan is not None
    canvas.setFocus()
    qtbot.waitUntil(canvas.hasFocus)
    session.select("conv0")
    QTest.keyClick(canvas, Qt.Key.Key_Down)
    assert session.selected == "conv1"
    QTest.keyClick(canvas, Qt.Key.Key_Up)
    assert session.selected == "conv0"
    window.layers_page.filter.setText("layer3")
    session.select("conv0")
    QTest.keyClick(canvas, Qt.Key.Key_4)
    QTest.keyClick(canvas, Qt.Key.Key_L)
    choices = {name: session.plan.layer(name) for name in ("conv0", "conv3")}
    assert (choices["conv0"].weights.bits, choices["conv0"].is_locked) == (4, True)
    assert (choices["conv3"].weights.bits, choices["conv3"].is_locked) == (8, False)


def test_that_a_group_stands_for_its_layers(hand_window: MainWindow) -> None:
    window, session = hand_window, hand_window.session
    session.select("conv2")
    show(window, draw_chain(frozenset()))
    assert current_title(window) == "block"
    window.graph_page.assign(2)
    assert session.plan is not None
    assert [session.plan.layer(f"conv{n}").weights.bits for n in range(LAYERS)] == [8, 2, 2, 8]


def test_that_a_double_click_or_enter_expands_and_collapses_and_keeps_the_selected_layer(
    hand_window: MainWindow, asked: list[frozenset[str] | None]
) -> None:
    window, canvas = hand_window, hand_window.graph_page.canvas
    show(window, draw_chain(frozenset()))
    window.session.select("conv2")
    click(window, box_of(window, "conv2"), is_double=True)
    assert asked[-1] == {"block"}
    show(window, draw_chain(frozenset({"block"})))
    assert current_title(window) == "layer2.conv"
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert asked[-1] == frozenset()


def test_that_zoom_keeps_the_point_under_the_mouse_and_fit_shows_everything(hand_window: MainWindow) -> None:
    canvas = hand_window.graph_page.canvas
    anchor = QPointF(40, 60)
    under = canvas.viewport.to_scene(anchor)
    before = canvas.viewport.scale
    canvas.viewport.zoom(1.5, anchor)
    assert canvas.viewport.scale == pytest.approx(1.5 * before)
    assert (canvas.viewport.to_scene(anchor) - under).manhattanLength() < 1e-6
    QTest.keyClick(canvas, Qt.Key.Key_F)
    assert canvas.scene is not None
    assert canvas.viewport.view.contains(canvas.scene.bounds)


def test_that_a_graph_that_cannot_be_drawn_says_why(loaded_window: MainWindow, qtbot: QtBot) -> None:
    window = loaded_window
    window.tabs.setCurrentWidget(window.graph_page)
    hint = window.findChild(QLabel, "graph_hint")
    assert hint is not None
    qtbot.waitUntil(lambda: "net.onnx" in hint.text(), timeout=JOB_MS)
    fit = window.findChild(QPushButton, "graph_fit")
    assert fit is not None
    assert not fit.isEnabled()
