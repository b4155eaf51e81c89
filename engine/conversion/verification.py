"""What is checked on a written file before it may take its place."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from engine.comparison import OutputComparison, is_float
from engine.conversion.optimized import load_optimized
from engine.data.dataset import Dataset
from engine.errors import ConversionError, JobCancelled
from engine.job_context import JobContext
from engine.model.observation import draw_inputs, find_sequence_length
from engine.model.runtime import Session, first_line

VERIFIED_SAMPLES = 32
VERIFIED_BATCH = 8
DRAWN_SAMPLES = 4
# Kernels may round differently here and there; wrong codes or scales are far below this.
REQUIRED_KERNEL_SQNR_DB = 25.0
KERNEL_MARGIN_DB = 3.0

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        sqnr_db: written model against the source; None if nothing could be compared.
        is_drawn: it is of random inputs, because there was no data.
        kernel_sqnr_db: written model against the engine's simulation; None without a simulation.
        integer_layers: indices of layers that run on an integer kernel in the optimised graph.
    """

    sqnr_db: float | None
    kernel_sqnr_db: float | None
    samples: int
    integer_layers: frozenset[int]
    is_drawn: bool = False


def verify(
    written: Path, source: Path, simulation: Session | None, dataset: Dataset | None, context: JobContext
) -> Verification:
    """Check, load and run a written model.

    Raises:
        ConversionError: the checker or ONNX Runtime refuses it, or it does not compute what the plan says.
        JobCancelled: cancelled.
    """
    check_file(written, context)
    session, integer_layers = load_optimized(written)
    float_session = Session(source)
    against_float, against_simulation, simulation_error = OutputComparison(), OutputComparison(), OutputComparison()
    total = min(VERIFIED_SAMPLES, dataset.samples) if dataset else DRAWN_SAMPLES
    for feeds, count in _inputs(float_session, dataset, total):
        expected = float_session.run(feeds, context)
        result = session.run(feeds, context)
        _ensure_shapes(expected, result)
        comparable = _where_finite(expected, result)
        _ensure_finite(comparable)
        against_float.update(expected, result, count)
        if simulation is not None:
            computed = simulation.run(feeds, context)
            against_simulation.update(_where_finite(expected, computed), comparable, count)
            simulation_error.update(expected, computed, count)
        context.report(
            against_float.samples, max(total, against_float.samples), "Verifying: comparing outputs with float"
        )
    _ensure_agreement(against_simulation.sqnr_db, simulation_error.sqnr_db)
    return Verification(
        against_float.sqnr_db,
        against_simulation.sqnr_db,
        against_float.samples,
        integer_layers,
        is_drawn=dataset is None and against_float.samples > 0,
    )


def _ensure_shapes(expected: Sequence[Array], result: Sequence[Array]) -> None:
    for one, other in zip(expected, result, strict=True):
        if one.shape != other.shape:
            raise ConversionError(
                f"The converted model gives an output of shape {other.shape} where the source gives {one.shape}. "
                "Nothing was written; please report this model."
            )


def _ensure_finite(outputs: Sequence[Array]) -> None:
    if not all(np.isfinite(output).all() for output in outputs if is_float(output)):
        raise ConversionError(
            "Under this plan the model computes NaN or infinite values where the float model does not. Give its layers "
            "more bits. Nothing was written."
        )


def _where_finite(reference: Sequence[Array], outputs: Sequence[Array]) -> list[Array]:
    """Floats with 0 where `reference` is NaN or infinite: what comes of these, kernels do in different ways."""
    return [
        np.where(np.isfinite(one), output, output.dtype.type(0)) if is_float(one) and is_float(output) else output
        for one, output in zip(reference, outputs, strict=True)
    ]


def check_file(written: Path, context: JobContext) -> None:
    """Run ONNX's own checker.

    Raises:
        ConversionError: it refuses the file.
    """
    context.report(0, 1, "Verifying: checking the file")
    try:
        onnx.checker.check_model(str(written))
    except Exception as error:  # the checker raises ValidationError and a handful of others
        raise ConversionError(
            f"The converted model is not valid ONNX: {first_line(error)}. Nothing was written."
        ) from error


def verify_apart(written: Path, context: JobContext) -> Verification:
    """Check a large model: the file here, loading and one run in a child process.

    Raises:
        ConversionError: the checker or ONNX Runtime refuses it, or its outputs are not finite.
        JobCancelled: cancelled.
    """
    check_file(written, context)
    context.report(0, 1, "Verifying: loading the model in a process of its own")
    command = [sys.executable, "-m", "engine.conversion.load_check", str(written)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
    output, problem = _wait(child, context)
    if child.returncode:
        reason = problem.strip().splitlines()[-1] if problem.strip() else f"exit code {child.returncode}"
        raise ConversionError(f"The converted model does not load: {reason}. Nothing was written.")
    answer = json.loads(output)
    if answer["is_finite"] is False:
        raise ConversionError("The converted model computes NaN or infinite values. Nothing was written.")
    return Verification(None, None, 0, frozenset(answer["integer_layers"]))


def _wait(child: subprocess.Popen[str], context: JobContext) -> tuple[str, str]:
    """What the child printed; a cancel ends it."""
    with child:
        while True:
            try:
                return child.communicate(timeout=0.2)
            except subprocess.TimeoutExpired:
                try:
                    context.check_cancelled()
                except JobCancelled:
                    child.kill()
                    raise


def _inputs(session: Session, dataset: Dataset | None, total: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    if dataset is not None:
        for batch in dataset.batches(dataset.batch_size_for(VERIFIED_BATCH), limit=total):
            yield batch.inputs, len(batch)
        return
    length = find_sequence_length(session)
    for seed in range(total if length is not None else 0):  # a model that runs on no guess is loaded, not compared
        yield draw_inputs(session.inputs, seed=seed, length=length or 0), 1


def _ensure_agreement(kernel_sqnr_db: float | None, simulated_sqnr_db: float | None) -> None:
    if kernel_sqnr_db is None or simulated_sqnr_db is None:
        return
    required = min(simulated_sqnr_db, REQUIRED_KERNEL_SQNR_DB) - KERNEL_MARGIN_DB
    if math.isnan(kernel_sqnr_db) or kernel_sqnr_db < required:
        raise ConversionError(
            f"The converted model does not compute what the plan says: {kernel_sqnr_db:.1f} dB against the simulation, "
            f"at least {required:.1f} dB was expected. Nothing was written; please report this model."
        )
