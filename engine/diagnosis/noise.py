"""How much of one layer's output error comes from where, for any choice, at its sampled inputs."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.job_context import JobContext
from engine.model.quantized_layers import fake_quantize_layer
from engine.numerics.affine import TensorQuantization, choose_tensor_quantization
from engine.numerics.schemes import ActivationMode, ActivationRange
from engine.plan import LayerPlan
from engine.sensitivity.sampled_inputs import SampledInputs
from engine.summary import LayerSummary

Matrix = npt.NDArray[np.float32]
Rows = npt.NDArray[np.float32]
PerChannelFigures = npt.NDArray[np.float64]

# Outputs of this many elements are made at a time, so that a vocabulary of channels does not fill the memory.
BLOCK_ELEMENTS = 1 << 23


class LayerNoise:
    """Energies of one layer's output over its sampled inputs, bias left out.

    Noise of the weight and of the input are added as if independent; the first is exact for the codes that
    conversion packs, the second is that of the float weight.
    """

    def __init__(
        self, inputs: SampledInputs, summary: LayerSummary, spread: ActivationRange, context: JobContext
    ) -> None:
        self.layer = inputs.layer
        self.summary = summary
        self.inputs = inputs
        self.matrix: Matrix = inputs.layer.matrix()
        self._spread = spread
        self._context = context
        self._input_noise: dict[ActivationMode, float] = {ActivationMode.FLOAT: 0.0}

    @cached_property
    def rows(self) -> Rows:
        """The sampled inputs, float32 [groups, rows, inputs]; not for an embedding."""
        return np.concatenate(self.inputs.parts, axis=1)

    @cached_property
    def signal(self) -> PerChannelFigures:
        """Σ (w·x)² per output channel: float64 [channels]."""
        return self.energy(self.matrix)

    def energy(self, matrix: Matrix) -> PerChannelFigures:
        """Σ (matrix·x)² per output channel: float64 [channels].

        Args:
            matrix: float32 [channels, inputs], a weight or the change of one.
        """
        if self.inputs.lookups is not None:
            per_row: PerChannelFigures = np.einsum("ck,ck->c", matrix, matrix, dtype=np.float64)
            return self.inputs.lookups * per_row
        return self._energy(matrix, self.rows)

    def _energy(self, matrix: Matrix, rows: Rows) -> PerChannelFigures:
        grouped = matrix.reshape(len(rows), -1, matrix.shape[1])
        step = max(1, BLOCK_ELEMENTS // (rows.shape[0] * rows.shape[1]))
        parts = []
        for start in range(0, grouped.shape[1], step):
            outputs = np.matmul(grouped[:, start : start + step], rows.transpose(0, 2, 1))
            parts.append(np.einsum("gcr,gcr->gc", outputs, outputs))
        return np.concatenate(parts, axis=1).reshape(-1).astype(np.float64)

    def weight_noise(self, choice: LayerPlan) -> float:
        """Σ ‖Δw·x‖² with the weight that conversion would store.

        Raises:
            ConversionError: the weight does not fit the scheme.
            JobCancelled: cancelled before this choice.
        """
        self._context.check_cancelled()
        return float(self.energy(fake_quantize_layer(self.matrix, self.summary, choice) - self.matrix).sum())

    def input_noise(self, mode: ActivationMode) -> float:
        """Σ ‖w·Δx‖² with the input as a kernel of `mode` has it."""
        if mode not in self._input_noise:
            self._input_noise[mode] = self.inputs.activation_noise(self.matrix, mode, self._spread)
        return self._input_noise[mode]

    def noise_of_input_change(self, change: Rows) -> float:
        """Σ ‖w·Δx‖² for any change of `rows`."""
        return float(self._energy(self.matrix, change).sum())

    def grid(self, mode: ActivationMode) -> TensorQuantization:
        """The uint8 grid of the input; of dynamic ones, that of all batches together."""
        if mode == ActivationMode.STATIC:
            return choose_tensor_quantization(*self.inputs.statistics.range(self._spread))
        return choose_tensor_quantization(*self.extremes)

    @property
    def extremes(self) -> tuple[float, float]:
        """Of the whole input, not only of the sampled rows."""
        low, high = zip(*self.inputs.extremes, strict=True)
        return float(np.min(low)), float(np.max(high))  # NaN wins, unlike with min()

    def mode_of(self, choice: LayerPlan) -> ActivationMode:
        """What the choice does to the layer's input; FLOAT where that is not known (embeddings)."""
        return choice.activations if choice.activations in self.inputs.modes else ActivationMode.FLOAT

    def total(self, choice: LayerPlan) -> float:
        """Weight and input noise together; raises as `weight_noise`."""
        return self.weight_noise(choice) + self.input_noise(self.mode_of(choice))

    def sqnr_db(self, noise: float) -> float:
        """SQNR of the layer's output with so much noise; infinite without any."""
        return noise_db(float(self.signal.sum()), noise)


def noise_db(signal: float, noise: float) -> float:
    """10·log10(signal / noise), infinite without noise."""
    return 10 * math.log10(max(signal, 1e-30) / noise) if noise > 0 else math.inf
