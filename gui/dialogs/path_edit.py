"""A line for a path with buttons that browse for a file or a folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QMenu, QPushButton, QWidget
from typing_extensions import override

from gui.naming import named


def dropped_path(event: QDropEvent) -> str:
    """The first file or folder that is dragged; "" if there is none."""
    return next((url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()), "")


class PathEdit(QWidget):
    """The line and its buttons; a file or folder can be dropped on it.

    Signals:
        changed(str): the text is another one.
    """

    changed = Signal(str)

    def __init__(self, name: str, title: str, file_filter: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._title = title
        self._file_filter = file_filter
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self.line = named(QLineEdit(), name)
        self.line.setAccessibleName(title)
        self.line.setMinimumWidth(200)
        self.line.textChanged.connect(self.changed)
        self._row.addWidget(self.line, 1)
        self.line.setAcceptDrops(False)  # it would insert the address as text
        self.setAcceptDrops(True)
        self.setFocusProxy(self.line)

    @property
    def path(self) -> str:
        """What stands in the line, without surrounding space; "" for nothing."""
        return self.line.text().strip()

    def set_path(self, path: str) -> None:
        """Fill the line with a suggestion, which `line.isModified` tells from what the user has chosen."""
        self.line.setText(path)

    def choose(self, path: str) -> None:
        """Fill the line as if the user had typed it."""
        self.line.setText(path)
        self.line.setModified(True)

    def add_open_button(self) -> None:
        """Offer to browse for an existing file."""
        self._add_button(self.tr("File…"), "file", QFileDialog.FileMode.ExistingFile)

    def add_folder_button(self) -> None:
        """Offer to browse for a folder."""
        self._add_button(self.tr("Folder…"), "folder", QFileDialog.FileMode.Directory)

    def add_save_button(self) -> None:
        """Offer to browse for a file to write."""
        self._add_button(self.tr("Browse…"), "browse", QFileDialog.FileMode.AnyFile)

    def add_recent_button(self, paths: list[str]) -> None:
        """Offer what was used lately; nothing is added if that is nothing."""
        if not paths:
            return
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for path in paths:
            action = menu.addAction(Path(path).name.replace("&", "&&"))
            action.setToolTip(path)
            action.triggered.connect(lambda _checked=False, path=path: self.choose(path))
        button = named(QPushButton(self.tr("Recent"), autoDefault=False), f"{self._name}_recent")
        button.setToolTip(self.tr("Data that were used lately"))
        button.setMenu(menu)
        self._row.addWidget(button)

    def _add_button(self, text: str, suffix: str, mode: QFileDialog.FileMode) -> None:
        button = named(QPushButton(text, autoDefault=False), f"{self._name}_{suffix}")
        button.setToolTip(self._title)
        button.clicked.connect(lambda: self._browse(mode))
        self._row.addWidget(button)

    def _browse(self, mode: QFileDialog.FileMode) -> None:
        start = Path(self.path).parent if self.path else Path.home()
        dialog = QFileDialog(self, self._title, str(start), self._file_filter)
        dialog.setFileMode(mode)
        if mode == QFileDialog.FileMode.AnyFile:
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            dialog.selectFile(Path(self.path).name)
        dialog.fileSelected.connect(self.choose)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @override
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_path(event):
            event.acceptProposedAction()

    @override
    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self.choose(dropped_path(event))
