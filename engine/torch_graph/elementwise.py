"""Operators that work element by element, with broadcasting where they take several inputs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import onnx_ir as ir
import torch
from torch.nn import functional

from engine.torch_graph.call import Call, Operator, Tensor
from engine.torch_graph.tensors import DTYPES

SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


def _unary(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda call: function(call.tensor(0))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda call: function(call.tensor(0), call.tensor(1))


def _variadic(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda call: functools.reduce(function, call.given())


def _with(function: Callable[..., Tensor], **defaults: Any) -> Operator:
    """A function of the input and of attributes, which have these defaults."""
    return lambda call: function(call.tensor(0), **{name: call.attribute(name, defaults[name]) for name in defaults})


def _divide(one: Tensor, other: Tensor) -> Tensor:
    """Integers are divided towards zero."""
    return torch.div(one, other, rounding_mode=None if one.is_floating_point() else "trunc")


def _modulo(call: Call) -> Tensor:
    """The sign is the divisor's, or with `fmod` the dividend's, as in C."""
    function = torch.fmod if call.attribute("fmod", 0) else torch.remainder
    return function(call.tensor(0), call.tensor(1))


def _power(call: Call) -> Tensor:
    base = call.tensor(0)
    return torch.pow(base, call.tensor(1)).to(base.dtype)


def _mean(call: Call) -> Tensor:
    return functools.reduce(torch.add, call.given()) / len(call.given())


def _clip(call: Call) -> Tensor:
    low, high = call.number(1, "min", None), call.number(2, "max", None)
    return call.tensor(0) if low is None and high is None else torch.clamp(call.tensor(0), low, high)


def _cast(call: Call) -> Tensor:
    target = DTYPES.get(ir.DataType(call.attributes["to"]))
    if target is None:
        raise call.refuse(f"a cast to {ir.DataType(call.attributes['to']).name}")
    return call.tensor(0).to(target)


def _cast_like(call: Call) -> Tensor:
    return call.tensor(0).to(call.tensor(1).dtype)


def _dropout(call: Call) -> Tensor | tuple[Tensor, ...]:
    """Inference: the input itself, and a mask that keeps everything."""
    source = call.tensor(0)
    is_training = call.optional(2)
    if is_training is not None and bool(is_training) and call.number(1, "ratio", 0.5):
        raise call.refuse("training mode")
    return source, torch.ones_like(source, dtype=torch.bool)


def _infinite(source: Tensor, detect_negative: int, detect_positive: int) -> Tensor:
    allowed = (source < 0) & bool(detect_negative) | (source > 0) & bool(detect_positive)
    return torch.isinf(source) & allowed


def _selu(source: Tensor, alpha: float, gamma: float) -> Tensor:
    return gamma * (torch.clamp(source, min=0) + alpha * torch.expm1(torch.clamp(source, max=0)))


def _shrink(source: Tensor, lambd: float, bias: float) -> Tensor:
    shrunk = torch.where(source < -lambd, source + bias, torch.where(source > lambd, source - bias, 0))
    return shrunk.to(source.dtype)


def _prelu(source: Tensor, slope: Tensor) -> Tensor:
    return torch.where(source < 0, source * slope, source)


def _leaky_relu(source: Tensor, alpha: float) -> Tensor:
    return functional.leaky_relu(source, alpha)


def _gelu(source: Tensor, approximate: str) -> Tensor:
    return functional.gelu(source, approximate=approximate)


OPERATORS: dict[str, Operator] = {
    "Identity": _unary(lambda x: x),
    "Abs": _unary(torch.abs),
    "Acos": _unary(torch.acos),
    "Acosh": _unary(torch.acosh),
    "Asin": _unary(torch.asin),
    "Asinh": _unary(torch.asinh),
    "Atan": _unary(torch.atan),
    "Atanh": _unary(torch.atanh),
    "Ceil": _unary(torch.ceil),
    "Cos": _unary(torch.cos),
    "Cosh": _unary(torch.cosh),
    "Erf": _unary(torch.erf),
    "Exp": _unary(torch.exp),
    "Floor": _unary(torch.floor),
    "IsNaN": _unary(torch.isnan),
    "Log": _unary(torch.log),
    "Neg": _unary(torch.neg),
    "Not": _unary(torch.logical_not),
    "Reciprocal": _unary(torch.reciprocal),
    "Round": _unary(torch.round),
    "Sign": _unary(torch.sign),
    "Sin": _unary(torch.sin),
    "Sinh": _unary(torch.sinh),
    "Sqrt": _unary(torch.sqrt),
    "Tan": _unary(torch.tan),
    "Tanh": _unary(torch.tanh),
    "Add": _binary(torch.add),
    "Sub": _binary(torch.sub),
    "Mul": _binary(torch.mul),
    "Div": _binary(_divide),
    "Mod": _modulo,
    "Pow": _power,
    "Max": _variadic(torch.maximum),
    "Min": _variadic(torch.minimum),
    "Sum": _variadic(torch.add),
    "Mean": _mean,
    "And": _binary(torch.logical_and),
    "Or": _binary(torch.logical_or),
    "Xor": _binary(torch.logical_xor),
    "Equal": _binary(torch.eq),
    "Greater": _binary(torch.gt),
    "GreaterOrEqual": _binary(torch.ge),
    "Less": _binary(torch.lt),
    "LessOrEqual": _binary(torch.le),
    "Where": lambda call: torch.where(call.tensor(0), call.tensor(1), call.tensor(2)),
    "Clip": _clip,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Dropout": _dropout,
    "IsInf": _with(_infinite, detect_negative=1, detect_positive=1),
    "Relu": _unary(torch.relu),
    "Sigmoid": _unary(torch.sigmoid),
    "HardSwish": _unary(functional.hardswish),
    "Mish": _unary(functional.mish),
    "Softplus": _unary(lambda x: torch.logaddexp(x, torch.zeros_like(x))),
    "Softsign": _unary(functional.softsign),
    "Celu": _with(lambda x, alpha: torch.clamp(x, min=0) + torch.clamp(alpha * torch.expm1(x / alpha), max=0),
                  alpha=1.0),
    "Elu": _with(functional.elu, alpha=1.0),
    "Gelu": _with(_gelu, approximate="none"),
    "HardSigmoid": _with(lambda x, alpha, beta: torch.clamp(alpha * x + beta, 0, 1), alpha=0.2, beta=0.5),
    "LeakyRelu": _with(_leaky_relu, alpha=0.01),
    "PRelu": _binary(_prelu),
    "Selu": _with(_selu, alpha=SELU_ALPHA, gamma=SELU_GAMMA),
    "Shrink": _with(_shrink, lambd=0.5, bias=0.0),
    "Swish": _with(lambda x, alpha: x * torch.sigmoid(alpha * x), alpha=1.0),
    "ThresholdedRelu": _with(lambda x, alpha: torch.where(x > alpha, x, 0), alpha=1.0),
}  # fmt: skip
