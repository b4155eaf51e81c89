"""A device that is not there: tensors on it lie in memory, but meet no others, as those on a GPU would not.

They say that they are on "meta", where autograd needs no driver, and hold real values all the same. As with CUDA, a
CPU tensor without axes may meet them, indices may be on the CPU, and numpy cannot have them. Only the thread that
enters the mode knows the device.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

from engine.requests.conversion import DeviceChoice
from engine.torch_graph.device import TrainingDevice

META = torch.device("meta")
NAME = "Pretended GPU"
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class PretendedTensor(torch.Tensor):
    """A tensor on the device; `held` is what it holds."""

    held: torch.Tensor

    def __new__(cls, held: torch.Tensor) -> Self:
        made = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device=META
        )
        made.held = held
        return made

    def tolist(self) -> Any:
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


class PretendedDevice(TorchDispatchMode):
    """Within, `META` is the device."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


def _run(function: Any, args: Any, kwargs: Any) -> Any:
    tensors = [item for item in tree_iter((args, kwargs)) if isinstance(item, torch.Tensor)]
    is_there = any(isinstance(item, PretendedTensor) for item in tensors)
    strays = [item for item in tensors if not isinstance(item, PretendedTensor) and item.ndim]
    if is_there and strays and function not in COPIES:
        raise RuntimeError(f"{function}: tensors on two devices")
    if kwargs.get("device") is not None:
        is_there = torch.device(kwargs["device"]) == META
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if kwargs.get("generator") is not None and is_there:
        raise RuntimeError(f"{function}: random numbers of another device")
    found = function(*tree_map(_held, args), **tree_map(_held, kwargs))
    if function._schema.is_mutable and isinstance(args[0], torch.Tensor):
        return args[0]
    return tree_map(lambda item: PretendedTensor(item) if isinstance(item, torch.Tensor) and is_there else item, found)


def _held(item: Any) -> Any:
    return item.held if isinstance(item, PretendedTensor) else item


def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have training choose the device wherever the CPU is not asked for."""

    def choose(self: TrainingDevice, wanted: DeviceChoice, needed_bytes: int) -> None:
        assert needed_bytes > 0
        if wanted != DeviceChoice.CPU:
            self._device, self._names = META, [NAME]

    monkeypatch.setattr(TrainingDevice, "choose", choose)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether both hold the same; NaN equals itself."""
    return np.array_equal(one.cpu().numpy(), other.cpu().numpy(), equal_nan=one.is_floating_point())
