"""What waits between two cuts: values, identity, and memory that does not grow."""

from __future__ import annotations

import pytest
import torch

from benchmarks.child_process import read_status
from engine.compensation import frontier
from engine.compensation.frontier import Frontier, Pair

BATCHES, ELEMENTS = 24, 1 << 20


def build_pair(number: float) -> Pair:
    shared = torch.full((ELEMENTS,), number)
    return Pair({"x": shared, "flags": torch.tensor([True, False])}, {"x": shared, "empty": torch.empty(0, 3)})


def read_mapped() -> int:
    """Resident bytes of files."""
    return read_status("RssFile") + read_status("RssShmem")


@pytest.mark.parametrize("memory_bytes", [0, 1 << 40])
def test_that_batches_come_back_as_they_were_put(monkeypatch: pytest.MonkeyPatch, memory_bytes: int) -> None:
    monkeypatch.setattr(frontier, "MEMORY_BYTES", memory_bytes)
    waiting = Frontier()
    waiting.append(build_pair(1))
    waiting.append(build_pair(2))
    waiting.replace(0, build_pair(3))
    for _ in range(2):  # what was given back to the system comes again
        assert [pair.values["x"].unique().tolist() for pair in waiting] == [[3], [2]]
        for pair in waiting:
            assert pair.values["x"] is pair.float_values["x"]
            assert pair.float_values["flags"].tolist() == [True, False]
            assert pair.values["empty"].shape == (0, 3)


def test_that_what_lies_on_disk_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier, "MEMORY_BYTES", 0)
    waiting = Frontier()
    before = read_mapped()
    for number in range(BATCHES):
        waiting.append(build_pair(number))
    assert sum(float(pair.values["x"][0]) for pair in waiting) == sum(range(BATCHES))
    assert read_mapped() - before < BATCHES * ELEMENTS * 4 / 4
