"""Whole plans measured and improved, against running the fake-quantized model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from engine.data.dataset import open_dataset
from engine.errors import BudgetError, JobCancelled
from engine.job_context import CallbackContext, JobContext
from engine.jobs.operations import run_request
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.plan import Plan, build_plan
from engine.polish import polish
from engine.requests.allocation import Budget, PolishRequest, PolishResult, PolishStep
from engine.requests.analysis import AnalyzeRequest
from engine.requests.data import DataChoice
from engine.sensitivity.matrix import Cell, Metric, Sensitivity
from engine.sensitivity.plan_meter import PlanMeter
from engine.sizes import predict_file_bytes
from tests.engine.models import (
    build_model,
    conv_chain,
    draw_samples,
    normal,
    open_built,
    run_model,
    sqnr_db,
    write_dataset,
)

SAMPLES = 24


class Subject:
    """A small model, its data and its quick sensitivity."""

    def __init__(self, folder: Path, proto: onnx.ModelProto) -> None:
        self.model: Model = open_built(proto, folder)
        self.feeds = draw_samples(self.model.summary, SAMPLES)
        self.dataset = write_dataset(self.model, self.feeds, folder / "data.npz")
        self.data = DataChoice(str(folder / "data.npz"))
        found = run_request(AnalyzeRequest(str(self.model.path), self.data, self.plan()), JobContext())
        assert isinstance(found, Sensitivity)
        self.sensitivity = found

    def plan(self, bits: int = 8) -> Plan:
        return build_plan(self.model.summary, bits)

    def request(self, budget: Budget, **fields: object) -> PolishRequest:
        request = PolishRequest(str(self.model.path), self.data, self.sensitivity, self.plan(), budget, samples=SAMPLES)
        return dataclasses.replace(request, **fields)  # type: ignore[arg-type]

    def polish(self, budget: Budget, context: JobContext | None = None, **fields: object) -> PolishResult:
        return polish(self.model, self.dataset, self.request(budget, **fields), context or JobContext())


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject(tmp_path_factory.mktemp("polish"), conv_chain(channels=16))


def run_fake_quantized(subject: Subject, plan: Plan) -> np.ndarray:
    """The source with every weight replaced by its quantized values."""
    proto = onnx.load(str(subject.model.path))
    weights = {layer.weight_value.name: layer for layer in subject.model.layers}
    for tensor in proto.graph.initializer:
        if layer := weights.get(tensor.name):
            summary = subject.model.summary.layer_by_name[layer.name]
            matrix = fake_quantize_layer(layer.matrix(), summary, plan.layer(layer.name))
            tensor.CopyFrom(numpy_helper.from_array(layer.layout.from_matrix(matrix), tensor.name))
    return run_model(proto, subject.feeds)[0]


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_that_a_plan_is_measured_as_the_fake_quantized_model_runs(subject: Subject, bits: int) -> None:
    plan = subject.plan(bits)
    found = PlanMeter(subject.model, subject.dataset, SAMPLES, JobContext()).measure(plan, JobContext())
    expected = run_model(onnx.load(str(subject.model.path)), subject.feeds)[0]
    output = run_fake_quantized(subject, plan)
    assert found[Metric.SQNR] == pytest.approx(sqnr_db(expected, output), abs=0.01)
    assert found[Metric.MSE] == pytest.approx(np.square(expected.astype(np.float64) - output).mean(), rel=1e-4)


def test_that_a_plan_measured_again_gives_the_same_figures(subject: Subject) -> None:
    meter = PlanMeter(subject.model, subject.dataset, SAMPLES, JobContext())
    first = meter.measure(subject.plan(4), JobContext())
    meter.measure(subject.plan(2), JobContext())
    assert meter.measure(subject.plan(4), JobContext()) == first


@pytest.mark.parametrize("bits", [4.2, 5.0, 6.5])
def test_that_polishing_stays_within_the_budget_and_never_gets_worse(subject: Subject, bits: float) -> None:
    steps: list[PolishStep] = []

    def keep(payload: object) -> None:
        assert isinstance(payload, PolishStep)
        steps.append(payload)

    found = subject.polish(Budget(bits_per_weight=bits), CallbackContext(partial_ready=keep))
    assert [step.evaluations for step in steps] == sorted({step.evaluations for step in steps})
    assert steps[0] == found.first
    assert steps[-1] == found.best
    losses = [step.measured[found.metric] for step in steps]
    assert losses == sorted(losses, reverse=found.metric != Metric.SQNR)
    for step in steps:
        assert step.predicted.bits_per_weight <= bits
        assert step.predicted.file_bytes == predict_file_bytes(subject.model.summary, step.plan)


def test_that_neighbours_of_the_allocated_plan_are_tried(subject: Subject) -> None:
    assert subject.polish(Budget(bits_per_weight=5.0)).evaluations > 1


def test_that_a_loss_budget_is_met_as_measured_by_a_smaller_file_than_uniform(subject: Subject) -> None:
    meter = PlanMeter(subject.model, subject.dataset, SAMPLES, JobContext())
    wanted = meter.measure(subject.plan(4), JobContext())[Metric.SQNR]
    found = subject.polish(Budget(min_sqnr_db=wanted - 0.5))
    assert found.metric == Metric.SQNR
    assert found.best.measured[Metric.SQNR] >= wanted - 0.5
    assert meter.measure(found.best.plan, JobContext())[Metric.SQNR] == found.best.measured[Metric.SQNR]
    assert found.best.predicted.file_bytes <= 1.02 * predict_file_bytes(subject.model.summary, subject.plan(4))


def with_cells(sensitivity: Sensitivity, change: Callable[[float], dict[Metric, float]]) -> Sensitivity:
    """The matrix with cells that follow from their SQNR."""
    rows = {
        name: dataclasses.replace(
            row, cells={bits: Cell(change(cell.values[Metric.SQNR])) for bits, cell in row.cells.items()}
        )
        for name, row in sensitivity.rows.items()
    }
    return dataclasses.replace(sensitivity, rows=rows)


def test_that_a_drop_of_top1_is_met_where_single_layers_show_none(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "v"], ["y"], name="second"),
    ]
    weights = {"w": normal(16, 32), "v": normal(32, 12, seed=1)}
    subject = Subject(tmp_path, build_model(nodes, {"x": ["N", 16]}, ["y"], weights))
    (scores,) = run_model(onnx.load(str(subject.model.path)), subject.feeds)
    data = DataChoice(str(tmp_path / "labelled.npz"))
    np.savez(data.path, **subject.feeds, labels=scores.argmax(axis=1))
    blind = with_cells(subject.sensitivity, lambda sqnr_db: {Metric.SQNR: sqnr_db, Metric.TOP1_DROP: 0.0})
    request = subject.request(Budget(max_loss=5.0), metric=Metric.TOP1_DROP, sensitivity=blind)
    dataset = open_dataset(data, subject.model.summary.inputs)
    found = polish(subject.model, dataset, request, JobContext())
    assert found.first.measured[Metric.TOP1_DROP] > 5.0
    assert found.best.measured[Metric.TOP1_DROP] <= 5.0
    assert found.best.predicted.file_bytes < predict_file_bytes(subject.model.summary, subject.plan(16))


def test_that_no_time_is_not_taken_for_a_budget_out_of_reach(subject: Subject) -> None:
    hopeful = with_cells(subject.sensitivity, lambda sqnr_db: {Metric.SQNR: sqnr_db + 20})
    with pytest.raises(BudgetError, match="Give it more time"):
        subject.polish(Budget(min_sqnr_db=25.0), sensitivity=hopeful, seconds=0.0)
    found = subject.polish(Budget(min_sqnr_db=25.0), sensitivity=hopeful)
    assert found.first.measured[Metric.SQNR] < 25.0 <= found.best.measured[Metric.SQNR]


def test_that_a_loss_budget_out_of_reach_is_refused(subject: Subject) -> None:
    locked = subject.plan(2).with_lock([subject.model.summary.layers[0].name], locked=True)
    with pytest.raises(BudgetError, match=r"cannot be reached|No plan measured"):
        subject.polish(Budget(min_sqnr_db=60), plan=locked)


def test_that_no_time_leaves_the_allocated_plan_measured(subject: Subject) -> None:
    found = subject.polish(Budget(bits_per_weight=4.0), seconds=0.0)
    assert found.evaluations == 1
    assert found.best == found.first


@pytest.mark.parametrize("bits", [32, 8, 2])
def test_that_a_plan_without_free_layers_is_measured_as_it_is(subject: Subject, bits: int) -> None:
    plan = subject.plan(bits)
    locked = plan.with_lock(plan.layers, locked=True)
    as_it_is = Budget(file_bytes=predict_file_bytes(subject.model.summary, plan))
    found = subject.polish(as_it_is, plan=locked, seconds=0.0)
    meter = PlanMeter(subject.model, subject.dataset, SAMPLES, JobContext())
    assert found.evaluations == 1
    assert found.best.plan.layers == locked.layers
    assert found.best.measured == meter.measure(plan, JobContext())


def test_that_a_cancelled_run_has_handed_out_what_it_had(subject: Subject) -> None:
    steps: list[object] = []

    def stop_at_once(payload: object) -> None:
        steps.append(payload)
        context.cancel()

    context = CallbackContext(partial_ready=stop_at_once)
    with pytest.raises(JobCancelled):
        subject.polish(Budget(bits_per_weight=4.0), context)
    assert len(steps) == 1
