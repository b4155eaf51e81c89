"""The samples that distillation learns from, those it is judged by, and what is varied about the former."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional

from engine.data.dataset import Dataset
from engine.torch_graph.tensors import to_tensor

Tensor = torch.Tensor
Values = dict[str, Tensor]

# Samples are held in memory, so many of them at most.
MAX_BYTES = 1 << 30
# One sample in so many is held out, up to this number.
HELD_OUT_SHARE, MAX_HELD_OUT = 8, 64
COLOURS = 3
MIN_IMAGE = 24
# Images are shifted by up to this share of their size.
SHIFT_SHARE = 8


def count_held_out(units: int) -> int:
    """How many of so many batches of the smallest size the network does not learn from."""
    return min(max(1, units // HELD_OUT_SHARE), MAX_HELD_OUT) if units > 1 else 0


def count_learned(dataset: Dataset, samples: int) -> int:
    """How many of the first `samples` the network learns from, and what is chosen before may look at."""
    unit = dataset.fixed_batch or 1
    units = max(1, min(samples, dataset.samples) // unit)
    return (units - count_held_out(units)) * unit


class Samples:
    """Inputs of the network in memory, in units of the batch that the model dictates; of 1 if it takes any.

    Attributes:
        unit: samples of each.
        units: how many there are to learn from.
        held_out: how many more there are, at the end, to judge by.
        is_free: whether any number of units makes a batch.
    """

    def __init__(self, dataset: Dataset, samples: int) -> None:
        """Read the first `samples`, as far as memory goes: then the share to learn from gets smaller."""
        self.unit, self.is_free = dataset.fixed_batch or 1, dataset.fixed_batch is None
        self._shared: Values = {}
        parts: dict[str, list[Tensor]] = {}
        size = read = 0
        for batch in dataset.batches(self.unit, limit=samples):
            for name, value in batch.inputs.items():
                tensor = to_tensor(value)
                is_own = value.ndim > 0 and value.shape[0] == len(batch)
                if is_own:
                    parts.setdefault(name, []).append(tensor)
                    size += tensor.nbytes
                else:
                    self._shared[name] = tensor
            read += 1
            if size > MAX_BYTES:
                break
        self._values = {name: torch.cat(tensors) for name, tensors in parts.items()}
        self.held_out = count_held_out(read)
        self.units = read - self.held_out

    def take(self, units: Tensor) -> Values:
        """The inputs of these units, one batch."""
        rows = self.rows(units)
        return {**self._shared, **{name: values[rows] for name, values in self._values.items()}}

    def rows(self, units: Tensor) -> Tensor:
        """The samples that these units are."""
        return (units[:, None] * self.unit + torch.arange(self.unit)).reshape(-1)

    def limit(self, units: int) -> None:
        """Go on with so many units at most, the first ones, and hold out a share of these."""
        total = min(max(1, units), self.units + self.held_out)
        self.held_out = count_held_out(total)
        self.units = total - self.held_out

    def draw(self, count: int, noise: torch.Generator) -> Iterator[Tensor]:
        """Numbers of units to learn from, `count` at a time, without end: every one once before any comes again."""
        waiting = torch.empty(0, dtype=torch.int64)
        while True:
            while len(waiting) < count:
                waiting = torch.cat([waiting, torch.randperm(self.units, generator=noise)])
            yield waiting[:count]
            waiting = waiting[count:]

    def held_out_batches(self, count: int) -> Iterator[tuple[Values, int]]:
        """What is held out, up to `count` units at a time, and how many these are; of a single unit, that one."""
        start = self.units if self.held_out else 0
        for units in torch.split(torch.arange(start, self.units + self.held_out), count):
            yield self.take(units), len(units)


class Augmentation:
    """Flips colour images left to right and shifts them: the float model says what they are then, too."""

    def __init__(self, values: Values) -> None:
        """For inputs like these; others than one colour image are left alone."""
        only = next(iter(values.values())) if len(values) == 1 else None
        self._is_image = only is not None and only.ndim == 4 and only.is_floating_point()
        self._is_last = self._is_image and only is not None and only.shape[1] != COLOURS
        if only is not None and self._is_image:
            shape = only.shape[1:]
            colours, *sides = (shape[2], shape[0], shape[1]) if self._is_last else shape
            self._is_image = colours == COLOURS and min(sides) >= MIN_IMAGE

    @property
    def is_image(self) -> bool:
        """Whether anything is varied."""
        return self._is_image

    def apply(self, values: Values, noise: torch.Generator) -> Values:
        """Other values of the same shapes."""
        if not self._is_image:
            return values
        ((name, images),) = values.items()
        found = images.permute(0, 3, 1, 2) if self._is_last else images
        found = torch.stack([_vary(image, noise) for image in found])
        return {name: found.permute(0, 2, 3, 1).contiguous() if self._is_last else found}


def _vary(image: Tensor, noise: torch.Generator) -> Tensor:
    """[colours, height, width]; what comes in at a border repeats it."""
    height, width = image.shape[1:]
    reach = [size // SHIFT_SHARE for size in (height, width)]
    flips, *shift = (int(torch.randint(0, top, (), generator=noise)) for top in (2, *(2 * r + 1 for r in reach)))
    padded = functional.pad(image[None], (reach[1], reach[1], reach[0], reach[0]), mode="replicate")[0]
    cut = padded[:, shift[0] : shift[0] + height, shift[1] : shift[1] + width]
    return cut.flip(2) if flips else cut
