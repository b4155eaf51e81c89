"""What a job reports piece by piece, taken in together: every time it is shown, the window is drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from PySide6.QtCore import QObject, QTimer

GATHERED_MS = 100
"""How long pieces wait for others after some were shown."""

T = TypeVar("T")


class Gathering(QObject, Generic[T]):
    """Hands over what arrives, in its order: the first piece at once, the rest a few times a second."""

    def __init__(self, take: Callable[[Sequence[T]], None]) -> None:
        super().__init__()
        self._take = take
        self._waiting: list[T] = []
        self._timer = QTimer(self, singleShot=True, interval=GATHERED_MS)
        self._timer.timeout.connect(self.hand_over)

    def add(self, piece: T) -> None:
        """Hand this over at once, or soon with others if some were handed over just now."""
        self._waiting.append(piece)
        if not self._timer.isActive():
            self.hand_over()

    def hand_over(self) -> None:
        """Hand over what waits, now."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._timer.start()
            self._take(waiting)

    def drop(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
