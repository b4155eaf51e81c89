"""The layers × bits matrix of one analysis, filled row by row; plain data with a JSON form."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.errors import BitsmithError
from engine.numerics.schemes import ActivationMode

SCHEMA_VERSION = 2
LARGEST_FIGURE = 1e100
"""Of any metric, far beyond what squares of float32 in a file can be."""
LOWEST_SQNR_DB = -1000.0


class Metric(StrEnum):
    """What a cell says about quantizing one layer and nothing else.

    `SQNR` in dB: of the layer's own output (quick) or of the network's outputs (exact). The rest is
    measured on the network's outputs: `KL` divergence from float in nats per prediction, `MSE`,
    `COSINE` similarity, `TOP1_DROP` in percentage points (labels needed), and `LOSS`: the expected rise
    of the loss in nats per prediction, from gradients.
    """

    SQNR = "sqnr_db"
    KL = "kl"
    LOSS = "loss"
    MSE = "mse"
    COSINE = "cosine"
    TOP1_DROP = "top1_drop"


# The metric by which layers are ranked when several were measured, the first that is there.
RANKING = (Metric.KL, Metric.LOSS, Metric.SQNR, Metric.MSE, Metric.COSINE, Metric.TOP1_DROP)
# Value of a cell that loses nothing.
LOSSLESS = {Metric.SQNR: math.inf, Metric.COSINE: 1.0}


@dataclass(frozen=True)
class Cell:
    """One layer in one form.

    Attributes:
        values: by metric.
        errors: by metric, the standard error over samples, where the method gives one.
        samples: how many samples it was measured on; fewer than the others where racing stopped early.
    """

    values: Mapping[Metric, float]
    errors: Mapping[Metric, float] = field(default_factory=dict)
    samples: int = 0


@dataclass(frozen=True)
class SensitivityRow:
    """One layer's cells.

    Attributes:
        layer: the layer's name.
        cells: by bit width of the weight. A bit width that is missing was not measured.
        stored_bytes: by bit width, what the weight takes in the file, scales included.
        activations: by what happens to the layer's input, the weight in float.
    """

    layer: str
    cells: Mapping[int, Cell]
    stored_bytes: Mapping[int, int] = field(default_factory=dict)
    activations: Mapping[ActivationMode, Cell] = field(default_factory=dict)

    def value(self, bits: int, metric: Metric) -> float | None:
        """One figure; None if it was not measured. 32 bits lose nothing."""
        if bits == 32:
            return LOSSLESS.get(metric, 0.0)
        cell = self.cells.get(bits)
        return None if cell is None else cell.values.get(metric)

    def weight_damages(self, metric: Metric) -> Mapping[int, float]:
        """What each bit width of the weight costs, as `damage`, where it was measured; counted once.

        Fewer bits are never promised to lose less than more bits do: where a measurement says so, it is noise.
        """
        known = self._damages.get(metric)
        if known is None:
            known = self._damages[metric] = {}
            worst = 0.0
            for bits in sorted(self.cells, reverse=True):
                value = self.cells[bits].values.get(metric)
                if value is not None:
                    worst = known[bits] = max(worst, damage(metric, value))
        return known

    @cached_property
    def _damages(self) -> dict[Metric, dict[int, float]]:
        """Filled by `weight_damages`."""
        return {}


@dataclass(frozen=True)
class Sensitivity:
    """The matrix, with what it was measured on.

    Attributes:
        method: `quick`, `loss` or `exact`.
    """

    model_sha256: str
    model_name: str
    method: str
    samples: int
    data_digest: str
    rows: Mapping[str, SensitivityRow]

    def value(self, layer: str, bits: int, metric: Metric = Metric.SQNR) -> float | None:
        """One figure; None if it was not measured. 32 bits lose nothing."""
        if bits == 32:
            return LOSSLESS.get(metric, 0.0)
        row = self.rows.get(layer)
        return None if row is None else row.value(bits, metric)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What its cells hold, the metric to rank by first."""
        return measured_metrics(self.rows)


def measured_metrics(rows: Mapping[str, SensitivityRow]) -> tuple[Metric, ...]:
    """What the cells hold, the metric to rank by first."""
    found: set[Metric] = set()
    for row in rows.values():
        for cell in row.cells.values():
            found.update(cell.values)
    return tuple(metric for metric in RANKING if metric in found)


