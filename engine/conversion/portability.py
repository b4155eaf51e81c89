"""Portable files: standard ONNX operators only, on demand; judged by the nodes of the file itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx

from engine.errors import PlanError
from engine.model.opened import Model
from engine.plan import Plan

# Operator sets of the ONNX standard; the first two are the same one.
STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


def ensure_can_be_portable(plan: Plan, model: Model) -> None:
    """Raise `PlanError` if `plan` demands a portable file, and the model brings other operators along."""
    if not plan.defaults.portable:
        return
    foreign = [node for node in model.graph.all_nodes() if node.domain not in STANDARD_DOMAINS]
    if foreign:
        raise PlanError(
            f"{model.path.name} itself uses {foreign[0].op_type} of {foreign[0].domain}, which is no standard ONNX "
            "operator, so its result cannot be portable. Export it without such operators or do without portable."
        )


@dataclass(frozen=True)
class FileOperators:
    """What a written file needs of a runtime.

    Attributes:
        is_portable: every node, those in bodies and functions included, is a standard operator.
    """

    opset: int
    is_portable: bool


def read_operators(path: Path) -> FileOperators:
    """Read the nodes of a written model, not its external weights."""
    model = onnx.load(str(path), load_external_data=False)
    nodes = [*_walk(model.graph.node), *(node for item in model.functions for node in _walk(item.node))]
    return FileOperators(
        opset=next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0),
        is_portable=all(node.domain in STANDARD_DOMAINS for node in nodes),
    )


def _walk(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for body in [attribute.g, *attribute.graphs]:
                yield from _walk(body.node)
