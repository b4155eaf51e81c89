"""What the command palette offers: the actions of the menus, pages among them, and the layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar

from engine.summary import LayerSummary
from gui.actions import Actions, plain_text
from gui.palette import Command

CONTEXT = "Commands"


def menu_commands(bar: QMenuBar, actions: Actions) -> Iterator[Command]:
    """Every action of the menus with the first place where it stands, such as "View › Columns"."""
    seen: set[str] = set()
    for action in bar.actions():
        menu = action.menu()
        for command in _commands_of(menu, plain_text(action), actions) if isinstance(menu, QMenu) else ():
            if not command.name or command.name not in seen:
                seen.add(command.name)
                yield command


def _commands_of(menu: QMenu, place: str, actions: Actions) -> Iterator[Command]:
    menu.aboutToShow.emit()  # menus of files and presets are filled then
    for action in menu.actions():
        inner = action.menu()
        if isinstance(inner, QMenu):
            yield from _commands_of(inner, f"{place} › {plain_text(action)}", actions)
        elif not action.isSeparator():
            keys = ", ".join(key.toString(QKeySequence.SequenceFormat.NativeText) for key in action.shortcuts())
            title, reason = plain_text(action).rstrip("…"), _reason(action, actions)
            yield Command(title, place, action.trigger, keys, reason, action.statusTip(), action.objectName())


def _reason(action: QAction, actions: Actions) -> str:
    if action.isEnabled():
        return ""
    return actions.why_not(action.objectName()) or QCoreApplication.translate(CONTEXT, "Not possible now")


def layer_commands(layers: tuple[LayerSummary, ...], go_to: Callable[[str], None]) -> Iterator[Command]:
    """Going to each layer."""
    place = QCoreApplication.translate(CONTEXT, "Layer · {operator}")
    for layer in layers:
        yield Command(layer.title, place.format(operator=layer.detail), partial(go_to, layer.name))
