"""The distribution of one layer's weight, before and after fake quantization, ready to be drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.errors import ModelError
from engine.jobs.requests import WeightHistogram, WeightHistogramRequest
from engine.model.opened import Model
from engine.model.quantized_layers import ensure_finite, quantize_layer, to_float16
from engine.numerics.schemes import WeightScheme
from engine.numerics.weights import QuantizedWeight, range_of

Matrix = npt.NDArray[np.float32]


def build_weight_histogram(model: Model, request: WeightHistogramRequest) -> WeightHistogram:
    """Bin the weight of `request.layer` and what the plan makes of it.

    Raises:
        ModelError: there is no such layer.
        ConversionError: its weight holds NaN or infinite values.
    """
    layer = next((item for item in model.layers if item.name == request.layer), None)
    if layer is None:
        raise ModelError(f"{model.path.name} has no layer named {request.layer!r}.")
    matrix = layer.matrix()
    choice = request.plan.layer(layer.name)
    summary = model.summary.layer_by_name[layer.name]
    ensure_finite(matrix, summary)
    counts, edges = np.histogram(matrix, bins=request.bins)
    quantized: QuantizedWeight | None = None
    result = matrix
    if choice.weights.is_integer:
        quantized = quantize_layer(matrix, summary, choice)
        result = quantized.dequantize()
    elif choice.weights.bits == 16:
        result = to_float16(matrix, summary).astype(np.float32)
    grid, clipped = _grid(matrix, quantized, choice.weights)
    noise = float(np.square(result - matrix, dtype=np.float64).sum())
    signal = float(np.square(matrix, dtype=np.float64).sum())
    return WeightHistogram(
        layer=layer.name,
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        quantized_counts=()
        if choice.weights.bits == 32
        else tuple(np.histogram(np.clip(result, edges[0], edges[-1]), bins=edges)[0].tolist()),
        grid=grid,
        range_min=grid[0] if grid else float(matrix.min()),
        range_max=grid[-1] if grid else float(matrix.max()),
        clipped_fraction=clipped,
        sqnr_db=float(10 * np.log10(signal / noise)) if noise > 0 and signal > 0 else None,
        channel_min=tuple(matrix.min(axis=1).tolist()),
        channel_max=tuple(matrix.max(axis=1).tolist()),
    )


def _grid(matrix: Matrix, quantized: QuantizedWeight | None, scheme: WeightScheme) -> tuple[tuple[float, ...], float]:
    """Values of the widest channel's (or group's) grid, and the share of weights outside their own grid."""
    if quantized is None:
        return (), 0.0
    qmin, qmax = range_of(scheme)
    zero_point = (
        np.zeros_like(quantized.scale) if quantized.zero_point is None else quantized.zero_point.astype(np.float32)
    )
    low = (qmin - zero_point) * quantized.scale
    high = (qmax - zero_point) * quantized.scale
    inputs = matrix.shape[1]

    def spread(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return values if values.shape[1] == 1 else np.repeat(values, quantized.group_size, axis=1)[:, :inputs]

    margin = spread(quantized.scale) / 2
    clipped = float(((matrix < spread(low) - margin) | (matrix > spread(high) + margin)).mean())
    reach = np.maximum(np.abs(low), np.abs(high))
    is_used = np.abs(matrix).max(axis=1, keepdims=True) > 0  # an all-zero channel has a scale of 1, which means nothing
    widest = np.unravel_index(np.argmax(reach * is_used), quantized.scale.shape)
    codes = np.arange(qmin, qmax + 1) - float(zero_point[widest])
    return tuple((codes * float(quantized.scale[widest])).tolist()), clipped
