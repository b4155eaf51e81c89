"""One layer's codes by the rounding that the plan asks for, kept only where they beat rounding to nearest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from engine.compensation.adaround import round_adaround
from engine.compensation.flips import choose_channels
from engine.compensation.gptq import round_gptq
from engine.compensation.moments import Moments
from engine.numerics.schemes import Rounding, WeightScheme
from engine.numerics.weights import QuantizedWeight

Matrix = npt.NDArray[np.float32]
Method = Callable[[Matrix, Moments, QuantizedWeight, WeightScheme], QuantizedWeight | None]

METHODS: dict[Rounding, Method] = {Rounding.GPTQ: round_gptq, Rounding.ADAROUND: round_adaround}


def round_weight(
    rounding: Rounding, matrix: Matrix, moments: Moments, nearest: QuantizedWeight, scheme: WeightScheme
) -> QuantizedWeight:
    """Codes on the grid of `nearest`, chosen channel by channel: the method's where Σ (W·x − V·q)² is lower.

    Args:
        matrix: W, float32 [channels, inputs].
        nearest: its nearest codes, whose scales and zero points are kept.
    """
    found = METHODS[rounding](matrix, moments, nearest, scheme)
    return nearest if found is None else choose_channels(matrix, moments, found, nearest)
