"""`write_report`: from a request to one HTML file."""

from __future__ import annotations

from pathlib import Path

from engine.data_choice_file import format_choice
from engine.errors import OutputError
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.plan import format_plan
from engine.report.commands import kept_choices, plan_beside
from engine.report.contents import collect_contents
from engine.report.page import format_page
from engine.requests.handing_over import ReportRequest, ReportResult


def write_report(request: ReportRequest, model: Model, context: JobContext) -> ReportResult:
    """Gather, draw, write.

    Raises:
        ModelError, PlanError: results, plans or a sensitivity of another model.
        OutputError: the output cannot be written, or is read by the report.
        JobCancelled: cancelled.
    """
    output = Path(request.output)
    if output.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"{output.name} must end in .html. Choose another name for the report.")
    context.report(0, 4, f"Reading {model.path.name}")
    contents = collect_contents(request, model, context)
    page = format_page(contents).encode("utf-8", "backslashreplace")  # of file names that are no UTF-8
    context.report(3, 4, f"Writing {output.name}")
    with context.output(output, len(page)) as temporary:
        temporary.write_bytes(page)
        if contents.unsaved_plan is not None:
            plan_path = temporary.with_name(plan_beside(request.output).name)
            plan_path.write_text(format_plan(contents.unsaved_plan), encoding="utf-8")
        for path, choice in kept_choices(request).items():
            temporary.with_name(path.name).write_text(format_choice(choice), encoding="utf-8")
    return ReportResult(request.output, len(page))
