"""What the window draws of a graph: plain data in pixels at scale 1, x to the right and y downwards."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BoxKind(StrEnum):
    """What a box stands for."""

    LAYER = "layer"
    OPERATOR = "operator"
    BODY = "body"
    GROUP = "group"
    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True)
class Box:
    """One box of the picture.

    Attributes:
        key: stays the same as long as the box stands for the same nodes; unique in a drawing.
        title: the layer, the operator or the group.
        detail: what is computed, such as "Conv 3×3 · Relu".
        group: the group that the box stands for or is part of; "" for none.
        layers: names of the layers inside, in graph order.
        names: of all nodes inside, the first one first.
        x, y: of the centre.
        rank: row of the layered layout; edges lead to higher ranks only.
    """

    key: str
    kind: BoxKind
    title: str
    detail: str
    group: str
    layers: tuple[str, ...]
    names: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    rank: int


@dataclass(frozen=True)
class Edge:
    """A tensor on its way between two boxes, which are given by index.

    Attributes:
        points: x, y of the corners from the lower edge of the source to the upper edge of the target.
        is_jump: it leads so far that no way around other boxes was kept free for it.
    """

    source: int
    target: int
    points: tuple[tuple[float, float], ...]
    is_jump: bool = False


@dataclass(frozen=True)
class Region:
    """The ground behind the boxes of an expanded group; x, y are its upper left corner."""

    group: str
    title: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Drawing:
    """The whole picture.

    Attributes:
        groups: all that can be collapsed, in graph order.
        expanded: those whose boxes are shown.
        nodes: how many nodes the graph has.
    """

    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    regions: tuple[Region, ...]
    groups: tuple[str, ...]
    expanded: frozenset[str]
    width: float
    height: float
    nodes: int
