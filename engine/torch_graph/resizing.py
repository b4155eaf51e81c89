"""Resize and Upsample, axis by axis: every output element is a weighted sum of input elements along one axis.

Source: ONNX Resize-19, coordinate transformations and cubic kernel as its reference defines them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.torch_graph.call import Call, Operator, Tensor


@dataclass(frozen=True)
class _Axis:
    """One axis that changes: its sizes, and the scale that coordinates are computed with."""

    size: int
    target: int
    scale: float

    @property
    def places(self) -> Tensor:
        """0, 1, 2, … as float64 [target]."""
        return torch.arange(self.target, dtype=torch.float64)

    @property
    def length(self) -> float:
        """Of the resized axis, before rounding."""
        return self.scale * self.size


def _half_pixel_symmetric(axis: _Axis) -> Tensor:
    adjustment = axis.target / axis.length
    offset = axis.size / 2 * (1 - adjustment)
    return offset + (axis.places + 0.5) / axis.scale - 0.5


def _align_corners(axis: _Axis) -> Tensor:
    if axis.length == 1:
        return axis.places * 0
    return axis.places * (axis.size - 1) / (axis.length - 1)


COORDINATES: dict[str, Callable[[_Axis], Tensor]] = {
    "half_pixel": lambda axis: (axis.places + 0.5) / axis.scale - 0.5,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": lambda axis: (axis.places + 0.5) / axis.scale - 0.5 if axis.length > 1 else axis.places * 0,
    "align_corners": _align_corners,
    "asymmetric": lambda axis: axis.places / axis.scale,
    "tf_half_pixel_for_nn": lambda axis: (axis.places + 0.5) / axis.scale,
}
ROUNDINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "round_prefer_floor": lambda x: torch.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: torch.floor(x + 0.5),
    "floor": torch.floor,
    "ceil": torch.ceil,
}
Taps = list[tuple[Tensor, Tensor]]


def _linear_taps(coordinates: Tensor) -> Taps:
    """Indices and weights of the elements that each place mixes."""
    base = torch.floor(coordinates)
    share = coordinates - base
    return [(base, 1 - share), (base + 1, share)]


def _cubic_taps(coordinates: Tensor, a: float) -> Taps:
    base = torch.floor(coordinates)
    share = coordinates - base
    return [(base + step, _cubic_kernel(share - step, a)) for step in (-1, 0, 1, 2)]


def _cubic_kernel(distance: Tensor, a: float) -> Tensor:
    d = distance.abs()
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, 0))


def _taps(call: Call, axis: _Axis, coordinates: Tensor) -> Taps:
    mode = call.attribute("mode", "nearest")
    if mode == "nearest":
        rounding = ROUNDINGS[call.attribute("nearest_mode", _default_rounding(call, axis))]
        return [(rounding(coordinates), torch.ones_like(coordinates))]
    taps = (
        _cubic_taps(coordinates, call.attribute("cubic_coeff_a", -0.75))
        if mode == "cubic"
        else _linear_taps(coordinates)
    )
    if mode != "cubic" or not call.attribute("exclude_outside", 0):
        return taps
    inside = [(index, weight * ((index >= 0) & (index < axis.size))) for index, weight in taps]
    total = sum((weight for _, weight in inside), torch.zeros_like(coordinates))
    return [(index, weight / total) for index, weight in inside]


def _default_rounding(call: Call, axis: _Axis) -> str:
    """Before opset 11, ONNX Runtime takes the element below, where it leaves elements out the one above."""
    if _is_of_opset_11(call):
        return "round_prefer_floor"
    return "ceil" if axis.scale < 1 else "floor"


def _default_coordinates(call: Call) -> str:
    return "half_pixel" if _is_of_opset_11(call) else "asymmetric"


def _is_of_opset_11(call: Call) -> bool:
    """Whether the operator has the form that came with opset 11: region, scales and sizes, named coordinates."""
    return call.op == "Resize" and call.opset >= 11


def _resize_axis(call: Call, source: Tensor, index: int, axis: _Axis) -> Tensor:
    transformation = call.attribute("coordinate_transformation_mode", _default_coordinates(call))
    if transformation not in COORDINATES:
        raise call.refuse(f"the coordinates {transformation}")
    coordinates = COORDINATES[transformation](axis)
    shape = [-1 if place == index else 1 for place in range(source.ndim)]
    result: Tensor | None = None
    for picked, weight in _taps(call, axis, coordinates):
        taken = source.index_select(index, picked.clamp(0, axis.size - 1).to(source.device, torch.int64))
        if call.attribute("mode", "nearest") != "nearest":
            taken = taken * weight.to(source).reshape(shape)
        result = taken if result is None else result + taken
    assert result is not None
    return result


def _resize(call: Call) -> Tensor:
    if call.attribute("antialias", 0):
        raise call.refuse("antialiasing")
    source = call.tensor(0)
    for index, axis in _axes(call, source).items():
        if axis.target != axis.size or axis.scale != 1:
            source = _resize_axis(call, source, index, axis)
    return source


def _axes(call: Call, source: Tensor) -> dict[int, _Axis]:
    """The axes that are named, all by default, with their scales or sizes."""
    names = [axis % source.ndim for axis in call.attribute("axes", range(source.ndim))]
    sizes = [source.shape[name] for name in names]
    scales = _scales(call)
    if scales:
        return {
            name: _Axis(size, math.floor(size * scale), scale)
            for name, size, scale in zip(names, sizes, scales, strict=True)
        }
    if call.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise call.refuse("a kept aspect ratio")
    targets = call.integers(3, "sizes") or []
    return {name: _Axis(size, target, target / size) for name, size, target in zip(names, sizes, targets, strict=True)}


def _scales(call: Call) -> list[float]:
    value = call.optional(2 if _is_of_opset_11(call) else 1)
    found: list[float] = call.attribute("scales", []) if value is None else value.tolist()
    return found


OPERATORS: dict[str, Operator] = {"Resize": _resize, "Upsample": _resize}
