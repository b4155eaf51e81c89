"""Layered layout, first half: rows for vertices, ways for long edges, and an order in every row.

After Sugiyama, Tagawa and Toda (1981): longest-path ranks, dummy vertices where an edge passes a row, and
sweeps of barycentre ordering, of which the one with the fewest crossings counts. All edges that leave one
vertex share their dummy vertices, since they carry the same tensor.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SWEEPS = 8
DUMMIES_PER_VERTEX = 4
SPARE_DUMMIES = 2000


@dataclass(frozen=True)
class Layering:
    """Vertices in rows; dummies have the numbers from `vertices` on.

    Attributes:
        ranks: row of every vertex, dummies included.
        rows: vertices of every row from left to right.
        above, below: neighbours in the next row up and down, by vertex.
        ways: the dummies that an edge passes, by its source and target.
        jumps: edges for which no way was kept free.
    """

    vertices: int
    ranks: list[int]
    rows: list[list[int]]
    above: list[list[int]]
    below: list[list[int]]
    ways: dict[tuple[int, int], tuple[int, ...]]
    jumps: frozenset[tuple[int, int]]


def find_ranks(sources: Sequence[set[int]]) -> list[int]:
    """The longest path from any root to each vertex; then what has fewer sources than readers moves towards these.

    Args:
        sources: what each vertex reads, in topological order.
    """
    readers: list[list[int]] = [[] for _ in sources]
    ranks = [0] * len(sources)
    for at, read in enumerate(sources):
        ranks[at] = 1 + max((ranks[source] for source in read), default=-1)
        for source in read:
            readers[source].append(at)
    for at in range(len(sources) - 1, -1, -1):
        if len(sources[at]) < len(readers[at]) or (readers[at] and not sources[at]):
            ranks[at] = min(ranks[reader] for reader in readers[at]) - 1
    return ranks


def find_layering(sources: Sequence[set[int]], check_cancelled: Callable[[], None]) -> Layering:
    """Ranks, dummies and order of an acyclic graph.

    Args:
        sources: what each vertex reads; the vertices are in topological order.
        check_cancelled: called now and then; what it raises ends the work.
    """
    ranks = find_ranks(sources)
    used = sorted(set(ranks))
    row_of = {rank: row for row, rank in enumerate(used)}
    made = _add_dummies(sources, [row_of[rank] for rank in ranks])
    _order(made, check_cancelled)
    return made


def _add_dummies(sources: Sequence[set[int]], ranks: list[int]) -> Layering:
    """Short ways first, as long as there are dummies left; what then remains jumps."""
    count = len(sources)
    readers: list[list[int]] = [[] for _ in sources]
    for at, read in enumerate(sources):
        for source in read:
            readers[source].append(at)
    above: list[list[int]] = [[] for _ in sources]
    below: list[list[int]] = [[] for _ in sources]
    ways: dict[tuple[int, int], tuple[int, ...]] = {}
    jumps = set()
    left = DUMMIES_PER_VERTEX * count + SPARE_DUMMIES
    edges = sorted((ranks[at] - ranks[source], source, at) for at, read in enumerate(sources) for source in read)
    bus: list[list[int]] = [[] for _ in sources]
    for span, source, at in edges:
        missing = span - 1 - len(bus[source])
        if missing > left:
            jumps.add((source, at))
            continue
        for _ in range(missing):
            last = bus[source][-1] if bus[source] else source
            dummy = len(ranks)
            ranks.append(ranks[last] + 1)
            above.append([last])
            below.append([])
            below[last].append(dummy)
            bus[source].append(dummy)
        left -= max(missing, 0)
        way = tuple(bus[source][: span - 1])
        ways[source, at] = way
        last = way[-1] if way else source
        below[last].append(at)
        above[at].append(last)
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for at in _depth_first(below, count):
        rows[ranks[at]].append(at)
    return Layering(count, ranks, rows, above, below, ways, frozenset(jumps))


def _depth_first(below: list[list[int]], count: int) -> list[int]:
    """All vertices, branches kept together."""
    found: list[int] = []
    seen = [False] * len(below)
    for root in range(count):
        stack = [root]
        while stack:
            at = stack.pop()
            if not seen[at]:
                seen[at] = True
                found.append(at)
                stack.extend(reversed(below[at]))
    return found


def _order(layering: Layering, check_cancelled: Callable[[], None]) -> None:
    """Barycentre sweeps down and up; the rows end in the best order seen."""
    rows = layering.rows
    best, fewest = [list(row) for row in rows], count_crossings(layering)
    place = [0] * len(layering.ranks)
    for sweep in range(SWEEPS):
        check_cancelled()
        if fewest == 0:
            break
        for row in rows:
            for position, at in enumerate(row):
                place[at] = position
        is_down = sweep % 2 == 0
        neighbours = layering.above if is_down else layering.below
        for row in rows if is_down else reversed(rows):
            if len(row) > 1:
                row.sort(key=lambda at: _barycentre(neighbours[at], place, place[at]))
            for position, at in enumerate(row):
                place[at] = position
        crossings = count_crossings(layering)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    for row, ordered in zip(rows, best, strict=True):
        row[:] = ordered


def _barycentre(neighbours: list[int], place: list[int], own: int) -> float:
    return sum(place[other] for other in neighbours) / len(neighbours) if neighbours else float(own)


def count_crossings(layering: Layering) -> int:
    """Pairs of edges between neighbouring rows that cross each other."""
    place = {}
    total = 0
    for upper, lower in zip(layering.rows, layering.rows[1:], strict=False):
        if len(upper) < 2 or len(lower) < 2:
            continue
        place = {at: position for position, at in enumerate(lower)}
        ends: list[int] = []
        for at in upper:
            targets = sorted(place[other] for other in layering.below[at])
            total += sum(len(ends) - bisect_right(ends, target) for target in targets)
            for target in targets:
                insort(ends, target)
    return total
