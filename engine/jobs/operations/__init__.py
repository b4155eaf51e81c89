"""What each request does: the one function that the worker process and the command line call.

The requests of `engine.requests.data` are run by the module `data` in here, and so on. A module is imported when the
first of its requests comes, so that opening a model does not wait for what converts one.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from engine.job_context import JobContext

Operations = dict[type, Callable[[Any, Any], object]]
"""What runs each kind of request; the second argument is a `JobContext`."""


_DOMAINS = {
    f"engine.requests.{name}": name
    for name in (
        "allocation",
        "analysis",
        "benchmark",
        "comparison",
        "conversion",
        "data",
        "handing_over",
        "histograms",
        "opening",
        "recovery",
    )
}


def run_request(request: object, context: JobContext) -> object:
    """Run one request of `engine.requests` to its result.

    Raises:
        BitsmithError: the user can fix it.
        JobCancelled: cancelled.
    """
    kind = type(request)
    return load_operations(_DOMAINS[kind.__module__])[kind](request, context)


def load_operations(domain: str) -> Operations:
    """Import the module of this name, and what it needs."""
    operations: Operations = import_module(f"{__name__}.{domain}").OPERATIONS
    return operations
