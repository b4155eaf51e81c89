"""Quick sensitivity against running each layer with its quantized weight."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from threadpoolctl import threadpool_info

from engine.calibration.statistics import TensorStatistics
from engine.errors import BitsmithError, JobCancelled
from engine.job_context import CallbackContext, JobContext
from engine.model.layers import find_layers
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.numerics.affine import choose_tensor_quantization
from engine.numerics.schemes import ActivationMode, ActivationRange, CalibrationMethod
from engine.plan import PlanDefaults, build_plan, choose_layer_plan
from engine.sensitivity import quick
from engine.sensitivity.matrix import (
    Cell,
    Metric,
    Sensitivity,
    SensitivityRow,
    load_sensitivity,
    noise_to_signal,
    predict_sqnr_db,
    sensitivity_to_json,
)
from engine.sensitivity.quick import analyze_quick
from engine.sensitivity.sampled_inputs import SampledInputs, sample_input
from engine.stored_weights import stored_weight_bytes
from tests.engine.models import (
    Array,
    Shape,
    build_model,
    conv_chain,
    draw_samples,
    normal,
    open_built,
    run_model,
    sqnr_db,
    write_dataset,
)

BITS = (8, 4, 2)
ROWS = 12


def single(
    op: str, shape: Shape, weight: tuple[int, ...], *, is_left: bool = False, **attributes: Any
) -> onnx.ModelProto:
    node = helper.make_node(op, ["w", "x"] if is_left else ["x", "w"], ["y"], name="layer", **attributes)
    dtypes = {"x": TensorProto.INT64} if op == "Gather" else {}
    return build_model([node], {"x": shape}, ["y"], {"w": normal(*weight)}, dtypes=dtypes)


CASES: dict[str, Callable[[], onnx.ModelProto]] = {
    "conv": lambda: single("Conv", ["N", 4, 7, 6], (6, 4, 3, 3)),
    "conv strided and padded": lambda: single("Conv", ["N", 4, 7, 6], (6, 4, 3, 2), strides=[2, 1], pads=[1, 0, 2, 1]),
    "conv dilated": lambda: single("Conv", ["N", 4, 9, 9], (6, 4, 3, 3), dilations=[2, 3]),
    "conv grouped": lambda: single("Conv", ["N", 6, 7, 6], (9, 2, 3, 3), group=3),
    "conv depthwise": lambda: single("Conv", ["N", 6, 7, 6], (6, 1, 3, 3), group=6, pads=[1, 1, 1, 1]),
    "conv same upper": lambda: single("Conv", ["N", 4, 8, 7], (6, 4, 3, 2), strides=[2, 2], auto_pad="SAME_UPPER"),
    "conv same lower": lambda: single("Conv", ["N", 4, 8, 7], (6, 4, 2, 4), strides=[2, 1], auto_pad="SAME_LOWER"),
    "conv valid": lambda: single("Conv", ["N", 4, 8, 7], (6, 4, 3, 3), auto_pad="VALID"),
    "conv 1-D": lambda: single("Conv", ["N", 4, 15], (6, 4, 5), strides=[3]),
    "conv 3-D": lambda: single("Conv", ["N", 2, 5, 4, 6], (6, 2, 3, 2, 3), pads=[1, 0, 1, 1, 0, 1]),
    "transposed": lambda: single("ConvTranspose", ["N", 4, 5, 6], (4, 6, 3, 2)),
    "transposed strided and padded": lambda: single(
        "ConvTranspose", ["N", 4, 5, 6], (4, 6, 3, 4), strides=[2, 3], pads=[1, 0, 0, 2]
    ),
    "transposed dilated in groups": lambda: single(
        "ConvTranspose", ["N", 6, 5, 6], (6, 4, 3, 3), group=2, dilations=[2, 1], strides=[2, 2]
    ),
    "transposed with output padding": lambda: single(
        "ConvTranspose", ["N", 4, 5, 6], (4, 6, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]
    ),
    "transposed with much padding": lambda: single("ConvTranspose", ["N", 4, 7, 7], (4, 6, 2, 2), pads=[2, 2, 2, 2]),
    "transposed same upper": lambda: single(
        "ConvTranspose", ["N", 4, 5, 6], (4, 6, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"
    ),
    "transposed same lower": lambda: single(
        "ConvTranspose", ["N", 4, 5, 6], (4, 6, 4, 3), strides=[2, 2], auto_pad="SAME_LOWER"
    ),
    "transposed with output shape": lambda: single(
        "ConvTranspose", ["N", 4, 5, 6], (4, 6, 3, 3), strides=[2, 2], output_shape=[10, 12]
    ),
    "gemm": lambda: single("Gemm", ["N", 20], (20, 9), alpha=0.5),
    "gemm transB": lambda: single("Gemm", ["N", 20], (9, 20), transB=1),
    "gemm transA": lambda: single("Gemm", [20, 6], (20, 9), transA=1),
    "matmul 3-D": lambda: single("MatMul", ["N", 5, 20], (20, 9)),
    "matmul 4-D": lambda: single("MatMul", ["N", 2, 5, 20], (20, 9)),
    "matmul constant left": lambda: single("MatMul", ["N", 20, 5], (9, 20), is_left=True),
    "matmul batched": lambda: single("MatMul", ["N", 3, 5, 20], (3, 20, 9)),
    "matmul batched by one": lambda: single("MatMul", ["N", 5, 20], (1, 20, 9)),
    "matmul batched, broadcast": lambda: single("MatMul", ["N", 2, 3, 5, 20], (2, 1, 20, 9)),
    "matmul batched more than its input": lambda: single("MatMul", [6, 20], (3, 20, 9)),
    "embedding": lambda: single("Gather", ["N", 7], (ROWS, 10), is_left=True),
}


@pytest.fixture
def every_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "ROWS_PER_LAYER", 1 << 20)


def measure(model: Model, proto: onnx.ModelProto, feeds: dict[str, Array], bits: int) -> float:
    """SQNR of the output when the engine's fake-quantized weight takes the place of the weight."""
    layer, summary = model.layers[0], model.summary.layers[0]
    choice = choose_layer_plan(summary, bits, build_plan(model.summary, bits).defaults)
    quantized = layer.layout.from_matrix(fake_quantize_layer(layer.matrix(), summary, choice))
    changed = onnx.ModelProto.FromString(proto.SerializeToString())
    alpha = next((item.f for item in changed.graph.node[0].attribute if item.name == "alpha"), 1.0)
    changed.graph.initializer[0].CopyFrom(numpy_helper.from_array(quantized / np.float32(alpha), "w"))
    (reference,), (test,) = run_model(proto, feeds), run_model(changed, feeds)
    return sqnr_db(reference, test)


