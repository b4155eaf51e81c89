"""Unique node names: they are the stable ids of layers."""

from __future__ import annotations

import onnx_ir as ir

from engine.model.graph import bodies_of


def name_nodes(graph: ir.Graph) -> None:
    """Give every node a unique name, those in If, Loop and Scan bodies included.

    Existing unique names stay as they are. A node in a body whose name is missing or taken gets the
    path of its body before it, such as `If_3/then_branch/LSTM_0`.
    """
    given = {node.name for node in graph if node.name}
    taken: set[str] = set()
    for index, node in enumerate(graph):
        name = node.name or f"{node.op_type}_{index}"
        while name in taken or (name in given and name != node.name):
            name = f"{name}_{index}"
        node.name = name
        taken.add(name)
    for node in graph:
        _name_bodies(node, taken)


def _name_bodies(owner: ir.Node, taken: set[str]) -> None:
    for attribute, body in bodies_of(owner):
        for index, node in enumerate(body):
            name = node.name or f"{owner.name}/{attribute}/{node.op_type}_{index}"
            if name in taken:
                name = f"{owner.name}/{attribute}/{name}"
            while name in taken:
                name = f"{name}_{index}"
            node.name = name
            taken.add(name)
        for node in body:
            _name_bodies(node, taken)
