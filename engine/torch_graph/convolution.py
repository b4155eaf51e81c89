"""Convolutions and products of matrices."""

from __future__ import annotations

import torch

from engine.torch_graph.call import Call, Operator, Tensor
from engine.torch_graph.windows import Windows, pad_spatial, read_windows

MAX_SPATIAL = 3


def _convolution(call: Call) -> Tensor:
    source, weight = call.tensor(0), call.tensor(1)
    rank = _spatial_rank(call)
    windows = read_windows(call, source.shape[2:], weight.shape[2:])
    is_even = all(before == after and before >= 0 for before, after in windows.pads)
    inner = [before if is_even else 0 for before, _ in windows.pads]
    if not is_even:
        source = pad_spatial(source, windows.pads)
    return torch.convolution(
        source, weight, call.optional(2), windows.strides, inner, windows.dilations,
        transposed=False, output_padding=[0] * rank, groups=call.attribute("group", 1),
    )  # fmt: skip


def _spatial_rank(call: Call) -> int:
    rank = call.tensor(1).ndim - 2
    if not 1 <= rank <= MAX_SPATIAL:
        raise call.refuse(f"{rank} spatial dimensions")
    return rank


def _transposed_convolution(call: Call) -> Tensor:
    """The full result first, then what the pads say is cut off or filled with zeros."""
    source, weight, bias = call.tensor(0), call.tensor(1), call.optional(2)
    rank = _spatial_rank(call)
    windows = read_windows(call, source.shape[2:], weight.shape[2:])
    full = torch.convolution(
        source, weight, None, windows.strides, [0] * rank, windows.dilations,
        transposed=True, output_padding=[0] * rank, groups=call.attribute("group", 1),
    )  # fmt: skip
    cut = pad_spatial(full, _margins(call, windows, source.shape[2:], full.shape[2:]))
    return cut if bias is None else cut + bias.reshape(-1, *[1] * rank)


def _margins(call: Call, windows: Windows, sizes: tuple[int, ...], full: tuple[int, ...]) -> list[tuple[int, int]]:
    """What to add (negative: cut off) before and after each axis of the full result."""
    rank = len(sizes)
    extra = call.attribute("output_padding", (0,) * rank)
    mode = call.attribute("auto_pad", "NOTSET")
    wanted = tuple(call.attribute("output_shape", ()))[-rank:]
    if not wanted and mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = tuple(size * step for size, step in zip(sizes, windows.strides, strict=True))
    if not wanted:
        return [(-before, more - after) for (before, after), more in zip(windows.pads, extra, strict=True)]
    margins = []
    for length, target, more in zip(full, wanted, extra, strict=True):
        total = max(length - target + more, 0)
        before = total // 2 if mode == "SAME_UPPER" else total - total // 2
        margins.append((-before, target - length + before))
    return margins


def _gemm(call: Call) -> Tensor:
    left, right, bias = call.tensor(0), call.tensor(1), call.optional(2)
    left = left.T if call.attribute("transA", 0) else left
    right = right.T if call.attribute("transB", 0) else right
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    product = left @ right
    product = product if alpha == 1.0 else product * alpha
    if bias is None:
        return product
    return product + (bias if beta == 1.0 else bias * beta)


OPERATORS: dict[str, Operator] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "MatMul": lambda call: torch.matmul(call.tensor(0), call.tensor(1)),
    "Einsum": lambda call: torch.einsum(call.attributes["equation"].replace(" ", ""), *call.given()),
}
