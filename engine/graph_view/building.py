"""The drawing of a model: units, groups and their layout put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.graph_view.coordinates import place_columns, place_rows
from engine.graph_view.drawing import Box, BoxKind, Drawing, Edge, Region
from engine.graph_view.grouping import COLLAPSE_ABOVE, Group, find_groups
from engine.graph_view.layering import Layering, find_layering
from engine.graph_view.units import Unit, find_units
from engine.job_context import JobContext
from engine.model.opened import Model

SIZES = {
    BoxKind.LAYER: (204.0, 46.0),
    BoxKind.OPERATOR: (132.0, 28.0),
    BoxKind.BODY: (204.0, 46.0),
    BoxKind.GROUP: (220.0, 54.0),
    BoxKind.INPUT: (132.0, 28.0),
    BoxKind.OUTPUT: (132.0, 28.0),
}
SIDE_MARGIN = 28.0
TOP_MARGIN = 20.0
BOTTOM_MARGIN = 10.0


@dataclass(frozen=True)
class _Vertex:
    """One box before it has a place."""

    kind: BoxKind
    title: str
    detail: str
    group: str
    units: tuple[int, ...]


def draw_graph(model: Model, expanded: frozenset[str] | None, context: JobContext) -> Drawing:
    """Lay a model out.

    Args:
        expanded: the groups whose boxes are shown; by default all on a small graph and none on a large one.
    """
    context.report(0, 3, "Reading the graph")
    units = find_units(model)
    groups = find_groups(units)
    if expanded is None:
        is_small = len(units) <= COLLAPSE_ABOVE
        expanded = frozenset(group.name for group in groups) if is_small else frozenset()
    context.report(1, 3, "Laying out the graph")
    return lay_out(units, groups, expanded, context.check_cancelled, nodes=len(model.summary.nodes))


def lay_out(
    units: Sequence[Unit],
    groups: Sequence[Group],
    expanded: frozenset[str],
    check_cancelled: Callable[[], None],
    *,
    nodes: int,
) -> Drawing:
    """Boxes, edges and the grounds of expanded groups."""
    vertices, sources = _contract(units, groups, expanded)
    layering = find_layering(sources, check_cancelled)
    widths, heights = ([SIZES[vertex.kind][axis] for vertex in vertices] for axis in (0, 1))
    x = place_columns(layering, widths, check_cancelled)
    tops, tall = place_rows(layering, heights)
    middles = tops + tall / 2
    boxes = tuple(
        _box(vertex, units, float(x[at]), float(middles[layering.ranks[at]]), layering.ranks[at])
        for at, vertex in enumerate(vertices)
    )
    edges = tuple(_edges(sources, layering, boxes, x, (tops, tall)))
    names = tuple(group.name for group in groups)
    width = float(np.max(x, initial=0.0)) + max(widths, default=0.0) / 2
    height = float(tops[-1] + tall[-1]) if len(tops) else 0.0
    return Drawing(
        boxes, edges, tuple(_regions(boxes, groups)), names, expanded.intersection(names), width, height, nodes
    )


def _contract(
    units: Sequence[Unit], groups: Sequence[Group], expanded: frozenset[str]
) -> tuple[list[_Vertex], list[set[int]]]:
    """What is shown, in topological order, and what each of it reads."""
    group_of = {at: group for group in groups for at in group.units}
    owner: dict[int, int] = {}
    vertices: list[_Vertex] = []
    for at, unit in enumerate(units):
        if at in owner:
            continue
        group = group_of.get(at)
        if group is not None and group.name not in expanded:
            owner |= dict.fromkeys(group.units, len(vertices))
            vertices.append(_Vertex(BoxKind.GROUP, group.title, "", group.name, group.units))
        else:
            owner[at] = len(vertices)
            name = group.name if group else ""
            vertices.append(_Vertex(unit.kind, unit.title, unit.description, name, (at,)))
    sources: list[set[int]] = [
        {owner[source] for at in vertex.units for source in units[at].sources} - {number}
        for number, vertex in enumerate(vertices)
    ]
    order = _topological(sources)
    place = {number: at for at, number in enumerate(order)}
    return [vertices[number] for number in order], [{place[source] for source in sources[n]} for n in order]


def _topological(sources: Sequence[set[int]]) -> list[int]:
    """An order in which every vertex stands after what it reads; near to the given one."""
    order: list[int] = []
    state = [0] * len(sources)
    for root in range(len(sources)):
        stack = [root]
        while stack:
            at = stack[-1]
            if state[at] == 0:
                state[at] = 1
                stack.extend(source for source in sorted(sources[at], reverse=True) if state[source] == 0)
            else:
                stack.pop()
                if state[at] == 1:
                    state[at] = 2
                    order.append(at)
    return order


def _box(vertex: _Vertex, units: Sequence[Unit], x: float, y: float, rank: int) -> Box:
    inside = [units[at] for at in vertex.units]
    names = tuple(name for unit in inside for name in unit.names)
    layers = tuple(name for unit in inside for name in unit.layers)
    is_group = vertex.kind == BoxKind.GROUP
    key = f"{vertex.kind} {vertex.group}" if is_group else f"{vertex.kind} {names[0]}"
    width, height = SIZES[vertex.kind]
    return Box(key, vertex.kind, vertex.title, vertex.detail, vertex.group, layers, names, x, y, width, height, rank)


def _edges(
    sources: Sequence[set[int]],
    layering: Layering,
    boxes: Sequence[Box],
    x: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
) -> list[Edge]:
    """Corners: out of the source, straight through every row that is passed, into the target."""
    tops, tall = rows
    found = []
    for target, read in enumerate(sources):
        for source in sorted(read):
            first, last = boxes[source], boxes[target]
            points = [(first.x, first.y + first.height / 2), (first.x, float(tops[first.rank] + tall[first.rank]))]
            for at in layering.ways.get((source, target), ()):
                top = float(tops[layering.ranks[at]])
                points += [(float(x[at]), top), (float(x[at]), top + float(tall[layering.ranks[at]]))]
            points += [(last.x, float(tops[last.rank])), (last.x, last.y - last.height / 2)]
            found.append(Edge(source, target, _without_straights(points), (source, target) in layering.jumps))
    return found


def _without_straights(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Without corners that are none, because the edge goes on straight down."""
    kept = points[:1]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        if not before[0] == at[0] == after[0] and at != before:
            kept.append(at)
    return (*kept, points[-1])


