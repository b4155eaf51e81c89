"""Menu bar and toolbar: which action stands where."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu, QSizePolicy, QToolBar, QToolButton, QWidget

from engine.numerics.schemes import WEIGHT_BITS
from gui.actions import RUN_ACTIONS, Actions
from gui.naming import named
from gui.session import Session
from gui.settings import Settings
from gui.translation import Language

CONTEXT = "Menus"
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
        for path in self._settings.recent_files:
            action = QAction(Path(path).name.replace("&", "&&"), self)
            action.setToolTip(path)
            action.triggered.connect(lambda _checked=False, path=path: self._open_path(path))
            self.addAction(action)
        self.setEnabled(not self.isEmpty())


class PagesMenu(QMenu):
    """Going to each page: Alt and its number."""

    def __init__(
        self, titles: Iterable[str], show_page: Callable[[int], None], session: Session, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setObjectName("menu_pages")
        self.setTitle(self.tr("&Go to page"))
        self._session = session
        for at, title in enumerate(titles):
            action = named(QAction(title, self), f"action_page_{at + 1}")
            action.setShortcut(QKeySequence(f"Alt+{at + 1}"))
            action.triggered.connect(lambda _checked=False, at=at: show_page(at))
            self.addAction(action)
        session.model_changed.connect(self._update)
        self._update()

    def _update(self) -> None:
        for action in self.actions():
            action.setEnabled(self._session.model is not None)


def build_menus(window: QMainWindow, actions: Actions, recent: QMenu, presets: QMenu, pages: QMenu) -> QMenu:
    """Fill the menu bar.

    Returns:
        The View menu; the menu of the table's columns comes after its first entry.
    """
    tr = QCoreApplication.translate
    bits = tuple(f"action_bits_{bits}" for bits in WEIGHT_BITS)
    plans = ("action_data", "action_collect", "action_analyse", "action_auto_assign", "action_measure_plan")
    steps = (*plans, "action_convert", "action_recover", "action_compare")
    comparing = ("action_add_result", "action_thresholds", "action_save_table", "")
    saving = ("action_save", "action_save_as", "", "action_export", "action_report", "")
    _add_menu(
        window,
        tr(CONTEXT, "&File"),
        actions,
        ("action_open", "action_open_project", "action_open_sample", recent, "", *saving, "action_quit"),
    )
    _add_menu(
        window,
        tr(CONTEXT, "&Edit"),
        actions,
        (
            "action_undo",
            "action_redo",
            "",
            *bits,
            "action_lock",
            "",
            "action_copy_rows",
            "action_filter",
            "action_palette",
        ),
    )
    planning = ("action_edit_layers", "action_auto_assign", "action_measure_plan")
    _add_menu(window, tr(CONTEXT, "&Plan"), actions, (presets, "", *planning))
    measuring = ("action_benchmark", "action_latency", "")
    _add_menu(window, tr(CONTEXT, "&Run"), actions, (*steps, *measuring, *comparing, "action_cancel"))
    _add_menu(window, tr(CONTEXT, "Hi&story"), actions, RUN_ACTIONS)
    themes = ("action_theme_dark", "action_theme_light", "action_theme_system")
    languages = LanguageMenu(actions, window)
    view = _add_menu(window, tr(CONTEXT, "&View"), actions, (pages, "", *themes, "", languages))
    _add_menu(window, tr(CONTEXT, "&Help"), actions, ("action_keys", "action_about"))
    return view


class LanguageMenu(QMenu):
    """The languages, each called as its speakers call it."""

    def __init__(self, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("menu_language")
        self.setTitle(self.tr("&Language"))
        self.setToolTipsVisible(True)
        for language in Language:
            self.addAction(actions[f"action_language_{language}"])


def _add_menu(window: QMainWindow, title: str, actions: Actions, entries: tuple[str | QMenu, ...]) -> QMenu:
    menu = window.menuBar().addMenu(title)
    menu.setToolTipsVisible(True)
    for entry in entries:
        if isinstance(entry, QMenu):
            menu.addMenu(entry)
        elif entry:
            menu.addAction(actions[entry])
        else:
            menu.addSeparator()
    return menu


def build_toolbar(window: QMainWindow, actions: Actions, right: QWidget) -> QToolBar:
    """The steps of the loop on the left, `right` at the other end."""
    bar = named(QToolBar(QCoreApplication.translate(CONTEXT, "Steps"), window), "toolbar")
    bar.setMovable(False)
    bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
    for name in TOOLBAR:
        bar.addAction(actions[name])
        button = bar.widgetForAction(actions[name])
        if isinstance(button, QToolButton):
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


def next_step(session: Session) -> str:
    """The action that most users need now."""
    if session.model is None:
        return "action_open"
    if session.data is None:
        return "action_data"
    if not session.is_analysed and not session.results:
        return "action_analyse"
    if not session.results:
        return "action_convert" if session.undo_stack.canUndo() else "action_auto_assign"
    return "action_benchmark" if session.baseline is None else "action_export"
