"""Block reconstruction: what is trained is what is in the file, and no block ends worse than it started."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from engine.compensation import reconstruction
from engine.compensation.inputs import InputQuantization
from engine.compensation.reconstruction import Reconstruction, ReconstructionSettings, reconstruct
from engine.errors import CalibrationError, JobCancelled, UnsupportedOperator
from engine.job_context import CallbackContext, JobContext
from engine.jobs.operations import run_request
from engine.model.quantized_layers import ChosenWeights
from engine.numerics.schemes import Kernel, PerChannel, PerGroup, WeightScheme
from engine.plan import LayerPlan, Plan, plan_from_json, plan_to_json
from engine.requests.conversion import BlockReconstruction, ConvertRequest
from tests.engine.compensation.test_blocks import products
from tests.engine.compensation.test_compensating import codes_in, convert_file
from tests.engine.conversion.cases import CASES, Opened, open_with_data
from tests.engine.models import (
    build_model,
    conv_chain,
    normal,
    open_built,
    plan_for,
    run_model,
    sqnr_db,
    write_dataset,
)

STEPS = 30


def reconstructed(opened: Opened, kernel: Kernel, bits: int = 4, steps: int = STEPS) -> Plan:
    granularity = PerGroup(16) if kernel == Kernel.NBITS else PerChannel()
    plan = plan_for(opened.model.summary, LayerPlan(WeightScheme(bits, granularity=granularity), kernel))
    return dataclasses.replace(plan, defaults=dataclasses.replace(plan.defaults, reconstruction_steps=steps))


def train(opened: Opened, plan: Plan, context: JobContext | None = None) -> ChosenWeights:
    assert opened.dataset is not None
    inputs = InputQuantization.of(opened.model, plan, opened.calibration)
    context, request = context or JobContext(), ConvertRequest(str(opened.model.path), plan, "", samples=128)
    return reconstruct(opened.model, request, inputs, ChosenWeights(), context, dataset=opened.dataset)


def residual() -> onnx.ModelProto:
    """A convolution, a residual block of two, and a head."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="stem", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], name="r1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], name="r2"),
        helper.make_node("Conv", ["r2", "w3", "b3"], ["c3"], name="second", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["r1", "c3"], ["s"], name="s"),
        helper.make_node("Conv", ["s", "w4", "b4"], ["c4"], name="third", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c4"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w5", "b5"], ["y"], name="head", transB=1),
    ]
    constants = {"w1": normal(8, 3, 3, 3, seed=1, scale=0.3), "w5": normal(10, 8, seed=5), "b5": normal(10, seed=9)}
    constants |= {f"w{index}": normal(8, 8, 3, 3, seed=index, scale=0.15) for index in (2, 3, 4)}
    constants |= {f"b{index}": normal(8, seed=10 + index, scale=0.3) for index in (1, 2, 3, 4)}
    return build_model(nodes, {"x": ["N", 3, 8, 8]}, ["y"], constants, opset=21)


@pytest.mark.parametrize("case", ["conv", "conv depthwise", "gemm"])
def test_that_codes_scales_and_grids_in_the_file_are_those_of_the_optimiser(case: str, tmp_path: Path) -> None:
    opened = open_with_data(CASES[case](), tmp_path)
    for kernel in opened.layer.kernels:
        plan = reconstructed(opened, kernel, bits=2 if kernel == Kernel.FLOAT else 4)
        chosen = train(opened, plan)
        found = chosen.weights[opened.layer.name]
        convert_file(opened, plan, tmp_path / "out.onnx")
        assert np.array_equal(codes_in(tmp_path / "out.onnx", kernel, opened), found.codes)
        stored = {
            item.name: onnx.numpy_helper.to_array(item) for item in onnx.load(tmp_path / "out.onnx").graph.initializer
        }
        assert np.array_equal(stored["q0.s"].reshape(-1), found.scale.reshape(-1))
        grids = {(float(grid.scale), grid.zero_point) for grid in chosen.grids.values()}
        written = {(float(stored[name]), int(stored[f"{name[:-2]}.z"])) for name in stored
                   if name.startswith("a") and name.endswith(".s") and not stored[name].ndim}  # fmt: skip
        assert written == grids
        assert bool(grids) == (kernel == Kernel.QLINEAR)


@pytest.mark.parametrize("kernel", [Kernel.QLINEAR, Kernel.FLOAT], ids=str)
def test_that_the_written_network_comes_closer_to_float(kernel: Kernel, tmp_path: Path) -> None:
    opened = open_with_data(residual(), tmp_path)
    (expected,) = run_model(opened.model.path, opened.feeds)
    figures = []
    for steps in (0, 100):
        convert_file(opened, reconstructed(opened, kernel, bits=2, steps=steps), tmp_path / f"{steps}.onnx")
        figures.append(sqnr_db(expected, run_model(tmp_path / f"{steps}.onnx", opened.feeds, optimized=True)[0]))
    assert figures[1] > figures[0] + 1


def test_that_every_block_is_handed_out_and_none_ends_worse(tmp_path: Path) -> None:
    opened = open_with_data(residual(), tmp_path)
    heard: list[object] = []
    chosen = train(opened, reconstructed(opened, Kernel.QLINEAR, bits=2), CallbackContext(partial_ready=heard.append))
    blocks = [item for item in heard if isinstance(item, BlockReconstruction)]
    assert [item.layers for item in blocks] == [("stem", "first", "second"), ("third", "head")]
    assert [(item.block, item.blocks) for item in blocks] == [(0, 2), (1, 2)]
    assert all(item.loss <= item.start_loss for item in blocks)
    assert blocks[0].loss < blocks[0].start_loss
    assert set(chosen.weights) == {"stem", "first", "second", "third", "head"}


