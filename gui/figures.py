"""The live figures of a plan, fast enough for every click: layers that did not change are not counted anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from engine.latency.figures import Latencies, LatencyPrediction
from engine.latency.prediction import predict_latency_us
from engine.numerics.schemes import Kernel
from engine.placement import Placement, place
from engine.plan import LayerPlan, Plan
from engine.prediction import layer_damage, loaded_bytes
from engine.sensitivity.matrix import Metric, SensitivityRow, undamage
from engine.sizes import METADATA_BYTES, activation_bytes, layer_bytes, shared_bytes, stored_weight_bytes
from engine.summary import LayerSummary, ModelSummary


@dataclass(frozen=True)
class LiveFigures:
    """What the plan would give.

    Attributes:
        ratio: float file / predicted file.
        ram_bytes: of the weights while the model runs.
        metric: the one that is looked at; `value` is predicted in it.
        sqnr_db, value: predicted; None while a layer that loses something has not been measured.
        latency_ms: predicted; None while layer times have not been measured.
        is_latency_estimated: some layer's time is an estimate.
    """

    file_bytes: int
    float_bytes: int
    ratio: float
    bits_per_weight: float
    ram_bytes: int
    metric: Metric
    value: float | None
    sqnr_db: float | None
    latency_ms: float | None = None
    is_latency_estimated: bool = False


@dataclass(frozen=True)
class _Share:
    """What one layer with one choice adds to the figures."""

    choice: LayerPlan
    stored_bytes: int
    file_bytes: int
    ram_bytes: int


class _Loss(NamedTuple):
    """What one layer with one choice loses; None while that was not measured. Made for every layer, so a tuple.

    `by_form` holds it for all forms that the layer had since its row was measured.
    """

    choice: LayerPlan
    row: SensitivityRow | None
    damage: float | None
    by_form: dict[tuple[int, Kernel], float | None]


class Ledger:
    """Counts plans of one model. It gives what `engine.sizes` and `engine.prediction` give, layer by layer."""

    def __init__(self, model: ModelSummary, latencies: Latencies | None = None) -> None:
        self._model = model
        self._sharing = tuple(layer for layer in model.layers if layer.shares_weight)
        self._shares: dict[str, _Share] = {}
        self._losses: dict[Metric, dict[str, _Loss]] = {}
        self._static: frozenset[str] | None = None
        self._placement: Placement | None = None
        self._activation_bytes = 0
        self.latencies = latencies

    def count(self, plan: Plan, rows: Mapping[str, SensitivityRow], metric: Metric) -> LiveFigures:
        """The figures of `plan`, with what has been measured so far."""
        by_form: dict[tuple[object, ...], _Share] = {}
        shares = [self._share(layer, plan.layer(layer.name), by_form) for layer in self._model.layers]
        own = sum(share.file_bytes for share in shares)
        shared = shared_bytes(self._sharing, [plan.layer(layer.name) for layer in self._sharing])
        size = self._model.fixed_bytes + own - shared + self._pairs(plan) + METADATA_BYTES
        value = self.predict(plan, rows, metric)
        latency = self._predict_latency(plan)
        return LiveFigures(
            file_bytes=size,
            float_bytes=self._model.file_bytes,
            ratio=self._model.file_bytes / max(size, 1),
            bits_per_weight=8 * sum(share.stored_bytes for share in shares) / max(self._model.parameters, 1),
            ram_bytes=sum(share.ram_bytes for share in shares),
            metric=metric,
            value=value,
            sqnr_db=value if metric == Metric.SQNR else self.predict(plan, rows, Metric.SQNR),
            latency_ms=latency.us / 1000 if latency else None,
            is_latency_estimated=latency is not None and latency.is_estimated,
        )

    def predict(self, plan: Plan, rows: Mapping[str, SensitivityRow], metric: Metric) -> float | None:
        """The metric of a plan; None while a layer that loses something waits to be measured."""
        total = 0.0
        known = self._losses.setdefault(metric, {})
        for layer in self._model.layers:
            name = layer.name
            choice, row, loss = plan.layer(name), rows.get(name), known.get(name)
            if loss is None or loss.choice is not choice or loss.row is not row:
                loss = known[name] = _find_loss(loss, choice, row, metric)
            if loss.damage is None:
                return None
            total += loss.damage
        return undamage(metric, total)

    def _share(self, layer: LayerSummary, choice: LayerPlan, by_form: dict[tuple[object, ...], _Share]) -> _Share:
        """What is known of the layer, or of one like it in the same plan."""
        known = self._shares.get(layer.name)
        if known is None or known.choice is not choice:
            key = (layer.form, id(choice))
            if key not in by_form:
                by_form[key] = _Share(
                    choice, stored_weight_bytes(layer, choice), layer_bytes(layer, choice), loaded_bytes(layer, choice)
                )
            known = self._shares[layer.name] = by_form[key]
        return known

    def _pairs(self, plan: Plan) -> int:
        """Bytes of the QuantizeLinear pairs, which depend on nothing but the static layers."""
        static = frozenset(name for name, choice in plan.layers.items() if choice.kernel == Kernel.QLINEAR)
        if static != self._static:
            self._static, self._placement = static, place(self._model, plan)
            self._activation_bytes = activation_bytes(self._model, self._placement)
        return self._activation_bytes

    def _predict_latency(self, plan: Plan) -> LatencyPrediction | None:
        """With the placement that `_pairs` has just found."""
        if self.latencies is None:
            return None
        return predict_latency_us(self._model, plan, self.latencies, self._placement)


def _find_loss(before: _Loss | None, choice: LayerPlan, row: SensitivityRow | None, metric: Metric) -> _Loss:
    """With what was found before, as long as that is of the same row."""
    by_form = before.by_form if before is not None and before.row is row else {}
    form = (choice.weights.bits, choice.kernel)
    if form not in by_form:
        by_form[form] = _damage_of(row, choice, metric)
    return _Loss(choice, row, by_form[form], by_form)


def _damage_of(row: SensitivityRow | None, choice: LayerPlan, metric: Metric) -> float | None:
    """As `engine.prediction.predict_value` counts it: a row without cells cannot be measured and counts nothing."""
    if choice.weights.bits == 32 or (row is not None and not row.cells):
        return 0.0
    return layer_damage(row, choice, metric) if row is not None else None
