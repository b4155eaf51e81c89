"""Which logical processors a measurement may use; Linux and Windows can set it, macOS cannot."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from engine.errors import DataError


def available_cores() -> tuple[int, ...]:
    """Numbers of the logical processors that this process may use; counted from 0 where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


@contextlib.contextmanager
def keep_to(cores: Sequence[int]) -> Iterator[None]:
    """Let this thread, and the threads that it starts meanwhile, run on these logical processors only.

    On Windows this is the whole process. An empty sequence changes nothing.

    Raises:
        DataError: the system cannot do it, or has no such processor.
    """
    if not cores:
        yield
        return
    before = _get_affinity()
    if before is None:
        raise DataError("This system cannot keep a program to some of its processors. Leave the affinity out.")
    try:
        _set_affinity(cores)
    except (OSError, ValueError, OverflowError) as error:
        names = ", ".join(map(str, cores))
        raise DataError(
            f"There is no processor {names} that this program may use; there are {', '.join(map(str, before))}. "
            "Choose others."
        ) from error
    try:
        yield
    finally:
        _set_affinity(before)


def _get_affinity() -> Sequence[int] | None:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    import psutil

    process = psutil.Process()
    return list(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else None


def _set_affinity(cores: Sequence[int]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
        return
    import psutil

    psutil.Process().cpu_affinity(list(cores))
