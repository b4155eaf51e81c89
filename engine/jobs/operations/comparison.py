"""Comparing results with their float model."""

from __future__ import annotations

from engine.comparing.changed_samples import find_changed_samples
from engine.comparing.layer_errors import measure_layer_errors
from engine.job_context import JobContext
from engine.jobs.operations import Operations
from engine.jobs.operations.opened_models import open_cached
from engine.requests.comparison import ChangedSamplesRequest, LayerErrors, LayerErrorsRequest


def run_layer_errors(request: LayerErrorsRequest, context: JobContext) -> LayerErrors:
    """Compare the layers of results with those of their float model."""
    return measure_layer_errors(open_cached(request.model), request, context)


OPERATIONS: Operations = {
    LayerErrorsRequest: run_layer_errors,
    ChangedSamplesRequest: find_changed_samples,
}
