"""What is loaded and built when: the window first, then what an open model needs, plots last."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from engine.sensitivity.matrix import SensitivityRow
from engine.summary import ModelSummary
from gui.app import build_main_window
from gui.layers.columns import Column
from gui.layers.page import LayersPage
from gui.main_window import MainWindow
from gui.session import Session
from gui.theme import Theme

FIRST_PAINT = """
import sys
import gui.app
from PySide6.QtWidgets import QApplication, QWidget
application = QApplication([])
window = gui.app.build_main_window()
window.show()
window.grab()
late = ["numpy", "pyqtgraph", "PIL", "gui.layers.page", "gui.inspector", "gui.graph.page", "gui.dialogs.data_dialog"]
print(*[name for name in late if name in sys.modules], window.findChild(QWidget, "layers_page"))
"""


def test_that_the_window_paints_before_pages_and_plots_are_loaded() -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PAINT], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    assert done.stdout.split() == ["None"]


def test_that_the_pages_are_built_without_being_asked_for(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.findChild(QWidget, "layers_page") is not None)
    assert window.start_page.isVisible()
    assert not window.layers_page.isVisible()


def test_that_a_model_opened_before_the_first_paint_is_shown(
    qtbot: QtBot, make_model: Callable[[int], ModelSummary]
) -> None:
    window = build_main_window()
    qtbot.addWidget(window)
    window.session.set_model(make_model(3))
    window.show()
    qtbot.waitExposed(window)
    assert window.layers_page.isVisible()
    assert window.layers_page.order.rowCount() == 3
    assert window.layers_page.actions()[0].objectName() == "action_lock"


def test_that_the_overview_shows_every_layer_and_jumps_to_one(
    qtbot: QtBot,
    session: Session,
    theme: Theme,
    make_model: Callable[[int], ModelSummary],
    make_row: Callable[[str], SensitivityRow],
) -> None:
    page = LayersPage(session, theme)
    qtbot.addWidget(page)
    page.resize(900, 300)
    page.show()
    qtbot.waitExposed(page)
    session.set_model(make_model(40))
    session.add_rows([make_row("conv39")])
    overview = page.overview
    qtbot.waitUntil(overview.isVisible)
    x = overview.width() - 4  # the last column: 2 bits

    def pixel(row: int) -> str:
        return overview.grab().toImage().pixelColor(x, int((row + 0.5) * overview.height() / 40)).name()

    fragility = page.order.heat_cells_at(39)[Column.BITS_2].fragility
    assert fragility is not None
    qtbot.waitUntil(lambda: pixel(39) == theme.cell_color(fragility).name())
    assert pixel(30) == theme.color("cell_empty").name()
    at = QPoint(overview.width() // 2, int(37.5 * overview.height() / 40))
    qtbot.mouseClick(overview, Qt.MouseButton.LeftButton, pos=at)
    assert session.selected == "conv37"
