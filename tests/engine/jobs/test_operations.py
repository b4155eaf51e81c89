"""Which module runs a request."""

from __future__ import annotations

from typing import get_args

import pytest

from engine.job_context import JobContext
from engine.jobs.operations import load_operations, run_request
from engine.requests.request import Request


@pytest.mark.parametrize("kind", get_args(Request), ids=lambda kind: kind.__name__)
def test_that_every_request_is_run_by_the_module_named_as_its_own(kind: type) -> None:
    assert kind in load_operations(kind.__module__.rpartition(".")[2])


def test_that_nothing_but_requests_is_run() -> None:
    with pytest.raises(KeyError):
        run_request("no request", JobContext())
