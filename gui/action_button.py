"""A button that stands for an action somewhere on a page."""

from __future__ import annotations

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QPushButton, QWidget

from gui.actions import plain_text
from gui.naming import named


class ActionButton(QPushButton):
    """Does what the action does, while that is possible; its tool tip is the action's, which says why it is not."""

    def __init__(self, action: QAction, name: str, *, text: str = "", parent: QWidget | None = None) -> None:
        """A button called `text`, or like the action."""
        super().__init__(text or plain_text(action), parent)
        named(self, name)
        self._action = action
        action.changed.connect(self._follow)
        self.clicked.connect(action.trigger)
        self._follow()

    def _follow(self) -> None:
        self.setEnabled(self._action.isEnabled())
        self.setToolTip(self._action.toolTip())
