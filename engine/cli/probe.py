"""`bitsmith probe`: which kernels this computer runs, and how fast."""

from __future__ import annotations

import argparse

from engine.cli.command import Answer, Command, Table
from engine.cli.job import ConsoleContext
from engine.machine import advise_range
from engine.numerics.schemes import Kernel
from engine.probe_table import SLOW_SPEEDUP, ProbeCell, ProbeTable, table_to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--fresh`."""
    parser.add_argument("--fresh", action="store_true", help="measure again, even if this computer was probed before")


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Probe, or read what an earlier probe of this computer found."""
    from engine.probe import probe_cached

    table = probe_cached(context, is_fresh=arguments.fresh)
    return Answer(table_to_json(table), _describe(table))


def _describe(table: ProbeTable) -> str:
    kernels = list(Kernel)
    rows = list(dict.fromkeys((cell.kind, cell.bits) for cell in table.cells))
    grid = Table(
        ("operator", "bits", *kernels),
        [(kind, str(bits), *(_show(table.cell(kind, bits, kernel)) for kernel in kernels)) for kind, bits in rows],
        left=frozenset({0}),
    )
    notes = list(dict.fromkeys(f"does not run: {cell.reason}" for cell in table.cells if not cell.runs))
    notes += [advice] if (advice := advise_range(table.cpu)) else []
    return "\n".join([
        f"{table.cpu}; {table.runtime}, one thread",
        "times as fast as in float; * loads, but not on the intended kernel; – not possible",
        f"no default: what has a *, or is below {SLOW_SPEEDUP:g}",
        "",
        str(grid),
        *notes,
    ])  # fmt: skip


def _show(cell: ProbeCell | None) -> str:
    if cell is None or cell.speedup is None:
        return "–"
    return f"{cell.speedup:.2f}{'' if cell.is_on_kernel else '*'}"


PROBE = Command(
    name="probe",
    summary="find out which kernels this computer runs fast",
    description="Convert a tiny model per operator and bit width for every kernel, check that ONNX Runtime runs it "
    "there, and time it against float. Takes some ten seconds the first time, then the answer is kept, and default "
    "kernels are chosen from it in place of the table that Bitsmith brings along.",
    example="bitsmith probe",
    add_arguments=add_arguments,
    run=run,
)