def test_that_training_twice_gives_the_same(tmp_path: Path) -> None:
    opened = open_with_data(residual(), tmp_path)
    one, other = (train(opened, reconstructed(opened, Kernel.QLINEAR, steps=6)) for _ in range(2))
    for name, weight in one.weights.items():
        assert np.array_equal(weight.codes, other.weights[name].codes)
        assert np.array_equal(weight.scale, other.weights[name].scale)


def test_that_a_harmful_rate_leaves_the_start(tmp_path: Path) -> None:
    opened = open_with_data(residual(), tmp_path)
    plan = reconstructed(opened, Kernel.QLINEAR, bits=8)
    inputs = InputQuantization.of(opened.model, plan, opened.calibration)
    settings = ReconstructionSettings(steps=4, code_rate=50.0, scale_rate=5.0, bias_rate=50.0, grid_rate=5.0)
    training = Reconstruction(opened.model, plan, inputs, ChosenWeights(), settings)
    start = training._student.freeze()
    assert opened.dataset is not None
    found = training.run(opened.dataset, 128, JobContext())
    for name, weight in start.weights.items():
        assert np.array_equal(weight.codes, found.weights[name].codes)
        assert np.array_equal(weight.scale, found.weights[name].scale)
        assert np.array_equal(start.biases[name], found.biases[name])
    assert start.grids == found.grids


def test_that_a_tensor_without_samples_along_its_first_axis_is_no_cut(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        *products("t>a", "a>b", "b>c", "c>d"),
        helper.make_node("Transpose", ["d"], ["y"], perm=[1, 0, 2]),
    ]
    weights = {f"w{name}": normal(16, 16, scale=0.3) for name in "abcd"}
    opened = open_with_data(build_model(nodes, {"x": ["N", 5, 16]}, ["y"], weights, opset=21), tmp_path)
    heard: list[object] = []
    train(opened, reconstructed(opened, Kernel.FLOAT, steps=2), CallbackContext(partial_ready=heard.append))
    (block,) = (item for item in heard if isinstance(item, BlockReconstruction))
    assert block.layers == ("a", "b", "c", "d")


def test_that_a_block_without_integer_weights_stays_as_it_is(tmp_path: Path) -> None:
    weights = {f"w{name}": normal(16, 16, scale=0.3) for name in "abcy"}
    nodes = products("x>a", "a>b", "b>c", "c>y")
    opened = open_with_data(build_model(nodes, {"x": ["N", 16]}, ["y"], weights, opset=21), tmp_path)
    plan = reconstructed(opened, Kernel.FLOAT, bits=2)
    plan = plan.with_layers({name: LayerPlan() for name in "abc"})
    heard: list[object] = []
    chosen = train(opened, plan, CallbackContext(partial_ready=heard.append))
    assert [item.layers for item in heard if isinstance(item, BlockReconstruction)] == [("y",)]
    assert set(chosen.weights) == {"y"}


def test_that_a_dictated_batch_is_kept(tmp_path: Path) -> None:
    nodes = products("x>a", "a>b", "b>c", "c>y")
    weights = {f"w{name}": normal(16, 16, scale=0.3) for name in "abcy"}
    model = open_built(build_model(nodes, {"x": [4, 16]}, ["y"], weights, opset=21), tmp_path)
    dataset = write_dataset(model, {"x": normal(24, 16, seed=5)}, tmp_path / "d.npz")
    heard: list[object] = []
    opened = Opened(model, dataset, None, {})
    train(opened, reconstructed(opened, Kernel.FLOAT, bits=2), CallbackContext(partial_ready=heard.append))
    blocks = [item for item in heard if isinstance(item, BlockReconstruction)]
    assert len(blocks) == 2
    assert sum(item.loss for item in blocks) < sum(item.start_loss for item in blocks)


def test_that_it_can_be_cancelled_in_a_block(tmp_path: Path) -> None:
    opened = open_with_data(residual(), tmp_path)
    heard: list[int] = []
    context = CallbackContext(lambda done, _total, _text: heard.append(done) or (done == 9 and context.cancel()))
    with pytest.raises(JobCancelled):
        train(opened, reconstructed(opened, Kernel.QLINEAR), context)
    assert max(heard) == 9


def test_that_a_network_without_a_torch_form_stays_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise UnsupportedOperator("Strange", "s")

    monkeypatch.setattr(reconstruction, "TorchGraph", refuse)
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    (note,) = train(opened, reconstructed(opened, Kernel.QLINEAR)).notes
    assert "Strange" in note
    assert "no blocks were reconstructed" in note


def test_that_reconstruction_asks_for_data(tmp_path: Path) -> None:
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    plan = reconstructed(opened, Kernel.FLOAT)
    with pytest.raises(CalibrationError, match="reconstruction"):
        run_request(ConvertRequest(str(opened.model.path), plan, str(tmp_path / "out.onnx")), JobContext())


def test_that_a_plan_keeps_its_steps_and_they_decide_the_digest(tmp_path: Path) -> None:
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    plan = reconstructed(opened, Kernel.FLOAT)
    assert plan_from_json(plan_to_json(plan), "p.json") == plan
    assert plan.digest != reconstructed(opened, Kernel.FLOAT, steps=0).digest
    assert plan.is_reconstructed
