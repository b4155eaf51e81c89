"""What the profiler wrote, and how its own time is taken out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.latency.timing import read_profile, take_out_profiler


def test_that_a_profile_gives_the_quieter_half_of_each_nodes_runs(tmp_path: Path) -> None:
    laps = {'a"b': (4, 2, 90), "c": (5,)}
    event = '{"cat" : "Node","pid" :1,"tid" :1,"dur" :%d,"ts" :7,"ph" : "X","name" :"%s_kernel_time","args" : {}},'
    lines = [event % (lap, name) for name, runs in laps.items() for lap in runs]
    other = '{"cat" : "Session","dur" :1000,"name" :"model_run","args" : {}}'
    path = tmp_path / "profile.json"
    path.write_text("\n".join(["[", *lines, other, "]"]))
    assert read_profile(path) == {'a"b': 3.0, "c": 5.0}


def test_that_the_profilers_time_goes_from_every_node_alike() -> None:
    assert take_out_profiler([10.0, 20.0], 26.0) == pytest.approx([8.0, 18.0])


def test_that_more_than_a_profiler_takes_goes_in_proportion() -> None:
    reduced = take_out_profiler([103.0, 203.0], 150.0)
    assert reduced == pytest.approx([50.0, 100.0])


def test_that_nodes_never_take_longer_than_the_profiler_saw() -> None:
    assert take_out_profiler([10.0, 20.0], 100.0) == [10.0, 20.0]
    assert take_out_profiler([], 5.0) == []
