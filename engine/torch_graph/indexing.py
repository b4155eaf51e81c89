"""Operators that pick and place elements by index."""

from __future__ import annotations

import torch
from torch.nn import functional

from engine.torch_graph.call import Call, Operator, Tensor

SCATTER_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _from_front(indices: Tensor, size: int) -> Tensor:
    """Indices as int64, those that count from the end turned around."""
    wide = indices.to(torch.int64)
    return torch.where(wide < 0, wide + size, wide)


def _gather(call: Call) -> Tensor:
    source, axis = call.tensor(0), call.axis(0)
    indices = _from_front(call.tensor(1), source.shape[axis])
    picked = source.index_select(axis, indices.reshape(-1))
    return picked.reshape([*source.shape[:axis], *indices.shape, *source.shape[axis + 1 :]])


def _gather_elements(call: Call) -> Tensor:
    source, axis = call.tensor(0), call.axis(0)
    return source.gather(axis, _from_front(call.tensor(1), source.shape[axis]))


def _tuples(indices: Tensor, sizes: torch.Size) -> tuple[Tensor, ...]:
    """The last axis of `indices` as one index tensor per axis."""
    return tuple(_from_front(part, size) for part, size in zip(indices.unbind(-1), sizes, strict=False))


def _gather_nd(call: Call) -> Tensor:
    source, indices = call.tensor(0), call.tensor(1)
    batched = int(call.attribute("batch_dims", 0))
    index = _tuples(indices, source.shape[batched:])
    grid = tuple(
        torch.arange(size, device=source.device).reshape([-1 if axis == own else 1 for axis in range(indices.ndim - 1)])
        for own, size in enumerate(source.shape[:batched])
    )
    return source[(*grid, *index)]


def _scatter_nd(call: Call) -> Tensor:
    source, updates = call.tensor(0), call.tensor(2)
    index = _tuples(call.tensor(1), source.shape)
    reduction = call.attribute("reduction", "none")
    if reduction not in ("none", "add"):
        raise call.refuse(f"the reduction {reduction}")
    return source.index_put(index, updates, accumulate=reduction == "add")


def _scatter_elements(call: Call) -> Tensor:
    source, updates, axis = call.tensor(0), call.tensor(2), call.axis(0)
    indices = _from_front(call.tensor(1), source.shape[axis])
    reduction = call.attribute("reduction", "none")
    if reduction == "none":
        return source.scatter(axis, indices, updates)
    return source.scatter_reduce(axis, indices, updates, SCATTER_REDUCTIONS[reduction])


def _one_hot(call: Call) -> Tensor:
    """Indices outside of the depth give a row without a hit."""
    indices, depth = call.tensor(0), int(call.tensor(1).item())
    off, on = call.tensor(2).unbind()
    axis = call.axis(-1, indices.ndim + 1)
    wide = indices.to(torch.int64)
    is_inside = (wide >= -depth) & (wide < depth)
    hits = functional.one_hot(wide % depth, depth).to(torch.bool) & is_inside.unsqueeze(-1)
    return torch.where(hits.movedim(-1, axis), on, off)


OPERATORS: dict[str, Operator] = {
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "NonZero": lambda call: torch.nonzero(call.tensor(0)).T,
    "OneHot": _one_hot,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
}
