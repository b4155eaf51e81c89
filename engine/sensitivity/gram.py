"""Second moments of layer inputs: H = Σ x·xᵀ, from which the output error of any weight change follows.

‖ΔW·x‖² summed over the data is tr(ΔW·H·ΔWᵀ), exactly, for any bits, group, range or rounding and
without another pass (ENGINE_NOTES, "Sufficient statistics").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.model.layers import Layer
from engine.sensitivity.patches import sample_rows


@dataclass
class InputMoments:
    """Second moments of one layer's input.

    Attributes:
        gram: float64 [groups, inputs, inputs]; for an embedding float64 [channels], how often each row
            was looked up.
        rows: positions that went in.
    """

    layer: Layer
    gram: npt.NDArray[np.float64]
    rows: int = 0

    @classmethod
    def empty(cls, layer: Layer) -> InputMoments:
        """Nothing seen yet."""
        return cls(layer, np.zeros(gram_shape(layer), np.float64))

    def update(self, values: npt.NDArray[Any], limit: int, rng: np.random.Generator) -> None:
        """Add at most `limit` positions of one batch of the layer's input."""
        if self.layer.op == "Gather":
            indices = np.asarray(values).reshape(-1)
            self.gram += np.bincount(indices % self.layer.layout.channels, minlength=self.gram.size)
            self.rows += indices.size
            return
        rows = sample_rows(self.layer, values, limit, rng)
        self.gram += np.matmul(rows.transpose(0, 2, 1), rows)
        self.rows += rows.shape[1]

    def output_energy(self, matrix: npt.NDArray[np.float32]) -> float:
        """Σ ‖matrix·x‖² over the data: tr(matrix·H·matrixᵀ).

        Args:
            matrix: float32 [channels, inputs], a weight or the change of one.
        """
        wide = matrix.astype(np.float64)
        if self.layer.op == "Gather":
            return float(self.gram @ np.einsum("ck,ck->c", wide, wide))
        grouped = wide.reshape(len(self.gram), -1, wide.shape[1])
        return float(np.einsum("gck,gck->", grouped @ self.gram, grouped))

    def sqnr_db(self, matrix: npt.NDArray[np.float32], quantized: npt.NDArray[np.float32]) -> float:
        """SQNR of the layer's output (bias left out) if `matrix` is replaced by `quantized`; in dB."""
        noise = self.output_energy(quantized - matrix)
        signal = self.output_energy(matrix)
        if noise <= 0:
            return float("inf")
        return float(10 * np.log10(max(signal, 1e-30) / noise))


def gram_shape(layer: Layer) -> tuple[int, ...]:
    """Shape of the layer's moments."""
    if layer.op == "Gather":
        return (layer.layout.channels,)
    batches = int(np.prod(layer.layout.split_shape[:-2])) if layer.op == "MatMul" and layer.weight_index == 1 else 1
    return (max(layer.group, batches), layer.layout.inputs, layer.layout.inputs)


def gram_bytes(layer: Layer) -> int:
    """Memory of the layer's moments."""
    return 8 * int(np.prod(gram_shape(layer)))