@pytest.mark.usefixtures("every_position")
@pytest.mark.parametrize("case", CASES)
def test_that_the_predicted_sqnr_is_the_measured_one(case: str, tmp_path: Path) -> None:
    proto = CASES[case]()
    model = open_built(proto, tmp_path)
    is_batched = not isinstance(model.summary.inputs[0].shape[0], int)
    feeds = draw_samples(model.summary, 6 if is_batched else model.summary.inputs[0].shape[0], integers_below=ROWS)  # type: ignore[arg-type]
    dataset = write_dataset(model, feeds, tmp_path / "d.npz")
    found = analyze_quick(
        model, dataset, JobContext(), plan=build_plan(model.summary, 8), bits=BITS, samples=dataset.samples
    )
    for bits in BITS:
        assert found.value("layer", bits) == pytest.approx(measure(model, proto, feeds, bits), abs=0.01), bits


def analyze(tmp_path: Path, context: JobContext, samples: int = 10) -> Sensitivity:
    model = open_built(conv_chain(), tmp_path)
    dataset = write_dataset(model, draw_samples(model.summary, 10), tmp_path / "d.npz")
    plan = build_plan(model.summary, 8)
    return analyze_quick(model, dataset, context, plan=plan, bits=(16, *BITS), samples=samples)


