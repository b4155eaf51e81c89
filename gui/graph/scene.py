"""Where everything of a drawing is: what is in sight, under the mouse, next along an edge, or meant by a text."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QPainterPath

from engine.graph_view.drawing import Box, Drawing, Edge, Region

SMOOTHNESS = 0.5
"""Share of the vertical way over which an edge turns from straight down to aside."""
STUB = 22.0
"""Length of the two ends of an edge that jumps."""
MANY = 1500
"""Above so many boxes or lines in sight, those that cover the same pixels are painted once."""
COARSENESS = (2, 4, 8)
"""Pixels that count as the same, tried in turn until the lines are few enough."""


class Scene:
    """A drawing with indices for the questions that painting and moving about ask, all in scene coordinates."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing
        self.boxes: tuple[Box, ...] = drawing.boxes
        self.rects = [QRectF(b.x - b.width / 2, b.y - b.height / 2, b.width, b.height) for b in self.boxes]
        self._frames = np.array([(r.left(), r.top(), r.right(), r.bottom()) for r in self.rects], float).reshape(-1, 4)
        self._straights, self._curves = _find_segments(drawing.edges)
        self._curve_paths: dict[int, QPainterPath] = {}
        self._paths: dict[int, QPainterPath] = {}
        self.readers: list[list[int]] = [[] for _ in self.boxes]
        self.sources: list[list[int]] = [[] for _ in self.boxes]
        self.edges_of: list[list[int]] = [[] for _ in self.boxes]
        for at, edge in enumerate(drawing.edges):
            self.readers[edge.source].append(edge.target)
            self.sources[edge.target].append(edge.source)
            self.edges_of[edge.source].append(at)
            self.edges_of[edge.target].append(at)
        self._box_of_layer = {name: at for at, box in enumerate(self.boxes) for name in box.layers}
        self._box_of_name = {name: at for at, box in enumerate(self.boxes) for name in box.names}
        self._box_of_key = {box.key: at for at, box in enumerate(self.boxes)}

    @property
    def bounds(self) -> QRectF:
        """Everything, without margins."""
        return QRectF(0, 0, self.drawing.width, self.drawing.height)

    def scaled_rects(self, across: float, down: float) -> list[QRectF]:
        """All boxes by scales of their own in both directions, at least a pixel in size."""
        frames = self._frames * [across, down, across, down]
        frames[:, 2:] = np.maximum(frames[:, 2:] - frames[:, :2], 1.0)
        return [QRectF(*frame) for frame in frames.tolist()]

    def boxes_in(self, view: QRectF, scale: float = 1.0) -> list[int]:
        """Boxes that are at least partly in sight; of many that fall on the same pixels at that scale, one."""
        found = _touching(self._frames, view)
        if len(found) <= MANY:
            return found
        cells = _distinct(self._frames[found, :2], view, scale / COARSENESS[0])
        kept: list[int] = np.array(found)[cells].tolist()
        return kept

    def straights_in(self, view: QRectF) -> list[QLineF]:
        """The vertical parts of edges, as far as they are in sight."""
        found = self._straights[_touching(self._straights, view)]
        found[:, 1::2] = np.clip(found[:, 1::2], view.top(), view.bottom())
        return [QLineF(*row) for row in found.tolist()]

    def curves_in(self, view: QRectF) -> list[QPainterPath]:
        """The parts of edges that lead aside."""
        found = _touching(_sorted_frames(self._curves), view)
        for at in found:
            if at not in self._curve_paths:
                x, y, next_x, next_y = self._curves[at].tolist()
                path = self._curve_paths[at] = QPainterPath(QPointF(x, y))
                _curve_to(path, (x, y), (next_x, next_y))
        return [self._curve_paths[at] for at in found]

    def lines_in(self, view: QRectF, scale: float) -> list[QLineF]:
        """All parts of edges as straight lines; those that no one can tell apart at that scale are left out."""
        lines = np.concatenate([self._straights, self._curves])
        lines = lines[_touching(_sorted_frames(lines), view)]
        for pixels in COARSENESS:
            if len(lines) > MANY:
                lines = lines[_distinct(lines, view, scale / pixels)]
        return [QLineF(*row) for row in lines.tolist()]

    def box_at(self, point: QPointF) -> int:
        """The box there; -1 if there is none."""
        found = _touching(self._frames, QRectF(point.x() - 0.01, point.y() - 0.01, 0.02, 0.02))
        return found[0] if found else -1

    def region_at(self, point: QPointF) -> Region | None:
        """The ground of an expanded group there."""
        return next((r for r in self.drawing.regions if QRectF(r.x, r.y, r.width, r.height).contains(point)), None)

    def box_of_layer(self, name: str) -> int:
        """The box that shows a layer, itself or in a group; -1 if there is none."""
        return self._box_of_layer.get(name, -1)

    def box_like(self, box: Box) -> int:
        """What stands in this drawing for a box of another one; -1 if there is none."""
        return self._box_of_key.get(box.key, self._box_of_name.get(box.names[0], -1) if box.names else -1)

    def path(self, at: int) -> QPainterPath:
        """An edge as a smooth line."""
        if at not in self._paths:
            self._paths[at] = _build_path(self.drawing.edges[at])
        return self._paths[at]

    def neighbour(self, at: int, key: Qt.Key) -> int:
        """Where an arrow key leads: along an edge, or to the next box of the row; `at` itself if nowhere."""
        here = self.boxes[at]
        if key in (Qt.Key.Key_Down, Qt.Key.Key_Up):
            linked = self.readers[at] if key == Qt.Key.Key_Down else self.sources[at]
            return min(linked, key=lambda other: self._distance(here, self.boxes[other]), default=at)
        side = 1 if key == Qt.Key.Key_Right else -1
        row = [n for n, box in enumerate(self.boxes) if box.rank == here.rank and side * (box.x - here.x) > 0]
        return min(row, key=lambda other: side * self.boxes[other].x, default=at)

    def _distance(self, one: Box, other: Box) -> tuple[float, float]:
        """In rows first, then aside."""
        return abs(one.rank - other.rank), abs(one.x - other.x)

    def find(self, text: str) -> list[int]:
        """Boxes whose title, operators or nodes contain the text, from top to bottom."""
        wanted = text.casefold()
        found = [
            at
            for at, box in enumerate(self.boxes)
            if wanted in box.title.casefold()
            or wanted in box.detail.casefold()
            or any(wanted in name.casefold() for name in (*box.layers, *box.names))
        ]
        return sorted(found, key=lambda at: (self.boxes[at].y, self.boxes[at].x)) if wanted else []


