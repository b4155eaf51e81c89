"""Loss-aware sensitivity: its formula against the definition, its ranks, its figures for regression and tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from onnx import TensorProto, helper

from engine.data.dataset import Dataset
from engine.errors import BitsmithError, JobCancelled
from engine.job_context import CallbackContext, JobContext
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.plan import build_plan, choose_layer_plan
from engine.sensitivity import loss
from engine.sensitivity.loss import analyze_loss
from engine.sensitivity.matrix import Metric, Sensitivity
from engine.stored_weights import stored_weight_bytes
from tests.engine.models import (
    Array,
    build_model,
    conv_chain,
    draw_samples,
    normal,
    open_built,
    run_model,
    write_dataset,
)

BITS = (16, 8, 4, 2)
SAMPLES = 12


def analyze(model: Model, dataset: Dataset, context: JobContext | None = None) -> Sensitivity:
    plan = build_plan(model.summary, 8)
    return analyze_loss(model, dataset, context or JobContext(), plan=plan, bits=BITS, samples=dataset.samples)


def open_with_data(proto: onnx.ModelProto, folder: Path, samples: int = SAMPLES) -> tuple[Model, Dataset]:
    model = open_built(proto, folder)
    feeds = draw_samples(model.summary, samples, integers_below=6)
    return model, write_dataset(model, feeds, folder / "d.npz")


def change(model: Model, layer: Layer, bits: int) -> Array:
    """ΔW as the exported layer has it, float64 in the stored shape."""
    summary = model.summary.layer_by_name[layer.name]
    choice = choose_layer_plan(summary, bits, build_plan(model.summary, 8).defaults)
    matrix = layer.matrix()
    alpha = layer.node.attributes["alpha"].as_float() if "alpha" in layer.node.attributes else 1.0
    return layer.layout.from_matrix(fake_quantize_layer(matrix, summary, choice) - matrix).astype(np.float64) / alpha


def outputs_with(model: Model, layer: Layer, delta: Array, feeds: dict[str, Array]) -> Array:
    """The first output with the layer's weight changed, by ONNX Runtime."""
    value = layer.weight_value
    kept = value.const_value
    assert kept is not None
    value.const_value = ir.Tensor((kept.numpy() + delta).astype(np.float32), name=value.name)
    try:
        return run_model(ir.to_proto(model.graph_model), feeds)[0].astype(np.float64)
    finally:
        value.const_value = kept


def movement(model: Model, layer: Layer, bits: int, feeds: dict[str, Array], step: float) -> Array:
    """What the outputs move by, to first order in ΔW: central differences."""
    delta = change(model, layer, bits) * step
    ahead, behind = (outputs_with(model, layer, sign * delta, feeds) for sign in (1, -1))
    return (ahead - behind) / (2 * step)


def softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))


def expected_loss(logits: Array, moved: Array) -> float:
    """½·δzᵀ(diag p − ppᵀ)δz, the mean over all predictions."""
    p = softmax(logits)
    return float((0.5 * ((p * moved**2).sum(-1) - (p * moved).sum(-1) ** 2)).mean())


def linear_head() -> onnx.ModelProto:
    """Everything is linear in each weight, so that differences of any step are exact."""
    return build_model(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="conv", group=2, pads=[1, 0, 1, 0]),
            helper.make_node("Flatten", ["c"], ["f"], name="flat"),
            helper.make_node("MatMul", ["f", "m"], ["g"], name="product"),
            helper.make_node("Gemm", ["g", "h", "b"], ["y"], name="head", alpha=0.25),
        ],
        {"x": ["N", 4, 5, 6]},
        ["y"],
        {
            "w": normal(6, 2, 3, 3, scale=0.2),
            "m": normal(120, 16, seed=1, scale=0.1),
            "h": normal(16, 5, seed=2),
            "b": normal(5),
        },
    )


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_that_the_mean_over_directions_is_the_second_order_rise_of_the_loss(
    bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "MAX_DRAWS", 600)
    monkeypatch.setattr(loss, "DRAWN_SAMPLES", 1 << 20)
    model, dataset = open_with_data(linear_head(), tmp_path, samples=3)
    found = analyze(model, dataset)
    feeds = next(iter(dataset.batches(3))).inputs
    for layer in model.layers:
        moved = movement(model, layer, bits, feeds, 1.0)
        logits = outputs_with(model, layer, np.float64(0), feeds)
        assert found.value(layer.name, bits, Metric.LOSS) == pytest.approx(expected_loss(logits, moved), rel=0.15)


