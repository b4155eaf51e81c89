"""Measured latency: what is measured and what estimated, figures that add up, the cache, cancelling."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from engine.errors import DataError, JobCancelled, PlanError
from engine.job_context import CallbackContext, JobContext
from engine.latency import measuring
from engine.latency.cache import KEPT_FILES, latency_path, load_latencies, save_latencies
from engine.latency.figures import FLOAT_FORM, STATIC_FORM, Latencies, LayerLatency
from engine.latency.measuring import measure_latencies
from engine.latency.prediction import layer_us, predict_latency_us
from engine.model.opened import Model
from engine.numerics.schemes import Kernel
from engine.plan import FLOAT_LAYER, build_plan
from engine.requests.benchmark import LatencyRequest
from engine.requests.data import DataChoice
from tests.engine.models import build_model, conv_chain, normal, open_built


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(measuring, "SECONDS_PER_VARIANT", 0.01)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return open_built(conv_chain(channels=16, size=16), tmp_path)


def request_for(model: Model, **changes: object) -> LatencyRequest:
    request = LatencyRequest(str(model.path), build_plan(model.summary, 8))
    return dataclasses.replace(request, **changes)  # type: ignore[arg-type]


def test_that_every_layer_has_a_measured_figure_for_every_kernel_and_bit_width(model: Model) -> None:
    seen: list[object] = []
    found = measure_latencies(model, request_for(model), CallbackContext(partial_ready=seen.append))
    assert seen == list(found.layers.values())
    assert all(isinstance(row, LayerLatency) for row in seen)
    for layer in model.summary.layers:
        cells = found.layers[layer.name].cells
        assert {kernel for kernel, _ in cells} == set(layer.kernels)
        assert {bits for kernel, bits in cells if kernel == Kernel.FLOAT} == {32, 16, 8, 4, 2}
        assert all(cell.us > 0 and not cell.is_estimated for cell in cells.values())
        assert cells[Kernel.QLINEAR, 8] == cells[Kernel.QLINEAR, 2]
    assert found.base_us >= 0
    assert found.elements


def test_that_a_float_plan_takes_what_the_float_model_took(model: Model) -> None:
    found = measure_latencies(model, request_for(model), JobContext())
    plan = build_plan(model.summary, 32)
    predicted = predict_latency_us(model.summary, plan, found)
    assert predicted.us == pytest.approx(found.float_us)
    assert not predicted.is_estimated
    layers = sum(layer_us(found, layer, plan.layer(layer.name))[0] for layer in model.summary.layers)
    assert predicted.us == pytest.approx(found.base_us + layers)


def test_that_a_second_request_reads_the_cache_and_a_fresh_one_measures(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measure_latencies(model, request_for(model), JobContext())
    runs: list[object] = []
    original = measuring.time_in_turn
    monkeypatch.setattr(measuring, "time_in_turn", lambda *args: (runs.append(1), original(*args)))
    second = measure_latencies(model, request_for(model), JobContext())
    assert not runs
    assert second.layers.keys() == first.layers.keys()
    assert second.float_us == pytest.approx(first.float_us, rel=1e-4)
    measure_latencies(model, request_for(model, is_fresh=True), JobContext())
    measure_latencies(model, request_for(model, batch=2), JobContext())
    assert len(runs) == 2


def test_that_the_cache_keeps_a_bounded_number_of_files(tmp_path: Path) -> None:
    latencies = Latencies("0", "m", "cpu", "rt", 1, 1, 1.0, {})
    for number in range(KEPT_FILES + 3):
        save_latencies(latencies, latency_path([number]))
    folder = latency_path([0]).parent
    assert len(list(folder.iterdir())) == KEPT_FILES
    latency_path([KEPT_FILES]).write_text("{}")
    assert load_latencies(latency_path([KEPT_FILES])) is None


def test_that_a_kernel_that_cannot_be_timed_is_estimated_and_said_so(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = measuring._Bench.load

    def fail(self: measuring._Bench, index: int, variant: object, threads: int) -> object:
        if variant.form[0] == Kernel.QLINEAR:  # type: ignore[attr-defined]
            raise DataError("no")
        return original(self, index, variant, threads)  # type: ignore[arg-type]

    monkeypatch.setattr(measuring._Bench, "load", fail)
    found = measure_latencies(model, request_for(model, is_fresh=True), JobContext())
    cells = [layer.cells[STATIC_FORM] for layer in found.layers.values()]
    assert all(cell.is_estimated and cell.us > 0 for cell in cells)
    assert not any(layer.cells[FLOAT_FORM].is_estimated for layer in found.layers.values())
    assert predict_latency_us(model.summary, build_plan(model.summary, 4), found).is_estimated


def test_that_cancelling_while_timing_stops_and_caches_nothing(model: Model) -> None:
    context = CallbackContext(progressed=lambda _done, _total, text: context.cancel() if "Timing" in text else None)
    with pytest.raises(JobCancelled):
        measure_latencies(model, request_for(model, threads=2), context)
    assert not list(latency_path(["x"]).parent.glob("*.json"))


def test_that_data_give_the_inputs_and_a_plan_of_another_model_is_refused(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=normal(4, 3, 16, 16, seed=1))
    found = measure_latencies(model, request_for(model, data=DataChoice(str(path)), batch=2), JobContext())
    assert found.elements["x"] == 2 * 3 * 16 * 16
    other = dataclasses.replace(build_plan(model.summary, 8), model_sha256="0" * 64)
    with pytest.raises(PlanError, match="another model"):
        measure_latencies(model, request_for(model, plan=other), JobContext())


def test_that_lookups_dynamic_and_packed_kernels_are_told_apart(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], name="embedding"),
        helper.make_node("MatMul", ["e", "w1"], ["h"], name="up"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "w2"], ["y"], name="down"),
    ]
    constants = {"table": normal(64, 32), "w1": normal(32, 64, seed=1), "w2": normal(64, 32, seed=2)}
    model = open_built(build_model(nodes, {"ids": ["N", 8]}, ["y"], constants, dtypes={"ids": 7}), tmp_path)
    found = measure_latencies(model, request_for(model), JobContext())
    cells = found.layers["up"].cells
    assert {(Kernel.DYNAMIC, 8), (Kernel.NBITS, 8), (Kernel.NBITS, 4), (Kernel.NBITS, 2)} <= cells.keys()
    assert not any(cell.is_estimated for layer in found.layers.values() for cell in layer.cells.values())
    lookup = found.layers["embedding"].cells
    assert lookup[Kernel.FLOAT, 8] == lookup[Kernel.FLOAT, 2]
    assert lookup[Kernel.FLOAT, 16] == lookup[FLOAT_FORM]
    mixed = build_plan(model.summary, 8).with_layers({"down": FLOAT_LAYER})
    assert predict_latency_us(model.summary, mixed, found).us > 0
