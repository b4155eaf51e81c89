"""A layer's weight under its plan: the one place where analysis, simulation and packing get their integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.errors import ConversionError
from engine.numerics.affine import TensorQuantization
from engine.numerics.weights import QuantizedWeight, WeightNotFinite, quantize_weight
from engine.plan import LayerPlan
from engine.stored_weights import group_scales, has_half_scales
from engine.summary import LayerSummary

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ChosenWeights:
    """Weights whose codes were chosen ahead of conversion, by layer name; others are rounded to nearest.

    Attributes:
        biases: float32 [channels], as `Layer.bias` has it; in place of the layer's own.
        grids: of activations, by tensor, in place of those that calibration gives.
        notes: sentences about what was left as it was, and why.
        devices: what was used to train: CPU, or the name of a GPU.
    """

    weights: Mapping[str, QuantizedWeight] = field(default_factory=dict)
    biases: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    grids: Mapping[str, TensorQuantization] = field(default_factory=dict)
    devices: tuple[str, ...] = ()

    def quantize(self, matrix: Matrix, layer: LayerSummary, choice: LayerPlan) -> QuantizedWeight:
        """Codes and scales of a layer; arguments and errors as those of `quantize_layer`."""
        found = self.weights.get(layer.name)
        return quantize_layer(matrix, layer, choice) if found is None else found


def ensure_finite(matrix: Matrix, layer: LayerSummary) -> None:
    """Raise `ConversionError` if the weight holds NaN or infinite values."""
    if not np.isfinite(matrix).all():
        raise _not_finite(layer)


def _not_finite(layer: LayerSummary) -> ConversionError:
    return ConversionError(f"The weight of {layer.title} holds NaN or infinite values. Repair or retrain the model.")


def quantize_layer(matrix: Matrix, layer: LayerSummary, choice: LayerPlan) -> QuantizedWeight:
    """Codes and scales of an integer scheme.

    Args:
        matrix: float32 [channels, inputs].

    Raises:
        ConversionError: the weight holds NaN or infinite values.
    """
    try:
        return quantize_weight(
            matrix,
            choice.weights,
            group_scales=group_scales(layer, choice),
            half_scales=has_half_scales(layer, choice),
        )
    except WeightNotFinite as error:
        raise _not_finite(layer) from error


def to_float16(matrix: Matrix, layer: LayerSummary) -> npt.NDArray[np.float16]:
    """The weight in half precision.

    Raises:
        ConversionError: a value is NaN, infinite or beyond float16's range.
    """
    ensure_finite(matrix, layer)
    with np.errstate(over="ignore"):
        half = matrix.astype(np.float16)
    if not np.isfinite(half).all():
        raise ConversionError(
            f"{layer.title} has weights up to {np.abs(matrix).max():.3g}, beyond 16-bit floats. Keep it at 32 bits."
        )
    return half


def fake_quantize_layer(matrix: Matrix, layer: LayerSummary, choice: LayerPlan) -> Matrix:
    """The weight that the exported layer computes with, float32 [channels, inputs]."""
    if choice.weights.bits == 32:
        return matrix
    if choice.weights.bits == 16:
        return to_float16(matrix, layer).astype(np.float32)
    return quantize_layer(matrix, layer, choice).dequantize()
