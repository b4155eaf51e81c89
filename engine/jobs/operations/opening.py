"""Opening a model, drawing its graph, and the presets that suit it."""

from __future__ import annotations

from pathlib import Path

from engine.graph_view.drawing import Drawing
from engine.job_context import JobContext
from engine.jobs.operations import Operations
from engine.jobs.operations.opened_models import forget_opened, open_cached
from engine.pytorch.importing import import_model, is_archive
from engine.requests.opening import FitRequest, GraphRequest, OpenRequest, PresetFits
from engine.summary import ModelSummary


def run_open(request: OpenRequest, context: JobContext) -> ModelSummary:
    """Open a model and summarize it."""
    context.report(0, 2, f"Reading {Path(request.model).name}")
    _import(request, context)
    model = open_cached(request.model)
    context.report(1, 2, "Observing shapes")
    summary = model.summary
    context.report(2, 2, f"{len(summary.layers)} layers")
    return summary


def _import(request: OpenRequest, context: JobContext) -> None:
    """Convert a PyTorch file with what the user says about it; later requests find the result by the file alone."""
    path = Path(request.model)
    if not (path.is_file() and is_archive(path)):
        return
    import_model(path, trusted_sha256=request.trusted_sha256, input_shapes=request.input_shapes, context=context)
    if request.input_shapes:
        forget_opened()


def run_graph(request: GraphRequest, context: JobContext) -> Drawing:
    """Lay the graph out."""
    from engine.graph_view.building import draw_graph  # scipy: a third of a second

    return draw_graph(open_cached(request.model), request.expanded, context)


def run_fit(request: FitRequest, context: JobContext) -> PresetFits:
    """Try every preset of preprocessing."""
    from engine.input_check import fit_presets  # readers of every kind of data

    return fit_presets(request, open_cached(request.model).summary, context)


OPERATIONS: Operations = {
    OpenRequest: run_open,
    GraphRequest: run_graph,
    FitRequest: run_fit,
}
