"""What the Distributions page shows instead of a plot: what is missing, and the button that gets it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from gui.actions import Actions, plain_text
from gui.naming import named

TEXT_WIDTH = 460


class EmptyState(QWidget):
    """A sentence with at most one button under it."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = named(QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText), "distribution_empty")
        self._text.setProperty("role", "dim")
        self._text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._text.setFixedWidth(TEXT_WIDTH)
        self._data = self._build_button(actions["action_data"], "distribution_data")
        self._collect = self._build_button(actions["action_collect"], "distribution_collect")
        layout = QVBoxLayout(self)
        layout.setSpacing(14)
        layout.addStretch(2)
        for widget in (self._text, self._data, self._collect):
            layout.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(3)

    def _build_button(self, action: QAction, name: str) -> QPushButton:
        button = named(QPushButton(plain_text(action)), name)
        button.setProperty("primary", True)
        button.setToolTip(action.toolTip())
        button.setEnabled(action.isEnabled())
        action.enabledChanged.connect(button.setEnabled)
        button.clicked.connect(action.trigger)
        return button

    def show_text(self, text: str, *, offers_data: bool, offers_collecting: bool) -> None:
        """Say it, with one of the buttons or none."""
        self._text.setText(text)
        self._text.setMinimumHeight(max(self._text.heightForWidth(TEXT_WIDTH), 0))
        self._data.setVisible(offers_data)
        self._collect.setVisible(offers_collecting)
