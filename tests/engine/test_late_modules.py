"""Modules that wait until something of them is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

OPENED = """
import sys
from engine.late_modules import load_late
load_late()
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.requests.opening import OpenRequest
print(len(run_request(OpenRequest(sys.argv[1]), JobContext()).layers), "sympy.core" in sys.modules)
import onnx_ir as ir
print(ir.SymbolicDim("2*N") + 1, "sympy.core" in sys.modules)
import sympy
print(sympy.Symbol("x") - sympy.Symbol("x"))
"""


def test_that_a_model_opens_without_symbolic_arithmetic_which_is_there_when_needed(sample_model: Path) -> None:
    command = [sys.executable, "-c", OPENED, str(sample_model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["12 False", "2*N + 1 True", "0"]
