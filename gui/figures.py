"""The live figures of a plan: arithmetic over the layers, done anew on every change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from engine.plan import Plan
from engine.sensitivity.matrix import Metric, SensitivityRow, predict_sqnr_db
from engine.sizes import bits_per_weight, predict_file_bytes
from engine.summary import ModelSummary


@dataclass(frozen=True)
class LiveFigures:
    """What the plan would give.

    Attributes:
        ratio: float file / predicted file.
        sqnr_db: predicted; None while a layer that loses something has not been measured.
    """

    file_bytes: int
    float_bytes: int
    ratio: float
    bits_per_weight: float
    sqnr_db: float | None


def compute_figures(model: ModelSummary, plan: Plan, rows: Mapping[str, SensitivityRow]) -> LiveFigures:
    """The figures of `plan` on `model`, with what has been measured so far."""
    predicted = predict_file_bytes(model, plan)
    return LiveFigures(
        file_bytes=predicted,
        float_bytes=model.file_bytes,
        ratio=model.file_bytes / max(predicted, 1),
        bits_per_weight=bits_per_weight(model, plan),
        sqnr_db=_predict_sqnr(model, plan, rows),
    )


def update_sqnr(
    figures: LiveFigures, model: ModelSummary, plan: Plan, rows: Mapping[str, SensitivityRow]
) -> LiveFigures:
    """The same sizes with another prediction, after cells were measured."""
    return dataclasses.replace(figures, sqnr_db=_predict_sqnr(model, plan, rows))


def _predict_sqnr(model: ModelSummary, plan: Plan, rows: Mapping[str, SensitivityRow]) -> float | None:
    cells: list[float] = []
    for layer in model.layers:
        bits = plan.layer(layer.name).weights.bits
        if bits == 32:
            continue
        row = rows.get(layer.name)
        value = row.value(bits, Metric.SQNR) if row else None
        if value is None:
            return None
        cells.append(value)
    return predict_sqnr_db(cells)
