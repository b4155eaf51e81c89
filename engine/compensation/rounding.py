"""One layer's codes and scales by the rounding that the plan asks for, never worse than rounding to nearest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.compensation.adaround import round_adaround
from engine.compensation.flips import choose_channels
from engine.compensation.gptq import round_gptq
from engine.compensation.moments import Moments
from engine.compensation.scaling import refine_scales
from engine.numerics.schemes import Rounding, WeightScheme
from engine.numerics.weights import QuantizedWeight
from engine.torch_graph.device import TrainingDevice

Matrix = npt.NDArray[np.float32]


def round_weight(
    rounding: Rounding,
    matrix: Matrix,
    moments: Moments,
    nearest: QuantizedWeight,
    scheme: WeightScheme,
    *,
    device: TrainingDevice | None = None,
) -> QuantizedWeight:
    """Codes and scales, chosen channel by channel: the method's where Σ (W·x − V·q)² is lower.

    Args:
        matrix: W, float32 [channels, inputs].
        nearest: its nearest codes, whose zero points are kept.
        device: for AdaRound; the CPU if None.
    """
    found: QuantizedWeight | None
    if rounding == Rounding.ADAROUND:
        found = round_adaround(matrix, moments, nearest, scheme, device=device)
    else:
        found = round_gptq(matrix, moments, nearest, scheme)
    if found is None:
        return nearest
    return refine_scales(matrix, moments, choose_channels(matrix, moments, found, nearest), scheme)
