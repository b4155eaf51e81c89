"""Menu bar and toolbar: which action stands where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMainWindow, QMenu, QSizePolicy, QToolBar, QToolButton, QWidget

from engine.numerics.schemes import WEIGHT_BITS
from gui.actions import Actions
from gui.naming import named
from gui.settings import Settings

TOOLBAR = (
    "action_open",
    "action_data",
    "action_analyse",
    "action_auto_assign",
    "action_convert",
    "action_benchmark",
    "action_export",
)


class RecentMenu(QMenu):
    """Recent files, filled when it is about to be seen."""

    def __init__(self, settings: Settings, open_path: Callable[[str], None], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("menu_recent")
        self.setTitle(self.tr("Open &recent"))
        self._settings = settings
        self._open_path = open_path
        self.aboutToShow.connect(self._fill)
        self._fill()

    def _fill(self) -> None:
        self.clear()
        for path in self._settings.recent_models:
            action = QAction(Path(path).name.replace("&", "&&"), self)
            action.setToolTip(path)
            action.triggered.connect(lambda _checked=False, path=path: self._open_path(path))
            self.addAction(action)
        self.setEnabled(not self.isEmpty())


def build_menus(window: QMainWindow, actions: Actions, recent: QMenu) -> None:
    """Fill the menu bar."""
    tr = window.tr
    bits = tuple(f"action_bits_{bits}" for bits in WEIGHT_BITS)
    plans = ("action_data", "action_analyse", "action_auto_assign", "action_measure_plan")
    steps = (*plans, "action_convert", "action_compare")
    _add_menu(
        window,
        tr("&File"),
        actions,
        ("action_open", "action_open_sample", recent, "", "action_export", "", "action_quit"),
    )
    _add_menu(
        window, tr("&Edit"), actions, ("action_undo", "action_redo", "", *bits, "action_lock", "", "action_filter")
    )
    _add_menu(window, tr("&Run"), actions, (*steps, "action_benchmark", "action_latency", "", "action_cancel"))
    themes = ("action_theme_dark", "action_theme_light", "action_theme_system")
    _add_menu(window, tr("&View"), actions, themes)
    _add_menu(window, tr("&Help"), actions, ("action_keys", "action_about"))


def _add_menu(window: QMainWindow, title: str, actions: Actions, entries: tuple[str | QMenu, ...]) -> None:
    menu = window.menuBar().addMenu(title)
    menu.setToolTipsVisible(True)
    for entry in entries:
        if isinstance(entry, QMenu):
            menu.addMenu(entry)
        elif entry:
            menu.addAction(actions[entry])
        else:
            menu.addSeparator()


def build_toolbar(window: QMainWindow, actions: Actions, right: QWidget) -> QToolBar:
    """The steps of the loop on the left, `right` at the other end."""
    bar = named(QToolBar(window.tr("Steps"), window), "toolbar")
    bar.setMovable(False)
    bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
    for name in TOOLBAR:
        bar.addAction(actions[name])
        button = bar.widgetForAction(actions[name])
        if isinstance(button, QToolButton):
            button.setText(actions[name].text().replace("&", "").rstrip("…"))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    spacer = QWidget(bar)
    spacer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    bar.addWidget(spacer)
    bar.addWidget(right)
    window.addToolBar(bar)
    return bar


def mark_next_step(bar: QToolBar, actions: Actions, name: str) -> None:
    """Give the button of the step that comes next the accent colour."""
    for step in TOOLBAR:
        button = bar.widgetForAction(actions[step])
        is_next = step == name
        if bool(button.property("next_step")) != is_next:
            button.setProperty("next_step", is_next)
            button.style().unpolish(button)
            button.style().polish(button)
