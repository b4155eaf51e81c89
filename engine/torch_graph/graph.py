"""The interpreter: nodes in order, on torch tensors, from any values of the graph to any others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from engine.errors import UnsupportedOperator
from engine.model.graph import bodies_of, constant
from engine.model.layers import Layer
from engine.torch_graph.call import Call, Operator, Tensor
from engine.torch_graph.device import TrainingDevice
from engine.torch_graph.table import OPERATORS
from engine.torch_graph.tensors import to_tensor

# Gets a layer's name and what the layer is about to read; returns what it reads instead.
Intercept = Callable[[str, Tensor], Tensor]
# Gets a value; returns what everything reads instead.
Rewrite = Callable[[Tensor], Tensor]
ONNX_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class _Step:
    """One node, ready to run.

    Attributes:
        inputs: names of values, "" where one is absent.
        outputs: names, "" where nothing reads one; those behind the last name are dropped.
        weights: layer name by position among the inputs.
        activations: layer names by position: an LSTM's input is one layer's only.
    """

    op: str
    name: str
    function: Operator
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: Mapping[int, str]
    activations: Mapping[int, str]


class TorchGraph:
    """A prepared graph that torch executes, differentiable in inputs, weights and everything between.

    It holds no state of a run, so runs may go on in several threads.

    Attributes:
        weights: by layer name, float32 in the stored shape, outside of autograd; layers that share a weight
            share the tensor. A run takes others in their place.
    """

    def __init__(self, graph: ir.Graph, layers: Sequence[Layer]) -> None:
        """Read the constants and look up every operator.

        Args:
            layers: those of the graph, whose inputs and weights can be told apart by name.

        Raises:
            UnsupportedOperator: one has no torch form.
        """
        self._opset = int(graph.opset_imports.get("", 1) or 1)
        self._constants = {str(value.name): _tensor_of(value) for value in graph.initializers.values()}
        by_node: dict[int, list[Layer]] = {}
        for layer in layers:
            by_node.setdefault(id(layer.node), []).append(layer)
        self._steps = [_build_step(node, by_node.get(id(node), [])) for node in graph]
        self._weight_names = {layer.name: str(layer.weight_value.name) for layer in layers}
        self._find_weights()

    def _find_weights(self) -> None:
        self.weights = {layer: self._constants[name] for layer, name in self._weight_names.items()}

    def keep_on(self, device: TrainingDevice) -> None:
        """Move the constants, but for numbers and lists of integers, which are read without waiting for a GPU."""
        self._constants = {
            name: value if _is_read_as_numbers(value) else device.keep(value) for name, value in self._constants.items()
        }
        self._find_weights()

    def run(
        self,
        given: Mapping[str, Tensor],
        fetch: Sequence[str],
        *,
        weights: Mapping[str, Tensor] | None = None,
        intercept: Intercept | None = None,
        rewrites: Mapping[str, Rewrite] | None = None,
    ) -> list[Tensor]:
        """Compute the values named in `fetch` from `given` ones: inputs of the graph, or a cut through it.

        Only the nodes between are run.

        Args:
            weights: by layer name, in place of the layer's own.
            intercept: called for every layer that runs, once; not for an LSTM's recurrence.
            rewrites: by name of a computed value, called as soon as it is there.

        Raises:
            UnsupportedOperator: an operator is used in a way that has no torch form.
        """
        weights = weights or {}
        values = dict(given)
        steps = self._steps_between(given, fetch)
        readers = Counter(name for step in steps for name in step.inputs)
        readers.update(fetch)
        for step in steps:
            inputs = [self._read(step, index, values, weights, intercept) for index in range(len(step.inputs))]
            values.update(zip(step.outputs, self._apply(step, inputs), strict=False))
            for name in step.outputs:
                if rewrites and name in rewrites:
                    values[name] = rewrites[name](values[name])
            _forget_read(step, readers, values)
        return [values[name] if name in values else self._constants[name] for name in fetch]

    def _steps_between(self, given: Iterable[str], fetch: Iterable[str]) -> list[_Step]:
        known, wanted = set(given), set(fetch)
        steps = []
        for step in reversed(self._steps):
            if any(name in wanted and name not in known for name in step.outputs):
                wanted.update(step.inputs)
                steps.append(step)
        return steps[::-1]

    def _read(
        self,
        step: _Step,
        index: int,
        values: Mapping[str, Tensor],
        weights: Mapping[str, Tensor],
        intercept: Intercept | None,
    ) -> Tensor | None:
        name = step.inputs[index]
        if not name:
            return None
        if step.weights.get(index) in weights:
            return weights[step.weights[index]]
        value = values[name] if name in values else self._constants[name]
        if intercept is not None and index in step.activations:
            return intercept(step.activations[index], value)
        return value

    def _apply(self, step: _Step, inputs: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        call = Call(step.op, step.name, self._opset, tuple(inputs), step.attributes, len(step.outputs))
        try:
            result = step.function(call)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError, IndexError, ValueError, KeyError) as error:
            raise UnsupportedOperator(step.op, step.name, f"these operands ({_first_line(error)})") from error
        return result if isinstance(result, tuple) else (result,)


def _forget_read(step: _Step, readers: Counter[str], values: dict[str, Tensor]) -> None:
    """Let go of what no later node reads."""
    readers.subtract(step.inputs)
    for name in (*step.inputs, *step.outputs):
        if readers[name] <= 0:
            values.pop(name, None)


def _build_step(node: ir.Node, layers: Sequence[Layer]) -> _Step:
    op, name = str(node.op_type), str(node.name)
    function = OPERATORS.get(op) if node.domain in ONNX_DOMAINS else None
    if function is None or any(True for _ in bodies_of(node)):
        raise UnsupportedOperator(op, name)
    outputs = [str(value.name) if value.uses() or value.is_graph_output() else "" for value in node.outputs]
    while outputs and not outputs[-1]:
        outputs.pop()
    return _Step(
        op=op,
        name=name,
        function=function,
        attributes={key: _plain(attribute) for key, attribute in node.attributes.items()},
        inputs=tuple("" if value is None else str(value.name) for value in node.inputs),
        outputs=tuple(outputs),
        weights={layer.weight_index: layer.name for layer in layers},
        activations={layer.input_index: layer.name for layer in layers if layer.part != "R"},
    )


def _plain(attribute: ir.Attr) -> Any:
    """The value of an attribute; tensors as arrays."""
    if attribute.type == ir.AttributeType.TENSOR:
        return attribute.as_tensor().numpy()
    return list(attribute.value) if isinstance(attribute.value, tuple) else attribute.value


def _tensor_of(value: ir.Value) -> Tensor:
    found = constant(value)
    assert found is not None
    return to_tensor(np.asarray(found)).detach()


def _is_read_as_numbers(value: Tensor) -> bool:
    return value.ndim == 0 or (value.ndim == 1 and not value.is_floating_point())


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
