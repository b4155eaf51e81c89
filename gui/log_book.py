"""Everything the program said in this session, with the time; the job panel unfolds it."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from PySide6.QtCore import QObject, Signal

MAX_LINES = 2000


class LogBook(QObject):
    """Lines of text.

    Signals:
        line_added(str): a line with its time.
    """

    line_added = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.lines: deque[str] = deque(maxlen=MAX_LINES)

    def add(self, text: str) -> None:
        """Append a line."""
        self.lines.append(f"{datetime.now():%H:%M:%S}  {text}")
        self.line_added.emit(self.lines[-1])
