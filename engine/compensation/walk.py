"""The walk through the network: every layer is run once, float and quantized side by side.

The cut stands before a layer, its input among the live tensors of all samples. Once the layer's codes are chosen,
the cut moves to the next one, through the float network and through that of the codes chosen so far: so each layer
makes up for what those before it have changed. Running the network anew for every layer would cost as many passes
as it has layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from engine.compensation.frontier import DISK_BYTES, Frontier, Pair, Values
from engine.compensation.inputs import InputQuantization
from engine.compensation.moments import Moments
from engine.compensation.rows import RowDraw, form_of
from engine.data.dataset import Dataset
from engine.job_context import JobContext
from engine.model.graph import is_constant
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.torch_graph.graph import TorchGraph
from engine.torch_graph.tensors import to_tensor

# Live tensors of one batch, float and quantized.
BATCH_BYTES = 64 << 20
MAX_BATCH = 32

# Gets a layer and the moments of its inputs.
Visit = Callable[[Layer, Moments], None]


@dataclass
class Replaced:
    """What the quantized network has in place of the float one's constants.

    Attributes:
        weights: by layer name, in the stored shape.
        constants: by name of the initializer.
    """

    weights: Values = field(default_factory=dict)
    constants: Values = field(default_factory=dict)


@dataclass(frozen=True)
class _Stage:
    """Consecutive layers that read the same tensor, and where the cut stands for them."""

    layers: tuple[Layer, ...]
    tensor: str
    position: int


class Walk:
    """Carries all samples from layer to layer."""

    def __init__(
        self, model: Model, graph: TorchGraph, inputs: InputQuantization, replaced: Replaced, context: JobContext
    ) -> None:
        """`replaced` is read anew before every step, so that what a visit puts there counts from then on."""
        self._graph, self._inputs, self._replaced, self._context = graph, inputs, replaced, context
        self._positions = {str(node.name): index for index, node in enumerate(model.graph)}
        self._produced, self._read = _lifetimes(model)
        self._frontier = Frontier()
        self._samples = 0

    def run(self, layers: Sequence[Layer], dataset: Dataset, samples: int, visit: Visit) -> None:
        """Visit `layers`, which are in the main graph and in its order.

        Raises:
            UnsupportedOperator: one on the way is used in a way that has no torch form.
            DataError: the samples do not fit.
            JobCancelled: cancelled.
        """
        stages = list(self._stages(layers))
        if not stages:
            return
        self._last = stages[-1].position
        self._start(stages, dataset, samples)
        for index, stage in enumerate(stages):
            if index:
                self._move(stage.position)
            for layer, moments in self._collect(stage):
                visit(layer, moments)

    def _stages(self, layers: Sequence[Layer]) -> Iterator[_Stage]:
        waiting: list[Layer] = []
        for layer in layers:
            if waiting and waiting[-1].input_value is not layer.input_value:
                yield self._stage(waiting)
                waiting = []
            waiting.append(layer)
        if waiting:
            yield self._stage(waiting)

    def _stage(self, layers: list[Layer]) -> _Stage:
        position = min(self._positions[str(layer.node.name)] for layer in layers)
        return _Stage(tuple(layers), str(layers[0].input_value.name), position)

    def _live(self, position: int) -> list[str]:
        """What nodes before `position` have made and nodes from there on read, as far as the walk goes."""
        return [
            name
            for name, made in self._produced.items()
            if made < position and any(position <= reader <= self._last for reader in self._read.get(name, ()))
        ]

    def _start(self, stages: Sequence[_Stage], dataset: Dataset, samples: int) -> None:
        """Bring all samples to the first cut."""
        first = next(iter(dataset.batches(dataset.batch_size_for(1), limit=1)))
        per_sample = max(1, self._widest(first.inputs, stages) // len(first))
        batch_size = dataset.batch_size_for(int(np.clip(BATCH_BYTES // per_sample, 1, MAX_BATCH)))
        limit = max(1, min(samples, dataset.samples, DISK_BYTES // per_sample))
        names = self._live(stages[0].position)
        for batch in dataset.batches(batch_size, limit=limit):
            values = {name: to_tensor(value) for name, value in batch.inputs.items()}
            self._samples += len(batch)
            self._frontier.append(self._advance(Pair(values, values), names))

    def _widest(self, inputs: Mapping[str, npt.NDArray[np.generic]], stages: Sequence[_Stage]) -> int:
        """Bytes of the live tensors of one batch at the widest cut, twice."""
        values: Values = {name: to_tensor(value) for name, value in inputs.items()}
        widest = 1
        for stage in stages:
            names = self._live(stage.position)
            values = dict(zip(names, self._graph.run(values, names), strict=True))
            widest = max(widest, 2 * sum(value.nbytes for value in values.values()))
            self._context.check_cancelled()
        return widest

    def _move(self, position: int) -> None:
        names = self._live(position)
        for index, pair in enumerate(self._frontier):
            self._frontier.replace(index, self._advance(pair, names))

    def _advance(self, pair: Pair, names: Sequence[str]) -> Pair:
        self._context.check_cancelled()
        found = dict(zip(names, self._graph.run(pair.float_values, names), strict=True))
        changed = self._graph.run(
            {**pair.values, **self._replaced.constants},
            names,
            weights=self._replaced.weights,
            intercept=self._intercept,
        )
        others = dict(zip(names, changed, strict=True))
        return Pair(found, {name: _same(found[name], value) for name, value in others.items()})

    def _intercept(self, layer: str, value: torch.Tensor) -> torch.Tensor:
        return to_tensor(self._inputs.apply(layer, value.numpy())) if self._inputs.changes(layer) else value

    def _collect(self, stage: _Stage) -> Iterator[tuple[Layer, Moments]]:
        """Moments of each layer of the stage; layers with the same rows share them."""
        made: dict[tuple[object, ...], Moments] = {}
        for layer in stage.layers:
            key = (form_of(layer), layer.name in self._inputs.static, layer.name in self._inputs.dynamic)
            if key not in made:
                made = {key: self._sum(layer, stage.tensor)}
            yield layer, made[key]

    def _sum(self, layer: Layer, tensor: str) -> Moments:
        draw = RowDraw(layer, self._samples)
        halves: list[Moments | None] = [None, None]
        is_same = not self._inputs.changes(layer.name) and all(
            pair.values[tensor] is pair.float_values[tensor] for pair in self._frontier
        )
        for index, pair in enumerate(self._frontier):
            self._context.check_cancelled()
            values = pair.float_values[tensor].numpy()
            other = None if is_same else self._inputs.apply(layer.name, pair.values[tensor].numpy())
            halves[index % 2] = draw.add(halves[index % 2], values, other, index)
        first, second = halves
        assert first is not None
        return first if second is None else Moments.joined(first, second)


def _same(value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """`value` where both are equal, so that equal tensors are kept once."""
    return value if torch.equal(value, other) else other


def _lifetimes(model: Model) -> tuple[dict[str, int], dict[str, list[int]]]:
    """Where each value is made (−1 for inputs of the graph), and where it is read."""
    made = {str(value.name): -1 for value in model.graph.inputs if not is_constant(value)}
    read: dict[str, list[int]] = {}
    for index, node in enumerate(model.graph):
        made |= {str(value.name): index for value in node.outputs if value.name}
        for value in node.inputs:
            if value is not None:
                read.setdefault(str(value.name), []).append(index)
    return made, read
