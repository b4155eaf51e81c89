"""Pieces of a job's report that are shown together."""

from __future__ import annotations

from collections.abc import Sequence

from pytestqt.qtbot import QtBot

from gui.gathering import GATHERED_MS, Gathering


def test_that_the_first_piece_arrives_at_once_and_the_others_together_in_their_order(qtbot: QtBot) -> None:
    taken: list[Sequence[int]] = []
    gathering = Gathering[int](taken.append)
    for piece in range(4):
        gathering.add(piece)
    assert taken == [[0]]
    qtbot.waitUntil(lambda: len(taken) == 2)
    assert taken == [[0], [1, 2, 3]]
    qtbot.wait(2 * GATHERED_MS)
    gathering.add(4)
    assert taken == [[0], [1, 2, 3], [4]]


def test_that_what_waits_can_be_had_at_once_or_dropped(qtbot: QtBot) -> None:
    taken: list[Sequence[int]] = []
    gathering = Gathering[int](taken.append)
    gathering.add(1)
    gathering.add(2)
    gathering.hand_over()
    assert taken == [[1], [2]]
    gathering.add(3)
    gathering.drop()
    gathering.hand_over()
    qtbot.wait(2 * GATHERED_MS)
    assert taken == [[1], [2]]
