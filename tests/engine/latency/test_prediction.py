"""Latency of a plan as plain arithmetic: what adds up, and what passing between float and integers costs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from onnx import helper

from engine.latency.figures import (
    FLOAT_FORM,
    STATIC_FORM,
    Crossing,
    Latencies,
    LatencyCell,
    LayerLatency,
    latencies_from_json,
    latencies_to_json,
)
from engine.latency.prediction import find_surroundings, layer_us, predict_latency_us
from engine.numerics.schemes import ActivationMode, ActivationType, Kernel
from engine.placement import Placement, place
from engine.plan import FLOAT_LAYER, Plan, PlanDefaults, build_plan
from engine.summary import ModelSummary
from tests.engine.models import build_model, conv_chain, normal, open_built


@pytest.fixture
def summary(tmp_path: Path) -> ModelSummary:
    return open_built(conv_chain(), tmp_path).summary


def figures_for(summary: ModelSummary, **changes: object) -> Latencies:
    """Every layer takes 10 µs in float and 4 on integers, 1 more around it; a passage 2 µs, 0.01 per value."""
    cells = {FLOAT_FORM: LatencyCell(10.0)}
    cells |= {(Kernel.QLINEAR, bits): LatencyCell(4.0, 1.0) for bits in (8, 4, 2)}
    found = Latencies(
        model_sha256=summary.sha256,
        model_name="m",
        cpu="cpu",
        runtime="rt",
        threads=1,
        batch=1,
        base_us=7.0,
        layers={layer.name: LayerLatency(layer.name, cells) for layer in summary.layers},
        elements=dict.fromkeys(("x", "r1", "a", "c", "y"), 100),
        crossing=Crossing(2.0, 0.01),
    )
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def with_float(summary: ModelSummary, *names: str) -> Plan:
    return build_plan(summary, 8).with_layers(dict.fromkeys(names, FLOAT_LAYER))


def crossings(summary: ModelSummary, plan: Plan, *, absorbs_float: bool = False) -> set[str]:
    return set(find_surroundings(summary, plan, place(summary, plan), absorbs_float=absorbs_float).crossings)


def test_that_layers_add_up_to_the_prediction_of_a_float_plan(summary: ModelSummary) -> None:
    predicted = predict_latency_us(summary, build_plan(summary, 32), figures_for(summary))
    assert predicted.us == pytest.approx(7.0 + 3 * 10.0)
    assert not predicted.is_estimated


def test_that_a_layer_by_itself_carries_its_share_of_what_is_around_it(summary: ModelSummary) -> None:
    layer, plan = summary.layers[0], build_plan(summary, 4)
    assert layer_us(figures_for(summary), layer, plan.layer(layer.name)) == (5.0, False)
    assert layer_us(figures_for(summary), layer, FLOAT_LAYER) == (10.0, False)


def test_that_tensors_are_charged_where_they_pass_between_float_and_integers(summary: ModelSummary) -> None:
    assert crossings(summary, with_float(summary, "first", "second", "head")) == set()
    assert crossings(summary, with_float(summary, "second", "head")) == {"x", "r1"}
    plan = with_float(summary, "second", "head")
    expected = 7.0 + 4.0 + 2 * 10.0 + 2 * 2.0 + 200 * 0.01
    assert predict_latency_us(summary, plan, figures_for(summary)).us == pytest.approx(expected)


def test_that_a_float_layer_between_integers_counts_as_the_runtime_computes_it(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="first"),
        helper.make_node("Conv", ["a", "w2"], ["b"], name="second"),
        helper.make_node("Relu", ["b"], ["c"], name="relu"),
        helper.make_node("Conv", ["c", "w3"], ["y"], name="third"),
    ]
    constants = {f"w{index}": normal(8, 8, 3, 3) for index in (1, 2, 3)}
    summary = open_built(build_model(nodes, {"x": ["N", 8, 8, 8]}, ["y"], constants), tmp_path).summary
    plan = with_float(summary, "second")
    assert crossings(summary, plan) == {"x", "a", "c", "y"}
    assert crossings(summary, plan, absorbs_float=True) == {"x", "y"}
    honest = predict_latency_us(summary, plan, figures_for(summary))
    absorbed = predict_latency_us(summary, plan, figures_for(summary, absorbs_float=True))
    assert honest.us - absorbed.us == pytest.approx((10.0 - 4.0) + 2 * (2.0 + 1.0))


def test_that_operators_between_integer_layers_cost_what_was_measured_for_them(summary: ModelSummary) -> None:
    figures = figures_for(summary, nodes={"pool": 3.0}, crossing=Crossing())
    whole, without_second = build_plan(summary, 8), with_float(summary, "second", "head")
    assert predict_latency_us(summary, whole, figures).us == pytest.approx(7.0 + 3 * 4.0 + 3.0)
    assert predict_latency_us(summary, without_second, figures).us == pytest.approx(7.0 + 4.0 + 2 * 10.0)


def test_that_values_moved_after_a_float_layer_cost_their_own_figure(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], name="first"),
        helper.make_node("MaxPool", ["a"], ["b"], name="pool", kernel_shape=[2, 2]),
        helper.make_node("Conv", ["b", "w2"], ["y"], name="second"),
    ]
    constants = {"w1": normal(8, 8, 3, 3), "w2": normal(8, 8, 3, 3)}
    summary = open_built(build_model(nodes, {"x": ["N", 8, 8, 8]}, ["y"], constants), tmp_path).summary
    whole, later = build_plan(summary, 8), with_float(summary, "first")
    found = find_surroundings(summary, whole, place(summary, whole), absorbs_float=False)
    assert found.nodes >= {"pool", "second"}
    assert not found.moved
    readers = {"a": frozenset({"pool"}), "b": frozenset({"second"})}
    placement = Placement({"a": "a", "b": "a", "y": "y"}, frozenset({"y"}), readers)
    found = find_surroundings(summary, later, placement, absorbs_float=False)
    assert found.moved == {"pool"}
    assert set(found.crossings) == {"a", "y"}


def test_that_a_form_that_was_not_asked_for_is_an_estimate(summary: ModelSummary) -> None:
    cells = {FLOAT_FORM: LatencyCell(10.0), STATIC_FORM: LatencyCell(4.0)}
    layers = {layer.name: LayerLatency(layer.name, cells) for layer in summary.layers}
    figures = figures_for(summary, layers=layers, crossing=Crossing())
    predicted = predict_latency_us(summary, build_plan(summary, 2), figures)
    assert predicted.is_estimated
    assert predicted.us == pytest.approx(7.0 + 3 * 4.0)


def test_that_static_int8_activations_make_it_an_estimate(summary: ModelSummary) -> None:
    signed = PlanDefaults(activation_type=ActivationType.INT8)
    figures = figures_for(summary)
    assert not predict_latency_us(summary, build_plan(summary, 8), figures).is_estimated
    assert predict_latency_us(summary, build_plan(summary, 8, signed), figures).is_estimated
    dynamic = dataclasses.replace(signed, activations=ActivationMode.FLOAT)
    assert not predict_latency_us(summary, build_plan(summary, 32, dynamic), figures).is_estimated


def test_that_figures_survive_their_json_form(summary: ModelSummary) -> None:
    figures = figures_for(summary, nodes={"pool": 3.0}, moved={"relu": 1.0}, absorbs_float=True)
    assert latencies_from_json(json.loads(json.dumps(latencies_to_json(figures)))) == figures
    with pytest.raises(ValueError, match="0"):
        latencies_from_json({"schema_version": 0})
