"""Calibration, sensitivity and diagnosis."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from engine.calibration.calibration import write_calibration
from engine.calibration.collection import calibrate
from engine.data.dataset import open_dataset
from engine.diagnosis.diagnosing import diagnose
from engine.diagnosis.report import Diagnosis
from engine.job_context import JobContext
from engine.jobs.operations import Operations
from engine.jobs.operations.opened_models import open_cached
from engine.model.opening import ensure_keeps_weights
from engine.plan import ensure_plan_fits
from engine.requests.analysis import (
    AnalysisMethod,
    AnalyzeRequest,
    CalibrateRequest,
    CalibrateResult,
    DiagnoseRequest,
    Forecast,
    ForecastRequest,
)
from engine.sensitivity.exact import analyze_exact, forecast_exact
from engine.sensitivity.matrix import Sensitivity
from engine.sensitivity.quick import analyze_quick


def run_calibrate(request: CalibrateRequest, context: JobContext) -> CalibrateResult:
    """Collect statistics into a file."""
    model = open_cached(request.model)
    target = Path(request.output)
    ensure_keeps_weights(model.source, target)
    with context.output(target) as temporary:
        found = calibrate(model, open_dataset(request.data, model.summary.inputs), request.samples, context)
        found = dataclasses.replace(found, method=request.method)
        write_calibration(found, temporary)
    return CalibrateResult(request.output, found.samples, len(found.tensors), found.digest)


def run_analyze(request: AnalyzeRequest, context: JobContext) -> Sensitivity:
    """Sensitivity by the method that is asked for."""
    model = open_cached(request.model)
    ensure_plan_fits(request.plan, model.summary)
    dataset = open_dataset(request.data, model.summary.inputs)
    if request.method == AnalysisMethod.EXACT:
        return analyze_exact(model, dataset, context, request)
    if request.method == AnalysisMethod.LOSS:
        from engine.sensitivity.loss import analyze_loss  # torch

        return analyze_loss(model, dataset, context, plan=request.plan, bits=request.bits, samples=request.samples)
    return analyze_quick(model, dataset, context, plan=request.plan, bits=request.bits, samples=request.samples)


def run_diagnose(request: DiagnoseRequest, context: JobContext) -> Diagnosis:
    """Look at layers under a plan."""
    model = open_cached(request.model)
    ensure_plan_fits(request.plan, model.summary)
    return diagnose(model, open_dataset(request.data, model.summary.inputs), request, context)


def run_forecast(request: ForecastRequest, context: JobContext) -> Forecast:
    """What an exact analysis would take."""
    analysis = request.analysis
    model = open_cached(analysis.model)
    ensure_plan_fits(analysis.plan, model.summary)
    return forecast_exact(model, open_dataset(analysis.data, model.summary.inputs), context, analysis)


OPERATIONS: Operations = {
    CalibrateRequest: run_calibrate,
    AnalyzeRequest: run_analyze,
    DiagnoseRequest: run_diagnose,
    ForecastRequest: run_forecast,
}
