"""Conversion with codes chosen by the layers' inputs: what is in the file, what is left to nearest, and why."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from engine.compensation import compensating, frontier
from engine.compensation.compensating import choose_weights
from engine.compensation.inputs import InputQuantization
from engine.compensation.moments import Moments
from engine.errors import CalibrationError, JobCancelled, UnsupportedOperator
from engine.job_context import CallbackContext, JobContext
from engine.jobs.operations import run_request
from engine.model.opened import Model
from engine.model.quantized_layers import ChosenWeights, quantize_layer
from engine.numerics.packing import unpack
from engine.numerics.schemes import Kernel, PerChannel, PerGroup, Rounding, WeightScheme
from engine.plan import LayerPlan, Plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.data import DataChoice
from tests.engine.conversion.cases import CASES, Opened, open_with_data
from tests.engine.models import (
    build_model,
    conv_chain,
    draw_samples,
    normal,
    open_built,
    plan_for,
    run_model,
    sqnr_db,
    write_dataset,
)

LEFT = ("embedding", "lstm", "gru", "rnn")


def gptq(kernel: Kernel, bits: int = 4) -> LayerPlan:
    """Rounding by inputs, in groups where the kernel wants them."""
    granularity = PerGroup(16) if kernel == Kernel.NBITS else PerChannel()
    return LayerPlan(WeightScheme(bits, granularity=granularity), kernel, rounding=Rounding.GPTQ)


def choose(opened: Opened, plan: Plan, context: JobContext | None = None) -> ChosenWeights:
    assert opened.dataset is not None
    inputs = InputQuantization.of(opened.model, plan, opened.calibration)
    return choose_weights(opened.model, plan, inputs, opened.dataset, context or JobContext(), samples=24)


def convert_file(opened: Opened, plan: Plan, output: Path) -> ConvertResult:
    """As the command line does it."""
    assert opened.dataset is not None
    data = DataChoice(str(opened.dataset.path))
    result = run_request(ConvertRequest(str(opened.model.path), plan, str(output), data), JobContext())
    assert isinstance(result, ConvertResult)
    return result


def codes_in(path: Path, kernel: Kernel, opened: Opened) -> npt.NDArray[np.int8]:
    """The codes of layer 0 in the file, [channels, inputs]."""
    tensors = {item.name: item for item in onnx.load(path).graph.initializer}
    layer = opened.model.layers[0]
    if kernel == Kernel.NBITS:
        packed = numpy_helper.to_array(tensors["q0.w"])
        low, high = (packed & 15).astype(np.int8) - 8, (packed >> 4).astype(np.int8) - 8
        return np.stack([low, high], -1).reshape(layer.layout.channels, -1)[:, : layer.layout.inputs]
    stored = numpy_helper.to_array(tensors["q0.w"]).astype(np.int8)
    if stored.shape == layer.layout.weight_shape:
        stored = layer.layout.to_matrix(stored)
    elif stored.shape == (layer.layout.inputs, layer.layout.channels):
        stored = stored.T
    return stored.reshape(layer.layout.channels, layer.layout.inputs)


@pytest.mark.parametrize("case", sorted(set(CASES) - {*LEFT, "gemm transA"}))
def test_that_the_codes_in_the_file_are_the_codes_chosen(case: str, tmp_path: Path) -> None:
    opened = open_with_data(CASES[case](), tmp_path)
    assert opened.layer.kernels
    for kernel in opened.layer.kernels:
        ensure_codes_are_kept(opened, kernel, tmp_path)


def ensure_codes_are_kept(opened: Opened, kernel: Kernel, tmp_path: Path) -> None:
    plan = plan_for(opened.model.summary, gptq(kernel))
    chosen = choose(opened, plan)
    found = chosen.weights[opened.layer.name]
    nearest = quantize_layer(opened.model.layers[0].matrix(), opened.layer, plan.layer(opened.layer.name))
    assert not np.array_equal(found.codes, nearest.codes)
    result = convert_file(opened, plan, tmp_path / "out.onnx")
    assert not result.warnings
    assert np.array_equal(codes_in(tmp_path / "out.onnx", kernel, opened), found.codes)
    assert (opened.layer.bias_elements > 0) == bool(chosen.biases)


def recurrent(op: str, gates: int) -> onnx.ModelProto:
    """Samples first, as data has them; the operator wants them second."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node(op, ["t", "w", "r"], ["h"], name="layer", hidden_size=8),
        helper.make_node("Transpose", ["h"], ["y"], perm=[2, 0, 1, 3]),
    ]
    weights = {"w": normal(1, 8 * gates, 16), "r": normal(1, 8 * gates, 8, seed=1)}
    return build_model(nodes, {"x": ["N", 5, 16]}, ["y"], weights)


LEFT_MODELS = {
    "embedding": CASES["embedding"],
    "lstm": lambda: recurrent("LSTM", 4),
    "gru": lambda: recurrent("GRU", 3),
    "rnn": lambda: recurrent("RNN", 1),
}


@pytest.mark.parametrize("case", LEFT)
def test_that_layers_that_cannot_are_rounded_to_nearest_and_named(case: str, tmp_path: Path) -> None:
    opened = open_with_data(LEFT_MODELS[case](), tmp_path)
    plan = plan_for(opened.model.summary, gptq(Kernel.FLOAT))
    assert not choose(opened, plan).weights
    result = convert_file(opened, plan, tmp_path / "out.onnx")
    assert any("rounded to nearest" in warning and opened.layer.title in warning for warning in result.warnings)


def chain(tmp_path: Path) -> Opened:
    return open_with_data(conv_chain(opset=21), tmp_path)