def test_that_every_row_is_handed_out_in_order_and_more_bits_lose_less(tmp_path: Path) -> None:
    rows: list[object] = []
    found = analyze(tmp_path, CallbackContext(partial_ready=rows.append))
    assert rows == list(found.rows.values())
    assert list(found.rows) == ["first", "second", "head"]
    for row in found.rows.values():
        values = [row.cells[bits].values[Metric.SQNR] for bits in (16, 8, 4, 2)]
        assert values == sorted(values, reverse=True)
    assert found.samples == 10


def test_that_rows_carry_the_bytes_that_the_plan_would_store(tmp_path: Path) -> None:
    found = analyze(tmp_path, JobContext())
    summary = open_built(conv_chain(), tmp_path).summary
    defaults = build_plan(summary, 8).defaults
    for layer in summary.layers:
        expected = {bits: stored_weight_bytes(layer, choose_layer_plan(layer, bits, defaults)) for bits in (16, *BITS)}
        assert found.rows[layer.name].stored_bytes == expected


@pytest.mark.parametrize("rows", [64, 1 << 20])
def test_that_bands_of_layers_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(quick, "ROWS_PER_LAYER", rows)
    whole = analyze(tmp_path, JobContext())
    monkeypatch.setattr(quick, "BAND_BYTES", 1)
    for name, row in analyze(tmp_path, JobContext()).rows.items():
        for bits, cell in whole.rows[name].cells.items():
            assert row.cells[bits].values == pytest.approx(cell.values)


def test_that_sampled_positions_give_the_same_figures_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "ROWS_PER_LAYER", 64)
    assert analyze(tmp_path, JobContext()) == analyze(tmp_path, JobContext())


def test_that_the_figures_do_not_depend_on_how_many_samples_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "ROWS_PER_LAYER", 64)
    found = []
    for cores in (1, 2):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        found.append(analyze(tmp_path, JobContext()))
    assert found[0] == found[1]


def test_that_runs_with_infinite_values_are_left_out_of_static_ranges() -> None:
    layer = find_layers(ir.from_proto(single("Gemm", ["N", 20], (20, 9))).graph)[0]
    whole, finite = SampledInputs(layer), SampledInputs(layer)
    for seed, scale in ((0, 1.0), (1, 3.0), (2, math.inf)):
        sample = sample_input(layer, normal(1, 20, seed=seed, scale=scale), 100, np.random.default_rng(0))
        whole.add(sample)
        if math.isfinite(scale):
            finite.add(sample)
    for method in (CalibrationMethod.MINMAX, CalibrationMethod.AVERAGE, CalibrationMethod.PERCENTILE):
        choice = ActivationRange(method)
        assert whole.statistics.range(choice) == finite.statistics.range(choice)
    lows = [low for low, _ in finite.extremes]
    assert finite.statistics.range(ActivationRange(CalibrationMethod.AVERAGE))[0] == pytest.approx(np.mean(lows))
    assert finite.statistics.range(ActivationRange(CalibrationMethod.MINMAX))[0] == min(lows)


def test_that_a_static_range_heeds_the_large_values_that_no_sampled_row_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "ROWS_PER_LAYER", 16)
    proto = single("Conv", ["N", 1, 40, 40], (6, 1, 3, 3))
    model = open_built(proto, tmp_path)
    values = np.abs(normal(2, 1, 40, 40, seed=3))
    values[:, :, 20, :3] = 60.0
    whole = TensorStatistics()
    whole.update(values)
    inputs, _ = quick.collect_inputs(
        model, model.layers, write_dataset(model, {"x": values}, tmp_path / "d.npz"), 2, JobContext()
    )
    assert max(rows.max() for rows in inputs["layer"].parts) < 60.0
    for method in CalibrationMethod:
        choice = ActivationRange(method)
        assert inputs["layer"].statistics.range(choice) == whole.range(choice)


def test_that_cancel_keeps_the_rows_that_were_handed_out(tmp_path: Path) -> None:
    rows: list[object] = []

    def keep(row: object) -> None:
        rows.append(row)
        context.cancel()

    context = CallbackContext(partial_ready=keep)
    with pytest.raises(JobCancelled):
        analyze(tmp_path, context)
    assert len(rows) == 1
    assert isinstance(rows[0], SensitivityRow)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_that_matrix_products_keep_to_one_thread_while_rows_are_made_and_not_afterwards(tmp_path: Path) -> None:
    def blas_threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = blas_threads()
    during: list[list[int]] = []
    analyze(tmp_path, CallbackContext(partial_ready=lambda _: during.append(blas_threads())))
    assert during == [[1] * len(before)] * 3
    assert blas_threads() == before


