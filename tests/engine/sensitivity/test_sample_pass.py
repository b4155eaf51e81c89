"""The pass over single samples: what it shows, in which order, and how many at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from engine.data.dataset import Dataset
from engine.errors import JobCancelled
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.sensitivity import sample_pass
from engine.sensitivity.sample_pass import SampleVisitor, Tensors, visit_samples
from tests.engine.models import Array, Shape, build_model, normal, open_built, write_dataset

SAMPLES = 9
Shown = tuple[int, Array, Array]


def open_case(folder: Path, batch: Shape) -> tuple[Model, Dataset, Array]:
    """Two layers; the second one reads `h`, which is x·w, the first one the graph's input."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "v"], ["y"])]
    proto = build_model(nodes, {"x": [*batch, 6]}, ["y"], {"w": normal(6, 5), "v": normal(5, 4, seed=1)})
    model = open_built(proto, folder)
    x = normal(SAMPLES, 6, seed=2)
    return model, write_dataset(model, {"x": x}, folder / "d.npz"), x


def show(values: Tensors) -> tuple[Array, Array]:
    return values["x"].copy(), values["h"].copy()


@pytest.fixture(params=[1, 2, 5, 17])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: request.param)


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize(("batch", "size", "seen"), [(["N"], 1, 9), ([4], 4, 8)])
@pytest.mark.parametrize("limit", [None, 1], ids=["memory for all", "memory for two"])
def test_that_every_run_is_shown_once_and_kept_in_order(
    batch: Shape, size: int, seen: int, limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit is not None:
        monkeypatch.setattr(sample_pass, "ACTIVATION_BYTES_PER_WORKER", limit)
    model, dataset, x = open_case(tmp_path, batch)
    kept: list[Shown] = []
    reports: list[tuple[int, int]] = []

    def look(index: int, values: Tensors) -> Shown:
        return (index, *show(values))

    visitor = SampleVisitor(["x", "h"], look, kept.append, lambda *done: reports.append(done), JobContext())
    assert visit_samples(model, dataset, 100, visitor) == seen
    assert [index for index, _, _ in kept] == list(range(seen // size))
    assert np.array_equal(np.concatenate([shown for _, shown, _ in kept]), x[:seen])
    assert np.allclose(np.concatenate([shown for _, _, shown in kept]), x[:seen] @ normal(6, 5), atol=1e-5)
    assert reports == [(done, dataset.samples) for done in range(0, seen + 1, size)]


@pytest.mark.parametrize(("limit", "expected"), [(1, 2), (40, 4)])
def test_that_as_many_samples_run_at_once_as_memory_allows(
    limit: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(sample_pass, "ACTIVATION_BYTES_PER_WORKER", limit)
    model, dataset, _ = open_case(tmp_path, ["N"])
    together = threading.Barrier(expected, timeout=20)  # breaks if fewer meet
    threads: set[int] = set()

    def look(index: int, _values: Tensors) -> None:
        if index:  # the first one runs alone: it shows how much memory one takes
            threads.add(threading.get_ident())
            together.wait()

    visit_samples(model, dataset, SAMPLES, SampleVisitor(["h"], look, lambda _: None, lambda *_: None, JobContext()))
    assert len(threads) == expected


def test_that_cancel_stops_the_pass_and_keeps_what_came_before(tmp_path: Path) -> None:
    model, dataset, _ = open_case(tmp_path, ["N"])
    context = JobContext()
    kept: list[int] = []

    def keep(index: int) -> None:
        kept.append(index)
        if index == 3:
            context.cancel()

    visitor = SampleVisitor(["h"], lambda index, _: index, keep, lambda *_: context.check_cancelled(), context)
    with pytest.raises(JobCancelled):
        visit_samples(model, dataset, SAMPLES, visitor)
    assert kept == [0, 1, 2, 3]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]
