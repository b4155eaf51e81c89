"""Which units belong together: modules that repeat by name, or sections of a graph whose names say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from engine.graph_view.drawing import BoxKind
from engine.graph_view.units import Unit

COLLAPSE_ABOVE = 150
"""A graph of more units starts with its groups collapsed."""
SECTIONS = 60
"""So many sections a graph without module names is cut into."""


@dataclass(frozen=True)
class Group:
    """Units, by index, that can be shown as one box; no path leaves the group and comes back."""

    name: str
    title: str
    units: tuple[int, ...]


def find_groups(units: Sequence[Unit]) -> list[Group]:
    """Groups in graph order; collapsing any of them leaves the graph without cycles."""
    groups = _by_module(units)
    if not groups and len(units) > COLLAPSE_ABOVE:
        groups = _by_sections(units)
    return _without_cycles(units, groups)


def _by_module(units: Sequence[Unit]) -> list[Group]:
    """One group per numbered module, such as layer1.0; units without a module take that of what they read last."""
    members: dict[str, list[int]] = {}
    blocks: list[str] = []
    for at, unit in enumerate(units):
        block = _numbered(unit.scope)
        if not unit.scope and unit.sources and unit.kind not in (BoxKind.OUTPUT, BoxKind.LAYER):
            block = blocks[max(unit.sources)]
        blocks.append(block)
        if block:
            members.setdefault(block, []).append(at)
    return [Group(name, name, tuple(found)) for name, found in members.items() if len(found) > 1]


def _numbered(scope: tuple[str, ...]) -> str:
    """The path up to the first number; "" without one."""
    number = next((at for at, part in enumerate(scope) if part.isdigit()), None)
    return "" if number is None else ".".join(scope[: number + 1])


def _by_sections(units: Sequence[Unit]) -> list[Group]:
    """Runs of the topological order, cut where the fewest tensors pass, so that they seldom cut a block in two."""
    inner = [at for at, unit in enumerate(units) if unit.kind not in (BoxKind.INPUT, BoxKind.OUTPUT)]
    passing = np.zeros(len(units) + 1, np.int64)
    for at, unit in enumerate(units):
        for source in unit.sources:
            passing[source + 1] += 1
            passing[at + 1] -= 1
    passing = np.cumsum(passing)
    length = -(-len(inner) // SECTIONS)
    groups: list[Group] = []
    start = 0
    while start < len(inner):
        earliest = start + max(length - length // 3, 1)
        candidates = range(earliest, min(start + length + length // 3, len(inner)) + 1)
        end = len(inner)
        if start + length < len(inner):
            end = min(candidates, key=lambda cut: int(passing[inner[cut]]) if cut < len(inner) else 0)
        members = tuple(inner[start:end])
        if len(members) > 1:
            first, last = units[members[0]].names[0], units[members[-1]].names[-1]
            groups.append(Group(f"{first} … {last}", f"{first} … {last}", members))
        start = end
    return groups


def _without_cycles(units: Sequence[Unit], groups: list[Group]) -> list[Group]:
    """Drop groups until collapsing all others makes no cycle: of every cycle the smallest."""
    while groups:
        owner = np.arange(len(units))
        for number, group in enumerate(groups):
            owner[list(group.units)] = len(units) + number
        links = [(owner[source], owner[at]) for at, unit in enumerate(units) for source in unit.sources]
        rows, columns = np.array([link for link in links if link[0] != link[1]], np.int64).reshape(-1, 2).T
        size = len(units) + len(groups)
        graph = coo_array((np.ones(len(rows)), (rows, columns)), (size, size))
        _, parts = connected_components(graph, directed=True, connection="strong")
        alike = np.bincount(parts)
        bad = [number for number in range(len(groups)) if alike[parts[len(units) + number]] > 1]
        if not bad:
            return groups
        dropped = {
            min((n for n in bad if parts[len(units) + n] == part), key=lambda n: len(groups[n].units))
            for part in {int(parts[len(units) + n]) for n in bad}
        }
        groups = [group for number, group in enumerate(groups) if number not in dropped]
    return groups
