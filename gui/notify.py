"""The three ways of telling the user something. The log keeps all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMessageBox, QWidget

from gui.log_book import LogBook
from gui.naming import named

Icon = QMessageBox.Icon
Button = QMessageBox.StandardButton


class Notifier(QObject):
    """Message boxes over one window; none of them blocks."""

    def __init__(self, window: QWidget, log: LogBook) -> None:
        super().__init__(window)
        self._window = window
        self._log = log

    def error(self, text: str) -> None:
        """Something failed: what, and what to do."""
        self._show(Icon.Critical, self.tr("That did not work"), text)

    def warning(self, text: str) -> None:
        """It worked, but the user should know this."""
        self._show(Icon.Warning, self.tr("Please note"), text)

    def info(self, text: str, written: Path | None = None) -> None:
        """It is done; a button opens the file or folder that was `written`."""
        box = self._show(Icon.Information, self.tr("Done"), text)
        if written is not None:
            verb = self.tr("Open the folder") if written.is_dir() else self.tr("Open")
            button = named(box.addButton(verb, QMessageBox.ButtonRole.ActionRole), "open_button")
            button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(written))))

    def note(self, text: str) -> None:
        """Worth keeping, not worth an interruption: the log only."""
        self._log.add(text)

    def ask(self, text: str, accept: str, accepted: Callable[[], None]) -> None:
        """Ask before something is lost; `accept` is the verb on the button."""
        self.choose(text, {accept: accepted})

    def choose(
        self,
        text: str,
        choices: Mapping[str, Callable[[], object]],
        default: str = "",
        cancelled: Callable[[], None] | None = None,
    ) -> None:
        """Ask which way to go.

        Args:
            choices: by the verb on the button; the first one's object name is accept_button.
            default: the verb that Enter means; Cancel unless it is given.
            cancelled: what happens on Cancel; nothing unless it is given.
        """
        box = self._build(Icon.Question, self.tr("Please confirm"), text)
        cancel = box.addButton(Button.Cancel)
        box.setDefaultButton(cancel)
        if cancelled is not None:
            cancel.clicked.connect(cancelled)
        for at, (verb, chosen) in enumerate(choices.items()):
            role = QMessageBox.ButtonRole.ActionRole if at else QMessageBox.ButtonRole.AcceptRole
            button = box.addButton(verb, role)
            button.setObjectName(f"choice_{at}_button" if at else "accept_button")
            button.clicked.connect(chosen)
            if verb == default:
                box.setDefaultButton(button)
        box.open()

    def _show(self, icon: Icon, title: str, text: str) -> QMessageBox:
        self._log.add(text)
        box = self._build(icon, title, text)
        box.addButton(Button.Ok)
        box.open()
        return box

    def _build(self, icon: Icon, title: str, text: str) -> QMessageBox:
        box = QMessageBox(icon, title, text, Button.NoButton, self._window)
        box.setObjectName("message_box")
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return box