def _regions(boxes: Sequence[Box], groups: Sequence[Group]) -> list[Region]:
    """One ground for every expanded group whose boxes stand alone; where others stand between, it would mislead."""
    members: dict[str, list[Box]] = {}
    for box in boxes:
        if box.group and box.kind != BoxKind.GROUP:
            members.setdefault(box.group, []).append(box)
    lefts, tops, rights, bottoms = _frames(boxes)
    owners = np.array([box.group if box.kind != BoxKind.GROUP else "" for box in boxes])
    found = []
    for group in groups:
        inside = members.get(group.name)
        if not inside:
            continue
        frame = _frames(inside)
        left, top, right, bottom = frame[0].min(), frame[1].min(), frame[2].max(), frame[3].max()
        touched = (lefts < right) & (rights > left) & (tops < bottom) & (bottoms > top)
        if np.all(owners[touched] == group.name):
            x, y = float(left) - SIDE_MARGIN, float(top) - TOP_MARGIN
            size = (float(right - left) + 2 * SIDE_MARGIN, float(bottom - top) + TOP_MARGIN + BOTTOM_MARGIN)
            found.append(Region(group.name, group.title, x, y, *size))
    return found


def _frames(boxes: Sequence[Box]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Left, top, right and bottom edges."""
    x, y, width, height = np.array([(box.x, box.y, box.width, box.height) for box in boxes], float).reshape(-1, 4).T
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