def test_that_the_matrix_survives_its_file(tmp_path: Path) -> None:
    import json

    rows = {
        "a": SensitivityRow(
            "a",
            {
                8: Cell({Metric.SQNR: 40.125, Metric.KL: 0.25}, {Metric.KL: 0.125}, 7),
                4: Cell({Metric.SQNR: math.inf, Metric.COSINE: 0.5}),
            },
            {8: 10, 4: 5},
            {ActivationMode.STATIC: Cell({Metric.SQNR: 30.0})},
        )
    }
    sensitivity = Sensitivity("0" * 64, "m.onnx", "quick", 7, "digest", rows)
    path = tmp_path / "s.json"
    path.write_text(json.dumps(sensitivity_to_json(sensitivity)))
    assert load_sensitivity(path) == sensitivity
    assert (sensitivity.value("a", 32), sensitivity.value("a", 2), sensitivity.value("b", 8)) == (
        math.inf,
        None,
        None,
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"layers": {"a": 3}}'])
def test_that_a_file_that_is_no_matrix_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(BitsmithError, match=r"s\.json is not a sensitivity file"):
        load_sensitivity(path)


def test_that_noise_to_signal_ratios_add() -> None:
    assert noise_to_signal(20) == pytest.approx(0.01)
    assert predict_sqnr_db([20, 20]) == pytest.approx(20 - 10 * math.log10(2))
    assert predict_sqnr_db([math.inf]) == math.inf


def test_that_a_layer_whose_input_nothing_shows_is_not_measured(tmp_path: Path) -> None:
    def branch(name: str, weight: str) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 24])
        return helper.make_graph([helper.make_node("MatMul", ["m", weight], [name], name=weight)], name, [], [output])

    nodes = [
        helper.make_node("MatMul", ["x", "outer"], ["m"], name="outer"),
        helper.make_node("If", ["is_on"], ["y"], then_branch=branch("t", "one"), else_branch=branch("e", "two")),
    ]
    constants = {
        "outer": normal(16, 16),
        "one": normal(16, 24, seed=1),
        "two": normal(16, 24, seed=2),
        "is_on": np.array(True),
    }
    model = open_built(build_model(nodes, {"x": ["N", 16]}, ["y"], constants), tmp_path)
    dataset = write_dataset(model, draw_samples(model.summary, ROWS), tmp_path / "d.npz")
    plan = build_plan(model.summary, 8)
    found = analyze_quick(model, dataset, JobContext(), plan=plan, bits=BITS, samples=ROWS)
    assert set(found.rows) == {"outer", "one", "two"}
    assert set(found.rows["outer"].cells) == set(BITS)
    assert not found.rows["one"].cells
    assert not found.rows["two"].cells
    assert found.value("one", 4) is None


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_that_the_input_weight_of_an_lstm_is_measured_and_the_recurrent_one_is_not(
    direction: str, tmp_path: Path
) -> None:
    directions = 2 if direction == "bidirectional" else 1
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], name="net", hidden_size=8, direction=direction)
    constants = {"w": normal(directions, 32, 12), "r": normal(directions, 32, 8, seed=1)}
    model = open_built(build_model([node], {"x": ["N", 3, 12]}, ["y"], constants), tmp_path)
    dataset = write_dataset(model, draw_samples(model.summary, ROWS), tmp_path / "d.npz")
    found = analyze_quick(model, dataset, JobContext(), plan=build_plan(model.summary, 8), bits=BITS, samples=ROWS)
    row = found.rows["net.W"]
    assert 30 < row.cells[8].values[Metric.SQNR] < 70
    assert row.cells[8].values[Metric.SQNR] > row.cells[4].values[Metric.SQNR] > row.cells[2].values[Metric.SQNR]
    assert not found.rows["net.R"].cells  # no tensor of the graph shows the hidden state of every step


