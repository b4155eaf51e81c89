"""The probe table: which kernel runs what on a processor, and how fast; plain data, a JSON form, a cache.

A reference table ships with Bitsmith (`resources/probe.json`). Where `bitsmith probe` has run, the table of
this very processor and runtime takes its place.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.cache_folder import cache_folder
from engine.machine import describe_cpu, describe_runtime
from engine.numerics.schemes import Kernel
from engine.summary import KernelLimit

SCHEMA_VERSION = 2
# Made by: bitsmith probe --fresh --json > resources/probe.json
REFERENCE = Path(__file__).resolve().parents[1] / "resources" / "probe.json"
# Tiny models tell gross slowness only: a depthwise convolution at 0.6 costs less than leaving integers around it.
SLOW_SPEEDUP = 0.5


@dataclass(frozen=True)
class ProbeCell:
    """One operator kind at one bit width on one kernel.

    Attributes:
        runs: it converts, loads and computes what the engine says.
        is_on_kernel: ONNX Runtime computes it as intended: on an integer kernel, or for `float` from a
            weight that is unpacked at load.
        speedup: time in float / time like this, one thread; None if it does not run or was not timed.
        reason: why it does not run; empty if it does.
    """

    kind: str
    bits: int
    kernel: Kernel
    runs: bool
    is_on_kernel: bool = False
    speedup: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class ProbeTable:
    """All cells, with what they were measured on.

    Attributes:
        cpu: model name and the instruction sets that integer kernels depend on.
        runtime: name and version of the runtime.
    """

    cpu: str
    runtime: str
    cells: tuple[ProbeCell, ...]

    def cell(self, kind: str, bits: int, kernel: Kernel) -> ProbeCell | None:
        """One cell; None if the operator has no such kernel."""
        wanted = (kind, bits, kernel)
        return next((cell for cell in self.cells if (cell.kind, cell.bits, cell.kernel) == wanted), None)

    def limits(self, kind: str, kernels: Iterable[Kernel]) -> tuple[KernelLimit, ...]:
        """What speaks against these kernels; nothing where the table has no such row. Float is always possible."""
        wanted = set(kernels) - {Kernel.FLOAT}
        found = (self._limit(cell) for cell in self.cells if cell.kind == kind and cell.kernel in wanted)
        return tuple(limit for limit in found if limit is not None)

    def _limit(self, cell: ProbeCell) -> KernelLimit | None:
        if not cell.runs:
            return KernelLimit(cell.kernel, cell.bits, cell.reason, is_refused=True)
        if not cell.is_on_kernel:
            return KernelLimit(cell.kernel, cell.bits, f"{self.runtime} computes it in float all the same.")
        if cell.speedup is not None and cell.speedup < SLOW_SPEEDUP:
            return KernelLimit(
                cell.kernel, cell.bits, f"It takes {1 / cell.speedup:.1f} times as long as float (on {self.cpu})."
            )
        return None


def table_to_json(table: ProbeTable) -> dict[str, Any]:
    """The table as a JSON document."""
    return {
        "schema_version": SCHEMA_VERSION,
        "cpu": table.cpu,
        "runtime": table.runtime,
        "cells": [dataclasses.asdict(cell) for cell in table.cells],
    }


def _table_from_json(document: Any) -> ProbeTable:
    """The table in a document; ValueError, KeyError or TypeError if it is none of this version."""
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(document["schema_version"])
    cells = tuple(ProbeCell(**{**cell, "kernel": Kernel(cell["kernel"])}) for cell in document["cells"])
    return ProbeTable(document["cpu"], document["runtime"], cells)


def reference_table() -> ProbeTable:
    """The table that ships with Bitsmith, of the processor and runtime that it names."""
    return _table_from_json(json.loads(REFERENCE.read_text(encoding="utf-8")))


def current_table() -> ProbeTable:
    """The table of this processor and runtime if `bitsmith probe` has made it, else the reference; quick."""
    return load_table(describe_cpu(), describe_runtime()) or reference_table()


def table_path(cpu: str, runtime: str) -> Path:
    """Where the table of this processor and runtime is kept."""
    digest = hashlib.sha256(f"{SCHEMA_VERSION}\n{cpu}\n{runtime}".encode()).hexdigest()[:16]
    return cache_folder() / f"probe-{digest}.json"


def load_table(cpu: str, runtime: str) -> ProbeTable | None:
    """The cached table; None if there is none that can be read."""
    try:
        table = _table_from_json(json.loads(table_path(cpu, runtime).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return table if (table.cpu, table.runtime) == (cpu, runtime) else None


def save_table(table: ProbeTable) -> bool:
    """Keep the table; False if the cache cannot be written, which costs time and nothing else."""
    path = table_path(table.cpu, table.runtime)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(table_to_json(table), indent=1), encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        return False
    return True
