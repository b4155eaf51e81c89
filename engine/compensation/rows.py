"""How many of a layer's output positions count, and the moments of a batch of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.compensation.moments import Moments
from engine.model.graph import attribute_int
from engine.model.layers import Layer
from engine.sensitivity.patches import sample_rows
from engine.sensitivity.sampled_inputs import sampled_bytes

# Positions that a layer's moments are summed over, at the least if there are so many; per input where that is more.
MIN_ROWS = 8192
ROWS_PER_INPUT = 16
# One batch's rows of one layer.
BATCH_ROW_BYTES = 128 << 20
# One matrix of moments: about 8,000 inputs.
MAX_MOMENT_BYTES = 512 << 20
SEED = 0


def moment_bytes(layer: Layer) -> int:
    """Memory of one of the layer's matrices of moments."""
    groups = sampled_bytes(layer, 1) // (4 * layer.layout.inputs)
    return 8 * groups * layer.layout.inputs**2


def form_of(layer: Layer) -> tuple[object, ...]:
    """Equal for layers that make the same rows of the same tensor."""
    is_plain = layer.op in ("Gemm", "MatMul") and layer.weight_index == 1 and len(layer.layout.weight_shape) == 2
    return ("rows", attribute_int(layer.node, "transA", 0)) if is_plain else ("own", layer.name)


class RowDraw:
    """Draws the same positions from the float and the quantized input of a layer."""

    def __init__(self, layer: Layer, samples: int) -> None:
        """`samples` is how many there will be in all."""
        self._layer = layer
        wanted = max(MIN_ROWS, ROWS_PER_INPUT * layer.layout.inputs)
        self._per_sample = math.ceil(wanted / max(samples, 1))
        self._limit = max(1, BATCH_ROW_BYTES // sampled_bytes(layer, 1))

    def add(
        self, moments: Moments | None, values: npt.NDArray[Any], other: npt.NDArray[Any] | None, index: int
    ) -> Moments:
        """Add the rows of batch `index` to `moments`, None for the first one.

        Args:
            values: the input of the float layer.
            other: that of the quantized layer; None if it is the same.
        """
        limit = min(self._per_sample * max(values.shape[0], 1), self._limit)
        rows = self._draw(values, limit, index)
        other_rows = None if other is None else self._draw(other, limit, index)
        if moments is None:
            moments = Moments.empty(rows.shape[0], rows.shape[2], is_quantized=other is not None)
        moments.update(rows, other_rows)
        return moments

    def _draw(self, values: npt.NDArray[Any], limit: int, index: int) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng((SEED, index))
        return np.asarray(sample_rows(self._layer, values, limit, rng), np.float32)
