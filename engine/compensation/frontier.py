"""Tensors that wait between two cuts through the network, of all samples: in memory, beyond a bound on disk.

What lies on disk is mapped, and given back to the system after every use, so that memory does not grow with the
number of samples.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

# What waits in memory at most, and on disk: of a larger frontier, fewer samples are used.
MEMORY_BYTES = 32 << 20
DISK_BYTES = 8 << 30
ALIGNMENT = 64

Values = dict[str, torch.Tensor]


@dataclass
class Pair:
    """One batch at a cut: what the float and the quantized network have there, by tensor name.

    Tensors that no quantized layer has touched are the same objects in both.
    """

    float_values: Values
    values: Values

    @property
    def size_bytes(self) -> int:
        """Memory, shared tensors counted once."""
        tensors = {id(tensor): tensor for tensor in (*self.float_values.values(), *self.values.values())}
        return sum(tensor.nbytes for tensor in tensors.values())


class Frontier:
    """Every batch at the current cut, replaced one after the other as the cut moves on."""

    def __init__(self) -> None:
        self._pairs: list[Pair] = []
        self._mapped: list[mmap.mmap | None] = []
        self._sizes: list[int] = []

    def __iter__(self) -> Iterator[Pair]:
        for index, pair in enumerate(self._pairs):
            yield pair
            _release(self._mapped[index])

    def __len__(self) -> int:
        return len(self._pairs)

    def append(self, pair: Pair) -> None:
        """One more batch."""
        self._sizes.append(0)
        self._pairs.append(pair)
        self._mapped.append(None)
        self.replace(len(self._pairs) - 1, pair)

    def replace(self, index: int, pair: Pair) -> None:
        """Keep `pair` as batch `index`; what was there is forgotten."""
        self._sizes[index] = 0
        size = pair.size_bytes
        is_kept = sum(self._sizes) + size <= MEMORY_BYTES
        self._sizes[index] = size if is_kept else 0
        self._pairs[index], self._mapped[index] = (pair, None) if is_kept else _spill(pair)
        if not is_kept:
            _trim()


def _spill(pair: Pair) -> tuple[Pair, mmap.mmap]:
    """The same with tensors that are mapped from a file; it vanishes with the last reference."""
    tensors = {id(tensor): tensor for tensor in (*pair.float_values.values(), *pair.values.values())}
    offsets: dict[int, int] = {}
    size = 0
    for key, tensor in tensors.items():
        offsets[key] = size
        size += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
    with tempfile.TemporaryFile(prefix="bitsmith-") as file:
        file.truncate(max(size, 1))
        mapped = mmap.mmap(file.fileno(), max(size, 1))
    known = {key: _copy_to(mapped, offsets[key], tensor) for key, tensor in tensors.items()}

    def spilled(values: Mapping[str, torch.Tensor]) -> Values:
        return {name: known[id(tensor)] for name, tensor in values.items()}

    _release(mapped)
    return Pair(spilled(pair.float_values), spilled(pair.values)), mapped


def _copy_to(mapped: mmap.mmap, offset: int, tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.nbytes:
        return tensor
    values = tensor.numpy()
    copy = np.frombuffer(mapped, values.dtype, values.size, offset).reshape(values.shape)
    copy[...] = values
    return torch.from_numpy(copy)


def _release(mapped: mmap.mmap | None) -> None:
    """Take the pages out of this process's memory; the system keeps what they hold, and maps them again on use."""
    if mapped is not None and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _trim() -> None:
    """Give free memory back to the system: glibc keeps it between small lasting objects and takes more each time."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
