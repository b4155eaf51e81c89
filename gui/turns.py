"""Slow drawing in small pieces, one per turn of the event loop: mouse, keyboard and repaints come in between."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer
from shiboken6 import isValid

PAUSE_MS = 12
"""Before each piece; what the one before it has changed is painted meanwhile."""


class Piece(QObject):
    """Work that waits for a turn of its own, as long as its parent lives."""

    def __init__(self, work: Callable[[], object], parent: QObject) -> None:
        super().__init__(parent)
        self._work = work
        self._is_waiting = False

    @property
    def is_waiting(self) -> bool:
        """Whether it was asked for and has not run yet."""
        return self._is_waiting

    def run_later(self) -> None:
        """Ask for a turn; however often that is done until then, it runs once."""
        if not self._is_waiting:
            self._is_waiting = True
            _queue().add(self)

    def run(self) -> None:
        """Run now, if it waits."""
        if self._is_waiting:
            self._is_waiting = False
            self._work()


class _Queue(QObject):
    """All pieces of the program that wait, so that two widgets never draw in the same turn."""

    def __init__(self, application: QCoreApplication) -> None:
        super().__init__(application)
        self._pieces: list[Piece] = []
        self._timer = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._timer.timeout.connect(self._run_next)

    def add(self, piece: Piece) -> None:
        self._pieces.append(piece)
        if not self._timer.isActive():
            self._timer.start()

    def _run_next(self) -> None:
        piece = self._pieces.pop(0)
        if self._pieces:
            self._timer.start()
        if isValid(piece):
            piece.run()


def _queue() -> _Queue:
    application = QCoreApplication.instance()
    assert application is not None
    found = application.findChild(_Queue, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return found if found is not None else _Queue(application)
