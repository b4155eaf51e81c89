"""Tensors that wait between two cuts through the network, of all samples: in memory, beyond a bound on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

# What waits in memory at most, and on disk: of a larger frontier, fewer samples are used.
MEMORY_BYTES = 1 << 30
DISK_BYTES = 8 << 30

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
        self._sizes: list[int] = []

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def append(self, pair: Pair) -> None:
        """One more batch."""
        self._sizes.append(0)
        self._pairs.append(pair)
        self.replace(len(self._pairs) - 1, pair)

    def replace(self, index: int, pair: Pair) -> None:
        """Keep `pair` as batch `index`; what was there is forgotten."""
        self._sizes[index] = 0
        size = pair.size_bytes
        is_kept = sum(self._sizes) + size <= MEMORY_BYTES
        self._sizes[index] = size if is_kept else 0
        self._pairs[index] = pair if is_kept else _spill(pair)


def _spill(pair: Pair) -> Pair:
    """The same with tensors that are mapped from files; these vanish with the last reference."""
    known: dict[int, torch.Tensor] = {}

    def spilled(values: Mapping[str, torch.Tensor]) -> Values:
        for tensor in values.values():
            if id(tensor) not in known:
                known[id(tensor)] = _to_disk(tensor)
        return {name: known[id(tensor)] for name, tensor in values.items()}

    return Pair(spilled(pair.float_values), spilled(pair.values))


def _to_disk(tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.nbytes:
        return tensor
    values = tensor.numpy()
    with tempfile.TemporaryFile(prefix="bitsmith-") as file:
        mapped = np.memmap(file, values.dtype, "w+", shape=values.shape)
    mapped[...] = values
    return torch.from_numpy(mapped)
