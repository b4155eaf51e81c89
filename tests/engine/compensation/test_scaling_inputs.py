"""Scales between inputs and weights: the network computes the same, and the scale is the one that is asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from engine.compensation.moments import Moments
from engine.compensation.scaling_inputs import find_awq_scale, find_input_groups, find_smooth_scale, scale_inputs
from engine.errors import CalibrationError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import Model, open_model
from engine.numerics.schemes import ActivationMode, InputScaling, Kernel
from engine.numerics.weights import quantize_weight
from engine.plan import PlanDefaults, build_plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.data import DataChoice
from tests.engine.models import (
    build_model,
    draw_samples,
    normal,
    open_built,
    run_model,
    save_model,
    serialize,
    sqnr_db,
    write_dataset,
)

WIDTH = 32
# Two inputs are far larger than the others, as in transformers.
OUTLIERS = np.where(np.arange(WIDTH) < 2, 30, 1).astype(np.float32)
WEIGHT_ONLY = PlanDefaults(
    activations=ActivationMode.FLOAT, weight_only_kernel=Kernel.NBITS, group_size=16, input_scaling=InputScaling.AWQ
)


def block() -> onnx.ModelProto:
    """LayerNormalization → two products; RMSNorm by hand → gate and up, Mul → down → out; all read behind a scale."""
    nodes = [
        helper.make_node("LayerNormalization", ["x", "g0", "s0"], ["n0"], name="norm0"),
        helper.make_node("MatMul", ["n0", "wq"], ["q"], name="q"),
        helper.make_node("MatMul", ["n0", "wk"], ["k"], name="k"),
        helper.make_node("Add", ["q", "k"], ["qk"], name="qk"),
        helper.make_node("Mul", ["qk", "qk"], ["square"], name="square"),
        helper.make_node("ReduceMean", ["square"], ["mean"], name="mean", axes=[-1]),
        helper.make_node("Sqrt", ["mean"], ["root"], name="root"),
        helper.make_node("Div", ["qk", "root"], ["unit"], name="unit"),
        helper.make_node("Mul", ["unit", "g1"], ["n1"], name="norm1"),
        helper.make_node("MatMul", ["n1", "wg"], ["g"], name="gate"),
        helper.make_node("Sigmoid", ["g"], ["sg"], name="sigmoid"),
        helper.make_node("MatMul", ["n1", "wu"], ["u"], name="up"),
        helper.make_node("Mul", ["sg", "u"], ["gu"], name="gated"),
        helper.make_node("MatMul", ["gu", "wd"], ["d0"], name="down"),
        helper.make_node("Add", ["d0", "bd"], ["d"], name="down.bias"),
        helper.make_node("MatMul", ["d", "wo"], ["y"], name="out"),
    ]
    constants = {
        "g0": OUTLIERS, "s0": normal(WIDTH, seed=1), "g1": OUTLIERS[::-1].copy(), "bd": normal(WIDTH, seed=9),
        **{name: normal(WIDTH, WIDTH, seed=seed, scale=0.2)
           for seed, name in enumerate(("wq", "wk", "wg", "wu", "wd", "wo"), 2)},
    }  # fmt: skip
    return build_model(nodes, {"x": ["N", 3, WIDTH]}, ["y"], constants)


def scaled(model: Model, scaling: InputScaling, folder: Path) -> Model:
    plan = build_plan(model.summary, 4, dataclasses.replace(WEIGHT_ONLY, input_scaling=scaling))
    dataset = write_dataset(model, draw_samples(model.summary, 40), folder / "d.npz")
    return scale_inputs(model, plan, dataset, JobContext(), samples=40)


@pytest.mark.parametrize("scaling", [InputScaling.AWQ, InputScaling.SMOOTH])
def test_the_network_computes_the_same_with_other_weights(scaling: InputScaling, tmp_path: Path) -> None:
    model = open_built(block(), tmp_path)
    found = scaled(model, scaling, tmp_path)
    feeds = draw_samples(model.summary, 4, seed=3)
    expected, computed = (run_model(serialize(item.graph_model), feeds)[0] for item in (model, found))
    np.testing.assert_allclose(computed, expected, atol=2e-5 * np.abs(expected).max(), rtol=0)
    before, after = ({layer.name: layer.matrix() for layer in item.layers} for item in (model, found))
    changed = {name for name in before if np.abs(before[name] / after[name] - 1).max() > 0.1}
    assert changed >= {"q", "k", "gate", "up"}


def test_groups_are_what_reads_one_tensor(tmp_path: Path) -> None:
    groups = find_input_groups(open_built(block(), tmp_path).layers)
    found = {group.tensor: sorted(layer.name for layer in group.readers) for group in groups}
    assert found == {"n0": ["k", "q"], "n1": ["gate", "up"], "gu": ["down"], "d": ["out"]}
    writers = {group.tensor: group.writer.name for group in groups if group.writer is not None}
    assert writers == {"gu": "up", "d": "down"}


def test_a_tensor_that_others_read_is_no_group(tmp_path: Path) -> None:
    proto = block()
    proto.graph.output.append(helper.make_tensor_value_info("n1", onnx.TensorProto.FLOAT, None))
    proto.graph.node.append(helper.make_node("Neg", ["n0"], ["z"], name="neg"))
    proto.graph.output.append(helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, None))
    groups = find_input_groups(open_built(proto, tmp_path).layers)
    assert {group.tensor for group in groups} == {"gu", "d"}


def test_awq_takes_the_exponent_with_the_least_error(tmp_path: Path) -> None:
    """Against the errors of the rows themselves, exponent by exponent."""
    model = open_built(block(), tmp_path)
    plan = build_plan(model.summary, 4, WEIGHT_ONLY)
    group = next(item for item in find_input_groups(model.layers) if item.tensor == "n0")
    rows = (normal(500, WIDTH, seed=5) * OUTLIERS).astype(np.float32)
    moments = Moments.empty(1, WIDTH, is_quantized=False)
    moments.update(rows[None], None)
    found, before, after = find_awq_scale(model, plan, group, moments)
    rms = np.sqrt(np.square(rows.astype(np.float64)).mean(axis=0))

    def error(scale: np.ndarray) -> float:
        total = 0.0
        for layer in group.readers:
            matrix = layer.matrix()
            rounded = quantize_weight((matrix * scale).astype(np.float32), plan.layer(layer.name).weights).dequantize()
            change = rows.astype(np.float64) @ (rounded / scale - matrix).T
            total += np.square(change).sum() / np.square(rows.astype(np.float64) @ matrix.T).sum()
        return total

    errors = [error(rms**exponent) for exponent in np.linspace(0, 1, 21)]
    assert error(found) == pytest.approx(min(errors), rel=1e-3)
    assert min(errors) < 0.7 * errors[0]
    assert before.keys() == {layer.name for layer in group.readers}
    assert sum(before.values()) == pytest.approx(errors[0], rel=1e-3)
    assert sum(after.values()) == pytest.approx(min(errors), rel=1e-3)


def test_smoothing_evens_out_inputs_and_weights(tmp_path: Path) -> None:
    model = open_built(block(), tmp_path)
    group = next(item for item in find_input_groups(model.layers) if item.tensor == "n0")
    largest = OUTLIERS.astype(np.float64) * 3
    scale = find_smooth_scale(group, largest)
    weights = np.max([np.abs(layer.matrix()).max(axis=0) for layer in group.readers], axis=0)
    shares = (largest / scale) / (weights * scale)
    np.testing.assert_allclose(shares, shares[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("defaults", "bits"),
    [
        (WEIGHT_ONLY, 4),
        (PlanDefaults(activations=ActivationMode.DYNAMIC, input_scaling=InputScaling.SMOOTH), 8),
    ],
)
def test_converted_models_are_closer_to_float(defaults: PlanDefaults, bits: int, tmp_path: Path) -> None:
    path = save_model(block(), tmp_path)
    model = open_model(path)
    feeds = draw_samples(model.summary, 40)
    data = DataChoice(str(write_dataset(model, feeds, tmp_path / "d.npz").path))
    expected = run_model(path, feeds)[0]
    found = {}
    for scaling in (InputScaling.NONE, defaults.input_scaling):
        plan = build_plan(model.summary, bits, dataclasses.replace(defaults, input_scaling=scaling))
        request = ConvertRequest(str(path), plan, str(tmp_path / f"{scaling}.onnx"), data)
        result = run_request(request, JobContext())
        assert isinstance(result, ConvertResult)
        found[scaling] = sqnr_db(expected, run_model(Path(result.output), feeds, optimized=True)[0])
    assert found[defaults.input_scaling] > found[InputScaling.NONE] + 1


def test_it_needs_data(tmp_path: Path) -> None:
    path = save_model(block(), tmp_path)
    plan = build_plan(open_model(path).summary, 4, WEIGHT_ONLY)
    with pytest.raises(CalibrationError, match="Scaling the inputs of products needs samples"):
        run_request(ConvertRequest(str(path), plan, str(tmp_path / "o.onnx")), JobContext())


@pytest.mark.assets
def test_a_real_language_model_computes_the_same(assets: Path, tmp_path: Path) -> None:
    model = open_model(assets / "models" / "stories260K.onnx")
    found = scaled(model, InputScaling.AWQ, tmp_path)
    feeds = draw_samples(model.summary, 2, integers_below=512)
    expected, computed = (run_model(serialize(item.graph_model), feeds)[0] for item in (model, found))
    np.testing.assert_allclose(computed, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
