"""What could not be timed, from multiply-accumulates and bytes, at the rates of the layers that were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from engine.latency.figures import Form, LatencyCell
from engine.numerics.schemes import Kernel
from engine.summary import LayerSummary

Times = Mapping[str, Mapping[Form, float]]
# Where nothing was timed: a modest core, in microseconds per multiply-accumulate and per byte of weight.
DEFAULT_RATES = (3e-5, 1e-4)


def estimate_cell(layer: LayerSummary, form: Form, layers: Sequence[LayerSummary], times: Times) -> LatencyCell:
    """A cell at the rates of measured layers: of the same kind and kernel, else of the kernel, else in float."""
    pools = (
        [item for item in layers if item.kind == layer.kind and form in times.get(item.name, {})],
        [item for item in layers if form in times.get(item.name, {})],
    )
    for pool in pools:
        if pool:
            return LatencyCell(_predict(layer, _fit(pool, form, times)), is_estimated=True)
    in_float = next((us for (kernel, _), us in times.get(layer.name, {}).items() if kernel == Kernel.FLOAT), None)
    return LatencyCell(_predict(layer, DEFAULT_RATES) if in_float is None else in_float, is_estimated=True)


def _fit(pool: Iterable[LayerSummary], form: Form, times: Times) -> tuple[float, float]:
    """Non-negative rates with the least relative error."""
    from scipy.optimize import nnls  # slow to load, and not needed to open a model

    features = np.array([_features(item) for item in pool])
    measured: npt.NDArray[np.float64] = np.array([max(times[item.name][form], 1e-3) for item in pool])
    rates, _ = nnls(features / measured[:, None], np.ones(len(measured)))
    return float(rates[0]), float(rates[1])


def _predict(layer: LayerSummary, rates: tuple[float, float]) -> float:
    macs, weight_bytes = _features(layer)
    return macs * rates[0] + weight_bytes * rates[1]


def _features(layer: LayerSummary) -> tuple[float, float]:
    """Multiply-accumulates per sample (one per weight where shapes are not known) and bytes of the weight."""
    macs = layer.parameters if layer.macs is None else layer.macs
    return float(macs), float(layer.float_bytes)
