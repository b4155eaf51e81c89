"""Normalizations, and Softmax with its kin."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from engine.torch_graph.call import Call, Operator, Tensor

SOFTMAX_BY_AXIS = 13
GROUP_NORM_PER_CHANNEL = 21


def _batch_normalization(call: Call) -> Tensor:
    if call.attribute("training_mode", 0) or call.outputs > 1:
        raise call.refuse("training mode")
    if not call.attribute("spatial", 1):
        raise call.refuse("statistics per position")
    source, scale, bias, mean, variance = (call.tensor(index) for index in range(5))
    return functional.batch_norm(source, mean, variance, scale, bias, eps=call.attribute("epsilon", 1e-5))


def _standardize(source: Tensor, axes: tuple[int, ...], epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Standardized over the axes, with the means and inverse deviations."""
    mean = source.mean(axes, keepdim=True)
    centred = source - mean
    inverse = torch.rsqrt(centred.square().mean(axes, keepdim=True) + epsilon)
    return centred * inverse, mean, inverse


def _layer_normalization(call: Call) -> tuple[Tensor, ...]:
    source, bias = call.tensor(0), call.optional(2)
    axes = range(call.axis(-1), source.ndim)
    normal, mean, inverse = _standardize(source, tuple(axes), call.attribute("epsilon", 1e-5))
    scaled = normal * call.tensor(1)
    return scaled if bias is None else scaled + bias, mean, inverse


def _rms_normalization(call: Call) -> Tensor:
    source = call.tensor(0)
    axes = tuple(range(call.axis(-1), source.ndim))
    energy = source.square().mean(axes, keepdim=True)
    return source * torch.rsqrt(energy + call.attribute("epsilon", 1e-5)) * call.tensor(1)


def _per_channel(values: Tensor, source: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (source.ndim - 2))


def _instance_normalization(call: Call) -> Tensor:
    source = call.tensor(0)
    normal, _, _ = _standardize(source, tuple(range(2, source.ndim)), call.attribute("epsilon", 1e-5))
    return normal * _per_channel(call.tensor(1), source) + _per_channel(call.tensor(2), source)


def _group_normalization(call: Call) -> Tensor:
    """Scale and bias were per group at first, and are per channel since opset 21."""
    source, groups = call.tensor(0), int(call.attributes["num_groups"])
    grouped = source.reshape(source.shape[0], groups, -1)
    normal = _standardize(grouped, (2,), call.attribute("epsilon", 1e-5))[0].reshape(source.shape)
    scale, bias = call.tensor(1), call.tensor(2)
    if call.opset < GROUP_NORM_PER_CHANNEL:
        scale, bias = (values.repeat_interleave(source.shape[1] // groups) for values in (scale, bias))
    return normal * _per_channel(scale, source) + _per_channel(bias, source)


def _mean_variance_normalization(call: Call) -> Tensor:
    return _standardize(call.tensor(0), tuple(call.attribute("axes", (0, 2, 3))), 1e-9)[0]


def _local_response_normalization(call: Call) -> Tensor:
    source, size = call.tensor(0), int(call.attributes["size"])
    before = (size - 1) // 2
    squares = functional.pad(source.square(), (0, 0) * (source.ndim - 2) + (before, size - 1 - before))
    energy = squares.unfold(1, size, 1).sum(-1)
    alpha, beta = call.attribute("alpha", 1e-4), call.attribute("beta", 0.75)
    divisor: Tensor = (call.attribute("bias", 1.0) + alpha / size * energy) ** beta
    return source / divisor


def _lp_normalization(call: Call) -> Tensor:
    source = call.tensor(0)
    norm: Tensor = torch.linalg.vector_norm(source, call.attribute("p", 2), call.axis(-1), keepdim=True)
    return torch.where(norm > 0, source / torch.where(norm > 0, norm, 1), 0)


def _softmax(function: Callable[[Tensor, int], Tensor]) -> Operator:
    """Along one axis; before opset 13 over that axis and all behind it together."""

    def apply(call: Call) -> Tensor:
        source = call.tensor(0)
        if call.opset >= SOFTMAX_BY_AXIS:
            return function(source, call.axis(-1))
        return function(source.flatten(call.axis(1)), -1).reshape(source.shape)

    return apply


def _hardmax(source: Tensor, axis: int) -> Tensor:
    first = source.argmax(axis, keepdim=True)
    return torch.zeros_like(source).scatter(axis, first, 1)


OPERATORS: dict[str, Operator] = {
    "BatchNormalization": _batch_normalization,
    "GroupNormalization": _group_normalization,
    "Hardmax": _softmax(_hardmax),
    "InstanceNormalization": _instance_normalization,
    "LayerNormalization": _layer_normalization,
    "LogSoftmax": _softmax(functional.log_softmax),
    "LpNormalization": _lp_normalization,
    "LRN": _local_response_normalization,
    "MeanVarianceNormalization": _mean_variance_normalization,
    "RMSNormalization": _rms_normalization,
    "Softmax": _softmax(functional.softmax),
}
