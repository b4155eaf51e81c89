"""When Python may collect garbage while Qt works."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
