"""Rows of inputs that a layer multiplies with its weight matrix: im2col at sampled positions.

A row holds the inputs of one output position, in the order of `WeightLayout.to_matrix`'s columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.model.graph import attribute_int, attribute_ints, attribute_string
from engine.model.layers import Layer

Array = npt.NDArray[np.float32]


def sample_rows(layer: Layer, values: npt.NDArray[Any], limit: int, rng: np.random.Generator) -> Array:
    """Rows of one batch of the layer's input.

    Args:
        values: the layer's input, as the graph has it.
        limit: at most this many output positions, drawn without replacement; all if there are fewer.

    Returns:
        float32 [groups, rows, inputs]; groups is 1 except for grouped convolutions.
    """
    if layer.op == "Conv":
        return _convolution_rows(values, _convolution_geometry(layer, values.shape[2:]), layer.group, limit, rng)
    if layer.op == "ConvTranspose":
        return _transposed_rows(layer, values, limit, rng)
    if is_input_transposed(layer):
        values = np.moveaxis(values, -2, -1)
    batches = layer.layout.split_shape[:-2] if layer.op == "MatMul" and layer.weight_index == 1 else ()
    if batches:
        return _batched_rows(values, batches, limit, rng)
    rows = values.reshape(-1, values.shape[-1])
    return rows[_draw(len(rows), limit, rng)][None]


def is_input_transposed(layer: Layer) -> bool:
    """Whether a product's weight sums over the last but one axis of the input, not over the last."""
    return layer.weight_index == 0 or (layer.op == "Gemm" and bool(attribute_int(layer.node, "transA", 0)))


