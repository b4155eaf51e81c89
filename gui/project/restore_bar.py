"""Offers work that a crash, or a window without a name, left behind; it is in nobody's way."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from engine.project.recovery import Leftover, discard, find_leftovers
from gui.naming import named
from gui.notify import Notifier
from gui.units import local_time


class RestoreBar(QFrame):
    """A line at the top of the window, hidden while nothing is left over.

    Args:
        open_: restoring is possible whenever this is.

    Signals:
        restore_requested(Leftover): open it.
    """

    restore_requested = Signal(object)

    def __init__(self, notifier: Notifier, open_: QAction, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("restore_bar")
        self._notifier = notifier
        self._is_put_off = False
        self._leftovers: tuple[Leftover, ...] = ()
        self._text = named(QLabel(wordWrap=True), "restore_text")
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        restore = named(QPushButton(self.tr("Restore")), "restore_button")
        restore.setProperty("primary", True)
        restore.setToolTip(self.tr("Open this work as it was saved on the side"))
        restore.setEnabled(open_.isEnabled())
        open_.enabledChanged.connect(restore.setEnabled)
        restore.clicked.connect(self._restore)
        drop = named(QPushButton(self.tr("Discard…")), "discard_button")
        drop.setToolTip(self.tr("Delete this work for good"))
        drop.clicked.connect(self._ask_to_discard)
        later = named(QPushButton(self.tr("Later")), "later_button")
        later.setToolTip(self.tr("Hide this; the next start offers it again"))
        later.clicked.connect(self._put_off)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 8, 14, 8)
        layout.addWidget(self._text, 1)
        layout.addWidget(restore)
        layout.addWidget(drop)
        layout.addWidget(later)
        self.hide()

    def look(self) -> None:
        """Look for work that is left over."""
        self._leftovers = find_leftovers()
        self.setVisible(bool(self._leftovers) and not self._is_put_off)
        if self._leftovers:
            self._text.setText(self._describe(self._leftovers[0]))

    def _describe(self, leftover: Leftover) -> str:
        record = leftover.record
        was_lost = record.owner is not None
        text = self.tr("Bitsmith ended unexpectedly. ") if was_lost else self.tr("Unsaved work from last time. ")
        name = Path(record.project).name if record.project else record.model
        text += self.tr("{name}: {measured} of {layers} layers measured, {runs} in the history, saved {when}.").format(
            name=name,
            measured=record.measured_layers,
            layers=record.layers,
            runs=self.tr("%n runs", "", record.runs),
            when=local_time(record.saved),
        )
        others = len(self._leftovers) - 1
        return f"{text} {self.tr('And %n more.', '', others)}" if others else text

    def _put_off(self) -> None:
        self._is_put_off = True
        self.hide()

    def _restore(self) -> None:
        """Ask for what is offered, unless it was claimed since: by another window, or a first click."""
        leftover = self._leftovers[0]
        self.look()
        if leftover in self._leftovers:
            self.restore_requested.emit(leftover)

    def _ask_to_discard(self) -> None:
        leftover = self._leftovers[0]
        text = self.tr("Delete the unsaved work on {model} for good?").format(model=leftover.record.model)
        self._notifier.ask(text, self.tr("Discard"), lambda: self._discard(leftover))

    def _discard(self, leftover: Leftover) -> None:
        discard(leftover)
        self.look()
