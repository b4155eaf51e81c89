"""Blocks: stretches of the network between points where a single tensor carries everything that quantization changed.

Where branches run side by side, as around a residual connection, no such point lies between them, so the whole region
is one block. Elementwise operators behind a layer belong to its block: what a Relu cuts off is no error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from engine.model.opened import Model

# Layers of a plain chain that make one block: an expansion, a depthwise layer and a projection, for example.
CHAIN_LAYERS = 3


@dataclass(frozen=True)
class Block:
    """A stretch of the graph.

    Attributes:
        start: the tensor that it goes on from; None for the first one, which has the graph's inputs only.
        ends: what it makes that later blocks or the graph's outputs need; the start of the next block is the first.
        layers: names, in the order of the graph.
    """

    start: str | None
    ends: tuple[str, ...]
    layers: tuple[str, ...]

    def join(self, following: Block) -> Block:
        """Both in one."""
        made = (name for name in self.ends if name != following.start)
        return Block(self.start, (*following.ends, *made), self.layers + following.layers)


@dataclass(frozen=True)
class _Cut:
    """A point before node `position`, where of all that layers have touched only `tensor` is still to be read."""

    position: int
    tensor: str | None
    layers: int


def find_blocks(model: Model) -> tuple[Block, ...]:
    """All blocks that hold a layer of the main graph, in the order of the graph.

    Without a point to cut at, the whole network is one block.
    """
    nodes = list(model.graph)
    by_node: dict[int, list[str]] = {}
    for layer in model.layers:
        if layer.body_owner is None:
            by_node.setdefault(id(layer.node), []).append(layer.name)
    counts = {key: len(names) for key, names in by_node.items()}
    if not counts:
        return ()
    cuts = _merge(_find_cuts(nodes, counts), sum(counts.values()))
    ends = [*(cut.position for cut in cuts[1:]), len(nodes)]
    blocks = []
    for index, (cut, end) in enumerate(zip(cuts, ends, strict=True)):
        inside = nodes[cut.position : end]
        made = [str(value.name) for node in inside for value in node.outputs if value.is_graph_output()]
        following = cuts[index + 1].tensor if index + 1 < len(cuts) else None
        layers = tuple(name for node in inside for name in by_node.get(id(node), ()))
        names = dict.fromkeys([*([following] if following else []), *made])
        blocks.append(Block(cut.tensor, tuple(names), layers))
    return tuple(block for block in blocks if block.layers and block.ends)


def _find_cuts(nodes: Sequence[ir.Node], layers: dict[int, int]) -> list[_Cut]:
    """For each number of layers that have run, the last point to cut at; the graph's start is the first."""
    last_read = {}
    for position, node in enumerate(nodes):
        last_read.update({str(value.name): position for value in _read_by(node)})
    found = {0: _Cut(0, None, 0)}
    live: set[str] = set()
    touched: set[str] = set()
    done = 0
    for position, node in enumerate(nodes):
        if id(node) in layers or any(str(value.name) in touched for value in _read_by(node)):
            outputs = {str(value.name) for value in node.outputs if value.name}
            touched |= outputs
            live |= outputs
        done += layers.get(id(node), 0)
        live = {name for name in live if last_read.get(name, -1) > position}
        if done and len(live) == 1:
            found[done] = _Cut(position + 1, next(iter(live)), done)
    return list(found.values())


def _read_by(node: ir.Node) -> Iterator[ir.Value]:
    """Inputs, and what the bodies of an If or Loop take from outside."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        if attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS):
            bodies = attribute.value if isinstance(attribute.value, tuple | list) else [attribute.value]
            yield from (value for body in bodies for inner in body.all_nodes() for value in _read_by(inner))


def _merge(cuts: Sequence[_Cut], total: int) -> list[_Cut]:
    """Cuts between blocks: up to `CHAIN_LAYERS` layers share one, more where there is no cut between them.

    What follows the last layer belongs to its block.
    """
    first, *others = (cut for cut in cuts if cut.layers < total)
    kept = [first]
    for cut, layers in zip(others, [*(cut.layers for cut in others[1:]), total], strict=False):
        if layers - kept[-1].layers > CHAIN_LAYERS:
            kept.append(cut)
    return kept
