"""What every part of the window owes its users: menus, keys, names, and a way to find things."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDialog,
    QLabel,
    QLineEdit,
    QListView,
    QMenu,
    QTextBrowser,
    QWidget,
)
from pytestqt.qtbot import QtBot

from gui.job_alert import JobAlert
from gui.job_runner import Job, JobRunner
from gui.main_window import MainWindow
from gui.palette import Command, find_commands

DIALOGS = ("action_analyse", "action_auto_assign", "action_convert", "action_edit_layers", "action_thresholds")


def dialog_of(window: MainWindow, name: str) -> QDialog:
    (found,) = [dialog for dialog in window.findChildren(QDialog, name) if dialog.isVisible()]
    return found


def actions_of(menu: QMenu) -> Iterator[QAction]:
    for action in menu.actions():
        inner = action.menu()
        if isinstance(inner, QMenu):
            yield from actions_of(inner)
        elif not action.isSeparator():
            yield action


def menu_actions(window: MainWindow) -> list[QAction]:
    menus = [action.menu() for action in window.menuBar().actions()]
    return [action for menu in menus if isinstance(menu, QMenu) for action in actions_of(menu)]


def nameless(root: QWidget) -> list[str]:
    """Widgets that take the focus and of which a screen reader could say nothing."""
    labelled = {label.buddy() for label in root.findChildren(QLabel)}
    found = []
    for widget in root.findChildren(QWidget):
        parent = widget.parentWidget()
        is_list_of_box = parent is not None and parent.inherits("QComboBoxPrivateContainer")
        is_inner = is_list_of_box or widget.objectName().startswith("qt_") or isinstance(parent, QLineEdit)
        is_focused_for = widget.focusProxy() is not None or widget.focusPolicy() == Qt.FocusPolicy.NoFocus
        has_text = isinstance(widget, QLabel) or (isinstance(widget, QAbstractButton) and bool(widget.text()))
        if is_inner or is_focused_for or has_text or widget.accessibleName() or widget in labelled:
            continue
        found.append(f"{type(widget).__name__} {widget.objectName()} in {parent.objectName() if parent else ''}")
    return found


def test_that_every_action_stands_in_a_menu(loaded_window: MainWindow) -> None:
    shown = set(menu_actions(loaded_window))
    assert [action.objectName() for action in loaded_window.actions_.all() if action not in shown] == []


def test_that_no_two_actions_of_one_place_share_a_key(loaded_window: MainWindow) -> None:
    seen: dict[tuple[str, Qt.ShortcutContext], str] = {}
    for action in dict.fromkeys(menu_actions(loaded_window)):
        for key in action.shortcuts() if action.shortcutContext() == Qt.ShortcutContext.WindowShortcut else ():
            at = (key.toString(), action.shortcutContext())
            assert at not in seen, f"{action.text()} and {seen[at]} share {at[0]}"
            seen[at] = action.text()
    assert len(seen) > 20


def test_that_actions_say_what_they_do(loaded_window: MainWindow) -> None:
    silent = [
        action.objectName()
        for action in loaded_window.actions_.all()
        if not action.statusTip() and action.objectName() not in {"action_undo", "action_redo"}
    ]
    assert silent == []


def test_that_whatever_takes_the_focus_has_a_name(loaded_window: MainWindow) -> None:
    assert nameless(loaded_window) == []


def test_that_dialogs_name_their_fields(sample_window: MainWindow) -> None:
    for action in DIALOGS:
        sample_window.actions_[action].trigger()
        (dialog,) = [dialog for dialog in sample_window.findChildren(QDialog) if dialog.isVisible()]
        assert nameless(dialog) == []
        assert dialog.windowTitle()
        dialog.reject()


def test_that_f1_lists_every_action_with_its_keys(loaded_window: MainWindow) -> None:
    loaded_window.actions_["action_keys"].trigger()
    text = dialog_of(loaded_window, "keys_dialog").findChild(QTextBrowser, "keys_text").toPlainText()
    for action in loaded_window.actions_.all():
        for key in action.shortcuts():
            assert key.toString(QKeySequence.SequenceFormat.NativeText) in text, action.text()
    for graph_key in ("Page up", "Show the whole graph", "Unfold or fold a group"):
        assert graph_key in text


def test_that_f1_shows_what_the_filter_leaves(loaded_window: MainWindow) -> None:
    loaded_window.actions_["action_keys"].trigger()
    dialog = dialog_of(loaded_window, "keys_dialog")
    dialog.findChild(QLineEdit, "keys_filter").setText("undo")
    text = dialog.findChild(QTextBrowser, "keys_text").toPlainText()
    assert "Ctrl+Z" in text
    assert "Benchmark" not in text


def test_that_the_palette_finds_by_letters_and_says_why_not() -> None:
    def command(title: str, place: str = "", reason: str = "") -> Command:
        return Command(title, place, lambda: None, reason=reason)

    commands = [command("Analyse"), command("Auto-assign"), command("Save project as"), command("Assign", reason="No")]
    assert [found.title for found in find_commands(commands, "ass")] == ["Auto-assign", "Assign"]
    assert [found.title for found in find_commands(commands, "spa")] == ["Save project as"]
    assert [found.title for found in find_commands(commands, "project save")] == ["Save project as"]
    assert find_commands(commands, "xyz") == []
    assert len(find_commands(commands, "")) == 4


def test_that_the_palette_goes_to_a_layer(loaded_window: MainWindow) -> None:
    loaded_window.tabs.setCurrentWidget(loaded_window.compare_page)
    loaded_window.actions_["action_palette"].trigger()
    palette = dialog_of(loaded_window, "palette")
    field = palette.findChild(QLineEdit, "palette_field")
    QTest.keyClicks(field, "layer2")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert not palette.isVisible()
    assert loaded_window.session.selected == "conv2"
    assert loaded_window.tabs.currentWidget() is loaded_window.layers_page


def test_that_the_palette_runs_what_is_possible_and_explains_the_rest(window: MainWindow) -> None:
    window.actions_["action_palette"].trigger()
    palette = dialog_of(window, "palette")
    field, view = palette.findChild(QLineEdit, "palette_field"), palette.findChild(QListView, "palette_list")
    QTest.keyClicks(field, "convert")
    first = view.currentIndex()
    assert "Open a model first" in str(first.data(Qt.ItemDataRole.AccessibleTextRole))
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert palette.isVisible()
    field.setText("light")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert not window.theme.is_dark


def test_that_pages_have_keys(loaded_window: MainWindow) -> None:
    for at in range(loaded_window.tabs.count()):
        (action,) = [item for item in menu_actions(loaded_window) if item.objectName() == f"action_page_{at + 1}"]
        action.trigger()
        assert loaded_window.tabs.currentIndex() == at


class _FakeJob(Job):
    """One that is never run."""

    def __init__(self, parent: JobRunner) -> None:
        super().__init__(None, "Analysis", is_internal=False, parent=parent)  # type: ignore[arg-type]


def run_for(window: MainWindow, qtbot: QtBot, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("gui.job_alert.time", SimpleNamespace(monotonic=lambda: now))
    job = _FakeJob(window.runner)
    window.runner.job_started.emit(job)
    now += seconds
    job.succeeded.emit(None)
    window.runner.job_finished.emit(job)
    qtbot.wait(1)


@pytest.mark.parametrize(("seconds", "is_told"), [(9.0, False), (11.0, True)])
def test_that_a_long_job_tells_a_user_who_looks_elsewhere(
    loaded_window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, seconds: float, is_told: bool
) -> None:
    alerted: list[QWidget] = []
    monkeypatch.setattr(QApplication, "alert", lambda widget, _ms=0: alerted.append(widget))
    monkeypatch.setattr(loaded_window, "isActiveWindow", lambda: False)
    before = loaded_window.windowTitle()
    run_for(loaded_window, qtbot, seconds, monkeypatch)
    assert alerted == ([loaded_window] if is_told else [])
    assert loaded_window.windowTitle() == ("Analysis: done" if is_told else before)
    QCoreApplication.sendEvent(loaded_window, QEvent(QEvent.Type.WindowActivate))
    assert loaded_window.windowTitle() == before


def test_that_a_user_who_looks_is_not_told(
    loaded_window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loaded_window.findChild(JobAlert) is not None
    monkeypatch.setattr(loaded_window, "isActiveWindow", lambda: True)
    before = loaded_window.windowTitle()
    run_for(loaded_window, qtbot, 60.0, monkeypatch)
    assert loaded_window.windowTitle() == before
