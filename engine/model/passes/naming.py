"""Names of nodes, which are the stable ids of layers, and of values."""

from __future__ import annotations

import re

import onnx_ir as ir

from engine.model.graph import bodies_of

# What conversion calls its constants and nodes. A file that it wrote, opened again, has such names, too.
RESERVED = re.compile(r"[qa]\d+\.")


def name_nodes(graph: ir.Graph) -> None:
    """Give every node a unique name, those in If, Loop and Scan bodies included.

    Existing unique names stay as they are, but for reserved ones. A node in a body whose name is missing or taken
    gets the path of its body before it, such as `If_3/then_branch/LSTM_0`.
    """
    given = {node.name for node in graph if node.name}
    taken: set[str] = set()
    for index, node in enumerate(graph):
        name = _free(node.name or f"{node.op_type}_{index}")
        while name in taken or (name in given and name != node.name):
            name = f"{name}_{index}"
        node.name = name
        taken.add(name)
    for node in graph:
        _name_bodies(node, taken)


def _name_bodies(owner: ir.Node, taken: set[str]) -> None:
    for attribute, body in bodies_of(owner):
        for index, node in enumerate(body):
            name = _free(node.name or f"{owner.name}/{attribute}/{node.op_type}_{index}")
            if name in taken:
                name = f"{owner.name}/{attribute}/{name}"
            while name in taken:
                name = f"{name}_{index}"
            node.name = name
            taken.add(name)
        for node in body:
            _name_bodies(node, taken)


def name_values(graph: ir.Graph) -> None:
    """Rename values that have a reserved name, and those of bodies that have the name of an outer one.

    An inlined function may leave such an outer name. Inputs and outputs of the main graph keep theirs.
    """
    taken = {str(value.name) for item in (graph, *graph.subgraphs()) for value in _values(item)}
    _name_values(graph, {str(value.name) for value in (*graph.inputs, *graph.outputs)}, set(), taken)


def _name_values(graph: ir.Graph, kept: set[str], outer: set[str], taken: set[str]) -> None:
    """`outer` are names of the graphs around this one, `taken` those of all graphs."""
    for value in _values(graph):
        name = str(value.name)
        if name not in kept and (RESERVED.match(name) or name in outer):
            while name in taken:
                name = f"_{name}"
            value.name = name
            taken.add(name)
    inner = outer | {str(value.name) for value in _values(graph)}
    for node in graph:
        for _, body in bodies_of(node):
            _name_values(body, set(), inner, taken)


def _values(graph: ir.Graph) -> list[ir.Value]:
    """Everything with a name that the graph itself defines."""
    made = [value for node in graph for value in node.outputs]
    named = {id(value): value for value in (*graph.inputs, *graph.initializers.values(), *made) if value.name}
    return list(named.values())


def _free(name: str) -> str:
    return f"_{name}" if RESERVED.match(name) else name
