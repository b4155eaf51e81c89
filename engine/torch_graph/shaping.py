"""Operators that make shapes and constants, and that move values without changing them."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch.nn import functional

from engine.torch_graph.call import Call, Operator, Tensor
from engine.torch_graph.tensors import to_tensor


def _reshape(call: Call) -> Tensor:
    source, target = call.tensor(0), call.integers(1, "shape") or []
    if not call.attribute("allowzero", 0):
        target = [source.shape[index] if size == 0 else size for index, size in enumerate(target)]
    return source.reshape(target)


def _flatten(call: Call) -> Tensor:
    source, axis = call.tensor(0), call.axis(1)
    first = 1
    for size in source.shape[:axis]:
        first *= size
    return source.reshape(first, -1) if source.numel() else source.reshape(first, *_rest(source, axis))


def _rest(source: Tensor, axis: int) -> tuple[int]:
    size = 1
    for length in source.shape[axis:]:
        size *= length
    return (size,)


def _transpose(call: Call) -> Tensor:
    source = call.tensor(0)
    return source.permute(call.attribute("perm", tuple(reversed(range(source.ndim)))))


def _squeeze(call: Call) -> Tensor:
    source, axes = call.tensor(0), call.integers(1, "axes")
    return source.squeeze() if axes is None else source.squeeze(tuple(axes))


def _unsqueeze(call: Call) -> Tensor:
    source, axes = call.tensor(0), call.integers(1, "axes") or []
    rank = source.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        source = source.unsqueeze(axis)
    return source


def _expand(call: Call) -> Tensor:
    source, target = call.tensor(0), call.integers(1, "shape") or []
    shared: torch.Size = torch.broadcast_shapes(source.shape, target)  # type: ignore[no-untyped-call]
    return source.expand(shared)


def _split(call: Call) -> tuple[Tensor, ...]:
    source, axis = call.tensor(0), call.axis(0)
    sizes = call.integers(1, "split")
    if sizes is None:
        size = -(-source.shape[axis] // call.attribute("num_outputs", call.outputs))
        return torch.split(source, size, axis)
    return torch.split(source, sizes, axis)


def _slice(call: Call) -> Tensor:
    source = call.tensor(0)
    starts, ends = call.integers(1, "starts") or [], call.integers(2, "ends") or []
    axes = call.integers(3, "axes") or list(range(len(starts)))
    steps = call.integers(4, "steps") or [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        picked = range(*slice(start, end, step).indices(source.shape[axis]))
        if step == 1:
            source = source.narrow(axis, picked.start, len(picked)) if picked else source.narrow(axis, 0, 0)
        else:
            source = source.index_select(axis, torch.tensor(picked, dtype=torch.int64).to(source.device))
    return source


def _pad(call: Call) -> Tensor:
    source, pads = call.tensor(0), call.integers(1, "pads") or []
    axes = call.integers(3, "axes") or list(range(source.ndim))
    half = len(pads) // 2
    amounts = {axis % source.ndim: pair for axis, *pair in zip(axes, pads[:half], pads[half:], strict=True)}
    mode = call.attribute("mode", "constant")
    if mode == "constant":
        flat = list(itertools.chain(*(amounts.get(axis, (0, 0)) for axis in reversed(range(source.ndim)))))
        return functional.pad(source, flat, value=call.number(2, "value", 0.0) or 0.0)
    for axis, (before, after) in amounts.items():
        if before or after:
            places = _pad_indices(source.shape[axis], before, after, mode)
            source = source.index_select(axis, places.to(source.device))
    return source


def _pad_indices(size: int, before: int, after: int, mode: str) -> Tensor:
    """Which element stands at each place of a padded axis."""
    places = torch.arange(-before, size + after)
    if mode == "edge":
        return places.clamp(0, size - 1)
    if mode == "wrap":
        return places % size
    period = max(2 * size - 2, 1)
    folded = places % period
    return torch.where(folded >= size, period - folded, folded)


def _depth_to_space(call: Call) -> Tensor:
    source, block = call.tensor(0), int(call.attributes["blocksize"])
    batch, channels, height, width = source.shape
    if call.attribute("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(source, block)
    split = source.reshape(batch, block, block, channels // block**2, height, width)
    return split.permute(0, 3, 4, 1, 5, 2).reshape(batch, -1, height * block, width * block)


def _space_to_depth(call: Call) -> Tensor:
    source, block = call.tensor(0), int(call.attributes["blocksize"])
    batch, channels, height, width = source.shape
    if call.attribute("mode", "DCR") == "CRD":
        return functional.pixel_unshuffle(source, block)
    split = source.reshape(batch, channels, height // block, block, width // block, block)
    return split.permute(0, 3, 5, 1, 2, 4).reshape(batch, -1, height // block, width // block)


def _constant(call: Call) -> Tensor:
    for name, value in call.attributes.items():
        if name == "value":
            return to_tensor(value)
        if name in ("value_float", "value_floats"):
            return torch.tensor(value, dtype=torch.float32)
        if name in ("value_int", "value_ints"):
            return torch.tensor(value, dtype=torch.int64)
    raise call.refuse("a constant that is neither dense nor a number")


def _constant_of_shape(call: Call) -> Tensor:
    value: Any = call.attributes.get("value")
    fill = torch.zeros(1) if value is None else to_tensor(value)
    return fill.reshape(()).expand(call.integers(0, "shape") or []).clone()


def _range(call: Call) -> Tensor:
    start, limit, step = (call.tensor(index).item() for index in range(3))
    return torch.arange(start, limit, step, dtype=call.tensor(0).dtype)


def _shape(call: Call) -> Tensor:
    sizes = call.tensor(0).shape[slice(call.attribute("start", None), call.attribute("end", None))]
    return torch.tensor(sizes, dtype=torch.int64)


def _triangle(call: Call) -> Tensor:
    diagonal = int(call.number(1, "k", 0) or 0)
    return torch.triu(call.tensor(0), diagonal) if call.attribute("upper", 1) else torch.tril(call.tensor(0), diagonal)


OPERATORS: dict[str, Operator] = {
    "Concat": lambda call: torch.cat(call.given(), int(call.attributes["axis"])),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": lambda call: torch.tensor(call.tensor(0).numel(), dtype=torch.int64),
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": lambda call: call.tensor(0).repeat(call.integers(1, "repeats") or []),
    "Transpose": _transpose,
    "Trilu": _triangle,
    "Unsqueeze": _unsqueeze,
}
