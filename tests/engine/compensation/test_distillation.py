"""Distillation: what is trained is what is in the file, never worse than its start on what was held out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from engine.compensation import distillation, distillation_data
from engine.compensation.distillation import Distillation, DistillationSettings, distill
from engine.compensation.distillation_data import Augmentation, Samples, count_learned
from engine.compensation.distillation_loss import OutputLoss
from engine.compensation.inputs import InputQuantization
from engine.errors import CalibrationError, JobCancelled, UnsupportedOperator
from engine.job_context import CallbackContext, JobContext
from engine.jobs.operations import run_request
from engine.model.quantized_layers import ChosenWeights, quantize_layer
from engine.numerics.schemes import Kernel, PerChannel, PerGroup, WeightScheme
from engine.plan import LayerPlan, Plan
from engine.requests.conversion import ConvertRequest, DeviceChoice, DistillationPoint
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

STEPS = 40


def distilled(opened: Opened, kernel: Kernel, bits: int = 4, steps: int = STEPS) -> Plan:
    granularity = PerGroup(16) if kernel == Kernel.NBITS else PerChannel()
    plan = plan_for(opened.model.summary, LayerPlan(WeightScheme(bits, granularity=granularity), kernel))
    return dataclasses.replace(plan, defaults=dataclasses.replace(plan.defaults, distillation_steps=steps))


def inputs_of(opened: Opened, plan: Plan) -> InputQuantization:
    return InputQuantization.of(opened.model, plan, opened.calibration)


def train(opened: Opened, plan: Plan, context: JobContext | None = None) -> ChosenWeights:
    assert opened.dataset is not None
    request = ConvertRequest(str(opened.model.path), plan, "", samples=128)
    start, inputs = ChosenWeights(), inputs_of(opened, plan)
    return distill(opened.model, request, inputs, start, context or JobContext(), dataset=opened.dataset)


@pytest.fixture
def _judged_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """These models have next to no data: what is learned is what counts."""
    monkeypatch.setattr(distillation_data, "count_held_out", lambda _: 0)


@pytest.mark.usefixtures("_judged_by_all")
@pytest.mark.parametrize("case", ["conv", "conv depthwise", "transposed grouped", "gemm", "matmul with bias"])
def test_that_the_codes_in_the_file_are_the_codes_in_the_optimiser(case: str, tmp_path: Path) -> None:
    opened = open_with_data(CASES[case](), tmp_path)
    for kernel in opened.layer.kernels:
        plan = distilled(opened, kernel)
        chosen = train(opened, plan)
        found = chosen.weights[opened.layer.name]
        start = quantize_layer(opened.model.layers[0].matrix(), opened.layer, plan.layer(opened.layer.name))
        assert not np.array_equal(found.scale, start.scale)
        convert_file(opened, plan, tmp_path / "out.onnx")
        assert np.array_equal(codes_in(tmp_path / "out.onnx", kernel, opened), found.codes)
        stored = [item for item in onnx.load(tmp_path / "out.onnx").graph.initializer if item.name == "q0.s"]
        assert np.array_equal(onnx.numpy_helper.to_array(stored[0]).reshape(-1), found.scale.reshape(-1))


@pytest.mark.usefixtures("_judged_by_all")
@pytest.mark.parametrize("case", ["embedding", "gru"])
def test_that_layers_without_moments_are_trained_too(case: str, tmp_path: Path) -> None:
    opened = open_with_data(CASES["embedding"]() if case == "embedding" else gru(), tmp_path)
    chosen = train(opened, distilled(opened, Kernel.FLOAT))
    assert opened.layer.name in chosen.weights


def gru() -> onnx.ModelProto:
    """Samples first, as data has them; the operator wants them second."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node("GRU", ["t", "w", "r"], ["h"], name="layer", hidden_size=8),
        helper.make_node("Transpose", ["h"], ["y"], perm=[2, 0, 1, 3]),
    ]
    weights = {"w": normal(1, 24, 16, scale=0.3), "r": normal(1, 24, 8, seed=1, scale=0.3)}
    return build_model(nodes, {"x": ["N", 5, 16]}, ["y"], weights)


