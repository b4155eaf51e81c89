"""What all dialogs share: a form, a place for a problem, and two buttons."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from typing_extensions import override

from gui.naming import named

MINIMUM_WIDTH = 640


class FormDialog(QDialog):
    """A form over an accept button named by its verb. It is opened, never executed."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(MINIMUM_WIDTH)
        self.form = QFormLayout()
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.setVerticalSpacing(10)
        self.form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.form.setHorizontalSpacing(14)
        self._problem = named(QLabel(wordWrap=True), "problem")
        self._problem.setProperty("role", "problem")
        self._problem.hide()
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button: QPushButton = self._buttons.addButton("", QDialogButtonBox.ButtonRole.AcceptRole)
        self.accept_button.setObjectName("accept_button")
        self.accept_button.setAutoDefault(False)  # else it is the default no more once it was disabled
        self.accept_button.setDefault(True)
        self._buttons.button(QDialogButtonBox.StandardButton.Cancel).setAutoDefault(False)
        self._buttons.accepted.connect(self.submit)
        self._buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(12)
        layout.addLayout(self.form)
        layout.addStretch(1)
        layout.addWidget(self._problem)
        layout.addWidget(self._buttons)

    def set_texts(self, title: str, accept: str) -> None:
        """Name the dialog, and the verb on its button."""
        self.setWindowTitle(title)
        self.accept_button.setText(accept)

    def submit(self) -> None:
        """The accept button was pressed."""
        self.accept()

    def show_problem(self, text: str) -> None:
        """Say what is wrong with the form, "" if nothing is; the dialog stays open."""
        self._problem.setText(text)
        self._problem.setVisible(bool(text))
        self._make_room()

    def _make_room(self) -> None:
        """Grow, never shrink, so that wrapped sentences are not cut off and columns do not overlap.

        Qt shows a dialog on at most two thirds of the screen's width, even if its content needs more.
        """
        layout = self.layout()
        if self.isVisible() and layout is not None:
            layout.activate()
            width = max(self.width(), layout.totalMinimumSize().width())
            self.resize(width, max(self.height(), layout.totalHeightForWidth(width)))

    def add_note(self, text: str) -> QLabel:
        """Add a dim sentence over the whole width."""
        note = QLabel(text, wordWrap=True)
        note.setProperty("role", "dim")
        self.form.addRow(note)
        return note

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._make_room()
