"""Pieces of a job's report that are shown together."""

from __future__ import annotations

from collections.abc import Sequence

from pytestqt.qtbot import QtBot

from gui.batch import GATHERED_MS, Batch


def test_that_pieces_arrive_together_in_their_order(qtbot: QtBot) -> None:
    taken: list[Sequence[int]] = []
    batch = Batch[int](taken.append)
    for piece in range(3):
        batch.add(piece)
    assert taken == []
    qtbot.waitUntil(lambda: bool(taken))
    batch.add(3)
    qtbot.waitUntil(lambda: len(taken) == 2)
    assert taken == [[0, 1, 2], [3]]


def test_that_what_waits_can_be_had_at_once_or_dropped(qtbot: QtBot) -> None:
    taken: list[Sequence[int]] = []
    batch = Batch[int](taken.append)
    batch.add(1)
    batch.hand_over()
    assert taken == [[1]]
    batch.add(2)
    batch.drop()
    batch.hand_over()
    qtbot.wait(2 * GATHERED_MS)
    assert taken == [[1]]