def _touching(frames: np.ndarray, view: QRectF) -> list[int]:
    """Rows of float64 [items, 4], left, top, right and bottom each, that overlap `view`."""
    mask = (frames[:, 0] <= view.right()) & (frames[:, 2] >= view.left())
    mask &= (frames[:, 1] <= view.bottom()) & (frames[:, 3] >= view.top())
    found: list[int] = np.flatnonzero(mask).tolist()
    return found


def _sorted_frames(lines: np.ndarray) -> np.ndarray:
    """Left, top, right and bottom of lines that lead down."""
    frames: np.ndarray = lines.copy()
    frames[:, 0] = np.minimum(lines[:, 0], lines[:, 2]) - 1
    frames[:, 2] = np.maximum(lines[:, 0], lines[:, 2]) + 1
    return frames


def _distinct(points: np.ndarray, view: QRectF, scale: float) -> np.ndarray:
    """The first of the rows that are the same when rounded.

    Args:
        points: float64 [rows, 2 or 4], x and y in turn.
    """
    origin = np.resize([view.left(), view.top()], points.shape[1])
    rounded = np.clip((points - origin) * scale, -1, 1 << 14).astype(np.int64) + 1
    keys = np.zeros(len(points), np.int64)
    for column in rounded.T:
        keys = keys << 15 | column
    _, first = np.unique(keys, return_index=True)
    kept: np.ndarray = np.sort(first)
    return kept


def _find_segments(edges: tuple[Edge, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The vertical and the other parts of all edges, float64 [parts, 4] from x, y to x, y; shared parts once."""
    straights: dict[tuple[int, float, float], float] = {}
    curves: dict[tuple[float, ...], None] = {}
    for edge in edges:
        points = edge.points
        if edge.is_jump:
            straights[edge.source, *points[0]] = points[0][1] + STUB
            straights[edge.source, points[-1][0], points[-1][1] - STUB] = points[-1][1]
            continue
        for (x, y), (next_x, next_y) in pairwise(points):
            if x == next_x:
                straights[edge.source, x, y] = max(next_y, straights.get((edge.source, x, y), next_y))
            else:
                curves[x, y, next_x, next_y] = None
    lines = [(x, y, x, bottom) for (_, x, y), bottom in straights.items()]
    return np.array(lines, float).reshape(-1, 4), np.array(list(curves), float).reshape(-1, 4)


def _curve_to(path: QPainterPath, start: tuple[float, float], end: tuple[float, float]) -> None:
    turn = SMOOTHNESS * (end[1] - start[1])
    path.cubicTo(start[0], start[1] + turn, end[0], end[1] - turn, *end)


def _build_path(edge: Edge) -> QPainterPath:
    points = edge.points
    path = QPainterPath(QPointF(*points[0]))
    if edge.is_jump:
        path.lineTo(points[0][0], points[0][1] + STUB)
        path.moveTo(points[-1][0], points[-1][1] - STUB)
        path.lineTo(*points[-1])
        return path
    for start, end in pairwise(points):
        if start[0] == end[0]:
            path.lineTo(*end)
        else:
            _curve_to(path, start, end)
    return path
