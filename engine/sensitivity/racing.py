"""When a cell has seen enough samples.

All cells see the same samples in the same order, in rounds that double. A sample that is hard for one
layer is hard for most, so a cell is compared with the *profile*: the mean over the running cells of
each cell's damage per sample, relative to its own mean. What is left of a cell after its share of
the profile decides. A cell stops after a round when

1. the standard error of its mean relative to the profile is at most `TOLERANCE` of it: what allocation
   loses by an error of that size is of second order, because it errs where two choices are nearly equal, or
2. that error is at most `TOLERANCE` of what the layer's next narrower candidate costs: allocation weighs
   the difference of the two, in which it does not show.

A cell that stopped early is scaled by how much the cells that went on have changed since: the ratio
estimator, whose common factor allocation would not notice, but readers would.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from engine.sensitivity.output_metrics import DIVERGENCE, NOISE, PREDICTIONS, SIGNAL, Figures

TOLERANCE = 0.2
FIRST_ROUND = 4

CellKey = tuple[str, int]
Damages = npt.NDArray[np.float64]


def round_ends(samples: int, batch_size: int) -> Iterator[int]:
    """After how many samples the rounds end: whole batches, doubling, all samples last."""
    end = -(-FIRST_ROUND // batch_size) * batch_size
    while end < samples:
        yield end
        end *= 2
    yield samples


def damages(figures: Figures) -> Damages:
    """What a cell costs per sample: KL per prediction, or noise to mean signal where there are no classes."""
    if figures[:, PREDICTIONS].any():
        return np.asarray(figures[:, DIVERGENCE] / np.maximum(figures[:, PREDICTIONS], 1.0))
    return np.asarray(figures[:, NOISE] / max(float(figures[:, SIGNAL].mean()), np.finfo(np.float64).tiny))


def find_undecided(cells: Mapping[CellKey, Figures]) -> set[CellKey]:
    """The cells that need another round.

    Args:
        cells: every cell, with the samples that it has seen; those that have seen most are running.
    """
    seen = max((len(figures) for figures in cells.values()), default=0)
    running = {key: damages(figures) for key, figures in cells.items() if len(figures) == seen}
    means = {key: float(damages(figures).mean()) for key, figures in cells.items()}
    relative = {key: values / means[key] for key, values in running.items() if 0.0 < means[key] < math.inf}
    if not relative or seen < 2:
        return set(running)
    profile = np.mean(list(relative.values()), axis=0)
    undecided = set()
    for (layer, width), values in relative.items():
        error = float(np.std(values - profile, ddof=1)) / math.sqrt(seen)
        narrower = max((bits for name, bits in means if name == layer and bits < width), default=width)
        if error * means[layer, width] > TOLERANCE * max(means[layer, width], means[layer, narrower]):
            undecided.add((layer, width))
    return undecided


def scale_stopped(cells: Mapping[CellKey, Figures], samples: int) -> dict[CellKey, float]:
    """By what each cell's damage is to be multiplied; 1 for those that have seen all samples."""
    lengths = sorted({len(figures) for figures in cells.values()} | {samples})
    factors = dict.fromkeys(lengths, 1.0)
    for index in range(len(lengths) - 2, -1, -1):
        length, following = lengths[index], lengths[index + 1]
        went_on = [damages(figures) for figures in cells.values() if len(figures) >= following]
        change = _mean_change(went_on, length, following)
        factors[length] = factors[following] * change
    return {key: factors[len(figures)] for key, figures in cells.items()}


def _mean_change(went_on: Collection[Damages], length: int, following: int) -> float:
    """The mean over cells of their mean after `following` samples by that after `length`."""
    pairs = [(float(values[:length].mean()), float(values[:following].mean())) for values in went_on]
    ratios = [after / before for before, after in pairs if 0.0 < before < math.inf and after < math.inf]
    return float(np.mean(ratios)) if ratios else 1.0
