"""`bitsmith benchmark --layers`: what each layer takes on every kernel."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.cli.command import Answer, Table, UsageError
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import read_data
from engine.latency.figures import FLOAT_FORM, Form, Latencies, LatencyCell, latencies_to_json
from engine.numerics.schemes import FLOAT_BITS, Kernel
from engine.plan import PlanDefaults, build_plan
from engine.requests.benchmark import LatencyRequest
from engine.requests.opening import OpenRequest
from engine.summary import ModelSummary


def run_layers(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Time the layers of the one model."""
    if len(arguments.models) != 1:
        raise UsageError("--layers times the layers of one model. Name one.")
    model = run_job(OpenRequest(arguments.models[0]), ModelSummary, context)
    plan = build_plan(model, FLOAT_BITS, PlanDefaults())
    request = LatencyRequest(
        arguments.models[0],
        plan,
        threads=arguments.threads,
        batch=arguments.batch,
        data=read_data(arguments),
        is_fresh=arguments.fresh,
    )
    found = run_job(request, Latencies, context)
    return Answer(latencies_to_json(found), describe_latencies(model, found))


def describe_latencies(model: ModelSummary, found: Latencies) -> str:
    """One line per layer, one column per form that differs; 8 bits stand for all that are unpacked at load."""
    forms = _columns(found)
    rows = [_row(layer.title, layer.detail, found.layers[layer.name].cells, forms, found) for layer in model.layers]
    table = Table(("layer", "operator", *map(_title, forms), "share"), rows, left=frozenset({0, 1}))
    rest = f"All else takes {found.base_us:,.0f} µs of {found.float_us:,.0f} µs in float."
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    return "\n".join([
        "Microseconds per call inside the network; ~ estimated; share of the float model's time",
        "",
        str(table),
        "",
        rest,
        f"{Path(model.path).name}: {found.cpu}, {found.runtime}, {threads}, batch {found.batch}",
    ])  # fmt: skip


def _columns(found: Latencies) -> list[Form]:
    """Float, one bit width of kernels that unpack weights at load, every one of nbits."""
    seen = {form for layer in found.layers.values() for form in layer.cells}
    wanted = [FLOAT_FORM, (Kernel.QLINEAR, 8), (Kernel.DYNAMIC, 8), *((Kernel.NBITS, bits) for bits in (8, 4, 2))]
    return [form for form in wanted if form in seen]


def _row(
    title: str, detail: str, cells: Mapping[Form, LatencyCell], forms: Sequence[Form], found: Latencies
) -> tuple[str, ...]:
    share = cells[FLOAT_FORM].us / found.float_us
    return title, detail, *(_show(cells.get(form)) for form in forms), f"{share:.1%}"


def _title(form: Form) -> str:
    kernel, bits = form
    return f"{kernel} {bits}" if kernel == Kernel.NBITS else str(kernel)


def _show(cell: LatencyCell | None) -> str:
    if cell is None:
        return "–"
    return f"{'~' if cell.is_estimated else ''}{cell.us:,.1f}"
