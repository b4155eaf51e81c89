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
from engine.sensitivity.patches import is_input_transposed, sample_rows

Rows = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float32]

# Values of one run that go into the histogram of an input, from which its static range is read.
HISTOGRAM_VALUES = 1 << 13
# Along every axis of an input, places at which a channel is looked at first.
SILENCE_STEPS = 4

# The kernels that quantize a layer's input, by what they do to it.
KERNEL_OF_MODE = {ActivationMode.STATIC: Kernel.QLINEAR, ActivationMode.DYNAMIC: Kernel.DYNAMIC}


@dataclass(frozen=True)
class InputSample:
    """What a layer read in one run of the model.

    Attributes:
        rows: float32 [groups, rows, inputs]; None for an embedding.
        extremes: of the whole input tensor.
        values: of the whole input tensor, float32 [at most `HISTOGRAM_VALUES`]; None where no kernel has a static
            range.
        is_silent: of every input channel, whether it is all zero; bool [channels], empty for an embedding.
        lookups: of an embedding, how often each row was looked up, float64 [channels].
    """

    rows: Rows | None = None
    extremes: tuple[float, float] = (0.0, 0.0)
    values: Rows | None = None
    is_silent: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    lookups: npt.NDArray[np.float64] | None = None


def sample_input(layer: Layer, values: npt.NDArray[Any], limit: int, rng: np.random.Generator) -> InputSample:
    """At most `limit` positions of the layer's input in one run; all look-ups of an embedding."""
    if layer.op == "Gather":
        channels = layer.layout.channels
        counts = np.bincount(np.asarray(values).reshape(-1) % channels, minlength=channels)
        return InputSample(lookups=counts.astype(np.float64))
    rows = np.asarray(sample_rows(layer, values, limit, rng), np.float32)
    return InputSample(
        rows=rows,
        extremes=(float(values.min()), float(values.max())),
        values=_draw_values(values, rng) if Kernel.QLINEAR in layer.kernels else None,
        is_silent=_find_silent(values, _channel_axis(layer, values.ndim)),
    )


def _find_silent(values: npt.NDArray[Any], axis: int) -> npt.NDArray[np.bool_]:
    """Which channels are all zero. A few values tell of most that they are not; only the others are read whole."""
    by_channel = np.moveaxis(values, axis, 0)
    few = tuple(slice(None, None, max(size // SILENCE_STEPS, 1)) for size in by_channel.shape[1:])
    is_silent = np.logical_not(by_channel[:, *few].any(axis=tuple(range(1, values.ndim))))
    for channel in np.flatnonzero(is_silent):
        is_silent[channel] = not by_channel[channel].any()
    return is_silent


def _channel_axis(layer: Layer, rank: int) -> int:
    """The axis of the layer's input that its weight sums over."""
    if layer.op in ("Conv", "ConvTranspose"):
        return 1
    return max(rank - 2, 0) if is_input_transposed(layer) else rank - 1


def _draw_values(values: npt.NDArray[Any], rng: np.random.Generator) -> Rows:
    """The sampled rows would not do: a range that fits them clips the rare large values that they do not hold."""
    flat = values.reshape(-1)
    drawn = flat if flat.size <= HISTOGRAM_VALUES else flat[rng.integers(flat.size, size=HISTOGRAM_VALUES)]
    return drawn.astype(np.float32)


@dataclass
class SampledInputs:
    """What a layer read at some of its output positions.

    Attributes:
        parts: per run of the model float32 [groups, rows, inputs].
        extremes: of the whole input tensor, per run.
        statistics: of the input, for static ranges: the histogram is of drawn values, the extremes are those of whole
            runs. Runs in which it is NaN or infinite somewhere are left out.
        is_silent: of every input channel, whether it is all zero in all runs; bool [channels].
        lookups: of an embedding, how often each row was looked up, float64 [channels].
    """

    layer: Layer
    parts: list[Rows] = field(default_factory=list)
    extremes: list[tuple[float, float]] = field(default_factory=list)
    statistics: TensorStatistics = field(default_factory=TensorStatistics)
    is_silent: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    lookups: npt.NDArray[np.float64] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was seen yet."""
        return not self.parts and self.lookups is None

    @property
    def modes(self) -> list[ActivationMode]:
        """What the layer's kernels can do to its input."""
        return [mode for mode, kernel in KERNEL_OF_MODE.items() if kernel in self.layer.kernels and self.parts]

    def add(self, sample: InputSample) -> None:
        """Keep what one more run showed."""
        if sample.lookups is not None:
            self.lookups = sample.lookups if self.lookups is None else self.lookups + sample.lookups
        if sample.rows is not None:
            self.is_silent = self.is_silent & sample.is_silent if self.parts else sample.is_silent
            self.parts.append(sample.rows)
            self.extremes.append(sample.extremes)
        if sample.values is not None and np.isfinite(sample.extremes).all():
            self._count(sample.values, sample.extremes)

    def _count(self, values: Rows, extremes: tuple[float, float]) -> None:
        run = TensorStatistics()
        run.update(values.reshape(1, -1))
        run.minimum, run.maximum = run.minimum_sum, run.maximum_sum = extremes
        self.statistics.merge(run)

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
