"""The device that torch computes on in training: a GPU through CUDA where there is one, else the CPU.

What stays (constants, what is trained) is kept there, inputs are brought there batch by batch, results go back to the
CPU. Random numbers are drawn on the CPU, so that the same are drawn whichever device there is; and products are those
of float32 on both, not of TF32. Sums run in another order on a GPU, so only the CPU gives the same bits every time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch

from engine.errors import DeviceError, UnsupportedOperator
from engine.model.quantized_layers import ChosenWeights
from engine.requests.conversion import DeviceChoice
from engine.units import format_bytes

Tensor = torch.Tensor
Result = TypeVar("Result")

CPU = torch.device("cpu")
CPU_NAME = "CPU"


def ensure_device(wanted: DeviceChoice) -> None:
    """Raise `DeviceError` if CUDA is wanted where there is none."""
    if wanted == DeviceChoice.CUDA and not torch.cuda.is_available():
        is_built = torch.version.cuda is not None or torch.version.hip is not None  # ROCm goes by the name of CUDA
        reason = "finds no GPU" if is_built else "is built without CUDA"
        raise DeviceError(
            f"There is no GPU to train on: the installed torch {reason}. Choose the device cpu or auto (--device)."
        )


class TrainingDevice:
    """Where tensors are while something is trained: on the CPU at first, on a GPU if `choose` finds one.

    When the GPU fails, as it does when its memory runs out, all that is kept there moves to the CPU, and work goes on
    there. For one thread.

    Attributes:
        notes: sentences on why a GPU was not used, or not to the end.
    """

    def __init__(self) -> None:
        self._device = CPU
        self._kept: list[Tensor] = []
        self._names = [CPU_NAME]
        self.notes: list[str] = []

    @property
    def is_cpu(self) -> bool:
        """Whether no GPU is used."""
        return self._device == CPU

    @property
    def name(self) -> str:
        """CPU, or the name of the GPU."""
        return self._names[-1]

    def choose(self, wanted: DeviceChoice, needed_bytes: int) -> None:
        """Go to the GPU if that is allowed, and if so much of its memory is free or it is wanted in any case.

        Raises:
            DeviceError: CUDA is wanted where there is none.
        """
        ensure_device(wanted)
        if wanted == DeviceChoice.CPU or not torch.cuda.is_available():
            return
        try:
            torch.cuda.empty_cache()
            device = torch.device("cuda", torch.cuda.current_device())
            name, (free, _) = torch.cuda.get_device_name(device), torch.cuda.mem_get_info(device)
        except RuntimeError as error:
            self.notes.append(f"The GPU cannot be used ({_first_line(error)}), so training ran on the CPU.")
            return
        if free < needed_bytes and wanted == DeviceChoice.AUTO:
            self.notes.append(
                f"The GPU ({name}) has {format_bytes(free)} of free memory, training needs about "
                f"{format_bytes(needed_bytes)}, so it ran on the CPU."
            )
            return
        self._device, self._names = device, [name]

    def keep(self, tensor: Tensor) -> Tensor:
        """The tensor on the device, a leaf for autograd as before; on the CPU itself."""
        if self.is_cpu:
            return tensor
        try:
            moved = tensor.detach().to(self._device).requires_grad_(tensor.requires_grad)
        except RuntimeError as error:
            self._retreat(error)
            return tensor
        self._kept.append(moved)
        return moved

    def bring(self, tensor: Tensor) -> Tensor:
        """The tensor on the device."""
        return tensor.to(self._device)

    def bring_all(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors on the device."""
        return {name: self.bring(tensor) for name, tensor in tensors.items()}

    def attempt(self, work: Callable[[], Result]) -> Result:
        """What `work` gives; if it fails on a GPU it is done again on the CPU, and everything from then on."""
        if self.is_cpu:
            return work()
        try:
            with _plain_products():
                return work()
        except (RuntimeError, UnsupportedOperator) as error:
            self._retreat(error)
        # What the failed work held is free by now, for others too.
        torch.cuda.empty_cache()
        return work()

    def _retreat(self, error: Exception) -> None:
        for tensor in self._kept:
            tensor.data = tensor.data.to(CPU)
        if isinstance(error, torch.OutOfMemoryError):
            self.notes.append(f"The GPU ({self.name}) ran out of memory, so training continued on the CPU.")
        else:
            self.notes.append(f"The GPU ({self.name}) failed ({_first_line(error)}), so training continued on the CPU.")
        self._kept, self._device = [], CPU
        self._names.append(CPU_NAME)

    def signed(self, chosen: ChosenWeights) -> ChosenWeights:
        """`chosen` with the names of what it was trained on, and the notes."""
        devices = dict.fromkeys([*chosen.devices, *self._names])
        notes = dict.fromkeys([*chosen.notes, *self.notes])
        return dataclasses.replace(chosen, notes=tuple(notes), devices=tuple(devices))


@contextmanager
def _plain_products() -> Iterator[None]:
    """Within, cuDNN computes convolutions in float32, and the same way every time."""
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False, fp32_precision="ieee"):
        yield


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
