"""When Python may collect garbage while Qt works."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from PySide6.QtCore import QObject, QTimer

INTERVAL_MS = 1000


@contextmanager
def collection_paused() -> Iterator[None]:
    """Keep Python's cyclic garbage collector from running inside the block.

    A new style or style sheet makes Qt walk over a plain list of all widgets and send each an event. Where a widget
    answers in Python, a collection can start there and destroy a forgotten widget that is still on the list; Qt then
    reads freed memory and the program dies.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class GarbageCollector(QObject):
    """Collects garbage between events, in the thread of its parent, and nowhere else as long as it lives.

    Python by itself collects wherever it allocates next: in a job's thread, say, where destroying a forgotten widget
    or timer kills the program, because Qt allows that in the widget's own thread only.
    """

    _living: ClassVar[set[object]] = set()
    _was_enabled: ClassVar[bool] = True

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        if not self._living:
            GarbageCollector._was_enabled = gc.isenabled()
        token = object()
        self._living.add(token)
        gc.disable()
        self.destroyed.connect(lambda: GarbageCollector._end(token))
        timer = QTimer(self, interval=INTERVAL_MS)
        timer.timeout.connect(_collect_if_due)
        timer.start()

    @classmethod
    def _end(cls, token: object) -> None:
        """Let Python collect by itself again once the last one is gone."""
        cls._living.discard(token)
        if not cls._living and cls._was_enabled:
            gc.enable()


def _collect_if_due() -> None:
    """The oldest generation that is due, as Python does it: a generation is, after so many of the younger one."""
    due = [generation for generation, count in enumerate(gc.get_count()) if count > gc.get_threshold()[generation]]
    if due:
        gc.collect(max(due))
