"""Affine quantization of activations: q = clamp(round(x / scale) + zero_point, qmin, qmax), ties to even.

Source: ONNX QuantizeLinear-21 and DynamicQuantizeLinear-11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.numerics.schemes import ActivationType

UINT8_MAX = 255


@dataclass(frozen=True)
class TensorQuantization:
    """Scale and zero point of a uint8 activation tensor: x ≈ (q − zero_point) · scale."""

    scale: np.float32
    zero_point: int

    def stored_zero_point(self, stored: ActivationType) -> npt.NDArray[np.uint8 | np.int8]:
        """The zero point as it stands in a file, where codes of int8 are 128 less than those of uint8; a scalar."""
        if stored == ActivationType.INT8:
            return np.asarray(self.zero_point + np.iinfo(np.int8).min, np.int8)
        return np.asarray(self.zero_point, np.uint8)

    def quantize(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """uint8 codes, same shape."""
        rounded: npt.NDArray[np.float32] = np.rint(values / self.scale) + self.zero_point
        return np.clip(rounded, 0, UINT8_MAX).astype(np.uint8)

    def fake_quantize(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Quantize, then dequantize: float32, same shape."""
        codes = self.quantize(values).astype(np.int32)
        return (codes - self.zero_point).astype(np.float32) * self.scale


def choose_tensor_quantization(range_min: float, range_max: float) -> TensorQuantization:
    """The uint8 grid that covers the range; zero is always on the grid, as padding and ReLU need."""
    low, high = min(float(range_min), 0.0), max(float(range_max), 0.0)
    scale = np.float32((high - low) / UINT8_MAX)
    if not np.isfinite(scale) or scale < np.finfo(np.float32).tiny:
        return TensorQuantization(np.float32(1.0), 0)
    zero_point = int(np.clip(np.rint(-low / float(scale)), 0, UINT8_MAX))
    return TensorQuantization(scale, zero_point)
