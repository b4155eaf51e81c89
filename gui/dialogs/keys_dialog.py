"""All keys, F1."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

ROWS_PER_COLUMN = 12


class KeysDialog(QDialog):
    """Lists the shortcuts of the actions, and the keys of the table."""

    def __init__(self, actions: Iterable[QAction], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("keys_dialog")
        self.setWindowTitle(self.tr("Keys"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout()
        grid.setHorizontalSpacing(18)
        grid.setVerticalSpacing(6)
        rows = [
            (_shortcut(action), action.text().replace("&", "").rstrip("…")) for action in actions if _is_plain(action)
        ]
        rows = [row for row in rows if row[0]]
        rows += [
            (self.tr("Ctrl+Z"), self.tr("Undo a change of the plan")),
            (self.tr("Ctrl+Y"), self.tr("Redo it")),
            (self.tr("↑ ↓ ← →"), self.tr("Move in the table")),
            (self.tr("Enter"), self.tr("Choose the cell")),
            (self.tr("Shift, Ctrl + click"), self.tr("Select several layers")),
        ]
        for at, (keys, text) in enumerate(rows):
            column = 2 * (at // ROWS_PER_COLUMN)
            label = QLabel(keys)
            label.setProperty("role", "value")
            grid.addWidget(label, at % ROWS_PER_COLUMN, column)
            grid.addWidget(QLabel(text), at % ROWS_PER_COLUMN, column + 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.addLayout(grid)
        layout.addSpacing(8)
        layout.addWidget(buttons)


def _is_plain(action: QAction) -> bool:
    """The texts of undo and redo say what they would change, so that they are listed by hand."""
    return action.objectName() not in {"action_undo", "action_redo"}


def _shortcut(action: QAction) -> str:
    return action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
