"""Adam (Kingma and Ba, arXiv 1412.6980) whose step sizes are per row of codes: codes flip where gradients are large.

With a step size of its own, every code would move by the same amount, those of weights that hardly matter too: they
flip to and fro, and the network is lost before the rate has fallen. One second moment for all codes of a channel
keeps the proportions of their gradients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from engine.compensation.fake_quantization import TrainableWeight

Tensor = torch.Tensor

MOMENTUM, SQUARE_MOMENTUM, EPSILON = 0.9, 0.99, 1e-12
# Tensors like the weights in training: constants, codes, moments, gradients of parts, and what a pass makes of codes.
WEIGHT_TENSORS = 12
# The learning rate rises over the first steps, in which the gradients' sizes are not known yet.
WARM_UP = 10


@dataclass
class Parameter:
    """A tensor in training.

    Attributes:
        rate: by which an element moves in a step, about, before the schedule.
        is_shared: whether the elements of a row share their step size.
    """

    values: Tensor
    rate: float
    is_shared: bool = False
    momentum: Tensor = field(init=False)
    square: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.momentum = torch.zeros_like(self.values)
        self.square = torch.zeros_like(self.values[..., :1] if self.is_shared else self.values)


def weight_parameters(weight: TrainableWeight, code_rate: float, scale_rate: float) -> list[Parameter]:
    """Everything that is learned of a weight, with the rates of codes and zero points and of scales' logarithms."""
    found = [Parameter(weight.latent, code_rate, is_shared=True), Parameter(weight.log_scale, scale_rate)]
    if weight.log_multiplier is not None:
        found.append(Parameter(weight.log_multiplier, scale_rate))
    if weight.zero_point is not None:
        found.append(Parameter(weight.zero_point, code_rate, is_shared=True))
    return found


class Descent:
    """Steps down the gradients of all parameters."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = parameters
        self._steps = 0

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor | None], share: float) -> None:
        """Move by `share` of the rates; parameters without a gradient stay. What is on another device follows them."""
        self._steps += 1
        for item, found in zip(self._parameters, gradients, strict=True):
            if found is None:
                continue
            place = item.values.device
            gradient = found.to(place)
            item.momentum, item.square = item.momentum.to(place), item.square.to(place)
            square = gradient.square()
            item.momentum.lerp_(gradient, 1 - MOMENTUM)
            item.square.lerp_(square.mean(-1, keepdim=True) if item.is_shared else square, 1 - SQUARE_MOMENTUM)
            unbiased = (item.square / (1 - SQUARE_MOMENTUM**self._steps)).sqrt_().add_(EPSILON)
            item.values.sub_(item.momentum / unbiased, alpha=item.rate * share / (1 - MOMENTUM**self._steps))


def rate_share(step: int, steps: int) -> float:
    """The share of the learning rates that a step takes, from 1 to `steps`: up in a line, down along a cosine."""
    return min(1.0, step / WARM_UP) * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
