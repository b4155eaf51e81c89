"""What is checked on a written file before it may take its place."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx

from engine.comparison import OutputComparison
from engine.data.dataset import Dataset
from engine.errors import ConversionError
from engine.job_context import JobContext
from engine.model.observation import draw_inputs
from engine.model.runtime import Session, first_line

VERIFIED_SAMPLES = 32
VERIFIED_BATCH = 8
DRAWN_SAMPLES = 4
INTEGER_OPS = frozenset(
    {
        "QLinearConv", "QLinearMatMul", "QGemm", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "MatMulNBits",
        "MatMulInteger",
    }
)  # fmt: skip
# Kernels may round differently here and there; wrong codes or scales are far below this.
REQUIRED_KERNEL_SQNR_DB = 25.0
KERNEL_MARGIN_DB = 3.0

Feeds = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        sqnr_db: written model against the source; None if only drawn inputs were at hand.
        kernel_sqnr_db: written model against the engine's simulation; None without a simulation.
        integer_layers: indices of layers that run on an integer kernel in the optimised graph.
    """

    sqnr_db: float | None
    kernel_sqnr_db: float | None
    samples: int
    integer_layers: frozenset[int]


def verify(
    written: Path, source: Path, simulation: bytes | None, dataset: Dataset | None, context: JobContext
) -> Verification:
    """Check, load and run a written model.

    Raises:
        ConversionError: the checker or ONNX Runtime refuses it, or it does not compute what the plan says.
        JobCancelled: cancelled.
    """
    context.report(0, 1, "Verifying: checking the file")
    try:
        onnx.checker.check_model(str(written))
    except Exception as error:  # the checker raises ValidationError and a handful of others
        raise ConversionError(
            f"The converted model is not valid ONNX: {first_line(error)}. Nothing was written."
        ) from error
    session, integer_layers = _load_optimized(written)
    float_session = Session(source)
    simulated = Session(simulation, is_optimized=False) if simulation is not None else None
    against_float, against_simulation, simulation_error = OutputComparison(), OutputComparison(), OutputComparison()
    total = min(VERIFIED_SAMPLES, dataset.samples) if dataset else DRAWN_SAMPLES
    for feeds, count in _inputs(float_session, dataset, total):
        expected = float_session.run(feeds, context)
        result = session.run(feeds, context)
        against_float.update(expected, result, count)
        if simulated is not None:
            computed = simulated.run(feeds, context)
            against_simulation.update(computed, result, count)
            simulation_error.update(expected, computed, count)
        context.report(
            against_float.samples, max(total, against_float.samples), "Verifying: comparing outputs with float"
        )
    _ensure_agreement(against_simulation.sqnr_db, simulation_error.sqnr_db)
    return Verification(
        against_float.sqnr_db if dataset else None, against_simulation.sqnr_db, against_float.samples, integer_layers
    )


def _load_optimized(written: Path) -> tuple[Session, frozenset[int]]:
    """The session, and which layers ONNX Runtime put on integer kernels, by the names of their constants."""
    with tempfile.TemporaryDirectory(prefix="bitsmith-") as folder:
        path = Path(folder) / "optimized.onnx"
        session = Session(written, optimized_model_path=path)
        graph = onnx.load(str(path), load_external_data=False).graph
    tables = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
    found = set()
    for node in graph.node:
        if node.op_type in INTEGER_OPS:
            found |= {_layer_index(name) for name in node.input}
        elif node.op_type == "Gather" and node.input[0] in tables:
            found.add(_layer_index(node.input[0]))
    return session, frozenset(index for index in found if index is not None)


def _layer_index(name: str) -> int | None:
    """The layer that a constant named q<index>.<tag> belongs to."""
    head, _, tag = name.partition(".")
    return int(head[1:]) if tag and head.startswith("q") and head[1:].isdigit() else None


def _inputs(session: Session, dataset: Dataset | None, total: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    if dataset is not None:
        for batch in dataset.batches(dataset.batch_size_for(VERIFIED_BATCH), limit=total):
            yield batch.inputs, len(batch)
        return
    for seed in range(total):
        yield draw_inputs(session.inputs, seed=seed), 1


def _ensure_agreement(kernel_sqnr_db: float | None, simulated_sqnr_db: float | None) -> None:
    if kernel_sqnr_db is None or simulated_sqnr_db is None:
        return
    required = min(simulated_sqnr_db, REQUIRED_KERNEL_SQNR_DB) - KERNEL_MARGIN_DB
    if math.isnan(kernel_sqnr_db) or kernel_sqnr_db < required:
        raise ConversionError(
            f"The converted model does not compute what the plan says: {kernel_sqnr_db:.1f} dB against the simulation, "
            f"at least {required:.1f} dB was expected. Nothing was written; please report this model."
        )