def damage(metric: Metric, value: float) -> float:
    """A figure as a cost that is 0 for float and adds up over layers: noise-to-signal ratio, nats, points."""
    if metric == Metric.SQNR:
        return noise_to_signal(value)
    return max(1.0 - value if metric == Metric.COSINE else value, 0.0)


def undamage(metric: Metric, total: float) -> float:
    """The figure that a sum of costs stands for; the inverse of `damage`."""
    if metric == Metric.SQNR:
        return math.inf if total <= 0 else -10.0 * math.log10(total)
    return 1.0 - total if metric == Metric.COSINE else total


def noise_to_signal(sqnr_db: float) -> float:
    """The ratio of noise to signal energy that an SQNR in dB stands for; 0 at infinity."""
    return math.pow(10.0, -sqnr_db / 10.0)


def predict_sqnr_db(sqnrs_db: list[float]) -> float:
    """SQNR of a network whose layers have these SQNRs, were their noises independent and passed on unchanged.

    A prediction to rank plans by, not a measurement: noise-to-signal ratios add.
    """
    return undamage(Metric.SQNR, sum(noise_to_signal(value) for value in sqnrs_db))


def sensitivity_to_json(sensitivity: Sensitivity) -> dict[str, Any]:
    """The matrix as a JSON document; infinity is written as null."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": sensitivity.model_name, "sha256": sensitivity.model_sha256},
        "method": sensitivity.method,
        "metrics": [str(metric) for metric in sensitivity.metrics],
        "samples": sensitivity.samples,
        "data_digest": sensitivity.data_digest,
        "layers": {
            name: {
                str(bits): {**_cell_to_json(cell), "stored_bytes": row.stored_bytes.get(bits)}
                for bits, cell in sorted(row.cells.items(), reverse=True)
            }
            for name, row in sensitivity.rows.items()
        },
        "activations": {
            name: {str(mode): _cell_to_json(cell) for mode, cell in sorted(row.activations.items())}
            for name, row in sensitivity.rows.items()
            if row.activations
        },
    }


def _cell_to_json(cell: Cell) -> dict[str, Any]:
    document: dict[str, Any] = {
        str(metric): _figure(value) if math.isfinite(value) else None for metric, value in cell.values.items()
    }
    if cell.errors:
        document["standard_errors"] = {str(metric): _figure(value) for metric, value in cell.errors.items()}
    if cell.samples:
        document["samples"] = cell.samples
    return document


def _figure(value: float) -> float:
    """Six digits: more than any of the metrics means."""
    return float(f"{value:.6g}")


def load_sensitivity(path: Path) -> Sensitivity:
    """Read a sensitivity file, of this version or of version 1, which held SQNR only.

    Raises:
        BitsmithError: missing, unreadable or malformed.
    """
    try:
        return sensitivity_from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BitsmithError(f"Cannot read the sensitivity file {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BitsmithError(f"{path} is not a sensitivity file. Make one with: bitsmith analyze") from error


def sensitivity_from_json(document: Any) -> Sensitivity:
    """The matrix in a document; ValueError, KeyError, TypeError or AttributeError if it holds none."""
    activations = document.get("activations", {})
    rows = {
        name: SensitivityRow(
            layer=name,
            cells={int(bits): _cell_from_json(cell) for bits, cell in cells.items()},
            stored_bytes={int(bits): int(cell["stored_bytes"]) for bits, cell in cells.items()},
            activations={
                ActivationMode(mode): _cell_from_json(cell) for mode, cell in activations.get(name, {}).items()
            },
        )
        for name, cells in document["layers"].items()
    }
    return Sensitivity(
        model_sha256=str(document["model"]["sha256"]),
        model_name=str(document["model"]["name"]),
        method=str(document["method"]),
        samples=int(document["samples"]),
        data_digest=str(document["data_digest"]),
        rows=rows,
    )


def _cell_from_json(document: Mapping[str, Any]) -> Cell:
    values = {
        metric: LOSSLESS.get(metric, math.inf) if document[metric] is None else _read_figure(document[metric])
        for metric in Metric
        if metric in document
    }
    if values.get(Metric.SQNR, 0.0) < LOWEST_SQNR_DB:
        raise ValueError("an SQNR that no signal has")
    errors = {Metric(name): _read_figure(value) for name, value in document.get("standard_errors", {}).items()}
    return Cell(values, errors, int(document.get("samples", 0)))


def _read_figure(value: Any) -> float:
    figure = float(value)
    if not abs(figure) <= LARGEST_FIGURE:
        raise ValueError(f"{figure} is no figure of a layer")
    return figure
