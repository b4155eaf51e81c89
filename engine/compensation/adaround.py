"""AdaRound (Nagel et al., arXiv 2004.10568): learn for every weight whether to round it up or down.

A weight becomes scale · (floor + h), h = clip(σ(v)·(ζ − γ) + γ, 0, 1). v is optimised by Adam, from the float weight
on, against Σ ‖W·x − V·q‖² plus λ·Σ (1 − |2h − 1|^β), which draws h to 0 or 1, the harder the lower β. Unlike in the
paper no rows of inputs are drawn: in terms of moments the error of all samples costs one product per iteration,
its gradient is 2·(V·A − W·Bᵀ), and memory does not grow with the samples.

Every channel's error is divided by what one flip adds to it on average, so that one λ and one learning rate fit all
layers, bit widths and groups. λ is larger than the paper's 0.01 and the learning rate higher than usual: the
gradient has no noise. What is rounded at last goes through `flips`, which costs little and gains much.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from engine.compensation.flips import choose_channels, flip_codes, gradient_of, per_weight
from engine.compensation.moments import Moments
from engine.numerics.schemes import WeightScheme
from engine.numerics.weights import QuantizedWeight, range_of
from engine.torch_graph.device import TrainingDevice

Matrix = npt.NDArray[np.float32]

ITERATIONS = 300
# ζ and γ: h reaches 0 and 1 at finite v.
STRETCH_TOP, STRETCH_BOTTOM = 1.1, -0.1
STRETCH = STRETCH_TOP - STRETCH_BOTTOM
# The first iterations are without regularization; from then on β falls in a line.
WARM_START = 0.2
FIRST_BETA, LAST_BETA = 20.0, 2.0
REGULARIZATION = 3.0
LEARNING_RATE = 0.1
MOMENTUM, SQUARE_MOMENTUM, EPSILON = 0.9, 0.999, 1e-8
# Tensors like the weights that are in use at once, in float32.
TENSORS = 14
# Weights that are optimised at once, so that they stay in a core's cache; channels that make a product worth its A.
PART_ELEMENTS, MIN_CHANNELS = 1 << 14, 32


def round_adaround(
    matrix: Matrix,
    moments: Moments,
    nearest: QuantizedWeight,
    scheme: WeightScheme,
    *,
    iterations: int = ITERATIONS,
    device: TrainingDevice | None = None,
) -> QuantizedWeight:
    """Codes on the grid of `nearest`, each the floor or the ceiling, that make Σ ‖W·x − V·q‖² small.

    Nothing is drawn at random. Channels in which nothing better is found keep their nearest codes; inputs that are
    always 0 do so, too.

    Args:
        matrix: W, float32 [channels, inputs].
        device: the CPU if None.
    """
    scale, zero_point = per_weight(nearest.scale, nearest), per_weight(nearest.zero_point, nearest)
    exact = matrix / scale + zero_point
    lower, upper = (np.clip(np.floor(exact) + up, *range_of(scheme)) for up in (0, 1))
    change = (upper - lower) * scale * _is_seen(moments, matrix.shape)
    difference = (lower - zero_point) * scale - matrix
    residual = gradient_of(matrix, moments, matrix)
    parts = (_by_group(part, moments) for part in (np.clip(exact - lower, 0, 1), change, difference, residual))
    problem = _Problem(torch.from_numpy(moments.square.astype(np.float32)), *parts)
    device = device or TrainingDevice()
    share = device.attempt(lambda: problem.optimise_on(device, iterations))
    is_upper = share.numpy().reshape(matrix.shape) >= 0.5
    codes = np.where(change == 0, nearest.codes, np.where(is_upper, upper, lower)).astype(np.int8)
    found = flip_codes(matrix, moments, dataclasses.replace(nearest, codes=codes), scheme)
    return choose_channels(matrix, moments, found, nearest)


def problem_bytes(weights: int, square_elements: int) -> int:
    """What a layer with so many weights takes on a GPU; `square_elements` of A."""
    return 4 * (TENSORS * weights + square_elements)


def _is_seen(moments: Moments, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """[channels, inputs]: False for inputs that are always 0."""
    diagonal = np.diagonal(moments.square, axis1=1, axis2=2)
    return np.repeat(diagonal > 0, shape[0] // len(diagonal), axis=0)


def _by_group(part: npt.NDArray[np.floating], moments: Moments) -> torch.Tensor:
    return torch.from_numpy(part.astype(np.float32).reshape(len(moments.square), -1, part.shape[1]))


@dataclass(frozen=True)
class _Problem:
    """Some channels; float32 [groups, channels of a group, inputs].

    Attributes:
        square: A, [groups, inputs, inputs].
        share: of the way from the lower to the upper weight, at W.
        change: from the lower to the upper weight, 0 where there is no choice.
        difference: the lower weight less W.
        residual: W·(A − Bᵀ), 0 if the inputs are those of the float layer.
    """

    square: torch.Tensor
    share: torch.Tensor
    change: torch.Tensor
    difference: torch.Tensor
    residual: torch.Tensor

    def optimise_on(self, device: TrainingDevice, iterations: int) -> torch.Tensor:
        """h on the CPU, like `share`: in parts there, of all channels at once on a GPU."""
        if device.is_cpu:
            return self.optimise_in_parts(iterations)
        parts = (self.square, self.share, self.change, self.difference, self.residual)
        return _Problem(*map(device.bring, parts)).optimise(iterations).cpu()

    def optimise_in_parts(self, iterations: int) -> torch.Tensor:
        """h, like `share`. Each part is one thread's: threads that share every small operator wait for each other."""
        groups, channels, inputs = self.share.shape
        threads = torch.get_num_threads()
        found = torch.empty_like(self.share)

        def optimise(part: tuple[slice, slice]) -> None:
            found[part] = self._take(*part).optimise(iterations)

        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                for done in [pool.submit(optimise, part) for part in _split(groups, channels, inputs)]:
                    done.result()
        finally:
            torch.set_num_threads(threads)
        return found

    def _take(self, groups: slice, channels: slice) -> _Problem:
        parts = (part[groups, channels] for part in (self.share, self.change, self.difference, self.residual))
        return _Problem(self.square[groups], *parts)

    def optimise(self, iterations: int) -> torch.Tensor:
        """h after so many iterations."""
        diagonal = self.square.diagonal(dim1=1, dim2=2)[:, None, :]
        mean_cost = (self.change**2 * diagonal).mean(dim=2, keepdim=True)
        slope = 2 * self.change / torch.where(mean_cost > 0, mean_cost, 1)
        variable = torch.logit((self.share - STRETCH_BOTTOM) / STRETCH)
        momentum, square_momentum = torch.zeros_like(variable), torch.zeros_like(variable)
        for iteration in range(iterations):
            sigmoid = torch.sigmoid(variable)
            share = _stretch(sigmoid)
            weight_error = torch.addcmul(self.difference, self.change, share)
            gradient = torch.baddbmm(self.residual, weight_error, self.square).mul_(slope)
            beta = _choose_beta(iteration / iterations)
            if beta is not None:
                centred = share.mul(2).sub_(1)
                gradient.sub_(centred.abs().pow_(beta - 1).copysign_(centred), alpha=2 * beta * REGULARIZATION)
            gradient.mul_(sigmoid).mul_(1 - sigmoid).mul_((share > 0) & (share < 1))
            momentum.lerp_(gradient, 1 - MOMENTUM)
            square_momentum.mul_(SQUARE_MOMENTUM).addcmul_(gradient, gradient, value=1 - SQUARE_MOMENTUM)
            step = LEARNING_RATE / (1 - MOMENTUM ** (iteration + 1))
            unbiased = square_momentum.div(1 - SQUARE_MOMENTUM ** (iteration + 1)).sqrt_()
            variable.addcdiv_(momentum, unbiased.add_(EPSILON), value=-step)
        return _stretch(torch.sigmoid(variable))


def _stretch(sigmoid: torch.Tensor) -> torch.Tensor:
    return sigmoid.mul(STRETCH).add_(STRETCH_BOTTOM).clamp_(0, 1)


def _choose_beta(progress: float) -> float | None:
    """β at this part of the iterations; None during the warm start."""
    if progress < WARM_START:
        return None
    return LAST_BETA + (FIRST_BETA - LAST_BETA) * (1 - progress) / (1 - WARM_START)


def _split(groups: int, channels: int, inputs: int) -> Iterator[tuple[slice, slice]]:
    """Groups and channels of a group that are optimised at once; always the same, however many threads there are."""
    channel_step = min(channels, max(MIN_CHANNELS, PART_ELEMENTS // inputs))
    group_step = max(1, PART_ELEMENTS // (channel_step * inputs))
    for group in range(0, groups, group_step):
        for channel in range(0, channels, channel_step):
            yield slice(group, group + group_step), slice(channel, channel + channel_step)
