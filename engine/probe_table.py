"""The probe table: which kernel runs what on this processor, and how fast; plain data, a JSON form, a cache."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.cache_folder import cache_folder
from engine.numerics.schemes import Kernel

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ProbeCell:
    """One operator kind at one bit width on one kernel.

    Attributes:
        runs: it converts, loads and computes what the engine says.
        is_on_kernel: ONNX Runtime computes it as intended: on an integer kernel, or for `float` from a
            weight that is unpacked at load.
        speedup: time in float / time like this, one thread; None if it does not run.
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


def table_to_json(table: ProbeTable) -> dict[str, Any]:
    """The table as a JSON document."""
    return {
        "schema_version": SCHEMA_VERSION,
        "cpu": table.cpu,
        "runtime": table.runtime,
        "cells": [dataclasses.asdict(cell) for cell in table.cells],
    }


def table_path(cpu: str, runtime: str) -> Path:
    """Where the table of this processor and runtime is kept."""
    digest = hashlib.sha256(f"{SCHEMA_VERSION}\n{cpu}\n{runtime}".encode()).hexdigest()[:16]
    return cache_folder() / f"probe-{digest}.json"


def load_table(cpu: str, runtime: str) -> ProbeTable | None:
    """The cached table; None if there is none that can be read."""
    try:
        document = json.loads(table_path(cpu, runtime).read_text(encoding="utf-8"))
        if (document["schema_version"], document["cpu"], document["runtime"]) != (SCHEMA_VERSION, cpu, runtime):
            return None
        cells = tuple(ProbeCell(**{**cell, "kernel": Kernel(cell["kernel"])}) for cell in document["cells"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ProbeTable(cpu, runtime, cells)


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
