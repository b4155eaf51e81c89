"""Training on another device than the CPU: the same results, and what happens when that device fails."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from engine.compensation import adaround, distillation_data
from engine.compensation.inputs import InputQuantization
from engine.compensation.student import Student
from engine.errors import DeviceError
from engine.job_context import CallbackContext, JobContext
from engine.jobs.operations import run_request
from engine.jobs.operations.conversion import _chosen
from engine.model.quantized_layers import ChosenWeights
from engine.numerics.schemes import Kernel, PerChannel, PerGroup, Rounding, WeightScheme
from engine.plan import LayerPlan, Plan
from engine.requests.conversion import BlockReconstruction, ConvertRequest, DeviceChoice, DistillationPoint
from engine.requests.data import DataChoice
from engine.torch_graph.device import TrainingDevice
from tests.engine.compensation.test_distillation import gru
from tests.engine.compensation.test_reconstruction import residual
from tests.engine.conversion.cases import CASES, Opened, open_with_data
from tests.engine.models import conv_chain, plan_for, sqnr_db
from tests.engine.pretended_device import NAME, PretendedDevice, pretend

STEPS = 6
ADAROUND, RECONSTRUCT, DISTILL = (
    {"rounding": Rounding.ADAROUND}, {"reconstruction_steps": STEPS}, {"distillation_steps": STEPS}
)  # fmt: skip


def plan_of(opened: Opened, kernel: Kernel, changes: dict[str, Any]) -> Plan:
    """Four bits; by groups with zero points where the kernel has any."""
    has_groups = kernel in (Kernel.FLOAT, Kernel.NBITS)
    scheme = WeightScheme(4, granularity=PerGroup(16) if has_groups else PerChannel(), symmetric=not has_groups)
    choice = LayerPlan(scheme, kernel, rounding=changes.get("rounding", Rounding.NEAREST))
    plan = plan_for(opened.model.summary, choice)
    steps = {name: value for name, value in changes.items() if name.endswith("steps")}
    return dataclasses.replace(plan, defaults=dataclasses.replace(plan.defaults, **steps))


def train(opened: Opened, plan: Plan, device: DeviceChoice, context: JobContext | None = None) -> ChosenWeights:
    inputs = InputQuantization.of(opened.model, plan, opened.calibration)
    request = ConvertRequest(str(opened.model.path), plan, "", samples=64, device=device)
    found = _chosen(request, opened.model, inputs, opened.dataset, context or JobContext())
    assert found is not None
    return found


def ensure_equal(one: ChosenWeights, other: ChosenWeights) -> None:
    assert one.weights.keys() == other.weights.keys()
    for name, weight in one.weights.items():
        for part in ("codes", "scale", "zero_point", "multiplier", "channel_scale"):
            assert np.array_equal(getattr(weight, part), getattr(other.weights[name], part)), (name, part)
    assert one.biases.keys() == other.biases.keys()
    for name, bias in one.biases.items():
        assert np.array_equal(bias, other.biases[name]), name
    assert one.grids == other.grids


MODELS: dict[str, tuple[Callable[[], onnx.ModelProto], Kernel]] = {
    "chain static": (lambda: conv_chain(opset=21), Kernel.QLINEAR),
    "chain float": (lambda: conv_chain(opset=21), Kernel.FLOAT),
    "residual static": (residual, Kernel.QLINEAR),
    "products dynamic": (CASES["matmul with bias"], Kernel.DYNAMIC),
    "product by groups": (CASES["matmul with bias"], Kernel.NBITS),
    "embedding": (CASES["embedding"], Kernel.FLOAT),
    "recurrent": (gru, Kernel.FLOAT),
}


CASES_OF_TRAINING = [
    *((model, method) for model in MODELS for method in (RECONSTRUCT, DISTILL)),
    *((model, ADAROUND) for model in ("residual static", "product by groups")),
]


def name_of(item: str | dict[str, Any]) -> str:
    return item if isinstance(item, str) else next(iter(item))


@pytest.mark.parametrize(("model", "method"), CASES_OF_TRAINING, ids=name_of)
def test_that_another_device_gives_what_the_cpu_gives(
    model: str, method: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, kernel = MODELS[model]
    monkeypatch.setitem(adaround.round_adaround.__kwdefaults__, "iterations", 20)
    monkeypatch.setattr(distillation_data, "count_held_out", lambda units: units // 8)
    pretend(monkeypatch)
    opened = open_with_data(build(), tmp_path)
    plan = plan_of(opened, kernel, method)
    wanted = train(opened, plan, DeviceChoice.CPU)
    with PretendedDevice():
        found = train(opened, plan, DeviceChoice.AUTO)
    assert (wanted.devices, found.devices) == (("CPU",), (NAME,))
    assert wanted.notes == found.notes
    ensure_equal(wanted, found)


def break_down(monkeypatch: pytest.MonkeyPatch, passes: int) -> None:
    """Have training choose a GPU, in truth the CPU by another name, whose memory ends in a pass of the student."""

    def choose(self: TrainingDevice, _wanted: DeviceChoice, _needed_bytes: int) -> None:
        self._device, self._names = torch.device("cpu", 0), ["H200"]

    left = [passes]
    run = Student.run

    def run_until(self: Student, *args: Any, **options: Any) -> list[torch.Tensor]:
        if not self._device.is_cpu and torch.is_grad_enabled():
            left[0] -= 1
            if left[0] < 0:
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return run(self, *args, **options)

    monkeypatch.setattr(TrainingDevice, "choose", choose)
    monkeypatch.setattr(Student, "run", run_until)


@pytest.mark.parametrize("method", [RECONSTRUCT, DISTILL], ids=name_of)
def test_that_nothing_is_lost_when_the_memory_of_the_gpu_runs_out(
    method: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_with_data(residual(), tmp_path)
    plan = plan_of(opened, Kernel.QLINEAR, method)
    runs = []
    for passes in (None, 9):
        heard: list[object] = []
        if passes is not None:
            break_down(monkeypatch, passes)
        found = train(opened, plan, DeviceChoice.AUTO, CallbackContext(partial_ready=heard.append))
        runs.append((found, [item for item in heard if isinstance(item, DistillationPoint | BlockReconstruction)]))
    (wanted, points), (found, others) = runs
    ensure_equal(wanted, found)
    assert [dataclasses.replace(point, seconds=0) for point in points] == [
        dataclasses.replace(point, seconds=0) for point in others
    ]
    assert found.devices == ("H200", "CPU")
    assert found.notes == (*wanted.notes, "The GPU (H200) ran out of memory, so training continued on the CPU.")


def test_that_a_conversion_says_what_it_was_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_with_data(conv_chain(opset=21), tmp_path)
    np.savez(tmp_path / "d.npz", **opened.feeds)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def convert(plan: Plan, device: DeviceChoice, name: str) -> Any:
        data = DataChoice(str(tmp_path / "d.npz"))
        output = str(tmp_path / f"{name}.onnx")
        request = ConvertRequest(str(opened.model.path), plan, output, data, samples=16, device=device)
        return run_request(request, JobContext())

    for name, changes, devices in (("trained", DISTILL, ["CPU"]), ("nearest", {}, [])):
        result = convert(plan_of(opened, Kernel.FLOAT, changes), DeviceChoice.AUTO, name)
        assert list(result.devices) == devices
        manifest = json.loads((tmp_path / f"{name}.manifest.json").read_text(encoding="utf-8"))
        assert manifest["training_devices"] == devices
    with pytest.raises(DeviceError, match="There is no GPU to train on"):
        convert(plan_of(opened, Kernel.FLOAT, DISTILL), DeviceChoice.CUDA, "refused")
    assert not (tmp_path / "refused.onnx").exists()


@pytest.mark.gpu
@pytest.mark.parametrize(("model", "method"), CASES_OF_TRAINING, ids=name_of)
def test_that_a_gpu_gives_about_what_the_cpu_gives(model: str, method: dict[str, Any], tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    build, kernel = MODELS[model]
    opened = open_with_data(build(), tmp_path)
    plan = plan_of(opened, kernel, method)
    wanted, found = (train(opened, plan, device) for device in (DeviceChoice.CPU, DeviceChoice.CUDA))
    assert "CPU" not in found.devices
    assert found.notes == wanted.notes
    for name, weight in wanted.weights.items():
        assert np.abs(weight.codes - found.weights[name].codes).mean() < 0.02
        assert sqnr_db(weight.dequantize(), found.weights[name].dequantize()) > 25
    for name, bias in wanted.biases.items():
        np.testing.assert_allclose(found.biases[name], bias, atol=0.02 * np.abs(bias).max())
