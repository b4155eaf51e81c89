"""The cells of the open model as far as they were measured, and the metric that is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.sensitivity.matrix import RANKING, Metric, Sensitivity, SensitivityRow, damage
from engine.summary import ModelSummary
from gui.metrics import DamageRange, build_scale


@dataclass(frozen=True)
class AnalysisOrigin:
    """What an analysis runs on, as `Sensitivity` keeps it."""

    method: str
    samples: int
    data_digest: str


class Measurements:
    """Rows as they arrive. What an earlier analysis found stays until the first row of the next one is there."""

    def __init__(self) -> None:
        self.rows: dict[str, SensitivityRow] = {}
        self.metrics: tuple[Metric, ...] = ()
        self.finished: Sensitivity | None = None
        self.revision = 0
        self._ranges: dict[Metric, DamageRange] = {}
        self._chosen: Metric | None = None
        self._origin: AnalysisOrigin | None = None
        self._is_outdated = False
        self._partial: Sensitivity | None = None
        self.scale = build_scale(Metric.SQNR, DamageRange())

    @property
    def metric(self) -> Metric:
        """What the cells show: the user's choice where it was measured, else what layers are ranked by."""
        if self._chosen in self.metrics:
            return self._chosen
        return self.metrics[0] if self.metrics else Metric.SQNR

    def choose(self, metric: Metric) -> None:
        """Look at another metric."""
        self._chosen = metric
        self._update_scale()

    def clear(self) -> frozenset[str]:
        """Drop everything but the choice of the metric; returns the layers that had cells."""
        names = frozenset(self.rows)
        self.rows = {}
        self.metrics = ()
        self.finished = self._partial = None
        self.revision += 1
        self._ranges = {}
        self._update_scale()
        return names

    def begin(self, origin: AnalysisOrigin) -> None:
        """Another analysis starts."""
        self._origin = origin
        self._is_outdated = True

    def add(self, rows: Iterable[SensitivityRow]) -> frozenset[str]:
        """Take rows; returns the layers whose cells changed."""
        changed = frozenset[str]()
        if self._is_outdated:
            changed = self.clear()
            self._chosen = None
            self._is_outdated = False
        for row in rows:
            self._take(row)
            changed |= {row.layer}
        self.finished = self._partial = None
        self._update_scale()
        return changed

    def finish(self, sensitivity: Sensitivity) -> frozenset[str]:
        """Take a whole analysis; returns the layers whose cells changed."""
        names = frozenset(self.rows) | frozenset(sensitivity.rows)
        if self._is_outdated:
            self._chosen = None
        self._is_outdated = False
        self.clear()
        for row in sensitivity.rows.values():
            self._take(row)
        self.finished = sensitivity
        self._update_scale()
        return names

    def restore(self, sensitivity: Sensitivity, metric: str, *, is_finished: bool) -> None:
        """Show what an earlier session measured; an unfinished analysis stays one that left its rows."""
        self.finish(sensitivity)
        if metric in self.metrics:
            self.choose(Metric(metric))
        if not is_finished:
            self.finished = None
            self._origin = AnalysisOrigin(sensitivity.method, sensitivity.samples, sensitivity.data_digest)

    def sensitivity(self, model: ModelSummary) -> Sensitivity | None:
        """The matrix, of a cancelled analysis with the rows that it left; None without rows."""
        if self.finished is not None or not self.rows or self._origin is None:
            return self.finished
        if self._partial is None:
            origin = self._origin
            self._partial = Sensitivity(
                model.sha256, Path(model.path).name, origin.method, origin.samples, origin.data_digest, dict(self.rows)
            )
        return self._partial

    def _take(self, row: SensitivityRow) -> None:
        self.rows[row.layer] = row
        self.revision += 1
        for cell in row.cells.values():
            for metric, value in cell.values.items():
                known = self._ranges.get(metric, DamageRange())
                self._ranges[metric] = known.widened(damage(metric, value))
        if len(self._ranges) != len(self.metrics):
            self.metrics = tuple(metric for metric in RANKING if metric in self._ranges)

    def _update_scale(self) -> None:
        self.scale = build_scale(self.metric, self._ranges.get(self.metric, DamageRange()))
