"""Pools over windows and over everything."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from engine.torch_graph.call import Call, Operator, Tensor
from engine.torch_graph.windows import Windows, pad_spatial, read_windows

MAX_POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
AVERAGE_POOLS = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def _windows(call: Call) -> Windows:
    if call.tensor(0).ndim - 2 not in MAX_POOLS:
        raise call.refuse(f"{call.tensor(0).ndim - 2} spatial dimensions")
    return read_windows(call, call.tensor(0).shape[2:], call.attributes["kernel_shape"])


def _covered_pads(call: Call, windows: Windows) -> list[tuple[int, int]]:
    """Pads with which exactly the right number of windows fits, nothing left over."""
    sizes = call.tensor(0).shape[2:]
    counts = windows.counts(sizes, rounds_up=bool(call.attribute("ceil_mode", 0)))
    reaches = zip(sizes, counts, windows.strides, windows.extent, windows.pads, strict=True)
    return [(before, (count - 1) * step + reach - size - before) for size, count, step, reach, (before, _) in reaches]


def _max_pool(call: Call) -> Tensor:
    if call.outputs > 1:
        raise call.refuse("the indices of the maxima")
    source, windows = call.tensor(0), _windows(call)
    if not source.is_floating_point():
        raise call.refuse("integers")
    padded = pad_spatial(source, _covered_pads(call, windows), -math.inf)
    pool = MAX_POOLS[source.ndim - 2]
    return pool(padded, windows.kernel, windows.strides, dilation=windows.dilations)


def _average_pool(call: Call) -> Tensor:
    """Windows at the border are divided by the elements that count: those of the input, or of input and pads."""
    source, windows = call.tensor(0), _windows(call)
    covered = _covered_pads(call, windows)
    sums = _window_sums(pad_spatial(source, covered), windows)
    if not any(any(pair) for pair in covered):
        return sums / math.prod(windows.kernel)
    counted = torch.ones_like(source[:1, :1])
    if call.attribute("count_include_pad", 0):
        counted = pad_spatial(counted, windows.pads, 1.0)
        covered = [(0, after - given) for (_, after), (_, given) in zip(covered, windows.pads, strict=True)]
    return sums / _window_sums(pad_spatial(counted, covered), windows)


def _window_sums(source: Tensor, windows: Windows) -> Tensor:
    rank = len(windows.kernel)
    if max(windows.dilations) == 1:
        return AVERAGE_POOLS[rank](source, windows.kernel, windows.strides) * math.prod(windows.kernel)
    planes = source.reshape(-1, 1, *source.shape[2:])
    ones = torch.ones((1, 1, *windows.kernel), dtype=source.dtype, device=source.device)
    sums = torch.convolution(
        planes, ones, None, windows.strides, [0] * rank, windows.dilations,
        transposed=False, output_padding=[0] * rank, groups=1,
    )  # fmt: skip
    return sums.reshape(*source.shape[:2], *sums.shape[2:])


def _spatial_axes(source: Tensor) -> tuple[int, ...]:
    return tuple(range(2, source.ndim))


OPERATORS: dict[str, Operator] = {
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda call: call.tensor(0).mean(_spatial_axes(call.tensor(0)), keepdim=True),
    "GlobalMaxPool": lambda call: call.tensor(0).amax(_spatial_axes(call.tensor(0)), keepdim=True),
}
