"""The live figures of a plan, fast enough for every click: layers that did not change are not counted anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.latency.figures import Form, Latencies, LatencyPrediction
from engine.latency.prediction import Between, predict_between, predict_latency_us
from engine.layer_sizes import layer_bytes
from engine.numerics.schemes import Kernel, WeightScheme
from engine.placement import Placement, place
from engine.plan import LayerPlan, Plan
from engine.prediction import layer_loss, loaded_bytes
from engine.sensitivity.matrix import Metric, SensitivityRow, undamage
from engine.sizes import METADATA_BYTES, activation_bytes, shared_bytes
from engine.stored_weights import stored_weight_bytes
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
    """What one layer adds to the figures with these weights on this kernel: nothing else of its choices counts."""

    weights: WeightScheme
    kernel: Kernel
    stored_bytes: int
    file_bytes: int
    ram_bytes: int


class _Losses(NamedTuple):
    """What one layer loses in all forms that it had since its row was measured; None where that was not measured."""

    row: SensitivityRow | None
    by_form: dict[Form, float | None]


class Ledger:
    """Counts plans of one model. It gives what `engine.sizes` and `engine.prediction` give, layer by layer."""

    def __init__(self, model: ModelSummary, latencies: Latencies | None = None) -> None:
        self._model = model
        self._sharing = tuple(layer for layer in model.layers if layer.shares_weight)
        self._shares: list[_Share | None] = [None] * len(model.layers)
        self._losses: dict[Metric, list[_Losses]] = {}
        self._kernels: list[Kernel] | None = None
        self._activation_bytes = 0
        self._placement: Placement | None = None
        self._between: Between | None = None
        self._latencies = latencies

    @property
    def latencies(self) -> Latencies | None:
        """Measured layer times; None while there are none."""
        return self._latencies

    @latencies.setter
    def latencies(self, latencies: Latencies | None) -> None:
        self._latencies, self._between = latencies, None

    def count(self, plan: Plan, rows: Mapping[str, SensitivityRow], metric: Metric) -> LiveFigures:
        """The figures of `plan`, with what has been measured so far."""
        choices = plan.choices(self._model.layers)
        shares = self._share_out(choices)
        own = sum(share.file_bytes for share in shares)
        shared = shared_bytes(self._sharing, plan.choices(self._sharing))
        self._place(plan, choices)
        size = self._model.fixed_bytes + own - shared + self._activation_bytes + METADATA_BYTES
        forms = [(choice.kernel, choice.weights.bits) for choice in choices]
        measured = [rows.get(layer.name) for layer in self._model.layers]
        value = self._predict(choices, forms, measured, metric)
        latency = self._predict_latency(plan)
        return LiveFigures(
            file_bytes=size,
            float_bytes=self._model.file_bytes,
            ratio=self._model.file_bytes / max(size, 1),
            bits_per_weight=8 * sum(share.stored_bytes for share in shares) / max(self._model.parameters, 1),
            ram_bytes=sum(share.ram_bytes for share in shares),
            metric=metric,
            value=value,
            sqnr_db=value if metric == Metric.SQNR else self._predict(choices, forms, measured, Metric.SQNR),
            latency_ms=latency.us / 1000 if latency else None,
            is_latency_estimated=latency is not None and latency.is_estimated,
        )

    def _share_out(self, choices: Sequence[LayerPlan]) -> list[_Share]:
        """What every layer adds, counted anew where the choice is another one and no layer like it has the same."""
        by_form: dict[tuple[object, ...], _Share] = {}
        found = []
        for number, (layer, choice) in enumerate(zip(self._model.layers, choices, strict=True)):
            share = self._shares[number]
            if share is None or share.weights is not choice.weights or share.kernel is not choice.kernel:
                key = (layer.form, id(choice.weights), choice.kernel)
                share = by_form.get(key)
                if share is None:
                    share = by_form[key] = _count_share(layer, choice)
                self._shares[number] = share
            found.append(share)
        return found

    def _predict(
        self,
        choices: Sequence[LayerPlan],
        forms: Sequence[Form],
        measured: Sequence[SensitivityRow | None],
        metric: Metric,
    ) -> float | None:
        """The metric of a plan; None while a layer that loses something waits to be measured."""
        known = self._losses.setdefault(metric, [_Losses(None, {})] * len(choices))
        total = 0.0
        for number, (form, row) in enumerate(zip(forms, measured, strict=True)):
            before, by_form = known[number]
            if before is not row or not by_form:
                by_form = {}
                known[number] = _Losses(row, by_form)
            if form not in by_form:
                by_form[form] = layer_loss(row, choices[number], metric)
            loss = by_form[form]
            if loss is None:
                return None
            total += loss
        return undamage(metric, total)

    def _place(self, plan: Plan, choices: Sequence[LayerPlan]) -> None:
        """Find the QuantizeLinear pairs, which depend on nothing but the kernels."""
        kernels = [choice.kernel for choice in choices]
        if kernels != self._kernels:
            self._kernels, self._placement, self._between = kernels, place(self._model, plan), None
            self._activation_bytes = activation_bytes(self._model, self._placement)

    def _predict_latency(self, plan: Plan) -> LatencyPrediction | None:
        """With the placement that `_place` has just found."""
        if self._latencies is None:
            return None
        if self._between is None:
            self._between = predict_between(self._model, plan, self._latencies, self._placement)
        return predict_latency_us(self._model, plan, self._latencies, self._between)


def _count_share(layer: LayerSummary, choice: LayerPlan) -> _Share:
    weights, kernel = choice.weights, choice.kernel
    return _Share(
        weights, kernel, stored_weight_bytes(layer, choice), layer_bytes(layer, choice), loaded_bytes(layer, choice)
    )
