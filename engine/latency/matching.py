"""Which node of an optimised graph is which layer or operator of the source, by the names that are left.

ONNX Runtime fuses, splits and renames. A node is traced by the first of these that tells:

1. its name, without what transformers append (`_token_3`, `/MatMulAddFusion`, `fused `);
2. a constant or name of conversion, `q<index>.<tag>`;
3. the weight of a layer among its inputs;
4. the tensor that a node in blocked layout is named after (`<tensor>_nchwc`): the nearest operator of its
   kind before that tensor.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

import onnx

from engine.conversion.optimized import layer_index
from engine.model.opened import Model

_SUFFIX = re.compile(r"(_token_\d+|/MatMulAddFusion.*)$")
_BLOCKED = "_nchwc"


@dataclass(frozen=True)
class Origin:
    """Where a node comes from: `layers` by index (both weights of a recurrent operator), or a source node."""

    layers: tuple[int, ...] = ()
    node: str = ""


@dataclass
class Matcher:
    """Traces nodes of one model's optimised graphs."""

    model: Model
    _by_node: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _by_weight: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, layer in enumerate(self.model.layers):
            node, weight = str(layer.node.name), str(layer.weight_value.name)
            self._by_node[node] = (*self._by_node.get(node, ()), index)
            self._by_weight[weight] = (*self._by_weight.get(weight, ()), index)
        self._sources = {node.name for node in self.model.summary.nodes}

    def trace(self, node: onnx.NodeProto) -> Origin | None:
        """Where the node comes from; None for what is ONNX Runtime's own, such as a change of layout."""
        if node.name.endswith(_BLOCKED):
            return self._trace_blocked(node.name.removesuffix(_BLOCKED), node.op_type)
        name = _SUFFIX.sub("", node.name).removeprefix("fused ")
        if name in self._by_node:
            return Origin(self._by_node[name])
        indices = {layer_index(text) for text in (name, *node.input)} - {None}
        if len(indices) == 1:
            return Origin(tuple(index for index in indices if index is not None))
        weights = {self._by_weight[text] for text in node.input if text in self._by_weight}
        if len(weights) == 1 and len(found := next(iter(weights))) == 1:
            return Origin(found)
        return Origin(node=name) if name in self._sources else None

    def _trace_blocked(self, tensor: str, op: str) -> Origin | None:
        """Breadth first against the flow, from the tensor to the nearest operator of this kind."""
        producers = self.model.summary.producers
        waiting, seen = deque([tensor]), {tensor}
        while waiting:
            node = producers.get(waiting.popleft())
            if node is None:
                continue
            if node.op == op:
                layers = self._by_node.get(node.name)
                return Origin(layers) if layers else Origin(node=node.name)
            waiting.extend(name for name in node.inputs if name not in seen)
            seen.update(node.inputs)
        return None