@pytest.mark.usefixtures("_judged_by_all")
@pytest.mark.parametrize("kernel", [Kernel.QLINEAR, Kernel.FLOAT], ids=str)
def test_that_a_chain_of_layers_comes_closer_to_float(kernel: Kernel, tmp_path: Path) -> None:
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    (expected,) = run_model(opened.model.path, opened.feeds)
    figures = []
    for steps in (0, 120):
        convert_file(opened, distilled(opened, kernel, bits=4, steps=steps), tmp_path / f"{steps}.onnx")
        figures.append(sqnr_db(expected, run_model(tmp_path / f"{steps}.onnx", opened.feeds, optimized=True)[0]))
    assert figures[1] > figures[0] + 1


def test_that_the_student_computes_what_the_file_does(tmp_path: Path) -> None:
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    plan = distilled(opened, Kernel.QLINEAR, steps=0)
    convert_file(opened, plan, tmp_path / "out.onnx")
    (expected,) = run_model(tmp_path / "out.onnx", opened.feeds, optimized=True)
    training = Distillation(opened.model, plan, inputs_of(opened, plan), ChosenWeights(), DistillationSettings())
    values = {name: torch.from_numpy(value) for name, value in opened.feeds.items()}
    (found,) = training._student.run(values, ["y"])
    assert sqnr_db(expected, found.detach().numpy()) > 45


def points_of(opened: Opened, plan: Plan) -> list[DistillationPoint]:
    points: list[object] = []
    train(opened, plan, CallbackContext(partial_ready=points.append))
    return [point for point in points if isinstance(point, DistillationPoint)]


