"""Where the windows of convolutions and pools stand: pads per axis, from `pads` or `auto_pad`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch.nn import functional

from engine.torch_graph.call import Call, Tensor


@dataclass(frozen=True)
class Windows:
    """Kernel, strides, dilations, and (before, after) pads per spatial axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]

    @property
    def extent(self) -> tuple[int, ...]:
        """How far one window reaches."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    def counts(self, sizes: Sequence[int], *, rounds_up: bool) -> list[int]:
        """Windows per axis; those that would start behind the input and its first pad are left out."""
        found = []
        for size, reach, step, (before, after) in zip(sizes, self.extent, self.strides, self.pads, strict=True):
            room = size + before + after - reach
            count = (-(-room // step) if rounds_up else room // step) + 1
            found.append(count - 1 if rounds_up and (count - 1) * step >= size + before else count)
        return found


def read_windows(call: Call, sizes: Sequence[int], kernel: Sequence[int]) -> Windows:
    """The windows of a convolution or pool on an input of these spatial sizes."""
    rank = len(kernel)
    strides = tuple(call.attribute("strides", (1,) * rank))
    dilations = tuple(call.attribute("dilations", (1,) * rank))
    flat = tuple(call.attribute("pads", (0,) * (2 * rank)))
    pads = tuple(zip(flat[:rank], flat[rank:], strict=True))
    mode = call.attribute("auto_pad", "NOTSET")
    if mode == "VALID":
        pads = ((0, 0),) * rank
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        pads = tuple(
            _same_pads(size, step, (k - 1) * d + 1, is_upper=mode == "SAME_UPPER")
            for size, step, k, d in zip(sizes, strides, kernel, dilations, strict=True)
        )
    return Windows(tuple(kernel), strides, dilations, pads)


def _same_pads(size: int, step: int, reach: int, *, is_upper: bool) -> tuple[int, int]:
    total = max((-(-size // step) - 1) * step + reach - size, 0)
    less, more = total // 2, total - total // 2
    return (less, more) if is_upper else (more, less)


def pad_spatial(source: Tensor, pads: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Pad the last axes by (before, after) each; negative pads cut off."""
    flat = [amount for pair in reversed(pads) for amount in pair]
    return functional.pad(source, flat, value=value) if any(flat) else source
