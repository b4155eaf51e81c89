"""From nodes to units: a layer or operator with the parameter-free nodes that only continue it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import onnx_ir as ir

from engine.graph_view.drawing import BoxKind
from engine.model.graph import bodies_of
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.summary import ModelSummary, NodeSummary, TensorSpec

SCOPES_KEY = "pkg.torch.onnx.name_scopes"
MAX_OPERATORS = 3


@dataclass
class Unit:
    """What is never taken apart in a drawing.

    Attributes:
        names, operators: of its nodes, in graph order; a graph input or output has no operators.
        scope: module path, such as ("layer1", "0", "conv1"); empty if the exporter left none.
        sources: the units whose tensors it reads, by index, all of them smaller than its own.
        is_closed: nothing may continue it.
    """

    kind: BoxKind
    title: str
    names: list[str]
    operators: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    scope: tuple[str, ...] = ()
    sources: set[int] = field(default_factory=set)
    detail: str = ""

    @property
    def description(self) -> str:
        """What is computed: the layer's own operator, then what continues it."""
        if not self.operators:
            return self.detail
        following = list(dict.fromkeys(self.operators[1:]))
        shown = [self.detail, *following[:MAX_OPERATORS]]
        return " · ".join(shown) + (" · …" if len(following) > MAX_OPERATORS else "")


def find_units(model: Model) -> list[Unit]:
    """The units of a prepared graph in topological order, inputs first and outputs last.

    A node that has no weight, reads one tensor and is its only reader belongs to the unit that writes it. A
    node with bodies (If, Loop, Scan) is one unit with all layers inside.
    """
    summary = model.summary
    layers = _layers_by_node(model)
    outputs = {spec.name for spec in summary.outputs}
    units = [Unit(BoxKind.INPUT, spec.name, [spec.name], detail=_shape(spec)) for spec in summary.inputs]
    written = {spec.name: at for at, spec in enumerate(summary.inputs)}
    for node, plain in zip(model.graph, summary.nodes, strict=True):
        found = layers.get(id(node), [])
        is_body = any(True for _ in bodies_of(node))
        at = None if found or is_body else _continued(plain, summary, written, units, outputs)
        if at is None:
            at = len(units)
            units.append(_start_unit(node, plain, found, summary, is_body=is_body))
            units[at].sources = {written[name] for name in plain.inputs if name in written}
        else:
            units[at].operators.append(plain.op)
            units[at].names.append(plain.name)
        written |= dict.fromkeys(plain.outputs, at)
    for spec in summary.outputs:
        sources = {written[spec.name]} if spec.name in written else set()
        units.append(Unit(BoxKind.OUTPUT, spec.name, [spec.name], sources=sources, detail=_shape(spec)))
    return units


def _continued(
    node: NodeSummary, summary: ModelSummary, written: dict[str, int], units: list[Unit], outputs: set[str]
) -> int | None:
    """The unit that a node without weights only continues; None if it stands for itself."""
    names = set(node.inputs)
    if len(names) != 1:
        return None
    name = names.pop()
    before = summary.producers.get(name)
    if before is None or units[written[name]].kind == BoxKind.BODY:
        return None
    readers = {id(reader) for output in before.outputs for reader in summary.consumers.get(output, ())}
    is_sole = len(readers) == 1 and not outputs.intersection(before.outputs)
    return written[name] if is_sole else None


def _start_unit(
    node: ir.Node, plain: NodeSummary, layers: list[Layer], summary: ModelSummary, *, is_body: bool
) -> Unit:
    names = [layer.name for layer in layers]
    title, detail = plain.op, plain.op
    if names and not is_body:
        first = summary.layer_by_name[names[0]]
        title, detail = first.title.removesuffix(".W"), first.detail
    kind = BoxKind.BODY if is_body else BoxKind.LAYER if names else BoxKind.OPERATOR
    scope = _module_path(title) if kind == BoxKind.LAYER else _scope_of(node)
    return Unit(kind, title, [plain.name], [plain.op], names, scope or _scope_of(node), detail=detail)


def _layers_by_node(model: Model) -> dict[int, list[Layer]]:
    """The layers of every node of the main graph, by the node's identity; those of a body belong to its owner."""
    found: dict[int, list[Layer]] = {}
    for layer in model.layers:
        found.setdefault(id(layer.body_owner or layer.node), []).append(layer)
    return found


def _scope_of(node: ir.Node) -> tuple[str, ...]:
    """The module that the node was exported from: what torch notes, else the folders of the node's name."""
    noted = node.metadata_props.get(SCOPES_KEY)
    if noted:
        try:
            scopes = [str(scope) for scope in ast.literal_eval(noted)[:-1] if scope]
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            scopes = []
        if scopes:
            return _module_path(scopes[-1])
    folders = str(node.name).strip("/").split("/")[:-1]
    nested = [name for name, inner in pairwise([*folders, ""]) if not inner.startswith(f"{name}.")]
    return _module_path(".".join(nested))


def _module_path(text: str) -> tuple[str, ...]:
    """The parts of a name such as layer1.0.conv1; a name without dots is no path."""
    return tuple(text.split(".")) if "." in text else (text,) if text.isdigit() else ()


def _shape(spec: TensorSpec) -> str:
    return f"[{_joined(spec.shape)}]"


def _joined(sizes: Iterable[int | str]) -> str:
    return ", ".join(str(size) for size in sizes)
