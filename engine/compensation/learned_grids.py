"""Activation grids that are learned: scale and zero point, and with them where values are clipped.

The gradients are those of LSQ (Esser et al., arXiv 1902.08153) and, for the zero point, LSQ+ (Bhalgat et al., arXiv
2004.09576). While a block learns, single values may be left as they are, at random (QDrop, Wei et al., arXiv
2203.05740): the block then works for inputs that differ a little from those it sees, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from engine.compensation.fake_quantization import fake_quantize_static, round_through
from engine.numerics.affine import UINT8_MAX, TensorQuantization
from engine.torch_graph.device import TrainingDevice

Tensor = torch.Tensor

# A learned scale stays within this share of where it started, as a logarithm.
SCALE_REACH = 0.7


class LearnedGrid:
    """A uint8 grid in training.

    A zero point at an end of the codes stays there: a range that begins at 0 goes on to do so.

    Attributes:
        log_scale: float32 [1], what the scale's logarithm has moved by.
        zero_point: float32 [1], None if it stays; rounded, the zero point.
    """

    def __init__(self, start: TensorQuantization) -> None:
        self._start = start
        self.log_scale = torch.zeros(1)
        self.zero_point: Tensor | None = None
        if 0 < start.zero_point < UINT8_MAX:
            self.zero_point = torch.full((1,), float(start.zero_point))

    def parameters(self) -> Iterator[Tensor]:
        """Everything that is learned, once the caller has asked for gradients."""
        yield from (item for item in (self.log_scale, self.zero_point) if item is not None)

    def keep_on(self, device: TrainingDevice) -> None:
        """Move what is learned."""
        self.log_scale = device.keep(self.log_scale)
        if self.zero_point is not None:
            self.zero_point = device.keep(self.zero_point)

    def apply(self, values: Tensor) -> Tensor:
        """Values on the grid; differentiable in them and, if it is learned, in the grid."""
        if not (self.log_scale.requires_grad and torch.is_grad_enabled()):
            return fake_quantize_static(values, self.quantization())
        zero_point = torch.full_like(self.log_scale, float(self._start.zero_point))
        if self.zero_point is not None:
            zero_point = round_through(self.zero_point)
        found: Tensor = _FakeQuantize.apply(values, self._scale(), zero_point)  # type: ignore[no-untyped-call]
        return found

    @torch.no_grad()
    def project(self) -> None:
        """Bring back what a step has taken beyond the limits."""
        self.log_scale.clamp_(-SCALE_REACH, SCALE_REACH)
        if self.zero_point is not None:
            self.zero_point.clamp_(0, UINT8_MAX)

    @torch.no_grad()
    def quantization(self) -> TensorQuantization:
        """The grid as it is now, as it will be stored."""
        zero_point = self._start.zero_point if self.zero_point is None else int(self.zero_point.round().item())
        return TensorQuantization(np.float32(self._scale().item()), zero_point)

    def _scale(self) -> Tensor:
        return self.log_scale.exp() * float(self._start.scale)


class _FakeQuantize(torch.autograd.Function):
    """Quantize to uint8, then dequantize; `zero_point` holds an integer."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        found = torch.fake_quantize_per_tensor_affine(values, scale.item(), int(zero_point.item()), 0, UINT8_MAX)
        ctx.save_for_backward(values, found, scale, zero_point)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, found, scale, zero_point = ctx.saved_tensors
        levels = values / scale
        inside = (levels >= -0.5 - zero_point) & (levels <= UINT8_MAX + 0.5 - zero_point)
        passed = gradient * inside
        # Inside, the rounding error moves with the scale; outside, the end of the range does.
        by_scale = ((gradient * found).sum() / scale - (passed * levels).sum()).reshape(1)
        by_zero_point = (-(gradient - passed).sum() * scale).reshape(1)
        return passed, by_scale, by_zero_point


def drop_quantization(values: Tensor, quantized: Tensor, share: float, noise: torch.Generator) -> Tensor:
    """`quantized`, with so large a share of `values` in it."""
    is_kept = torch.rand(values.shape, generator=noise) < share
    return torch.where(is_kept.to(values.device), values, quantized)
