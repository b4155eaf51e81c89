"""What a conversion says of layers and blocks while it works, against the same figures from the written files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from engine.compensation.distillation_data import count_held_out
from engine.compensation.equalization import equalize
from engine.compensation.reporting import BlockReport, activation_of, report_equalization
from engine.job_context import CallbackContext
from engine.model.quantized_layers import fake_quantize_layer
from engine.numerics.schemes import Kernel
from engine.plan import LayerPlan, build_plan
from engine.requests.conversion import BlockPoint, BlockReconstruction, Change, LayerChange
from tests.engine.compensation.test_compensating import convert_file
from tests.engine.compensation.test_equalization import inverted_residual
from tests.engine.compensation.test_reconstruction import STEPS, reconstructed, residual, train
from tests.engine.conversion.cases import Opened, open_with_data
from tests.engine.models import build_model, normal, open_built, run_model, sqnr_db


def listen(opened: Opened) -> list[object]:
    heard: list[object] = []
    train(opened, reconstructed(opened, Kernel.FLOAT, bits=2), CallbackContext(partial_ready=heard.append))
    return heard


def test_that_the_curve_of_every_block_runs_from_its_start_to_what_was_kept(tmp_path: Path) -> None:
    heard = listen(open_with_data(residual(), tmp_path))
    blocks = [item for item in heard if isinstance(item, BlockReconstruction)]
    assert len(blocks) == 2
    for block in blocks:
        points = [item for item in heard if isinstance(item, BlockPoint) and item.block == block.block]
        assert [point.layers for point in points] == [block.layers] * len(points)
        assert [point.step for point in points] == sorted({point.step for point in points})
        assert (points[0].step, points[-1].step, points[0].steps) == (0, STEPS, STEPS)
        assert points[0].loss == points[0].held_out_loss == block.start_loss
        judged = [point for point in points if point.held_out_loss is not None]
        assert len(judged) > 3
        assert min(point.held_out_loss for point in judged if point.held_out_loss is not None) == block.loss
        assert [point.held_out_loss for point in judged if point.is_best][-1] == block.loss
        assert heard.index(points[-1]) < heard.index(block)


def test_that_layers_before_and_after_their_block_are_those_of_the_written_networks(tmp_path: Path) -> None:
    opened = open_with_data(residual(), tmp_path)
    changes = {item.layer: item for item in listen(opened) if isinstance(item, LayerChange)}
    assert list(changes) == ["stem", "first", "second", "third", "head"]
    assert {item.change for item in changes.values()} == {Change.RECONSTRUCT}
    assert opened.dataset is not None
    held_out = count_held_out(min(opened.dataset.samples, 128))
    feeds = {name: value[:128][-held_out:] for name, value in opened.feeds.items()}
    tensors = {"stem": "r1", "first": "r2", "second": "c3", "head": "y"}
    found: dict[int, list[np.ndarray]] = {}
    for steps in (0, STEPS):
        file = tmp_path / f"{steps}.onnx"
        convert_file(opened, reconstructed(opened, Kernel.FLOAT, bits=2, steps=steps), file)
        found[steps] = fetch(file, feeds, tensors)
    expected = fetch(opened.model.path, feeds, tensors)
    before, after = ([sqnr_db(*pair) for pair in zip(expected, found[steps], strict=True)] for steps in (0, STEPS))
    assert [changes[name].before_db for name in tensors][:3] == pytest.approx(before[:3], abs=0.01)
    assert [changes[name].after_db for name in tensors] == pytest.approx(after, abs=0.01)
    assert changes["head"].after_db > changes["head"].before_db


def fetch(path: Path, feeds: dict[str, np.ndarray], tensors: dict[str, str]) -> list[np.ndarray]:
    """Tensors inside a network, by ONNX Runtime."""
    proto = onnx.load(path)
    del proto.graph.output[:]
    proto.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in tensors.values())
    return run_model(proto, feeds)


def test_that_the_weights_of_equalized_layers_are_measured_as_the_plan_rounds_them(tmp_path: Path) -> None:
    model = open_built(inverted_residual(), tmp_path)
    equalized, plan = equalize(model), build_plan(model.summary, 4)
    heard: list[object] = []
    report_equalization(model, equalized, plan, CallbackContext(partial_ready=heard.append))
    assert [item.layer for item in heard if isinstance(item, LayerChange)] == [layer.name for layer in model.layers]
    for item, old, new in zip(heard, model.layers, equalized.layers, strict=True):
        assert isinstance(item, LayerChange)
        figures = []
        for layer in (old, new):
            matrix = layer.matrix().astype(np.float64)
            summary = model.summary.layer_by_name[layer.name]
            rounded = fake_quantize_layer(layer.matrix(), summary, plan.layer(layer.name))
            figures.append(10 * math.log10(np.square(matrix).sum() / np.square(matrix - rounded).sum()))
        assert (item.before_db, item.after_db) == pytest.approx(tuple(figures), abs=1e-3)
    report_equalization(model, model, plan, CallbackContext(partial_ready=lambda item: pytest.fail(str(item))))


def test_that_points_between_judgements_are_few_and_hold_the_mean_of_what_was_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("engine.compensation.reporting.time.perf_counter", lambda: now)
    points: list[object] = []
    report = BlockReport(CallbackContext(partial_ready=points.append), 0, 1, ["a"], 9, 1.0)
    for step in range(1, 9):
        now += 0.1
        report.add(step, float(step), 0.5 if step == 5 else None)
    told = [(point.step, point.loss, point.held_out_loss) for point in points if isinstance(point, BlockPoint)]
    assert told == [(0, 1.0, 1.0), (3, 2.0, None), (5, 4.5, 0.5), (8, 7.0, None)]


def test_that_a_layer_is_measured_behind_its_bias_and_activation(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["m0"], name="first"),
        helper.make_node("Add", ["b", "m0"], ["a0"], name="bias"),
        helper.make_node("Relu", ["a0"], ["r0"], name="relu"),
        helper.make_node("MatMul", ["r0", "w1"], ["m1"], name="second"),
        helper.make_node("Add", ["m1", "r0"], ["s"], name="shortcut"),
        helper.make_node("MatMul", ["s", "w2"], ["m2"], name="third"),
        helper.make_node("Sigmoid", ["m2"], ["g"], name="gate"),
        helper.make_node("Mul", ["m2", "g"], ["y"], name="swish"),
    ]
    constants = {f"w{index}": normal(6, 6, seed=index) for index in range(3)} | {"b": normal(6, seed=4)}
    model = open_built(build_model(nodes, {"x": ["N", 6]}, ["y"], constants), tmp_path)
    assert [activation_of(layer) for layer in model.layers] == ["r0", "m1", "m2"]


def test_that_a_block_of_float_layers_before_quantized_ones_is_passed_over(tmp_path: Path) -> None:
    """Ranges of what later blocks read can be trained, but nothing in this one depends on them."""
    opened = open_with_data(residual(), tmp_path)
    plan = reconstructed(opened, Kernel.QLINEAR, bits=2, steps=4)
    plan = plan.with_layers(dict.fromkeys(("stem", "first", "second", "third"), LayerPlan()))
    heard: list[object] = []
    train(opened, plan, CallbackContext(partial_ready=heard.append))
    assert [item.layers for item in heard if isinstance(item, BlockReconstruction)] == [("third", "head")]
