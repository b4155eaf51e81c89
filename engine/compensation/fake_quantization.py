"""Fake quantization that gradients pass through: what a trained layer computes with, exactly as it is exported.

Codes, multipliers and zero points are rounded on the way forward and taken as they are on the way back, the
straight-through estimator (Bengio et al., arXiv 1308.3432). Scales are learned as in LSQ (Esser et al., arXiv
1902.08153), as logarithms and beside codes of their own, so that one learning rate fits all layers and bit widths.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from engine.model.layout import WeightLayout
from engine.numerics.affine import UINT8_MAX, TensorQuantization, choose_tensor_quantization
from engine.numerics.half_scales import HALF_LARGEST, HALF_LEAST
from engine.numerics.weights import QuantizedWeight
from engine.torch_graph.device import TrainingDevice

Tensor = torch.Tensor

# How far from its code, in steps, a weight may start towards the float weight: at ½ every step would flip it back.
START_REACH = 0.4
# A trained scale stays within this share of where it started, as a logarithm.
SCALE_REACH = 1.0


def round_through(values: Tensor) -> Tensor:
    """Rounded, ties to even; the gradient is that of `values`."""
    # The difference is exactly 0, so the result is exactly an integer.
    return values.detach().round() + (values - values.detach())


def halve_through(scale: Tensor) -> Tensor:
    """Rounded as `to_half_scales` does it; the gradient is that of `scale`."""
    return scale.detach().clamp(HALF_LEAST, HALF_LARGEST).half().float() + (scale - scale.detach())


def fake_quantize_static(values: Tensor, grid: TensorQuantization) -> Tensor:
    """On the grid; the gradient is 1 within its range, 0 beyond."""
    return torch.fake_quantize_per_tensor_affine(values, float(grid.scale), grid.zero_point, 0, UINT8_MAX)


def fake_quantize_dynamic(values: Tensor) -> Tensor:
    """On the grid of the range that all values together have now."""
    if not values.numel():
        return values
    low, high = torch.aminmax(values.detach())
    return fake_quantize_static(values, choose_tensor_quantization(low.item(), high.item()))


@dataclass(frozen=True)
class Limits:
    """What the stored integers may be.

    Attributes:
        qmin, qmax: of codes and zero points.
        largest_multiplier: of groups.
    """

    qmin: int
    qmax: int
    largest_multiplier: int


class TrainableWeight:
    """A quantized weight whose codes, scales, multipliers and zero points can be learned.

    Attributes:
        latent: float32 [channels, inputs]; rounded, the codes.
        log_scale: float32, like the scales that are stored as floats; what their logarithms have moved by.
        log_multiplier: float32 [channels, groups], the same of the multipliers before they are rounded.
        zero_point: float32, like the start's; rounded, the zero points.
    """

    def __init__(
        self, start: QuantizedWeight, matrix: npt.NDArray[np.float32], layout: WeightLayout, limits: Limits
    ) -> None:
        """`matrix` is the float weight [channels, inputs], which each code leans to as far as it does not flip."""
        self._start, self._layout, self._limits = start, layout, limits
        self._codes_shape = start.codes.shape
        stored = start.scale if start.channel_scale is None else start.channel_scale[:, None]
        self._first_scale = torch.from_numpy(stored.copy())
        self.log_scale = torch.zeros_like(self._first_scale)
        self._first_multiplier = None
        if start.multiplier is not None:
            self._first_multiplier = torch.from_numpy(start.multiplier.astype(np.float32))
        self.log_multiplier = None if start.multiplier is None else torch.zeros(start.multiplier.shape)
        self.zero_point = None if start.zero_point is None else torch.from_numpy(start.zero_point.astype(np.float32))
        codes = torch.from_numpy(start.codes.astype(np.float32))
        with torch.no_grad():
            scale = self._per_input(self._scale())
            exact = torch.from_numpy(np.array(matrix, np.float32)) / scale
            if self.zero_point is not None:
                exact += self._per_input(self.zero_point)
            self.latent = codes + (exact - codes).clamp_(-START_REACH, START_REACH)
        self.project()
        for parameter in self.parameters():
            parameter.requires_grad_()

    def keep_on(self, device: TrainingDevice) -> None:
        """Move everything."""
        self.latent, self.log_scale = device.keep(self.latent), device.keep(self.log_scale)
        self._first_scale = device.keep(self._first_scale)
        if self.log_multiplier is not None and self._first_multiplier is not None:
            self.log_multiplier = device.keep(self.log_multiplier)
            self._first_multiplier = device.keep(self._first_multiplier)
        if self.zero_point is not None:
            self.zero_point = device.keep(self.zero_point)

    def parameters(self) -> Iterator[Tensor]:
        """Everything that is learned."""
        yield from (
            item for item in (self.latent, self.log_scale, self.log_multiplier, self.zero_point) if item is not None
        )

    def stored(self) -> Tensor:
        """The weight that the exported layer computes with, in the stored shape; differentiable."""
        codes = round_through(self.latent)
        if self.zero_point is not None:
            codes = codes - self._per_input(round_through(self.zero_point))
        matrix = codes * self._per_input(self._scale())
        permuted = matrix.reshape(self._layout.permuted_shape).permute(self._layout.inverse_permutation)
        return permuted.reshape(self._layout.weight_shape)

    @torch.no_grad()
    def project(self) -> None:
        """Bring back what a step has taken beyond the limits, so that no gradient is lost there."""
        limits = self._limits
        self.latent.clamp_(limits.qmin, limits.qmax)
        self.log_scale.clamp_(-SCALE_REACH, SCALE_REACH)
        if self.zero_point is not None:
            self.zero_point.clamp_(limits.qmin, limits.qmax)
        if self.log_multiplier is not None and self._first_multiplier is not None:
            first = self._first_multiplier.log()
            self.log_multiplier.copy_(self.log_multiplier.clamp(-first, np.log(limits.largest_multiplier) - first))

    @torch.no_grad()
    def quantized(self) -> QuantizedWeight:
        """The weight as it is now, as it will be stored."""
        scale = self._stored_scale().cpu()
        changes: dict[str, object] = {
            "codes": self.latent.cpu().round().to(torch.int8).numpy(),
            "scale": np.array(self._scale().cpu().numpy()),
        }
        if self.zero_point is not None:
            changes["zero_point"] = self.zero_point.cpu().round().to(torch.int8).numpy()
        if self.log_multiplier is not None:
            changes["multiplier"] = self._multiplier().cpu().to(torch.int8).numpy()
            changes["channel_scale"] = np.array(scale.numpy()[:, 0])
        return dataclasses.replace(self._start, **changes)  # type: ignore[arg-type]

    def _stored_scale(self) -> Tensor:
        scale = self._first_scale * self.log_scale.exp()
        return halve_through(scale) if self._start.has_half_scales else scale

    def _multiplier(self) -> Tensor:
        assert self._first_multiplier is not None
        assert self.log_multiplier is not None
        return round_through(self._first_multiplier * self.log_multiplier.exp())

    def _scale(self) -> Tensor:
        scale = self._stored_scale()
        return scale if self.log_multiplier is None else scale * self._multiplier()

    def _per_input(self, per_group: Tensor) -> Tensor:
        if per_group.shape[1] == 1:
            return per_group
        return per_group.repeat_interleave(self._start.group_size, dim=1)[:, : self._codes_shape[1]]