@pytest.mark.parametrize("rounding", [Rounding.GPTQ, Rounding.ADAROUND])
@pytest.mark.parametrize("kernel", [Kernel.QLINEAR, Kernel.FLOAT], ids=str)
def test_that_a_chain_of_layers_comes_closer_to_float(rounding: Rounding, kernel: Kernel, tmp_path: Path) -> None:
    opened = chain(tmp_path)
    plan = plan_for(opened.model.summary, dataclasses.replace(gptq(kernel), rounding=rounding))
    nearest = plan_for(opened.model.summary, dataclasses.replace(gptq(kernel), rounding=Rounding.NEAREST))
    (expected,) = run_model(opened.model.path, opened.feeds)
    figures = []
    for index, item in enumerate((plan, nearest)):
        convert_file(opened, item, tmp_path / f"{index}.onnx")
        figures.append(sqnr_db(expected, run_model(tmp_path / f"{index}.onnx", opened.feeds, optimized=True)[0]))
    assert figures[0] > figures[1] + 3


def test_that_what_does_not_fit_in_memory_waits_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = chain(tmp_path)
    plan = plan_for(opened.model.summary, gptq(Kernel.QLINEAR))
    expected = choose(opened, plan)
    monkeypatch.setattr(frontier, "MEMORY_BYTES", 0)
    found = choose(opened, plan)
    for name, weight in expected.weights.items():
        assert np.array_equal(weight.codes, found.weights[name].codes)


def test_that_a_network_without_a_torch_form_is_rounded_by_its_float_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UnsupportedOperator("Strange", "s")

    monkeypatch.setattr(compensating, "TorchGraph", refuse)
    opened = chain(tmp_path)
    chosen = choose(opened, plan_for(opened.model.summary, gptq(Kernel.QLINEAR)))
    assert len(chosen.weights) == len(opened.model.layers)
    assert [note for note in chosen.notes if "Strange" in note and "3 of 3 layers" in note]


def test_that_every_layer_is_visited_once_with_moments_of_its_quantized_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited: list[tuple[str, bool]] = []
    original = compensating._Chooser.visit

    def visit(self: compensating._Chooser, layer: object, moments: Moments) -> None:
        visited.append((layer.name, moments.is_quantized))  # type: ignore[attr-defined]
        original(self, layer, moments)  # type: ignore[arg-type]

    monkeypatch.setattr(compensating._Chooser, "visit", visit)
    opened = chain(tmp_path)
    choose(opened, plan_for(opened.model.summary, gptq(Kernel.FLOAT)))
    assert visited == [("first", False), ("second", True), ("head", True)]


def test_that_a_bias_takes_out_the_mean_error(tmp_path: Path) -> None:
    opened = open_with_data(CASES["gemm"](), tmp_path)
    plan = plan_for(opened.model.summary, gptq(Kernel.FLOAT, bits=2))
    convert_file(opened, plan, tmp_path / "out.onnx")
    (expected,) = run_model(opened.model.path, opened.feeds)
    (found,) = run_model(tmp_path / "out.onnx", opened.feeds)
    assert np.abs((found - expected).mean(axis=0)).max() < 1e-5


def test_that_rounding_by_inputs_asks_for_data(tmp_path: Path) -> None:
    opened = chain(tmp_path)
    plan = plan_for(opened.model.summary, gptq(Kernel.FLOAT))
    with pytest.raises(CalibrationError, match="needs samples of what the layers read"):
        run_request(ConvertRequest(str(opened.model.path), plan, str(tmp_path / "out.onnx")), JobContext())


def test_that_it_can_be_cancelled_between_layers(tmp_path: Path) -> None:
    opened = chain(tmp_path)
    context = CallbackContext(lambda _done, _total, text: context.cancel() if "second" in text else None)
    with pytest.raises(JobCancelled):
        choose(opened, plan_for(opened.model.summary, gptq(Kernel.QLINEAR)), context)


def tied(tmp_path: Path) -> tuple[Model, Plan]:
    """Two layers with one weight, between them one of its own."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="one"),
        helper.make_node("MatMul", ["a", "v"], ["b"], name="between"),
        helper.make_node("MatMul", ["b", "w"], ["y"], name="two"),
    ]
    constants = {"w": normal(32, 32, scale=0.2), "v": normal(32, 32, seed=5, scale=0.2)}
    proto = build_model(nodes, {"x": ["N", 32]}, ["y"], constants, dtypes={"x": TensorProto.FLOAT}, opset=21)
    model = open_built(proto, tmp_path)
    return model, plan_for(model.summary, gptq(Kernel.FLOAT))


def test_that_a_shared_weight_stays_shared(tmp_path: Path) -> None:
    model, plan = tied(tmp_path)
    dataset = write_dataset(model, draw_samples(model.summary, 64), tmp_path / "d.npz")
    chosen = choose_weights(model, plan, InputQuantization(), dataset, JobContext(), samples=64)
    assert set(chosen.weights) == {"between"}
    assert chosen.notes[0].startswith("2 layers were rounded to nearest")


def test_that_packed_files_hold_the_codes_chosen(tmp_path: Path) -> None:
    opened = chain(tmp_path)
    plan = plan_for(opened.model.summary, gptq(Kernel.FLOAT))
    chosen = choose(opened, plan)
    convert_file(opened, plan, tmp_path / "out.safetensors")
    tensors = load_file(tmp_path / "out.safetensors")
    for name, weight in chosen.weights.items():
        codes = unpack(tensors[f"{name}.codes"], 4, weight.codes.size).reshape(weight.codes.shape)
        assert np.array_equal(codes, weight.codes)
        assert np.array_equal(tensors[f"{name}.bias"], chosen.biases[name])
