"""Operators that reduce axes, or run along them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engine.torch_graph.call import Call, Operator, Tensor

Axes = tuple[int, ...]
Reduction = Callable[[Tensor, Axes, bool], Tensor]


def _reduce(function: Reduction) -> Operator:
    """The axes are an attribute or the second input, by opset; without any, all are reduced."""

    def apply(call: Call) -> Tensor:
        source = call.tensor(0)
        axes = call.integers(1, "axes")
        keeps = bool(call.attribute("keepdims", 1))
        if not axes and call.attribute("noop_with_empty_axes", 0):
            return function(source.unsqueeze(0), (0,), keeps).reshape(source.shape)
        return function(source, tuple(axes or range(source.ndim)), keeps)

    return apply


def _product(source: Tensor, axes: Axes, keeps: bool) -> Tensor:  # noqa: FBT001
    for axis in sorted((axis % source.ndim for axis in axes), reverse=True):
        source = source.prod(axis, keepdim=keeps)
    return source


def _sum(source: Tensor, axes: Axes, keeps: bool) -> Tensor:  # noqa: FBT001
    total: Tensor = source.sum(axes, keepdim=keeps, dtype=source.dtype)
    return total


def _arg(*, is_largest: bool) -> Operator:
    def apply(call: Call) -> Tensor:
        source, axis = call.tensor(0), call.axis(0)
        is_last = bool(call.attribute("select_last_index", 0))
        searched = source.flip(axis) if is_last else source
        find = torch.argmax if is_largest else torch.argmin
        found = find(searched, axis, keepdim=bool(call.attribute("keepdims", 1)))
        return source.shape[axis] - 1 - found if is_last else found

    return apply


def _cumulative_sum(call: Call) -> Tensor:
    source, axis = call.tensor(0), int(call.tensor(1))
    is_reverse = bool(call.attribute("reverse", 0))
    ordered = source.flip(axis) if is_reverse else source
    total = ordered.cumsum(axis, dtype=source.dtype)
    if call.attribute("exclusive", 0):
        total = total - ordered
    return total.flip(axis) if is_reverse else total


def _top_k(call: Call) -> tuple[Tensor, ...]:
    """Equal values keep their order, as ONNX Runtime has it."""
    source, axis = call.tensor(0), call.axis(-1)
    count = int(call.number(1, "k", 1) or 0)
    is_largest = bool(call.attribute("largest", 1))
    values, indices = source.sort(stable=True, dim=axis, descending=is_largest)
    return values.narrow(axis, 0, count), indices.narrow(axis, 0, count)


OPERATORS: dict[str, Operator] = {
    "ArgMax": _arg(is_largest=True),
    "ArgMin": _arg(is_largest=False),
    "CumSum": _cumulative_sum,
    "ReduceL1": _reduce(lambda x, axes, keeps: _sum(x.abs(), axes, keeps)),
    "ReduceL2": _reduce(lambda x, axes, keeps: _sum(x.square(), axes, keeps).sqrt()),
    "ReduceLogSum": _reduce(lambda x, axes, keeps: _sum(x, axes, keeps).log()),
    "ReduceLogSumExp": _reduce(lambda x, axes, keeps: x.logsumexp(axes, keepdim=keeps)),
    "ReduceMax": _reduce(lambda x, axes, keeps: x.amax(axes, keepdim=keeps)),
    "ReduceMean": _reduce(lambda x, axes, keeps: x.mean(axes, keepdim=keeps)),
    "ReduceMin": _reduce(lambda x, axes, keeps: x.amin(axes, keepdim=keeps)),
    "ReduceProd": _reduce(_product),
    "ReduceSum": _reduce(_sum),
    "ReduceSumSquare": _reduce(lambda x, axes, keeps: _sum(x.square(), axes, keeps)),
    "TopK": _top_k,
}
