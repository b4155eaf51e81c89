"""Pieces of a job's report that are shown together."""

from __future__ import annotations

from collections.abc import Sequence

from pytestqt.qtbot import QtBot

from gui.batch import GATHERED_MS, Batch


def test_that_the_first_piece_arrives_at_once_and_the_others_together_in_their_order(qtbot: QtBot) -> None:
    taken: list[Sequence[int]] = []
    batch = Batch[int](taken.append)
    for piece in range(4):
        batch.add(piece)
    assert taken == [[0]]
    qtbot.waitUntil(lambda: len(taken) == 2)
    assert taken == [[0], [1, 2, 3]]
    qtbot.wait(2 * GATHERED_MS)
    batch.add(4)
    assert taken == [[0], [1, 2, 3], [4]]


def test_that_what_waits_can_be_had_at_once_or_dropped(qtbot: QtBot) -> None:
    taken: list[Sequence[int]] = []
    batch = Batch[int](taken.append)
    batch.add(1)
    batch.add(2)
    batch.hand_over()
    assert taken == [[1], [2]]
    batch.add(3)
    batch.drop()
    batch.hand_over()
    qtbot.wait(2 * GATHERED_MS)
    assert taken == [[1], [2]]
