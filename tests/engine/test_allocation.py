"""Allocation against brute force on instances small enough to enumerate."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from onnx import helper

from engine.allocation import allocate, find_front
from engine.errors import BudgetError, PlanError
from engine.latency.figures import Latencies, LatencyCell, LayerLatency
from engine.numerics.schemes import ActivationMode, Kernel, WeightScheme
from engine.plan import LayerPlan, Plan, PlanDefaults, build_plan
from engine.prediction import predict_value
from engine.requests.allocation import AllocateRequest, AllocateResult, Budget, FrontRequest
from engine.sensitivity.matrix import Cell, Metric, Sensitivity, SensitivityRow, noise_to_signal, predict_sqnr_db
from engine.sizes import bits_per_weight, predict_file_bytes
from engine.summary import ModelSummary
from tests.engine.models import build_model, conv_chain, normal, open_built


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> ModelSummary:
    return open_built(conv_chain(channels=32), tmp_path_factory.mktemp("model")).summary


CELLS = {
    "first": {16: 80.0, 8: 35.0, 4: 12.0, 2: 2.0},
    "second": {16: 85.0, 8: 45.0, 4: 22.0, 2: 9.0},
    "head": {16: 82.0, 8: 40.0, 4: 19.0, 2: 6.0},
}


def as_cells(figures: dict[int, float]) -> dict[int, Cell]:
    return {bits: Cell({Metric.SQNR: value}) for bits, value in figures.items()}


def sensitivity_of(summary: ModelSummary) -> Sensitivity:
    rows = {name: SensitivityRow(name, as_cells(cells)) for name, cells in CELLS.items()}
    return Sensitivity(summary.sha256, "m.onnx", "quick", 10, "digest", rows)


def request(summary: ModelSummary, ratio: float, plan: Plan | None = None) -> AllocateRequest:
    return AllocateRequest(summary, sensitivity_of(summary), plan or build_plan(summary, 8), Budget(size_ratio=ratio))


def bits_of(plan: Plan, summary: ModelSummary) -> list[int]:
    return [plan.layer(layer.name).weights.bits for layer in summary.layers]


def enumerate_plans(summary: ModelSummary, plan: Plan, widths: tuple[int, ...], budget: float) -> float:
    """The best predicted SQNR of all plans within the budget."""
    found = []
    for bits in product(widths, repeat=len(summary.layers)):
        trial = plan
        for layer, width in zip(summary.layers, bits, strict=True):
            trial = trial.with_bits([layer], width)
        if predict_file_bytes(summary, trial) <= budget:
            cells = [
                CELLS[layer.name].get(width, float("inf")) for layer, width in zip(summary.layers, bits, strict=True)
            ]
            found.append(predict_sqnr_db(cells))
    return max(found)


@pytest.mark.parametrize("mode", ActivationMode)
@pytest.mark.parametrize("ratio", [0.12, 0.15, 0.2, 0.25, 0.3, 0.5, 0.75, 1.0])
def test_that_the_plan_is_the_best_within_the_budget_and_never_above_it(
    summary: ModelSummary, mode: ActivationMode, ratio: float
) -> None:
    plan = build_plan(summary, 8, PlanDefaults(activations=mode))
    widths = (32, 16, 8, 4, 2) if mode == ActivationMode.FLOAT else (8, 4, 2)
    budget = ratio * summary.file_bytes
    try:
        found = allocate(request(summary, ratio, plan))
    except BudgetError:
        with pytest.raises(ValueError, match=r"empty|iterable"):
            enumerate_plans(summary, plan, widths, budget)
        return
    assert found.predicted.file_bytes == predict_file_bytes(summary, found.plan) <= budget
    assert found.predicted.value == pytest.approx(enumerate_plans(summary, plan, widths, budget), abs=1e-6)


def test_that_more_budget_never_predicts_less(summary: ModelSummary) -> None:
    ratios = [0.2 + 0.02 * step for step in range(30)]
    found = [allocate(request(summary, ratio)).predicted.value for ratio in ratios]
    assert found == sorted(found)


def test_that_locked_layers_keep_what_they_had(summary: ModelSummary) -> None:
    plan = build_plan(summary, 4).with_layers({"second": LayerPlan(WeightScheme(16), is_locked=True)})
    found = allocate(request(summary, 0.62, plan)).plan
    assert found.layer("second") == plan.layer("second")
    assert found.layer("first").weights.bits in (8, 4, 2)


def test_that_all_layers_locked_leaves_the_plan_as_it_is(summary: ModelSummary) -> None:
    plan = build_plan(summary, 8).with_lock([layer.name for layer in summary.layers], locked=True)
    assert allocate(request(summary, 1.0, plan)).plan.layers == plan.layers


def test_that_an_impossible_budget_names_the_range(summary: ModelSummary) -> None:
    with pytest.raises(BudgetError) as caught:
        allocate(request(summary, 0.01))
    least, most = (float(text) for text in re.findall(r"be ([0-9.]+) to ([0-9.]+) of", str(caught.value))[0])
    assert allocate(request(summary, least)).predicted.file_bytes <= least * summary.file_bytes
    with pytest.raises(BudgetError):
        allocate(request(summary, least - 0.001))
    assert most == pytest.approx(predict_file_bytes(summary, build_plan(summary, 8)) / summary.file_bytes, abs=0.0005)


@pytest.mark.parametrize("ratio", [0.0, -1.0, 1.1, float("nan")])
def test_that_a_ratio_outside_zero_to_one_is_refused(summary: ModelSummary, ratio: float) -> None:
    with pytest.raises(BudgetError, match="Give a number between 0 and 1"):
        allocate(request(summary, ratio))


def test_that_measurements_of_another_model_are_refused(summary: ModelSummary) -> None:
    other = dataclasses.replace(sensitivity_of(summary), model_sha256="0" * 64)
    with pytest.raises(PlanError, match="Analyse this model first"):
        allocate(AllocateRequest(summary, other, build_plan(summary, 8), Budget(size_ratio=0.5)))


def test_that_a_layer_whose_measured_noise_falls_with_fewer_bits_gains_nothing_by_it(summary: ModelSummary) -> None:
    rows = {name: SensitivityRow(name, as_cells(cells)) for name, cells in CELLS.items()}
    rows["head"] = SensitivityRow("head", as_cells({8: 10.0, 4: 30.0, 2: 20.0}))
    sensitivity = dataclasses.replace(sensitivity_of(summary), rows=rows)
    found = allocate(AllocateRequest(summary, sensitivity, build_plan(summary, 8), Budget(size_ratio=1.0)))
    assert bits_of(found.plan, summary)[:2] == [8, 8]
    assert noise_to_signal(found.predicted.value) >= noise_to_signal(30.0)


def test_that_the_summary_is_left_alone(summary: ModelSummary, tmp_path: Path) -> None:
    plan = build_plan(summary, 8)
    before = plan.digest
    allocate(request(summary, 0.3, plan))
    assert plan.digest == before


def allocate_for(summary: ModelSummary, budget: Budget, **fields: object) -> AllocateResult:
    plan = build_plan(summary, 8)
    return allocate(AllocateRequest(summary, sensitivity_of(summary), plan, budget, **fields))  # type: ignore[arg-type]


def test_that_every_free_layer_says_why_and_an_edit_forgets_it(summary: ModelSummary) -> None:
    plan = build_plan(summary, 8).with_lock(["head"], locked=True)
    found = allocate(request(summary, 0.2, plan)).plan
    assert "reason" not in found.layer("head").extra
    for name in ("first", "second"):
        choice = found.layer(name)
        assert str(choice.extra["reason"]).startswith(f"{choice.weights.bits} bits: ")
    edited = found.with_bits([summary.layer_by_name["first"]], 8)
    assert "reason" not in edited.layer("first").extra


def test_that_reasons_do_not_change_the_digest(summary: ModelSummary) -> None:
    found = allocate(request(summary, 0.2)).plan
    plain = found.with_layers({name: dataclasses.replace(choice, extra={}) for name, choice in found.layers.items()})
    assert plain != found
    assert plain.digest == found.digest


@pytest.mark.parametrize("bits", [2.6, 3.0, 4.5, 8.3])
def test_that_bits_per_weight_are_kept(summary: ModelSummary, bits: float) -> None:
    found = allocate_for(summary, Budget(bits_per_weight=bits))
    assert bits_per_weight(summary, found.plan) == found.predicted.bits_per_weight <= bits
    with pytest.raises(BudgetError, match="1 bits per weight cannot be reached"):
        allocate_for(summary, Budget(bits_per_weight=1))


@pytest.mark.parametrize("db", [8.0, 15.0, 25.0, 60.0])
def test_that_a_loss_budget_gives_the_smallest_file_that_meets_it(summary: ModelSummary, db: float) -> None:
    found = allocate_for(summary, Budget(min_sqnr_db=db))
    assert found.predicted.value is not None
    assert found.predicted.value >= db
    sizes = []
    for widths in product((32, 16, 8, 4, 2), repeat=len(summary.layers)):
        trial = build_plan(summary, 8)
        for layer, width in zip(summary.layers, widths, strict=True):
            trial = trial.with_bits([layer], width)
        value = predict_value(summary, trial, sensitivity_of(summary).rows, Metric.SQNR)
        if value is not None and value >= db:
            sizes.append(predict_file_bytes(summary, trial))
    # Pairs around activations depend on the whole plan and are not part of the search: one is about 150 bytes.
    assert found.predicted.file_bytes <= min(sizes) + 200


def test_that_several_limits_hold_together(summary: ModelSummary) -> None:
    budget = Budget(size_ratio=0.3, bits_per_weight=4.2, ram_bytes=summary.parameters)
    found = allocate_for(summary, budget)
    assert found.predicted.file_bytes <= 0.3 * summary.file_bytes
    assert found.predicted.bits_per_weight <= 4.2
    assert found.predicted.ram_bytes <= summary.parameters
    with pytest.raises(BudgetError, match="memory cannot be reached"):
        allocate_for(summary, Budget(size_ratio=0.3, ram_bytes=10))
    with pytest.raises(BudgetError, match="at best"):
        allocate_for(summary, Budget(size_ratio=0.2, min_sqnr_db=60))


@pytest.mark.parametrize("mode", ActivationMode)
def test_that_the_least_that_a_refusal_names_is_within_reach(summary: ModelSummary, mode: ActivationMode) -> None:
    plan = build_plan(summary, 8, PlanDefaults(activations=mode)).with_lock(["second"], locked=True)
    latencies = latencies_of(summary)
    latencies = dataclasses.replace(latencies, base_us=latencies.base_us + 1.2345)
    tries: list[tuple[Budget, str, Callable[[float], Budget]]] = [
        (Budget(bits_per_weight=1), r"can be ([0-9.]+) to", lambda value: Budget(bits_per_weight=value)),
        (Budget(ram_bytes=10), r"take ([0-9.]+) kB", lambda value: Budget(ram_bytes=round(1000 * value))),
        (Budget(file_bytes=10), r"can be ([0-9.]+) kB", lambda value: Budget(file_bytes=round(1000 * value))),
        (Budget(size_ratio=1e-4), r"can be ([0-9.]+) to", lambda value: Budget(size_ratio=value)),
        (Budget(latency_ms=1e-4), r"predicted at ([0-9.]+) to", lambda value: Budget(latency_ms=value)),
        (Budget(latency_ratio=1e-4), r"predicted at ([0-9.]+) to", lambda value: Budget(latency_ratio=value)),
    ]
    for impossible, pattern, build in tries:
        with pytest.raises(BudgetError, match="cannot be reached") as caught:
            allocate(AllocateRequest(summary, sensitivity_of(summary), plan, impossible, latencies=latencies))
        (least,) = re.findall(pattern, str(caught.value))
        budget = build(float(least))
        allocate(AllocateRequest(summary, sensitivity_of(summary), plan, budget, latencies=latencies))


def test_that_of_two_limits_only_the_one_out_of_reach_is_said_to_be(summary: ModelSummary) -> None:
    with pytest.raises(BudgetError) as caught:
        allocate_for(summary, Budget(size_ratio=0.3, ram_bytes=10))
    size, memory, together = re.split(r"(?<=\.) ", str(caught.value))
    assert "0.300 alone could be reached" in size
    assert "memory cannot be reached" in memory
    assert "All limits together" in together


def test_that_a_forbidden_kernel_is_not_used(summary: ModelSummary) -> None:
    without_integers = frozenset({Kernel.QLINEAR, Kernel.DYNAMIC})
    for mode in (ActivationMode.STATIC, ActivationMode.DYNAMIC):
        plan = build_plan(summary, 8, PlanDefaults(activations=mode))
        asked = AllocateRequest(
            summary, sensitivity_of(summary), plan, Budget(size_ratio=0.8), forbidden_kernels=without_integers
        )
        found = allocate(asked).plan
        assert {found.layer(layer.name).kernel for layer in summary.layers} == {Kernel.FLOAT}
        assert max(bits_of(found, summary)) > 8
    with pytest.raises(BudgetError, match="no kernel left"):
        allocate_for(summary, Budget(size_ratio=0.3), forbidden_kernels=without_integers | {Kernel.FLOAT})


def test_that_where_packed_weights_are_forbidden_float_is_left(summary: ModelSummary) -> None:
    defaults = PlanDefaults(activations=ActivationMode.FLOAT, weight_only_kernel=Kernel.NBITS)
    plan = build_plan(summary, 8, defaults)
    asked = AllocateRequest(
        summary, sensitivity_of(summary), plan, Budget(size_ratio=0.8), forbidden_kernels=frozenset({Kernel.NBITS})
    )
    found = allocate(asked).plan
    assert {found.layer(layer.name).kernel for layer in summary.layers} == {Kernel.FLOAT}


def test_that_a_metric_that_was_not_measured_is_refused(summary: ModelSummary) -> None:
    with pytest.raises(BudgetError, match=r"holds no KL divergence. It holds: SQNR\."):
        allocate_for(summary, Budget(size_ratio=0.3), metric=Metric.KL)
    with pytest.raises(BudgetError, match="no limit"):
        allocate_for(summary, Budget())


def test_that_the_front_holds_what_allocation_finds(summary: ModelSummary) -> None:
    front = find_front(FrontRequest(summary, sensitivity_of(summary), build_plan(summary, 8)))
    sizes = [point.predicted.file_bytes for point in front.points]
    assert sizes == sorted(sizes)
    for point in front.points:
        plan = build_plan(summary, 8)
        for layer, bits in zip(summary.layers, point.bits, strict=True):
            plan = plan.with_bits([layer], bits)
        assert predict_file_bytes(summary, plan) == pytest.approx(point.predicted.file_bytes, rel=0.005)
        assert predict_value(summary, plan, sensitivity_of(summary).rows, Metric.SQNR) == pytest.approx(
            point.predicted.value
        )
        assert point.predicted.bits_per_weight == pytest.approx(bits_per_weight(summary, plan))
        best = allocate_for(summary, Budget(file_bytes=predict_file_bytes(summary, plan))).predicted.value
        assert best == pytest.approx(point.predicted.value)


def latencies_of(summary: ModelSummary, model_sha256: str = "") -> Latencies:
    """Ten microseconds in float and two on integers, for every layer."""
    cells = {(Kernel.FLOAT, 32): LatencyCell(10.0), (Kernel.FLOAT, 16): LatencyCell(10.0)}
    cells |= {(Kernel.QLINEAR, bits): LatencyCell(2.0) for bits in (8, 4, 2)}
    layers = {layer.name: LayerLatency(layer.name, cells) for layer in summary.layers}
    return Latencies(model_sha256 or summary.sha256, "m.onnx", "cpu", "runtime", 1, 1, 5.0, layers)


@pytest.mark.parametrize(("budget_us", "float_layers"), [(36.0, 3), (28.0, 2), (20.0, 1), (11.0, 0)])
def test_that_a_latency_budget_keeps_as_many_layers_in_float_as_it_allows(
    summary: ModelSummary, budget_us: float, float_layers: int
) -> None:
    budget = Budget(latency_ms=budget_us / 1000)
    found = allocate_for(summary, budget, latencies=latencies_of(summary))
    assert sum(bits > 8 for bits in bits_of(found.plan, summary)) == float_layers
    assert found.predicted.latency_ms is not None
    assert found.predicted.latency_ms <= budget_us / 1000


def test_that_latency_needs_times_of_this_model(summary: ModelSummary) -> None:
    for latencies in (None, latencies_of(summary, "0" * 64)):
        with pytest.raises(BudgetError, match="Measure them first"):
            allocate_for(summary, Budget(latency_ratio=0.5), latencies=latencies)
    with pytest.raises(BudgetError, match=r"ms cannot be reached: with these layers free it is predicted at 0\.011 to"):
        allocate_for(summary, Budget(latency_ms=0.0035), latencies=latencies_of(summary))


@pytest.mark.parametrize("budget", [Budget(size_ratio=0.01), Budget(size_ratio=0.01, ram_bytes=10)])
def test_that_a_budget_that_locked_layers_exceed_is_refused(summary: ModelSummary, budget: Budget) -> None:
    plan = build_plan(summary, 8).with_lock([layer.name for layer in summary.layers], locked=True)
    with pytest.raises(BudgetError, match="cannot be reached"):
        allocate(AllocateRequest(summary, sensitivity_of(summary), plan, budget))


def test_that_the_front_of_latency_goes_from_integers_to_float(summary: ModelSummary) -> None:
    plan = build_plan(summary, 8)
    front = find_front(
        FrontRequest(summary, sensitivity_of(summary), plan, latencies=latencies_of(summary), is_latency=True)
    )
    times = [point.predicted.latency_ms for point in front.points]
    assert times == pytest.approx([0.011, 0.019, 0.027, 0.035])
    assert front.points[0].bits == (8, 8, 8)
    assert front.points[-1].bits == (32, 32, 32)


def test_that_a_layer_follows_a_locked_one_with_the_same_weight(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "w"], ["s"], name="second"),
        helper.make_node("MatMul", ["s", "v"], ["y"], name="last"),
    ]
    weights = {"w": normal(32, 32), "v": normal(32, 12, seed=1)}
    model = open_built(build_model(nodes, {"x": ["N", 32]}, ["y"], weights), tmp_path).summary
    rows = {layer.name: SensitivityRow(layer.name, as_cells(CELLS["second"])) for layer in model.layers}
    sensitivity = Sensitivity(model.sha256, "m.onnx", "quick", 10, "digest", rows)
    plan = build_plan(model, 8).with_bits([model.layer_by_name["first"]], 4).with_lock(["first"], locked=True)
    found = allocate(AllocateRequest(model, sensitivity, plan, Budget(size_ratio=1.0))).plan
    assert found.layer("first") == plan.layer("first")
    assert found.layer("second").weights == plan.layer("first").weights
    assert not found.layer("second").is_locked
    assert "first" in str(found.layer("second").extra["reason"])
    assert found.layer("last").weights.bits == 8


def test_that_the_front_predicts_what_the_plan_is_predicted_where_cells_are_noisy(summary: ModelSummary) -> None:
    drops = {"first": {8: 0.4, 4: 0.1, 2: 3.0}, "second": {8: 0.2, 4: -0.3, 2: 0.1}, "head": {8: 0.0, 4: 0.6, 2: 0.5}}
    rows = {
        name: SensitivityRow(name, {bits: Cell({Metric.TOP1_DROP: drop}) for bits, drop in cells.items()})
        for name, cells in drops.items()
    }
    sensitivity = dataclasses.replace(sensitivity_of(summary), rows=rows)
    assert predict_value(summary, build_plan(summary, 4), rows, Metric.TOP1_DROP) == pytest.approx(0.4 + 0.2 + 0.6)
    for mode in (ActivationMode.STATIC, ActivationMode.FLOAT):
        start = build_plan(summary, 8, PlanDefaults(activations=mode))
        front = find_front(FrontRequest(summary, sensitivity, start))
        for point in front.points:
            plan = start
            for layer, bits in zip(summary.layers, point.bits, strict=True):
                plan = plan.with_bits([layer], bits)
            assert predict_value(summary, plan, rows, Metric.TOP1_DROP) == pytest.approx(point.predicted.value)
