"""Histograms of what a layer holds and reads."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from engine.activation_histogram import build_activation_histogram
from engine.calibration.calibration import Calibration, ensure_calibration_fits, load_calibration
from engine.job_context import JobContext
from engine.jobs.operations import Operations
from engine.jobs.operations.opened_models import open_cached
from engine.requests.histograms import (
    ActivationHistogram,
    ActivationHistogramRequest,
    WeightHistogram,
    WeightHistogramRequest,
)
from engine.weight_histogram import build_weight_histogram


def run_weight_histogram(request: WeightHistogramRequest, context: JobContext) -> WeightHistogram:
    """Histogram of one layer."""
    return build_weight_histogram(open_cached(request.model), request)


def run_activation_histogram(request: ActivationHistogramRequest, context: JobContext) -> ActivationHistogram:
    """Histogram of one layer's input."""
    path = Path(request.calibration)
    model = open_cached(request.model)
    found = _load_calibration(str(path), path.stat().st_mtime_ns if path.is_file() else 0)
    ensure_calibration_fits(found, model.summary.sha256, model.path.name)
    return build_activation_histogram(model, found, request)


@lru_cache(maxsize=1)
def _load_calibration(path: str, _modified_ns: int) -> Calibration:
    return load_calibration(Path(path))


OPERATIONS: Operations = {
    WeightHistogramRequest: run_weight_histogram,
    ActivationHistogramRequest: run_activation_histogram,
}
