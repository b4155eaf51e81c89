"""Everything the program said in this session, with the time; the job panel unfolds it."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import QObject, Signal


class LogBook(QObject):
    """Lines of text.

    Signals:
        line_added(str): a line with its time.
    """

    line_added = Signal(str)

    def add(self, text: str) -> None:
        """Append a line."""
        self.line_added.emit(f"{datetime.now():%H:%M:%S}  {text}")
