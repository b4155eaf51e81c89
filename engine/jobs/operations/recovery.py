"""Winning back what quantization lost."""

from __future__ import annotations

from engine.data.dataset import open_dataset
from engine.job_context import JobContext
from engine.jobs.operations import Operations
from engine.jobs.operations.conversion import run_convert
from engine.jobs.operations.opened_models import open_cached
from engine.recovery.climbing import recover
from engine.recovery.report import RecoverForecast, RecoverResult
from engine.requests.recovery import RecoverForecastRequest, RecoverRequest


def run_recover(request: RecoverRequest, context: JobContext) -> RecoverResult:
    """Climb the ladder of methods."""
    return recover(open_cached(request.model), request, run_convert, context)


def run_recover_forecast(request: RecoverForecastRequest, context: JobContext) -> RecoverForecast:
    """What the rungs would take."""
    from engine.recovery.forecast import forecast_recovery  # torch

    asked = request.recovery
    model = open_cached(asked.model)
    data, evaluation = (open_dataset(choice, model.summary.inputs) for choice in (asked.data, asked.evaluation))
    return forecast_recovery(model, data, evaluation, asked, context)


OPERATIONS: Operations = {
    RecoverRequest: run_recover,
    RecoverForecastRequest: run_recover_forecast,
}
