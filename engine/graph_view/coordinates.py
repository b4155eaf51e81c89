"""Layered layout, second half: where the vertices of every row are, so that edges run straight.

Sweeps down and up the rows: every vertex wishes to be at the weighted median of its neighbours in the row
before (the priority method of Sugiyama, Tagawa and Toda), and isotonic regression finds the places with the
least weighted squared distance from the wishes that keep the order and the gaps. Boxes weigh more than the
bends of long edges, so that the trunk of a network stays straight and what skips layers runs beside it. A box
that is alone in its row keeps to the middle line, or uneven blocks would drift aside one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import isotonic_regression

from engine.graph_view.layering import Layering

BOX_GAP = 26.0
WAY_GAP = 14.0
ROW_GAP = 36.0
BOX_WEIGHT = 200.0
SWEEPS = 9


def place_columns(layering: Layering, widths: Sequence[float], check_cancelled: Callable[[], None]) -> np.ndarray:
    """x of the centre of every vertex, dummies included, float64; boxes of a row never overlap.

    Args:
        widths: of the boxes.
    """
    count, size = layering.vertices, len(layering.ranks)
    half = np.zeros(size)
    half[:count] = np.asarray(widths, float) / 2
    gaps = np.full(size, WAY_GAP / 2)
    gaps[:count] = BOX_GAP / 2
    extent = half + gaps
    x = np.zeros(size)
    offsets = []
    for row in layering.rows:
        own = extent[row]
        offset = np.concatenate([[0.0], np.cumsum(own[:-1] + own[1:])])
        offsets.append(offset)
        x[row] = offset - offset[-1] / 2
    weights = np.ones(size)
    weights[:count] = BOX_WEIGHT
    for sweep in range(SWEEPS):
        check_cancelled()
        is_down = sweep % 2 == 0
        neighbours = layering.above if is_down else layering.below
        for number in range(len(layering.rows)) if is_down else reversed(range(len(layering.rows))):
            row, offset = layering.rows[number], offsets[number]
            wished = np.array([_median(neighbours[at], x, count, x[at]) for at in row])
            boxes = [position for position, at in enumerate(row) if at < count]
            if len(boxes) == 1:
                wished[boxes] = 0.0
            if len(row) > 1:
                wished = isotonic_regression(wished - offset, weights=weights[row]).x + offset
            x[row] = wished
    placed: np.ndarray = np.round(x - (x - half).min(initial=0.0), 2)
    return placed


def _median(neighbours: list[int], x: np.ndarray, boxes: int, own: float) -> float:
    """The middle of the boxes among the neighbours; bends count where there are no boxes."""
    if len(neighbours) == 1:
        return float(x[neighbours[0]])
    if not neighbours:
        return own
    values = sorted(float(x[at]) for at in neighbours if at < boxes) or sorted(float(x[at]) for at in neighbours)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def place_rows(layering: Layering, heights: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """y of the upper edge and the height of every row, float64."""
    tall = np.array([max((heights[at] for at in row if at < layering.vertices), default=0.0) for row in layering.rows])
    tops = np.concatenate([[0.0], np.cumsum(tall[:-1] + ROW_GAP)]) if len(tall) else np.zeros(0)
    return tops, tall