def measure_activation(
    model: Model, proto: onnx.ModelProto, feeds: dict[str, Array], grids: list[tuple[float, float]]
) -> float:
    """SQNR of the output when the input of every batch is quantized to uint8 over its range."""
    parts = np.array_split(feeds["x"], len(grids))
    quantized = [choose_tensor_quantization(*grid).fake_quantize(x) for grid, x in zip(grids, parts, strict=True)]
    (reference,), (test,) = run_model(proto, feeds), run_model(proto, {"x": np.concatenate(quantized)})
    return sqnr_db(reference, test)


@pytest.mark.usefixtures("every_position")
def test_that_a_quantized_input_is_measured_as_the_kernels_quantize_it(tmp_path: Path) -> None:
    proto = single("Gemm", ["N", 20], (20, 9))
    model = open_built(proto, tmp_path)
    feeds = {"x": normal(6, 20, seed=3)}
    dataset = write_dataset(model, feeds, tmp_path / "d.npz")
    defaults = PlanDefaults(activation_range=ActivationRange(CalibrationMethod.MINMAX))
    plan = build_plan(model.summary, 8, defaults)
    row = analyze_quick(model, dataset, JobContext(), plan=plan, bits=BITS, samples=6).rows["layer"]
    grids = {
        ActivationMode.STATIC: [(float(feeds["x"].min()), float(feeds["x"].max()))],
        ActivationMode.DYNAMIC: [(float(sample.min()), float(sample.max())) for sample in feeds["x"]],
    }
    assert set(row.activations) == set(grids)
    for mode, cell in row.activations.items():
        expected = measure_activation(model, proto, feeds, grids[mode])
        assert cell.values[Metric.SQNR] == pytest.approx(expected, abs=0.01), mode


def test_that_activations_are_measured_only_where_a_kernel_quantizes_them(tmp_path: Path) -> None:
    found = analyze(tmp_path, JobContext())
    assert set(found.rows["first"].activations) == {ActivationMode.STATIC}
    assert set(found.rows["head"].activations) == {ActivationMode.STATIC, ActivationMode.DYNAMIC}


def test_that_a_dynamic_range_is_that_of_every_run() -> None:
    layer = find_layers(ir.from_proto(single("Gemm", ["N", 20], (20, 9))).graph)[0]
    inputs = SampledInputs(layer)
    rng = np.random.default_rng(0)
    small, large = normal(4, 20), normal(4, 20, seed=1, scale=100.0)
    for values in (small, large):
        inputs.add(sample_input(layer, values, 100, rng))
    choice = ActivationRange(CalibrationMethod.MINMAX)
    matrix = layer.matrix()
    only_small = SampledInputs(layer)
    only_small.add(sample_input(layer, small, 100, rng))
    expected = only_small.activation_noise(matrix, ActivationMode.DYNAMIC, choice)
    only_large = SampledInputs(layer)
    only_large.add(sample_input(layer, large, 100, rng))
    expected += only_large.activation_noise(matrix, ActivationMode.DYNAMIC, choice)
    assert inputs.activation_noise(matrix, ActivationMode.DYNAMIC, choice) == pytest.approx(expected, rel=1e-4)
    assert inputs.activation_noise(matrix, ActivationMode.STATIC, choice) > expected


@pytest.mark.parametrize("figure", [-1e308, float("nan"), -1e5])
def test_that_a_file_with_figures_that_cannot_be_is_refused(tmp_path: Path, figure: float) -> None:
    cell = {"sqnr_db": figure, "stored_bytes": 8}
    document = {
        "model": {"sha256": "", "name": ""}, "method": "quick", "samples": 1, "data_digest": "",
        "layers": {"conv": {"8": cell}},
    }  # fmt: skip
    path = tmp_path / "s.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BitsmithError, match=r"s\.json is not a sensitivity file"):
        load_sensitivity(path)
    cell["sqnr_db"] = 30.0
    path.write_text(json.dumps(document))
    assert load_sensitivity(path).value("conv", 8) == 30.0
