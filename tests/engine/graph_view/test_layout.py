"""The layered layout: edges lead downwards, boxes never overlap, lines keep clear, whatever the graph."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import JobCancelled
from engine.graph_view import layering
from engine.graph_view.building import lay_out
from engine.graph_view.drawing import BoxKind, Drawing
from engine.graph_view.grouping import COLLAPSE_ABOVE, Group, find_groups
from engine.graph_view.layering import count_crossings, find_layering, find_ranks
from engine.graph_view.units import Unit

KINDS = (BoxKind.LAYER, BoxKind.OPERATOR)


@st.composite
def dags(draw: st.DrawFn, most: int = 40) -> list[set[int]]:
    """What each vertex reads, in topological order."""
    size = draw(st.integers(1, most))
    return [draw(st.sets(st.integers(0, at - 1), max_size=4)) if at else set() for at in range(size)]


def quiet() -> None:
    """Never cancelled."""


def build_units(sources: list[set[int]], scopes: list[tuple[str, ...]] | None = None) -> list[Unit]:
    units = []
    for at, read in enumerate(sources):
        kind = KINDS[at % 2]
        layers = [f"n{at}"] if kind == BoxKind.LAYER else []
        scope = scopes[at] if scopes else ()
        units.append(Unit(kind, f"n{at}", [f"n{at}"], ["Conv"], layers, scope, set(read), "Conv"))
    return units


def ensure_valid(drawing: Drawing) -> None:
    """Ranks respect edges, and no two boxes share a pixel."""
    boxes = drawing.boxes
    for edge in drawing.edges:
        first, last = boxes[edge.source], boxes[edge.target]
        assert first.rank < last.rank
        assert edge.points[0] == (first.x, first.y + first.height / 2)
        assert edge.points[-1] == (last.x, last.y - last.height / 2)
        assert all(after[1] >= before[1] for before, after in pairwise(edge.points))
    frames = np.array([(b.x - b.width / 2, b.y - b.height / 2, b.x + b.width / 2, b.y + b.height / 2) for b in boxes])
    left, top, right, bottom = frames.T
    overlapping = (left[:, None] < right) & (top[:, None] < bottom) & (right[:, None] > left) & (bottom[:, None] > top)
    assert overlapping.sum() == len(boxes)
    assert left.min() >= 0
    assert top.min() >= 0
    assert right.max() <= drawing.width + 1e-6
    assert bottom.max() <= drawing.height + 1e-6
    assert len({box.key for box in boxes}) == len(boxes)


@settings(max_examples=80, deadline=None)
@given(dags())
def test_that_any_dag_is_laid_out_without_overlaps_and_with_edges_leading_down(sources: list[set[int]]) -> None:
    drawing = lay_out(build_units(sources), [], frozenset(), quiet, nodes=len(sources))
    assert len(drawing.boxes) == len(sources)
    assert len(drawing.edges) == sum(map(len, sources))
    ensure_valid(drawing)


@settings(max_examples=60, deadline=None)
@given(dags(), st.data())
def test_that_any_groups_can_be_collapsed_in_any_combination(sources: list[set[int]], data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 3), min_size=len(sources), max_size=len(sources)))
    units = build_units(sources, [("block", str(number)) for number in numbers])
    groups = find_groups(units)
    expanded = frozenset(data.draw(st.sets(st.sampled_from([group.name for group in groups] or [""]))))
    drawing = lay_out(units, groups, expanded, quiet, nodes=len(units))
    ensure_valid(drawing)
    shown = [name for box in drawing.boxes for name in box.names]
    assert sorted(shown) == sorted(unit.names[0] for unit in units)


@settings(max_examples=40, deadline=None)
@given(dags())
def test_that_lines_pass_beside_the_boxes_between_their_ends(sources: list[set[int]]) -> None:
    drawing = lay_out(build_units(sources), [], frozenset(), quiet, nodes=len(sources))
    for edge in drawing.edges:
        ends = {edge.source, edge.target}
        for (x, y), (next_x, next_y) in pairwise(edge.points):
            if x != next_x:
                continue
            for at, box in enumerate(drawing.boxes):
                is_beside = abs(box.x - x) > box.width / 2
                is_apart = max(y, box.y - box.height / 2) >= min(next_y, box.y + box.height / 2)
                assert at in ends or is_beside or is_apart


def test_that_ranks_are_longest_paths_and_constants_stand_next_to_their_readers() -> None:
    #        0 → 1 → 2 → 4, 3 → 4
    assert find_ranks([set(), {0}, {1}, set(), {2, 3}]) == [0, 1, 2, 2, 3]


def test_that_an_order_without_crossings_is_found() -> None:
    # Two interleaved ladders: in the given order every rung crosses another.
    sources: list[set[int]] = [set(), set(), {1}, {0}, {3}, {2}]
    assert count_crossings(find_layering(sources, quiet)) == 0


def test_that_a_residual_network_has_a_straight_trunk() -> None:
    sources: list[set[int]] = [set()]
    for _ in range(60):
        start = len(sources) - 1
        sources += [{start}, {start + 1}, {start, start + 2}]
    drawing = lay_out(build_units(sources), [], frozenset(), quiet, nodes=len(sources))
    assert np.ptp([box.x for box in drawing.boxes]) < 1.0


def test_that_a_large_graph_without_module_names_is_cut_into_sections() -> None:
    sources: list[set[int]] = [set(), *({at} for at in range(COLLAPSE_ABOVE * 4))]
    units = build_units(sources)
    groups = find_groups(units)
    drawing = lay_out(units, groups, frozenset(), quiet, nodes=len(units))
    assert len(drawing.boxes) <= COLLAPSE_ABOVE
    ensure_valid(drawing)


def test_that_groups_that_read_each_other_are_not_both_collapsed() -> None:
    # a0 → b0 → a1 and b0 → … : collapsing both makes a cycle.
    sources: list[set[int]] = [set(), set(), {0}, {1}]
    units = build_units(sources, [("a", "0"), ("b", "0"), ("b", "0"), ("a", "0")])
    assert len(find_groups(units)) == 1


def test_that_a_region_stands_behind_the_boxes_of_an_expanded_group() -> None:
    units = build_units([set(), {0}, {1}, {2}])
    drawing = lay_out(units, [Group("b", "b", (1, 2))], frozenset({"b"}), quiet, nodes=4)
    (region,) = drawing.regions
    inside = [box for box in drawing.boxes if region.y < box.y < region.y + region.height]
    assert [box.title for box in inside] == ["n1", "n2"]


def test_that_edges_jump_where_ways_for_all_of_them_would_be_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layering, "DUMMIES_PER_VERTEX", 0)
    monkeypatch.setattr(layering, "SPARE_DUMMIES", 2)
    drawing = lay_out(build_units([set(), {0}, {1}, {0, 2}, {0, 3}, {0, 4}]), [], frozenset(), quiet, nodes=6)
    ensure_valid(drawing)
    jumps = {(edge.source, edge.target) for edge in drawing.edges if edge.is_jump}
    assert jumps == {(0, 4), (0, 5)}


def test_that_layout_can_be_cancelled() -> None:
    def cancelled() -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        lay_out(build_units([set(), {0}]), [], frozenset(), cancelled, nodes=2)
