"""Parts of a batch that go through the network side by side, one thread each; on a GPU one after the other.

Threads that share every operator wait for each other, and on a busy computer for very long. What results does not
depend on how many threads there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from engine.torch_graph.device import TrainingDevice

Tensor = torch.Tensor
Part = TypeVar("Part")
Result = TypeVar("Result")

# Into so many parts a batch is divided, if it has so many samples.
PARTS = 4


class SideBySide:
    """Threads for the parts of a batch; made by `side_by_side`."""

    def __init__(self, pool: ThreadPoolExecutor, device: TrainingDevice) -> None:
        self._pool, self._device = pool, device

    def differentiate(
        self, parts: Sequence[Part], measure: Callable[[Part], Tensor], trained: Sequence[Tensor]
    ) -> tuple[float, list[Tensor | None]]:
        """The sum of what `measure` gives for the parts, and its gradients; None where nothing depends on a tensor."""

        def differentiate(part: Part) -> tuple[float, tuple[Tensor | None, ...]]:
            loss = measure(part)
            return loss.item(), torch.autograd.grad(loss, trained, allow_unused=True)

        found = self._map(differentiate, parts)
        gradients = [_add(items) for items in zip(*(gradients for _, gradients in found), strict=True)]
        return sum(loss for loss, _ in found), gradients

    def measure(self, parts: Sequence[Part], measure: Callable[[Part], Result]) -> list[Result]:
        """What `measure` gives for the parts, without gradients."""

        def work(part: Part) -> Result:
            with torch.no_grad():
                return measure(part)

        return self._map(work, parts)

    def _map(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """In order; all parts anew where a GPU fails."""
        return self._device.attempt(lambda: list((self._pool.map if self._device.is_cpu else map)(work, parts)))


@contextmanager
def side_by_side(device: TrainingDevice) -> Iterator[SideBySide]:
    """Within, torch computes with one thread in each of several."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with ThreadPoolExecutor(min(threads, PARTS), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield SideBySide(pool, device)
    finally:
        torch.set_num_threads(threads)


def _add(gradients: Iterable[Tensor | None]) -> Tensor | None:
    """The sum, in order; None where no part depends on the parameter."""
    total: Tensor | None = None
    for gradient in gradients:
        if gradient is not None:
            total = gradient if total is None else total + gradient
    return total
