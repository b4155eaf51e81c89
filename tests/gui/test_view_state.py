"""What the user has set on the pages stays when the language changes, on pages that are built later, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QLineEdit
from pytestqt.qtbot import QtBot

from gui.graph.page import GraphPage
from gui.main_window import MainWindow
from gui.tradeoff.points import Quantity
from gui.translation import Language, use_language

JOB_MS = 30_000


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """The tests that follow are in English again."""
    yield
    use_language(Language.ENGLISH)


def switch(window: MainWindow, language: Language, qtbot: QtBot) -> None:
    """Choose a language; returns when the new widgets are in the place of the old ones."""
    old = window._central
    with qtbot.waitSignal(old.destroyed):
        window.actions_[f"action_language_{language}"].trigger()
    qtbot.waitUntil(window._central.isVisible)


def line_of(window: MainWindow, name: str) -> QLineEdit:
    line = window.findChild(QLineEdit, name)
    assert line is not None
    return line


def test_that_the_axes_of_the_trade_off_stay(loaded_window: MainWindow, qtbot: QtBot) -> None:
    window = loaded_window
    window.tabs.setCurrentWidget(window.tradeoff_page)
    box = window.findChild(QComboBox, "tradeoff_x")
    assert box is not None
    box.setCurrentIndex(box.findData(Quantity.BITS))
    box.activated.emit(box.currentIndex())
    window.tabs.setCurrentWidget(window.layers_page)
    switch(window, Language.CHINESE, qtbot)
    window.tabs.setCurrentWidget(window.tradeoff_page)
    again = window.tradeoff_page.findChild(QComboBox, "tradeoff_x")
    assert again is not None
    assert again.currentData() == Quantity.BITS


def test_that_the_place_in_the_graph_stays(sample_window: MainWindow, qtbot: QtBot) -> None:
    window = sample_window
    window.tabs.setCurrentWidget(window.graph_page)
    qtbot.waitUntil(lambda: window.drawings.current is not None and not window.runner.is_busy, timeout=JOB_MS)
    window.graph_page.canvas.repaint()
    window.graph_page.canvas.zoom(2.0)
    window.graph_page.canvas.pan(-31.0, -57.0)
    place = place_of(window.graph_page)
    switch(window, Language.CHINESE, qtbot)
    window.graph_page.canvas.repaint()
    assert place_of(window.graph_page) == place


def place_of(page: GraphPage) -> tuple[float, QPointF]:
    return page.canvas.viewport.scale, page.canvas.viewport.middle


def test_that_pages_that_are_built_later_are_as_they_were(loaded_window: MainWindow, qtbot: QtBot) -> None:
    window = loaded_window
    window.tabs.setCurrentWidget(window.benchmark_page)
    line_of(window, "sweep_batches").setText("1,4")
    window.tabs.setCurrentWidget(window.compare_page)
    window.compare_page.tabs.setCurrentIndex(3)
    window.tabs.setCurrentWidget(window.layers_page)
    for language in (Language.CHINESE, Language.ENGLISH):  # without a look at the pages in between
        switch(window, language, qtbot)
    window.tabs.setCurrentWidget(window.benchmark_page)
    window.tabs.setCurrentWidget(window.compare_page)
    assert line_of(window, "sweep_batches").text() == "1,4"
    assert window.compare_page.tabs.currentIndex() == 3


def test_that_the_name_of_the_recovered_model_follows_the_plan_until_the_user_names_it(
    loaded_window: MainWindow, qtbot: QtBot
) -> None:
    window, session = loaded_window, loaded_window.session
    names = [layer.name for layer in session.layers]
    session.assign_bits(names, 8)
    window.tabs.setCurrentWidget(window.recover_page)
    assert line_of(window, "recover_output").text().endswith("_8bit_recovered.onnx")
    session.assign_bits(names[:1], 4)
    assert line_of(window, "recover_output").text().endswith("_mixed_recovered.onnx")
    window.tabs.setCurrentWidget(window.layers_page)
    switch(window, Language.CHINESE, qtbot)
    session.assign_bits(names, 4)
    window.tabs.setCurrentWidget(window.recover_page)
    line = line_of(window, "recover_output")
    assert line.text().endswith("_4bit_recovered.onnx")
    line.selectAll()
    QTest.keyClicks(line, str(Path.home() / "mine.onnx"))
    window.tabs.setCurrentWidget(window.layers_page)
    switch(window, Language.ENGLISH, qtbot)
    session.assign_bits(names, 8)
    window.tabs.setCurrentWidget(window.recover_page)
    assert line_of(window, "recover_output").text() == str(Path.home() / "mine.onnx")