def test_that_the_curves_are_handed_out_and_the_best_state_is_kept(tmp_path: Path) -> None:
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    plan = distilled(opened, Kernel.QLINEAR, bits=2)
    points = points_of(opened, plan)
    assert [point.step for point in points] == list(range(0, STEPS + 1, 2))
    losses = [point.held_out_loss for point in points]
    best = max(point.step for point in points if point.is_best)
    assert losses[best // 2] == min(losses) < losses[0]
    assert points_of(opened, plan)[-1].held_out_loss == losses[-1]


def test_that_a_harmful_rate_leaves_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wild(steps: int, device: DeviceChoice) -> DistillationSettings:
        assert device == DeviceChoice.AUTO
        return DistillationSettings(steps=steps, code_rate=50.0, scale_rate=5.0, bias_rate=50.0)

    monkeypatch.setattr(distillation, "DistillationSettings", wild)
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    chosen = train(opened, distilled(opened, Kernel.QLINEAR, bits=8, steps=3))
    assert not chosen.weights
    assert chosen.notes == ("Distillation did not come closer to float on the samples that were held out.",)


@pytest.mark.parametrize("is_timed", [False, True])
def test_that_the_best_so_far_outlives_cancelling_and_the_end_of_time(is_timed: bool, tmp_path: Path) -> None:
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    plan = distilled(opened, Kernel.QLINEAR, bits=2)
    settings = DistillationSettings(steps=1000, judgements=500, seconds=0.0 if is_timed else None)
    training = Distillation(opened.model, plan, inputs_of(opened, plan), ChosenWeights(), settings)
    context = CallbackContext(lambda done, _total, _text: context.cancel() if done == 20 else None)
    assert opened.dataset is not None
    if is_timed:
        training.run(opened.dataset, 128, context)
        assert training.points[-1].step == 1
        return
    with pytest.raises(JobCancelled):
        training.run(opened.dataset, 128, context)
    assert training.points[-1].held_out_loss < training.points[0].held_out_loss
    assert set(training.best.weights) == {"first", "second", "head"}


def test_that_a_network_without_a_torch_form_stays_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise UnsupportedOperator("Strange", "s")

    monkeypatch.setattr(distillation, "TorchGraph", refuse)
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    (note,) = train(opened, distilled(opened, Kernel.QLINEAR)).notes
    assert "Strange" in note
    assert "not distilled" in note


def test_that_distillation_asks_for_data(tmp_path: Path) -> None:
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    plan = distilled(opened, Kernel.FLOAT)
    with pytest.raises(CalibrationError, match="distillation"):
        run_request(ConvertRequest(str(opened.model.path), plan, str(tmp_path / "out.onnx")), JobContext())


def test_that_a_dictated_batch_is_kept(tmp_path: Path) -> None:
    node = helper.make_node("Gemm", ["x", "w"], ["y"], name="layer", transB=1)
    model = open_built(build_model([node], {"x": [4, 40]}, ["y"], {"w": normal(24, 40, scale=0.3)}, opset=21), tmp_path)
    dataset = write_dataset(model, {"x": normal(24, 40, seed=5)}, tmp_path / "d.npz")
    data = Samples(dataset, 24)
    assert (data.unit, data.units, data.held_out) == (4, 5, 1)
    assert count_learned(dataset, 24) == 20
    opened = Opened(model, dataset, None, {})
    points = points_of(opened, distilled(opened, Kernel.FLOAT, bits=2))
    assert points[-1].loss < points[1].loss


def test_that_the_losses_are_those_of_the_definitions() -> None:
    logits = torch.from_numpy(normal(5, 7))
    other = logits + torch.from_numpy(normal(5, 7, seed=1, scale=0.3))
    p, q = (torch.softmax(item.double(), 1) for item in (logits, other))
    wanted = (p * (p.log() - q.log())).sum(1).mean().item()
    found = OutputLoss.of([logits], is_tokens=False)
    assert found.measure([logits], [other]).item() == pytest.approx(wanted, rel=1e-5)
    assert OutputLoss.of([p.float()], is_tokens=False).measure([p], [q]).item() == pytest.approx(wanted, rel=1e-4)
    tokens = OutputLoss.of([logits[None]], is_tokens=True)
    assert tokens.measure([logits[None]], [other[None]]).item() == pytest.approx(wanted, rel=1e-5)
    maps = OutputLoss.of([logits[None, None]], is_tokens=False)
    noise = ((logits - other).square().sum() / logits.square().sum()).item()
    assert maps.measure([logits], [other]).item() == pytest.approx(noise, rel=1e-5)


def test_that_only_colour_images_are_varied() -> None:
    noise = torch.Generator().manual_seed(0)
    images = torch.rand(8, 3, 32, 24, generator=noise)
    first = Augmentation({"x": images}).apply({"x": images}, noise)["x"]
    last = Augmentation({"x": images.permute(0, 2, 3, 1)}).apply({"x": images.permute(0, 2, 3, 1)}, noise)["x"]
    assert first.shape == images.shape
    assert last.shape == (8, 32, 24, 3)
    assert not torch.equal(first, images)
    assert set(first.flatten().tolist()) <= set(images.flatten().tolist())
    for shape in ((8, 1, 49, 10), (8, 3, 8, 8), (8, 40)):
        assert not Augmentation({"x": torch.rand(shape)}).is_image
    assert not Augmentation({"x": images, "y": images}).is_image


def test_that_a_plan_keeps_its_steps_and_they_decide_the_digest(tmp_path: Path) -> None:
    from engine.plan import plan_from_json, plan_to_json

    opened = open_with_data(conv_chain(opset=21), tmp_path)
    plan = distilled(opened, Kernel.FLOAT)
    assert plan_from_json(plan_to_json(plan), "p.json") == plan
    assert plan.digest != distilled(opened, Kernel.FLOAT, steps=0).digest
    assert plan.is_distilled
    assert not plan_for(opened.model.summary, LayerPlan()).is_distilled
