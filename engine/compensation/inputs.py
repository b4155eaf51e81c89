"""What the kernels of a plan do to the inputs of layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.calibration.calibration import Calibration
from engine.conversion.activations import choose_quantization
from engine.model.opened import Model
from engine.numerics.affine import TensorQuantization, choose_tensor_quantization
from engine.numerics.schemes import Kernel
from engine.placement import place
from engine.plan import Plan

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class InputQuantization:
    """Static grids by tensor name, and the layers that find theirs at run time; other inputs stay float.

    Attributes:
        static: input tensor by layer name.
        written: tensors that kernels write as integers, so that everything reads them from their grids.
        sources: of the tensors whose ranges are not set by hand, the tensors whose ranges these are.
    """

    grids: Mapping[str, TensorQuantization] = field(default_factory=dict)
    static: Mapping[str, str] = field(default_factory=dict)
    dynamic: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    sources: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Model, plan: Plan, calibration: Calibration | None) -> InputQuantization:
        """As the converted model has them; without a calibration, static layers count as float."""
        grids: Mapping[str, TensorQuantization] = {}
        placement = place(model.summary, plan)
        if calibration is not None:
            grids = choose_quantization(placement, calibration, plan.defaults.activation_range)
        kernels = {layer.name: plan.layer(layer.name).kernel for layer in model.layers if layer.body_owner is None}
        names = {layer.name: str(layer.input_value.name) for layer in model.layers}
        static = {name: names[name] for name, kernel in kernels.items() if kernel == Kernel.QLINEAR}
        return cls(
            grids,
            {name: tensor for name, tensor in static.items() if tensor in grids},
            frozenset(name for name, kernel in kernels.items() if kernel == Kernel.DYNAMIC),
            frozenset(name for name in placement.integer_producers if name in grids),
            {
                tensor: source
                for tensor, source in placement.range_source.items()
                if tensor in grids and source not in placement.fixed_ranges
            },
        )

    def changes(self, layer: str) -> bool:
        """Whether the layer's kernel quantizes its input."""
        return layer in self.static or layer in self.dynamic

    def apply(self, layer: str, values: Values) -> Values:
        """The layer's input as its kernel takes it."""
        if layer in self.static:
            return self.grids[self.static[layer]].fake_quantize(values)
        if layer in self.dynamic and values.size:
            return choose_tensor_quantization(float(values.min()), float(values.max())).fake_quantize(values)
        return values
