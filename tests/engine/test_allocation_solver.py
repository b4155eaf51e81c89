"""The search over sets of integer layers against brute force, and what refusals name fed back in."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable
from itertools import product

import pytest

from engine.allocation import allocate
from engine.errors import BudgetError
from engine.latency.figures import Crossing, LatencyCell, LayerLatency
from engine.latency.prediction import predict_latency_us
from engine.numerics.schemes import ActivationMode, Kernel
from engine.plan import PlanDefaults, build_plan
from engine.prediction import predict_value
from engine.requests.allocation import AllocateRequest, Budget
from engine.sensitivity.matrix import Cell, Metric, SensitivityRow
from engine.sizes import predict_file_bytes
from engine.summary import ModelSummary
from tests.engine.models import conv_chain, open_built
from tests.engine.test_allocation import CELLS, allocate_for, bits_of, latencies_of, sensitivity_of


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> ModelSummary:
    return open_built(conv_chain(channels=32), tmp_path_factory.mktemp("model")).summary


LOSSES = {
    Metric.SQNR: {8: 35.127456, 4: 12.3456},
    Metric.KL: {8: 1.23456789e-5, 4: 2.3456789e-3},
    Metric.LOSS: {8: 1e-3 / 3, 4: 2e-3 / 3},
    Metric.MSE: {8: 0.1, 4: 0.2},
    Metric.COSINE: {8: 0.98765432, 4: 0.87654321},
    Metric.TOP1_DROP: {8: 0.1, 4: 1.3},
}


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("size_ratio", [None, 0.4])
def test_that_the_best_that_a_refused_loss_names_is_within_reach(
    summary: ModelSummary, metric: Metric, size_ratio: float | None
) -> None:
    rows = {
        name: SensitivityRow(name, {bits: Cell({metric: LOSSES[metric][bits]}) for bits in (8, 4)}) for name in CELLS
    }
    sensitivity = dataclasses.replace(sensitivity_of(summary), rows=rows)
    plan = build_plan(summary, 8).with_lock(["second"], locked=True)
    kinds: list[Callable[[float], Budget]] = [lambda value: Budget(max_loss=value, size_ratio=size_ratio)]
    if metric == Metric.SQNR:
        kinds.append(lambda value: Budget(min_sqnr_db=value, size_ratio=size_ratio))
    for build in kinds:
        impossible = build(1e-9) if build(1).min_sqnr_db is None else build(99)
        with pytest.raises(BudgetError) as caught:
            allocate(AllocateRequest(summary, sensitivity, plan, impossible, metric))
        assert "_" not in str(caught.value)
        (best,) = re.findall(r"is ([0-9.e-]+)(?: \w+)? at best", str(caught.value))
        allocate(AllocateRequest(summary, sensitivity, plan, build(float(best)), metric))


def test_that_no_loss_at_all_can_be_asked_for(summary: ModelSummary) -> None:
    found = allocate_for(summary, Budget(max_loss=0.0))
    assert bits_of(found.plan, summary) == [32, 32, 32]


@pytest.mark.parametrize("bits", [32, 8])
def test_that_a_latency_is_reached_that_mixed_plans_do_not_reach(summary: ModelSummary, bits: int) -> None:
    latencies = latencies_of(summary)
    cells = {**latencies.layers["second"].cells, **{(Kernel.QLINEAR, bits): LatencyCell(12.0) for bits in (8, 4, 2)}}
    layers = {**latencies.layers, "second": LayerLatency("second", cells)}
    latencies = dataclasses.replace(latencies, layers=layers, crossing=Crossing(fixed_us=5.0 if bits == 8 else 20.0))
    uniform = build_plan(summary, bits, PlanDefaults(activations=ActivationMode.STATIC))
    reached = predict_latency_us(summary, uniform, latencies).us / 1000
    cheapest_layers = build_plan(summary, 8).with_bits([summary.layers[1]], 32)
    assert reached < predict_latency_us(summary, cheapest_layers, latencies).us / 1000
    found = allocate_for(summary, Budget(latency_ms=1.0001 * reached), latencies=latencies)
    assert found.predicted.latency_ms is not None
    assert found.predicted.latency_ms <= 1.0001 * reached


@pytest.mark.parametrize("seed", range(12))
def test_that_limits_of_size_and_latency_together_are_met_as_well_as_can_be(summary: ModelSummary, seed: int) -> None:
    draw = random.Random(seed)
    layers = {}
    for layer in summary.layers:
        in_float = draw.uniform(5, 40)
        cells = {(Kernel.FLOAT, bits): LatencyCell(in_float) for bits in (32, 16)}
        cells |= {(Kernel.QLINEAR, bits): LatencyCell(in_float * draw.uniform(0.2, 1.3)) for bits in (8, 4, 2)}
        layers[layer.name] = LayerLatency(layer.name, cells)
    latencies = dataclasses.replace(latencies_of(summary), layers=layers, crossing=Crossing(fixed_us=4.0))
    rows = sensitivity_of(summary).rows
    found = []
    for widths in product((32, 16, 8, 4, 2), repeat=len(summary.layers)):
        plan = build_plan(summary, 8)
        for layer, width in zip(summary.layers, widths, strict=True):
            plan = plan.with_bits([layer], width)
        value = predict_value(summary, plan, rows, Metric.SQNR)
        assert value is not None
        found.append((predict_file_bytes(summary, plan), predict_latency_us(summary, plan, latencies).us / 1000, value))
    for size, latency_ms, _ in draw.sample(found, 8):
        best = max(value for own, own_ms, value in found if own <= size and own_ms <= latency_ms)
        budget = Budget(file_bytes=size, latency_ms=latency_ms)
        predicted = allocate_for(summary, budget, latencies=latencies).predicted
        assert predicted.latency_ms is not None
        assert predicted.latency_ms <= latency_ms * (1 + 1e-6)
        assert predicted.value == pytest.approx(best, abs=0.05)  # one percent of the loss
