"""How far to trust second moments of few samples: a share of independent inputs that is mixed in, by cross-validation.

Of a wide layer, the samples show fewer directions than there are inputs. Codes that are fitted to what they show lose
much on other samples, and the fit to quantized inputs does, too. A prior of inputs that are independent of each other
and the same in both networks keeps weights where the samples say little, as ridge regression and the shrinkage of
covariances do (Ledoit and Wolf, 2004). Its share is the one with which codes chosen by one half of the samples do best
on the other half.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from engine.compensation.gptq import round_gptq
from engine.compensation.moments import Moments
from engine.compensation.scaling import refine_scales
from engine.numerics.schemes import WeightScheme
from engine.numerics.weights import QuantizedWeight

Matrix = npt.NDArray[np.float32]

SHARES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
# Narrower layers have samples enough.
MIN_INPUTS = 48
# Channels that are rounded to find the share, which is that of the layer's inputs.
TRIAL_CHANNELS = 96
TRIAL_TURNS = 1


def choose_prior(
    matrix: Matrix, halves: tuple[Moments, Moments], nearest: QuantizedWeight, scheme: WeightScheme
) -> float:
    """The share of the prior for moments of all samples, 0 for none.

    Args:
        matrix: W, float32 [channels, inputs].
        halves: moments of either half of the samples.
        nearest: nearest codes of `matrix`.
    """
    learnt, judge = halves
    channels, inputs = matrix.shape
    if inputs < MIN_INPUTS or len(judge.square) > 1 or len(nearest.scale) != channels:
        return 0.0
    rows = np.unique(np.linspace(0, channels - 1, min(channels, TRIAL_CHANNELS)).astype(np.intp))
    part, start = matrix[rows], take_channels(nearest, rows)
    best, least = 0.0, np.inf
    for share in SHARES:
        moments = learnt.with_prior(share)
        found = round_gptq(part, moments, start, scheme)
        if found is None:
            continue
        found = refine_scales(part, moments, found, scheme, turns=TRIAL_TURNS)
        error = float(judge.error(part, found.dequantize()).sum())
        if error >= least:
            break
        best, least = share, error
    # All samples say twice as much as half of them.
    return best / 2


def take_channels(weight: QuantizedWeight, rows: npt.NDArray[np.intp]) -> QuantizedWeight:
    """Some channels of a weight that has scales of its own for each."""
    fields = ("codes", "scale", "zero_point", "multiplier", "channel_scale")
    parts = {name: getattr(weight, name) for name in fields}
    return dataclasses.replace(weight, **{name: part[rows] for name, part in parts.items() if part is not None})
