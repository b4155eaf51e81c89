"""Reading, checking, showing and dividing data."""

from __future__ import annotations

from pathlib import Path

from engine.data.dataset import describe_dataset, open_dataset
from engine.data.dividing import divide_data
from engine.data.preview import build_preview
from engine.input_check import check_inputs
from engine.job_context import JobContext
from engine.jobs.operations import Operations
from engine.jobs.operations.opened_models import open_cached
from engine.requests.data import (
    CheckRequest,
    DataPreview,
    DataRequest,
    DataSplit,
    DataSummary,
    PreviewRequest,
    SplitRequest,
)


def run_data(request: DataRequest, context: JobContext) -> DataSummary:
    """Check that data fits a model."""
    context.report(0, 1, f"Reading {Path(request.data.path).name}")
    dataset = open_dataset(request.data, open_cached(request.model).summary.inputs)
    next(iter(dataset.batches(dataset.batch_size_for(1), limit=1)))
    summary = describe_dataset(dataset)
    context.report(1, 1, summary.description)
    return summary


def run_split(request: SplitRequest, context: JobContext) -> DataSplit:
    """Divide samples between calibration and evaluation."""
    return divide_data(request, open_cached(request.model).summary.inputs, context)


def run_preview(request: PreviewRequest, context: JobContext) -> DataPreview:
    """Look at one sample."""
    return build_preview(request, open_cached(request.model).summary)


OPERATIONS: Operations = {
    DataRequest: run_data,
    SplitRequest: run_split,
    PreviewRequest: run_preview,
    CheckRequest: check_inputs,
}
