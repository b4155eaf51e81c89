"""Bundles and reports."""

from __future__ import annotations

from engine.bundle.building import build_bundle
from engine.job_context import JobContext
from engine.jobs.operations import Operations
from engine.jobs.operations.opened_models import open_cached
from engine.report.writing import write_report
from engine.requests.handing_over import BundleRequest, ReportRequest, ReportResult


def run_report(request: ReportRequest, context: JobContext) -> ReportResult:
    """Write a report."""
    return write_report(request, open_cached(request.model), context)


OPERATIONS: Operations = {
    BundleRequest: build_bundle,
    ReportRequest: run_report,
}
