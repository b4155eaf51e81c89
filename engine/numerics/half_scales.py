"""Scales of weights below 8 bits as float16 numbers: half the bytes, and at most 0.1 % off what was wanted.

They are rounded before codes are chosen, so that no code is chosen for a scale that the file does not hold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Scales = npt.NDArray[np.float32]

HALF_NORMAL, HALF_LEAST, HALF_LARGEST = (
    float(limit)
    for limit in (np.finfo(np.float16).tiny, np.finfo(np.float16).smallest_subnormal, np.finfo(np.float16).max)
)


def to_half_scales(scale: Scales, *, up: bool = False) -> Scales:
    """The nearest numbers that float16 holds, or the next ones that are no smaller, as float32; never 0.

    Those of channels that are all but dead may be subnormal, and coarse; what is beyond float16 becomes its largest.
    """
    within = np.clip(scale, HALF_LEAST, HALF_LARGEST)
    half = within.astype(np.float16)
    if up:
        half = np.where(half < within, np.nextafter(half, np.float16(HALF_LARGEST)), half)
    return half.astype(np.float32)


def can_halve(matrix: npt.NDArray[np.floating], span: int, largest_multiplier: int) -> bool:
    """Whether float16 suits the scales of a weight: where that of its widest channel is a normal float16.

    Channels whose scales are not, beside such a one, have weights too small to be seen among 256 levels of the
    output that the channels share.

    Args:
        span: codes from 0 to the end of a range, or from one end to the other if zero points are free.
        largest_multiplier: of groups, 1 without groups.
    """
    widest = max(abs(float(matrix.min())), abs(float(matrix.max())))
    return widest == 0 or HALF_NORMAL * span * largest_multiplier <= widest <= HALF_LARGEST
