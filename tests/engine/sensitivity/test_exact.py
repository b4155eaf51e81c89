"""Exact sensitivity against the plain way: one changed weight, the whole model in ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from engine.cache_folder import cache_folder
from engine.comparison import OutputComparison
from engine.data.dataset import Dataset
from engine.errors import JobCancelled, ModelError
from engine.job_context import CallbackContext, JobContext
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.plan import build_plan, choose_layer_plan
from engine.requests.analysis import AnalysisMethod, AnalyzeRequest
from engine.requests.data import DataChoice
from engine.sensitivity import cuts, exact, resume
from engine.sensitivity.exact import analyze_exact, forecast_exact
from engine.sensitivity.matrix import Metric, Sensitivity, SensitivityRow
from engine.sensitivity.output_metrics import COLUMNS, DIVERGENCE, PREDICTIONS, build_cell
from engine.sensitivity.racing import find_undecided, round_ends, scale_stopped
from engine.sensitivity.suffix import Suffix, SuffixGraph, candidate_weight
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

BITS = (8, 4, 2)
SAMPLES = 12


def residual() -> onnx.ModelProto:
    """A stem, a block with a projection on its skip, one without, and two outputs."""
    convolution = {"pads": [1, 1, 1, 1]}
    return build_model(
        [
            helper.make_node("Conv", ["x", "w0"], ["s"], name="stem", **convolution),
            helper.make_node("Relu", ["s"], ["r0"], name="relu0"),
            helper.make_node("Conv", ["r0", "w1"], ["c1"], name="main", **convolution),
            helper.make_node("Conv", ["r0", "w2"], ["p"], name="projection"),
            helper.make_node("Add", ["c1", "p"], ["a1"], name="add1"),
            helper.make_node("Relu", ["a1"], ["r1"], name="relu1"),
            helper.make_node("Conv", ["r1", "w3"], ["c3"], name="second", **convolution),
            helper.make_node("Add", ["c3", "r1"], ["a2"], name="add2"),
            helper.make_node("GlobalAveragePool", ["a2"], ["g"], name="pool"),
            helper.make_node("Flatten", ["g"], ["f"], name="flat"),
            helper.make_node("Gemm", ["f", "w4"], ["y"], name="head", alpha=0.5),
            helper.make_node("Relu", ["r0"], ["early"], name="early_output"),
        ],
        {"x": ["N", 3, 6, 6]},
        ["y", "early"],
        {
            "w0": normal(6, 3, 3, 3, seed=1, scale=0.3),
            "w1": normal(8, 6, 3, 3, seed=2, scale=0.3),
            "w2": normal(8, 6, 1, 1, seed=3),
            "w3": normal(8, 8, 3, 3, seed=4, scale=0.2),
            "w4": normal(8, 5, seed=5),
        },
    )


def recurrent() -> onnx.ModelProto:
    """An LSTM in the sequence-first layout, whose reshapes depend on the batch."""
    return build_model(
        [
            helper.make_node("Transpose", ["x"], ["t"], name="swap", perm=[1, 0, 2]),
            helper.make_node("LSTM", ["t", "w", "r"], ["", "h"], name="lstm", hidden_size=6),
            helper.make_node("Shape", ["x"], ["shape"], name="shape"),
            helper.make_node("Gather", ["shape", "zero"], ["n"], name="batch", axis=0),
            helper.make_node("Concat", ["n", "six"], ["target"], name="target", axis=0),
            helper.make_node("Reshape", ["h", "target"], ["flat"], name="flat"),
            helper.make_node("MatMul", ["flat", "w2"], ["y"], name="head"),
        ],
        {"x": ["N", 5, 4]},
        ["y"],
        {
            "w": normal(1, 24, 4, seed=1),
            "r": normal(1, 24, 6, seed=2),
            "zero": np.array([0], np.int64),
            "six": np.array([6], np.int64),
            "w2": normal(6, 4, seed=3),
        },
    )


def embedding() -> onnx.ModelProto:
    """Tokens to vectors to scores, with one weight in two layers."""
    return build_model(
        [
            helper.make_node("Gather", ["table", "x"], ["e"], name="table"),
            helper.make_node("MatMul", ["e", "w"], ["m"], name="one"),
            helper.make_node("Tanh", ["m"], ["t"], name="tanh"),
            helper.make_node("MatMul", ["t", "w"], ["m2"], name="two"),
            helper.make_node("ReduceMean", ["m2"], ["y"], name="mean", axes=[1], keepdims=0),
        ],
        {"x": ["N", 4]},
        ["y"],
        {"table": normal(9, 6, seed=1), "w": normal(6, 6, seed=2)},
        dtypes={"x": TensorProto.INT64},
    )


MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "chain": conv_chain,
    "residual": residual,
    "recurrent": recurrent,
    "embedding": embedding,
}


def prepare(
    model: onnx.ModelProto, folder: Path, samples: int = SAMPLES, *, with_labels: bool = False
) -> tuple[Model, Dataset, dict[str, Array], AnalyzeRequest]:
    opened = open_built(model, folder)
    feeds = draw_samples(opened.summary, samples, integers_below=9)
    labels = {"labels": np.arange(samples) % 5} if with_labels else {}
    dataset = write_dataset(opened, {**feeds, **labels}, folder / "d.npz")
    plan = build_plan(opened.summary, 8)
    choice = DataChoice(str(folder / "d.npz"))
    request = AnalyzeRequest(str(opened.path), choice, plan, BITS, samples, AnalysisMethod.EXACT, is_fresh=True)
    return opened, dataset, feeds, request


def analyze(model: onnx.ModelProto, folder: Path, context: JobContext | None = None, **changes: bool) -> Sensitivity:
    opened, dataset, _, request = prepare(model, folder)
    return analyze_exact(opened, dataset, context or JobContext(), replace(request, **changes))  # type: ignore[arg-type]


def with_changed_weight(model: Model, name: str, bits: int) -> onnx.ModelProto:
    """The whole prepared model in which one operator, and no other, reads a fake-quantized weight."""
    layer = next(item for item in model.layers if item.name == name)
    summary = model.summary.layer_by_name[name]
    plan = build_plan(model.summary, 8)
    matrix = fake_quantize_layer(layer.matrix(), summary, choose_layer_plan(summary, bits, plan.defaults))
    proto = ir.to_proto(model.graph_model)
    node = next(item for item in proto.graph.node if item.name == layer.node.name)
    node.input[layer.weight_index] = "changed"
    proto.graph.initializer.append(onnx.numpy_helper.from_array(candidate_weight(layer, matrix), "changed"))
    return proto


@pytest.mark.parametrize("kind", MODELS)
def test_that_every_cell_equals_a_run_of_the_whole_model(kind: str, tmp_path: Path) -> None:
    model, dataset, feeds, request = prepare(MODELS[kind](), tmp_path)
    found = analyze_exact(model, dataset, JobContext(), request)
    reference = run_model(ir.to_proto(model.graph_model), feeds)
    assert list(found.rows) == [layer.name for layer in model.layers]
    for name, row in found.rows.items():
        assert set(row.cells) == set(BITS)
        for bits, cell in row.cells.items():
            comparison = OutputComparison()
            comparison.update(reference, run_model(with_changed_weight(model, name, bits), feeds), SAMPLES)
            assert cell.samples == SAMPLES
            assert cell.values[Metric.KL] == pytest.approx(comparison.kl, rel=1e-3, abs=1e-9)
            assert cell.values[Metric.SQNR] == pytest.approx(comparison.sqnr_db, abs=0.01)
            assert cell.values[Metric.COSINE] == pytest.approx(comparison.cosine, abs=1e-6)


def test_that_only_what_depends_on_a_layer_runs_again(tmp_path: Path) -> None:
    model = open_built(residual(), tmp_path)
    graph = SuffixGraph(model, tmp_path)
    suffixes = {layer.name: graph.cut(layer) for layer in model.layers}
    main, head = suffixes["main"], suffixes["head"]
    assert [node.name for node in main.nodes] == ["add1", "relu1", "second", "add2", "pool", "flat", "head"]
    assert main.reads == ("r0", "p")
    assert main.outputs == ("y",)
    assert suffixes["second"].sides == ("r1",)
    assert not head.nodes
    assert head.reads == ("f",)


def test_that_models_with_a_fixed_batch_are_measured(tmp_path: Path) -> None:
    model = conv_chain()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    fixed = analyze(model, tmp_path)
    free = analyze(conv_chain(), tmp_path)
    for name, row in free.rows.items():
        assert fixed.value(name, 4, Metric.KL) == pytest.approx(row.value(4, Metric.KL), rel=1e-3)


def test_that_labels_give_the_drop_of_top1_with_its_standard_error(tmp_path: Path) -> None:
    model, dataset, feeds, request = prepare(conv_chain(), tmp_path, with_labels=True)
    found = analyze_exact(model, dataset, JobContext(), request)
    labels = np.arange(SAMPLES) % 5
    own = run_model(ir.to_proto(model.graph_model), feeds)[0].argmax(axis=1) == labels
    other = run_model(with_changed_weight(model, "second", 2), feeds)[0].argmax(axis=1) == labels
    lost = own.astype(float) - other
    cell = found.rows["second"].cells[2]
    assert cell.values[Metric.TOP1_DROP] == pytest.approx(100 * lost.mean())
    assert cell.errors[Metric.TOP1_DROP] == pytest.approx(100 * lost.std(ddof=1) / math.sqrt(SAMPLES))


def test_that_outputs_that_are_no_classes_have_no_kl(tmp_path: Path) -> None:
    model = build_model(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="only")],
        {"x": ["N", 2, 5, 5]},
        ["y"],
        {"w": normal(4, 2, 3, 3)},
    )
    cell = analyze(model, tmp_path).rows["only"].cells[4]
    assert Metric.KL not in cell.values
    assert {Metric.SQNR, Metric.MSE, Metric.COSINE} <= set(cell.values)


def test_that_a_branch_that_is_never_taken_is_left_unmeasured(tmp_path: Path) -> None:
    def branch(name: str, weight: str) -> onnx.GraphProto:
        node = helper.make_node("MatMul", ["x", weight], [f"{name}.y"], name=name)
        output = helper.make_tensor_value_info(f"{name}.y", TensorProto.FLOAT, None)
        return helper.make_graph([node], name, [], [output])

    model = build_model(
        [
            helper.make_node("ReduceMax", ["x"], ["m"], name="max", keepdims=0),
            helper.make_node("Greater", ["m", "limit"], ["c"], name="is_large"),
            helper.make_node("If", ["c"], ["y"], name="choice", then_branch=branch("taken", "w1"),
                             else_branch=branch("never", "w2")),
        ],
        {"x": ["N", 4]},
        ["y"],
        {"limit": np.array(-100, np.float32), "w1": normal(4, 8, seed=1), "w2": normal(4, 8, seed=2)},
    )  # fmt: skip
    found = analyze(model, tmp_path)
    assert set(found.rows["taken"].cells) == set(BITS)
    assert not found.rows["never"].cells
    assert found.rows["never"].stored_bytes


@pytest.mark.parametrize("is_racing", [False, True])
def test_that_a_layer_that_does_not_run_by_itself_is_left_unmeasured(
    is_racing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_layer = exact._Analysis._run_layer

    def fail(self: exact._Analysis, suffix: Suffix, *rest: Any) -> Any:
        if suffix.layer.name == "main":
            raise ModelError("no kernel")
        return run_layer(self, suffix, *rest)

    monkeypatch.setattr(exact._Analysis, "_run_layer", fail)
    found = analyze(residual(), tmp_path, is_racing=is_racing)
    assert not found.rows["main"].cells
    assert all(set(row.cells) == set(BITS) for name, row in found.rows.items() if name != "main")


def test_that_every_row_is_handed_out_once(tmp_path: Path) -> None:
    rows: list[object] = []
    found = analyze(residual(), tmp_path, CallbackContext(partial_ready=rows.append))
    assert sorted(row.layer for row in rows if isinstance(row, SensitivityRow)) == sorted(found.rows)
    assert all(found.rows[row.layer] == row for row in rows if isinstance(row, SensitivityRow))


@pytest.mark.parametrize("is_racing", [False, True])
def test_that_cancelled_and_resumed_equals_uninterrupted(
    is_racing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuts, "MAX_BATCH", 2)
    uninterrupted = analyze(residual(), tmp_path, is_racing=is_racing)
    context = CallbackContext(partial_ready=lambda _: context.cancel())
    with pytest.raises(JobCancelled):
        analyze(residual(), tmp_path, context, is_racing=is_racing)
    measured: list[str] = []
    run_layer = exact._Analysis._run_layer
    monkeypatch.setattr(
        exact._Analysis,
        "_run_layer",
        lambda self, suffix, *rest: measured.append(suffix.layer.name) or run_layer(self, suffix, *rest),
    )
    rows: list[object] = []
    resumed = analyze(
        residual(), tmp_path, CallbackContext(partial_ready=rows.append), is_racing=is_racing, is_fresh=False
    )
    assert resumed == uninterrupted
    assert {row.layer for row in rows if isinstance(row, SensitivityRow)} == set(resumed.rows)
    if not is_racing:
        assert 0 < len(measured) < len(uninterrupted.rows)


def test_that_bands_and_slices_give_the_same_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuts, "MAX_BATCH", 2)
    whole = analyze(residual(), tmp_path)
    monkeypatch.setattr(cuts, "CUT_BYTES", 4096)
    pieces = analyze(residual(), tmp_path)
    for name, row in whole.rows.items():
        for bits in BITS:
            assert pieces.value(name, bits, Metric.KL) == pytest.approx(row.value(bits, Metric.KL), rel=1e-3)


def test_that_the_forecast_counts_what_is_done(tmp_path: Path) -> None:
    model, dataset, _, request = prepare(residual(), tmp_path)
    before = forecast_exact(model, dataset, JobContext(), request)
    assert (before.cells, before.done_cells) == (len(model.layers) * len(BITS), 0)
    assert before.seconds > 0
    analyze_exact(model, dataset, JobContext(), request)
    after = forecast_exact(model, dataset, JobContext(), replace(request, is_fresh=False))
    assert (after.seconds, after.done_cells) == (0, after.cells)


def test_that_racing_keeps_every_cell_and_the_ranking(tmp_path: Path) -> None:
    model, dataset, _, request = prepare(residual(), tmp_path, samples=128)
    full = analyze_exact(model, dataset, JobContext(), request)
    raced = analyze_exact(model, dataset, JobContext(), replace(request, is_racing=True))
    cells = [(name, bits) for name, row in full.rows.items() for bits in row.cells]
    assert min(raced.rows[name].cells[bits].samples for name, bits in cells) < 128
    one = np.argsort([full.value(name, bits, Metric.KL) for name, bits in cells])
    other = np.argsort([raced.value(name, bits, Metric.KL) for name, bits in cells])
    assert np.corrcoef(np.argsort(one), np.argsort(other))[0, 1] > 0.98


def figures_of(divergences: Array) -> Array:
    figures = np.zeros((len(divergences), COLUMNS))
    figures[:, DIVERGENCE] = divergences
    figures[:, PREDICTIONS] = 1
    return figures


def test_that_a_cell_that_only_follows_the_profile_is_decided() -> None:
    rng = np.random.default_rng(0)
    hardness = rng.uniform(0.1, 3.0, 8)
    cells = {(f"layer{index}", 4): figures_of(hardness * (index + 1)) for index in range(9)}
    cells["odd", 4] = figures_of(rng.exponential(5.0, 8))
    assert find_undecided(cells) == {("odd", 4)}


def test_that_a_stopped_cell_is_scaled_by_the_change_of_the_others() -> None:
    cells = {
        ("stopped", 4): figures_of(np.array([1.0, 1.0])),
        ("running", 4): figures_of(np.array([2.0, 2.0, 6.0, 6.0])),
    }
    assert scale_stopped(cells, 4) == {("stopped", 4): 2.0, ("running", 4): 1.0}


def test_that_rounds_double_in_whole_batches() -> None:
    assert list(round_ends(32, 1)) == [4, 8, 16, 32]
    assert list(round_ends(20, 3)) == [6, 12, 20]
    assert list(round_ends(3, 1)) == [3]


def test_that_one_sample_gives_no_standard_error() -> None:
    cell = build_cell(figures_of(np.array([0.5])))
    assert cell.values[Metric.KL] == 0.5
    assert Metric.KL not in cell.errors


def test_that_only_the_newest_analyses_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "KEPT_ANALYSES", 2)
    for index in range(4):
        resume.FigureStore([str(index)])
    assert len(list(cache_folder("sensitivity").iterdir())) == 2


def test_that_a_cache_that_cannot_be_written_costs_the_resume_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(resume, "cache_folder", lambda kind: tmp_path / "file" / kind)
    model = open_built(conv_chain(), tmp_path)
    layer = model.summary.layers[0]
    store, choice = resume.FigureStore(["key"]), choose_layer_plan(layer, 8, build_plan(model.summary, 8).defaults)
    store.save(layer.name, choice, np.zeros((3, COLUMNS)))
    assert store.load(layer.name, choice).shape == (0, COLUMNS)
