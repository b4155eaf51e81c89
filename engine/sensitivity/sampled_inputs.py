"""Sampled inputs of one layer, from which the output error of any change of weight or input follows.

ΔW·x at some hundred output positions says what ΔW·x is like, for any bits, group, range or rounding, without
another pass. Rows are kept rather than their second moments H = Σ x·xᵀ: H takes inputs² and as much work per
position, the rows only what is sampled, and they show what quantizing the input does, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.calibration.statistics import TensorStatistics
from engine.model.layers import Layer
from engine.numerics.affine import choose_tensor_quantization
from engine.numerics.schemes import ActivationMode, ActivationRange, Kernel
from engine.sensitivity.patches import sample_rows

Rows = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float32]

# The kernels that quantize a layer's input, by what they do to it.
KERNEL_OF_MODE = {ActivationMode.STATIC: Kernel.QLINEAR, ActivationMode.DYNAMIC: Kernel.DYNAMIC}


@dataclass
class SampledInputs:
    """What a layer read at some of its output positions.

    Attributes:
        parts: per batch float32 [groups, rows, inputs].
        extremes: of the whole input tensor, per batch.
        statistics: of the input, for static ranges: the histogram is of the sampled rows, the extremes are
            those of whole batches.
        lookups: of an embedding, how often each row was looked up, float64 [channels].
    """

    layer: Layer
    parts: list[Rows] = field(default_factory=list)
    extremes: list[tuple[float, float]] = field(default_factory=list)
    statistics: TensorStatistics = field(default_factory=TensorStatistics)
    lookups: npt.NDArray[np.float64] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was seen yet."""
        return not self.parts and self.lookups is None

    @property
    def modes(self) -> list[ActivationMode]:
        """What the layer's kernels can do to its input."""
        return [mode for mode, kernel in KERNEL_OF_MODE.items() if kernel in self.layer.kernels and self.parts]

    def update(self, values: npt.NDArray[Any], limit: int, rng: np.random.Generator) -> None:
        """Keep at most `limit` positions of one batch of the layer's input; all look-ups of an embedding."""
        if self.layer.op == "Gather":
            channels = self.layer.layout.channels
            counts = np.bincount(np.asarray(values).reshape(-1) % channels, minlength=channels).astype(np.float64)
            self.lookups = counts if self.lookups is None else self.lookups + counts
            return
        rows = np.array(sample_rows(self.layer, values, limit, rng), np.float32)
        low, high = float(values.min()), float(values.max())
        self.parts.append(rows)
        self.extremes.append((low, high))
        if Kernel.QLINEAR in self.layer.kernels and np.isfinite([low, high]).all():
            part = TensorStatistics()
            part.update(rows.reshape(1, -1))
            part.minimum, part.maximum, part.minimum_sum, part.maximum_sum = low, high, low, high
            self.statistics.merge(part)

    def output_energy(self, matrix: Matrix) -> float:
        """Σ ‖matrix·x‖² over the sampled positions.

        Args:
            matrix: float32 [channels, inputs], a weight or the change of one.
        """
        if self.lookups is not None:
            return float(self.lookups @ np.einsum("ck,ck->c", matrix, matrix, dtype=np.float64))
        return _energy(matrix, self._rows)

    def activation_noise(self, matrix: Matrix, mode: ActivationMode, choice: ActivationRange) -> float:
        """Σ ‖matrix·Δx‖² over the sampled positions: the input is uint8, as the kernel of `mode` has it."""
        if mode == ActivationMode.STATIC:
            grid = choose_tensor_quantization(*self.statistics.range(choice))
            return _energy(matrix, grid.fake_quantize(self._rows) - self._rows)
        grids = [choose_tensor_quantization(*pair) for pair in self.extremes]
        errors = [grid.fake_quantize(rows) - rows for grid, rows in zip(grids, self.parts, strict=True)]
        return _energy(matrix, np.concatenate(errors, axis=1))

    @cached_property
    def _rows(self) -> Rows:
        """All parts in one, once nothing is added any more."""
        return np.concatenate(self.parts, axis=1)


def _energy(matrix: Matrix, rows: Rows) -> float:
    grouped = matrix.reshape(len(rows), -1, matrix.shape[1])
    outputs = np.matmul(grouped, rows.transpose(0, 2, 1))
    return float(np.einsum("gcr,gcr->gc", outputs, outputs).sum(dtype=np.float64))


def sampled_bytes(layer: Layer, rows: int) -> int:
    """Memory of so many sampled positions of a layer."""
    layout = layer.layout
    if layer.op == "Gather":
        return 8 * layout.channels
    batches = int(np.prod(layout.split_shape[:-2])) if layer.op == "MatMul" and layer.weight_index == 1 else 1
    return 4 * rows * max(layer.group, batches) * layout.inputs