@pytest.mark.parametrize("make", [linear_head, conv_chain])
def test_that_a_gradient_times_the_change_is_what_the_outputs_move_by_along_a_direction(
    make: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    model, dataset = open_with_data(make(), tmp_path, samples=1)
    batch = next(iter(dataset.batches(1)))
    layers = model.layers
    plan = build_plan(model.summary, 8)
    changes = loss._build_changes(model, layers, plan, (4,), JobContext())
    work = loss._Pass(loss.TorchGraph(model.graph, layers), model, False, 1, changes)
    metric, scores = work.measure(batch, 0)
    outputs = [torch.from_numpy(output) for output in run_model(ir.to_proto(model.graph_model), batch.inputs)]
    direction = loss._build_target(outputs, is_tokens=False).draw(torch.Generator().manual_seed(loss.SEED))
    assert metric == Metric.LOSS
    for layer in layers:
        moved = movement(model, layer, 4, batch.inputs, 1e-2)
        slope = float((direction.numpy() * moved).sum())
        assert scores[layer.name][0] == pytest.approx(0.5 * slope**2, rel=2e-2, abs=1e-9)


def test_that_rows_carry_errors_and_bytes_and_more_bits_lose_less(tmp_path: Path) -> None:
    rows: list[object] = []
    model, dataset = open_with_data(conv_chain(), tmp_path)
    found = analyze(model, dataset, CallbackContext(partial_ready=rows.append))
    assert rows == list(found.rows.values())
    assert list(found.rows) == ["first", "second", "head"]
    assert (found.method, found.samples, found.metrics) == ("loss", SAMPLES, (Metric.LOSS,))
    defaults = build_plan(model.summary, 8).defaults
    for layer in model.summary.layers:
        row = found.rows[layer.name]
        values = [row.cells[bits].values[Metric.LOSS] for bits in BITS]
        assert values == sorted(values)
        assert all(0 < row.cells[bits].errors[Metric.LOSS] < row.cells[bits].values[Metric.LOSS] for bits in BITS)
        expected = {bits: stored_weight_bytes(layer, choose_layer_plan(layer, bits, defaults)) for bits in BITS}
        assert row.stored_bytes == expected


def test_that_bands_of_layers_and_threads_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, dataset = open_with_data(conv_chain(), tmp_path)
    whole = analyze(model, dataset)
    monkeypatch.setattr(loss, "BAND_BYTES", 1)
    monkeypatch.setattr(loss, "MAX_WORKERS", 1)
    threads = torch.get_num_threads()
    for name, row in analyze(model, dataset).rows.items():
        for bits, cell in row.cells.items():
            assert cell.values == pytest.approx(whole.rows[name].cells[bits].values, rel=1e-4)
    assert torch.get_num_threads() == threads


def dense(*after: onnx.NodeProto, output: str, shape: tuple[int | str, ...] = ("N", 12)) -> onnx.ModelProto:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"], name="dense"), *after]
    return build_model(nodes, {"x": list(shape)}, [output], {"w": normal(12, 8)})


def test_that_probabilities_are_read_as_such(tmp_path: Path) -> None:
    bare, bare_data = open_with_data(dense(output="m"), tmp_path)
    node = helper.make_node("Softmax", ["m"], ["p"], name="softmax")
    ending, ending_data = open_with_data(dense(node, output="p"), tmp_path)
    ours, theirs = analyze(bare, bare_data), analyze(ending, ending_data)
    for bits in BITS:
        assert theirs.value("dense", bits, Metric.LOSS) == pytest.approx(
            ours.value("dense", bits, Metric.LOSS), rel=1e-2
        )


def test_that_a_model_without_classes_is_measured_by_the_error_of_its_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "MAX_DRAWS", 300)
    monkeypatch.setattr(loss, "DRAWN_SAMPLES", 1 << 20)
    model, dataset = open_with_data(dense(output="m", shape=("N", 3, 12)), tmp_path, samples=4)
    found = analyze(model, dataset)
    feeds = next(iter(dataset.batches(4))).inputs
    (layer,) = model.layers
    for bits in (8, 4, 2):
        error = float(np.square(movement(model, layer, bits, feeds, 1.0)).mean())
        assert found.metrics == (Metric.MSE,)
        assert found.value("dense", bits, Metric.MSE) == pytest.approx(error, rel=0.15)


def test_that_a_language_model_is_measured_per_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "MAX_DRAWS", 400)
    monkeypatch.setattr(loss, "DRAWN_SAMPLES", 1 << 20)
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["e"], name="embedding"),
        helper.make_node("MatMul", ["e", "w"], ["y"], name="head"),
    ]
    constants = {"table": normal(6, 12), "w": normal(12, 6, seed=1)}
    proto = build_model(nodes, {"x": ["N", "T"]}, ["y"], constants, dtypes={"x": TensorProto.INT64})
    model = open_built(proto, tmp_path)
    tokens = np.random.default_rng(0).integers(0, 6, (4, 8))
    dataset = write_dataset(model, {"tokens": tokens}, tmp_path / "d.npz")
    assert dataset.is_tokens
    found = analyze(model, dataset)
    feeds = next(iter(dataset.batches(4))).inputs
    for layer in model.layers:
        logits = outputs_with(model, layer, np.float64(0), feeds)
        moved = movement(model, layer, 2, feeds, 1.0)
        assert found.value(layer.name, 2, Metric.LOSS) == pytest.approx(expected_loss(logits, moved), rel=0.2)


def test_that_an_operator_without_a_torch_form_is_named_with_what_works_instead(tmp_path: Path) -> None:
    def branch(name: str, weight: str) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 24])
        return helper.make_graph([helper.make_node("MatMul", ["x", weight], [name], name=weight)], name, [], [output])

    node = helper.make_node(
        "If", ["is_on"], ["y"], "choice", then_branch=branch("t", "one"), else_branch=branch("e", "two")
    )
    constants: dict[str, Any] = {"one": normal(16, 24), "two": normal(16, 24, seed=2), "is_on": np.array(True)}
    model, dataset = open_with_data(build_model([node], {"x": ["N", 16]}, ["y"], constants), tmp_path)
    with pytest.raises(BitsmithError, match=r"the operator If \(node choice\) has no torch form.*quick or the exact"):
        analyze(model, dataset)


def test_that_cancel_stops_between_samples(tmp_path: Path) -> None:
    seen: list[str] = []

    def stop(_done: int, _total: int, message: str) -> None:
        seen.append(message)
        if message.startswith("Gradients"):
            context.cancel()

    context = CallbackContext(progressed=stop)
    model, dataset = open_with_data(conv_chain(), tmp_path)
    with pytest.raises(JobCancelled):
        analyze(model, dataset, context)
    assert seen[-1] == f"Gradients: sample 1 of {SAMPLES}"