def _draw(count: int, limit: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    if count <= limit:
        return np.arange(count)
    return np.sort(rng.choice(count, limit, replace=False))


def _batched_rows(values: Array, batches: tuple[int, ...], limit: int, rng: np.random.Generator) -> Array:
    """Every batch entry of the constant is a group of its own."""
    values = np.atleast_2d(values)
    full = np.broadcast_shapes(values.shape[:-2], batches)
    spread = np.broadcast_to(values, full + values.shape[-2:])
    first = len(full) - len(batches)
    own = [first + index for index, size in enumerate(batches) if size > 1]
    shared = [axis for axis in range(len(full)) if axis not in own]
    stacked = spread.transpose(*own, *shared, len(full), len(full) + 1)
    rows = stacked.reshape(int(np.prod(batches)), -1, values.shape[-1])
    return rows[:, _draw(rows.shape[1], limit, rng)]


class _Geometry:
    """Kernel, strides, dilations and pads of one convolution on one input size."""

    def __init__(
        self,
        kernel: tuple[int, ...],
        strides: tuple[int, ...],
        dilations: tuple[int, ...],
        pads: tuple[int, ...],
    ) -> None:
        self.kernel, self.strides, self.dilations, self.pads = kernel, strides, dilations, pads


def _convolution_geometry(layer: Layer, size: tuple[int, ...]) -> _Geometry:
    kernel = layer.layout.weight_shape[2:]
    rank = len(kernel)
    strides = attribute_ints(layer.node, "strides", (1,) * rank)
    dilations = attribute_ints(layer.node, "dilations", (1,) * rank)
    mode = attribute_string(layer.node, "auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        needed = [
            max((-(-length // step) - 1) * step + (k - 1) * spread + 1 - length, 0)
            for length, step, k, spread in zip(size, strides, kernel, dilations, strict=True)
        ]
        before = [n // 2 if mode == "SAME_UPPER" else n - n // 2 for n in needed]
        pads = (*before, *(n - b for n, b in zip(needed, before, strict=True)))
    elif mode == "VALID":
        pads = (0,) * (2 * rank)
    else:
        pads = attribute_ints(layer.node, "pads", (0,) * (2 * rank))
    return _Geometry(kernel, strides, dilations, pads)


def _convolution_rows(values: Array, geometry: _Geometry, group: int, limit: int, rng: np.random.Generator) -> Array:
    """Only what the drawn positions read is touched: no padded copy of the input is made."""
    batch, channels, *sizes = values.shape
    kernel, strides, dilations = geometry.kernel, geometry.strides, geometry.dilations
    first, last = geometry.pads[: len(sizes)], geometry.pads[len(sizes) :]
    spans = zip(sizes, first, last, kernel, dilations, strides, strict=True)
    counts = [(size + before + after - (k - 1) * d - 1) // step + 1 for size, before, after, k, d, step in spans]
    sample, *outputs = np.unravel_index(_draw(batch * int(np.prod(counts)), limit, rng), (batch, *counts))
    rows = len(sample)
    places = np.zeros((rows, 1), np.intp)  # [rows, kernel], in the flattened input of one channel
    is_inside = np.ones((rows, 1), np.bool_)
    for size, before, k, d, step, output in zip(sizes, first, kernel, dilations, strides, outputs, strict=True):
        place = output[:, None] * step + np.arange(k) * d - before
        is_valid = (place >= 0) & (place < size)
        places = (places[:, :, None] * size + np.where(is_valid, place, 0)[:, None]).reshape(rows, -1)
        is_inside = (is_inside[:, :, None] & is_valid[:, None]).reshape(rows, -1)
    taken = values.reshape(batch, channels, -1)[sample[:, None], :, places]  # [rows, kernel, channels]
    if any(geometry.pads):
        taken[~is_inside] = 0.0
    grouped = taken.transpose(0, 2, 1).reshape(rows, group, -1)
    return np.ascontiguousarray(grouped.transpose(1, 0, 2))


def _transposed_rows(layer: Layer, values: Array, limit: int, rng: np.random.Generator) -> Array:
    """A transposed convolution is a plain one over the input spread by its strides, kernel mirrored."""
    kernel = layer.layout.weight_shape[2:]
    rank = len(kernel)
    strides = attribute_ints(layer.node, "strides", (1,) * rank)
    dilations = attribute_ints(layer.node, "dilations", (1,) * rank)
    spread_size = [(length - 1) * step + 1 for length, step in zip(values.shape[2:], strides, strict=True)]
    spread = np.zeros((*values.shape[:2], *spread_size), np.float32)
    spread[(slice(None), slice(None), *(slice(None, None, step) for step in strides))] = values
    reach = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    pads = _transposed_pads(layer, [size + r for size, r in zip(spread_size, reach, strict=True)], values.shape[2:])
    margins = [r - p for r, p in zip(reach * 2, pads, strict=True)]
    inside = (slice(max(-margin, 0), size - max(-margins[rank + axis], 0)) for axis, (margin, size) in
              enumerate(zip(margins[:rank], spread_size, strict=True)))  # fmt: skip
    spread = spread[(slice(None), slice(None), *inside)]
    geometry = _Geometry(kernel, (1,) * rank, dilations, tuple(max(margin, 0) for margin in margins))
    rows = _convolution_rows(spread, geometry, layer.group, limit, rng)
    mirrored = rows.reshape(*rows.shape[:2], -1, *kernel)
    flipped = np.flip(mirrored, axis=tuple(range(3, 3 + rank)))
    return np.ascontiguousarray(flipped).reshape(rows.shape)


def _transposed_pads(layer: Layer, full: list[int], size: tuple[int, ...]) -> tuple[int, ...]:
    """What is cut off before and after each axis of the full result; negative where zeros are added.

    Args:
        full: output size without any pads.
        size: input size.
    """
    rank = len(full)
    extra = attribute_ints(layer.node, "output_padding", (0,) * rank)
    strides = attribute_ints(layer.node, "strides", (1,) * rank)
    mode = attribute_string(layer.node, "auto_pad", "NOTSET")
    wanted = attribute_ints(layer.node, "output_shape", ())[-rank:]
    if not wanted and mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = tuple(length * step for length, step in zip(size, strides, strict=True))
    if not wanted:
        pads = attribute_ints(layer.node, "pads", (0,) * (2 * rank)) if mode == "NOTSET" else (0,) * (2 * rank)
        return (*pads[:rank], *(pad - more for pad, more in zip(pads[rank:], extra, strict=True)))
    total = [length - target for length, target in zip(full, wanted, strict=True)]
    before = [max(number + more, 0) // 2 if mode == "SAME_UPPER" else -(-max(number + more, 0) // 2)
              for number, more in zip(total, extra, strict=True)]  # fmt: skip
    return (*before, *(number - first for number, first in zip(total, before, strict=True)))
