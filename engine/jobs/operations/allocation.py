"""Choosing bits for a budget."""

from __future__ import annotations

from engine.allocation import allocate, find_front
from engine.data.dataset import open_dataset
from engine.job_context import JobContext
from engine.jobs.operations import Operations
from engine.jobs.operations.opened_models import open_cached
from engine.polish import polish
from engine.requests.allocation import AllocateRequest, AllocateResult, Front, FrontRequest, PolishRequest, PolishResult


def run_allocate(request: AllocateRequest, context: JobContext) -> AllocateResult:
    """Choose bits for a budget."""
    return allocate(request)


def run_polish(request: PolishRequest, context: JobContext) -> PolishResult:
    """Choose bits for a budget, measure the plan, and improve it."""
    model = open_cached(request.model)
    return polish(model, open_dataset(request.data, model.summary.inputs), request, context)


def run_front(request: FrontRequest, context: JobContext) -> Front:
    """Find what no plan beats."""
    return find_front(request)


OPERATIONS: Operations = {
    AllocateRequest: run_allocate,
    FrontRequest: run_front,
    PolishRequest: run_polish,
}
