"""The live figures of a plan: arithmetic over the layers, done anew on every change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from engine.plan import Plan
from engine.prediction import predict_value
from engine.sensitivity.matrix import Metric, SensitivityRow
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
        sqnr_db=predict_value(model, plan, rows, Metric.SQNR),
    )


def update_sqnr(
    figures: LiveFigures, model: ModelSummary, plan: Plan, rows: Mapping[str, SensitivityRow]
) -> LiveFigures:
    """The same sizes with another prediction, after cells were measured."""
    return dataclasses.replace(figures, sqnr_db=predict_value(model, plan, rows, Metric.SQNR))
