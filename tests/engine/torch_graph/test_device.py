"""The device of training: how it is chosen, what happens when it fails, and that every operator computes on it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch

from engine.errors import DeviceError, UnsupportedOperator
from engine.model.quantized_layers import ChosenWeights
from engine.requests.conversion import DeviceChoice
from engine.torch_graph.device import TrainingDevice
from engine.torch_graph.graph import TorchGraph
from engine.torch_graph.table import OPERATORS
from engine.torch_graph.tensors import to_tensor
from tests.engine.pretended_device import META, PretendedDevice, PretendedTensor, same
from tests.engine.torch_graph.test_onnx_node_models import cases, refusal

# Another name of the CPU: what the fallback sees as a GPU.
OTHER = torch.device("cpu", 0)


@pytest.mark.parametrize("op", sorted(OPERATORS))
@pytest.mark.parametrize("integers_move", [True, False])
def test_that_an_operator_computes_the_same_on_another_device(op: str, integers_move: bool) -> None:
    for name, item in cases()[op].items():
        if refusal(name) is not None:
            continue
        try:
            ensure_same(item, integers_move=integers_move)
        except (AssertionError, UnsupportedOperator) as error:
            raise AssertionError(f"{name}: {error}") from error


def ensure_same(item: Any, *, integers_move: bool) -> None:
    """Floats on the device; integers there or, like the shapes of a graph, on the CPU."""
    graph = TorchGraph(ir.from_proto(item.model).graph, [])
    outputs = [value.name for value in item.model.graph.output]
    pairs = zip((value.name for value in item.model.graph.input), item.data_sets[0][0], strict=True)
    given = {name: to_tensor(np.array(value)) for name, value in pairs if value is not None}
    with torch.no_grad(), PretendedDevice():
        moved = {
            name: value.to(META) if integers_move or value.is_floating_point() else value
            for name, value in given.items()
        }
        found = [value.cpu() for value in graph.run(moved, outputs)]
    for expected, value in zip(graph.run(given, outputs), found, strict=True):
        assert value.dtype == expected.dtype
        assert same(value, expected)


def test_that_the_pretended_device_sees_a_tensor_that_was_left_behind() -> None:
    with PretendedDevice():
        there = torch.ones(3).to(META)
        assert isinstance(there, PretendedTensor)
        with pytest.raises(RuntimeError, match="two devices"):
            torch.add(there, torch.ones(3))


class Gpu:
    """What torch says of a GPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, free: int = 1 << 30, is_there: bool = True) -> None:
        self.free = free
        monkeypatch.setattr(torch.cuda, "is_available", lambda: is_there)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "H200")
        monkeypatch.setattr(torch.cuda, "mem_get_info", self.memory)

    def memory(self, _: object) -> tuple[int, int]:
        if not self.free:
            raise RuntimeError("CUDA error: busy.\nMore of it")
        return self.free, self.free


def chosen(wanted: DeviceChoice, needed: int = 1 << 20) -> tuple[str, list[str]]:
    device = TrainingDevice()
    device.choose(wanted, needed)
    return device.name, device.notes


def test_that_the_gpu_is_taken_if_its_memory_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch)
    assert chosen(DeviceChoice.AUTO) == ("H200", [])
    assert chosen(DeviceChoice.CUDA) == ("H200", [])
    assert chosen(DeviceChoice.CPU) == ("CPU", [])
    gpu.free = 1 << 10
    note = "The GPU (H200) has 1.02 kB of free memory, training needs about 1.05 MB, so it ran on the CPU."
    assert chosen(DeviceChoice.AUTO) == ("CPU", [note])
    assert chosen(DeviceChoice.CUDA) == ("H200", [])
    gpu.free = 0
    assert chosen(DeviceChoice.AUTO) == (
        "CPU", ["The GPU cannot be used (CUDA error: busy), so training ran on the CPU."]
    )  # fmt: skip


def test_that_a_gpu_that_is_not_there_is_refused_only_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpu(monkeypatch, is_there=False)
    assert chosen(DeviceChoice.AUTO) == ("CPU", [])
    for version, reason in ((None, "is built without CUDA"), ("13.0", "finds no GPU")):
        monkeypatch.setattr(torch.version, "cuda", version)
        with pytest.raises(DeviceError, match=rf"the installed torch {reason}\. Choose the device cpu or auto"):
            chosen(DeviceChoice.CUDA)


def other_device() -> TrainingDevice:
    device = TrainingDevice()
    device._device, device._names = OTHER, ["H200"]
    return device


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "ran out of memory"),
        (RuntimeError("no kernel image\nfor this device"), r"failed \(no kernel image\)"),
        (UnsupportedOperator("Strange", "s"), r"failed \(The operator Strange \(node s\) has no torch form\)"),
    ],
)
def test_that_work_continues_on_the_cpu_where_the_gpu_fails(error: Exception, what: str) -> None:
    device, tries = other_device(), []
    weight = device.keep(torch.ones(3, requires_grad=True))

    def work() -> float:
        tries.append(device.is_cpu)
        if not device.is_cpu:
            raise error
        return device.bring(weight).sum().item()

    assert device.attempt(work) == 3
    assert device.attempt(work) == 3
    assert tries == [False, True, True]
    assert weight.is_leaf
    assert weight.requires_grad
    (note,) = device.notes
    assert torch.equal(weight, torch.ones(3))
    found = device.signed(ChosenWeights(devices=("CPU",)))
    assert found.devices == ("CPU", "H200")
    assert found.notes == (note,)
    assert re.fullmatch(rf"The GPU \(H200\) {what}, so training continued on the CPU\.", note)


def test_that_what_fails_on_the_cpu_fails() -> None:
    device = TrainingDevice()
    with pytest.raises(RuntimeError, match="wrong"):
        device.attempt(fail)
    assert device.notes == []


def fail() -> None:
    raise RuntimeError("wrong")


def test_that_products_on_a_gpu_are_those_of_float32() -> None:
    def precision() -> tuple[bool, str]:
        return torch.backends.cudnn.allow_tf32, torch.backends.cudnn.conv.fp32_precision

    before = precision()
    assert other_device().attempt(precision) == (False, "ieee")
    assert precision() == before
