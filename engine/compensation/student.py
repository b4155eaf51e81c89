"""The quantized network in training: it computes what the exported one will, and gradients reach what is stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from engine.compensation.fake_quantization import (
    Limits,
    TrainableWeight,
    fake_quantize_dynamic,
    fake_quantize_static,
)
from engine.compensation.inputs import InputQuantization
from engine.compensation.learned_grids import LearnedGrid, drop_quantization
from engine.model.graph import attribute_float
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.model.quantized_layers import ChosenWeights, fake_quantize_layer, quantize_layer
from engine.numerics.schemes import Kernel
from engine.numerics.weights import largest_multiplier, range_of
from engine.plan import Plan
from engine.stored_weights import group_scales
from engine.torch_graph.device import TrainingDevice
from engine.torch_graph.graph import TorchGraph
from engine.torch_graph.tensors import to_tensor

Tensor = torch.Tensor
Values = Mapping[str, Tensor]


@dataclass(frozen=True)
class TrainableBias:
    """A bias that stays float in the file, or is rounded so finely that it counts as float.

    Attributes:
        name: of the initializer.
        shape: as stored.
        beta: Gemm's, by which the stored values are multiplied.
        first: float32 [channels], the start.
        size: float32 [channels], norms of the channels' weights.
        moved: float32 [channels], in units of `size`: what is learned.
    """

    name: str
    shape: tuple[int, ...]
    beta: float
    first: Tensor
    size: Tensor
    moved: Tensor

    def values(self) -> Tensor:
        """float32 [channels], as `Layer.bias` has it."""
        return self.first + self.moved * self.size

    def stored(self) -> Tensor:
        """In the stored shape, without beta."""
        return (self.values() / self.beta).reshape(self.shape)


@dataclass(frozen=True)
class Dropping:
    """Leaves a share of the values that kernels would quantize as they are, at random."""

    share: float
    noise: torch.Generator


class Student:
    """A network under a plan, all of whose integer weights can be trained, but for those that layers share.

    Attributes:
        weights, biases: what is trained, by layer name.
        grids: what can be trained besides, by the tensor that the range is that of.
    """

    def __init__(
        self, model: Model, plan: Plan, inputs: InputQuantization, chosen: ChosenWeights, graph: TorchGraph
    ) -> None:
        """Start from `chosen`, and from rounding to nearest where that has nothing.

        Raises:
            ConversionError: a weight holds NaN or infinite values.
        """
        self._model, self._plan, self._inputs, self._chosen, self._graph = model, plan, inputs, chosen, graph
        self.weights: dict[str, TrainableWeight] = {}
        self.biases: dict[str, TrainableBias] = {}
        self._fixed: dict[str, Tensor] = {}
        self._device = TrainingDevice()
        self._alphas: dict[str, float] = {}
        self._fixed_grids = {**inputs.grids, **chosen.grids}
        self.grids = {source: LearnedGrid(self._fixed_grids[tensor]) for tensor, source in inputs.sources.items()}
        for layer in model.layers:
            self._add(layer)

    def _add(self, layer: Layer) -> None:
        choice, summary = self._plan.layer(layer.name), self._model.summary.layer_by_name[layer.name]
        if choice.weights.bits == 32:
            return
        alpha = attribute_float(layer.node, "alpha", 1.0) if layer.op == "Gemm" else 1.0
        matrix = layer.matrix()
        is_alone = not summary.shares_weight or choice.kernel == Kernel.NBITS
        if not choice.weights.is_integer or not is_alone:
            stored = layer.layout.from_matrix(fake_quantize_layer(matrix, summary, choice))
            self._fixed[layer.name] = to_tensor(stored / np.float32(alpha))
            return
        start = self._chosen.weights.get(layer.name) or quantize_layer(matrix, summary, choice)
        limits = Limits(*range_of(choice.weights), largest_multiplier(choice.weights, group_scales(summary, choice)))
        self.weights[layer.name] = TrainableWeight(start, matrix, layer.layout, limits)
        self._alphas[layer.name] = alpha
        self._add_bias(layer, matrix)

    def _add_bias(self, layer: Layer, matrix: npt.NDArray[np.float32]) -> None:
        """One value per channel that nothing else reads."""
        value, bias = layer.bias_value, self._chosen.biases.get(layer.name, layer.bias)
        if value is None or bias is None or value.const_value is None:
            return
        if len(value.uses()) > 1 or value.is_graph_output() or value.const_value.size != len(matrix):
            return
        beta = attribute_float(layer.node, "beta", 1.0) if layer.op == "Gemm" else 1.0
        self.biases[layer.name] = TrainableBias(
            name=str(value.name),
            shape=tuple(int(size) for size in value.const_value.shape.numpy()),
            beta=beta or 1.0,
            first=torch.from_numpy(np.array(bias, np.float32)),
            size=torch.from_numpy(np.linalg.norm(matrix, axis=1).astype(np.float32)),
            moved=torch.zeros(len(matrix), requires_grad=True),
        )

    def keep_on(self, device: TrainingDevice) -> None:
        """Move everything but the graph, once, before training."""
        self._device = device
        for weight in self.weights.values():
            weight.keep_on(device)
        for grid in self.grids.values():
            grid.keep_on(device)
        for name, bias in self.biases.items():
            first, size, moved = (device.keep(tensor) for tensor in (bias.first, bias.size, bias.moved))
            self.biases[name] = dataclasses.replace(bias, first=first, size=size, moved=moved)
        self._fixed = {name: device.keep(tensor) for name, tensor in self._fixed.items()}

    @property
    def weight_bytes(self) -> int:
        """Of all trained weights, as float32."""
        return sum(weight.latent.nbytes for weight in self.weights.values())

    def run(
        self,
        values: Values,
        fetch: Sequence[str],
        *,
        layers: Collection[str] | None = None,
        dropping: Dropping | None = None,
    ) -> list[Tensor]:
        """The outputs named in `fetch`.

        Args:
            layers: those that lie between `values` and `fetch`; None for all.

        Raises:
            UnsupportedOperator: an operator is used in a way that has no torch form.
        """
        wanted = self._model.summary.layer_by_name if layers is None else layers
        weights = {
            name: weight.stored() / self._alphas[name] for name, weight in self.weights.items() if name in wanted
        }
        biases = {bias.name: bias.stored() for name, bias in self.biases.items() if name in wanted}

        def quantize(name: str, value: Tensor) -> Tensor:
            value = self._device.bring(value)
            found = self._quantize(name, value)
            return found if dropping is None else drop_quantization(value, found, dropping.share, dropping.noise)

        def intercept(layer: str, value: Tensor) -> Tensor:
            if layer in self._inputs.static:
                name = self._inputs.static[layer]
                return value if name in self._inputs.written else quantize(name, value)
            return fake_quantize_dynamic(value) if layer in self._inputs.dynamic else value

        return self._graph.run(
            {**values, **biases},
            fetch,
            weights={**self._fixed, **weights},
            intercept=intercept,
            rewrites={name: partial(quantize, name) for name in self._inputs.written},
        )

    def _quantize(self, name: str, value: Tensor) -> Tensor:
        grid = self.grids.get(self._inputs.sources.get(name, ""))
        return fake_quantize_static(value, self._fixed_grids[name]) if grid is None else grid.apply(value)

    def project(self) -> None:
        """Bring what a step has taken beyond the limits of its storage back."""
        for weight in self.weights.values():
            weight.project()
        for grid in self.grids.values():
            grid.project()

    def freeze(self) -> ChosenWeights:
        """What the network has now, as conversion stores it."""
        weights = {name: weight.quantized() for name, weight in self.weights.items()}
        biases = {name: bias.values().detach().cpu().numpy().copy() for name, bias in self.biases.items()}
        grids = {tensor: self.grids[source].quantization() for tensor, source in self._inputs.sources.items()}
        chosen = self._chosen
        return dataclasses.replace(
            chosen,
            weights={**chosen.weights, **weights},
            biases={**chosen.biases, **biases},
            grids={**chosen.grids, **grids},
        )
