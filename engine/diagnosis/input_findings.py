"""What is unusual about a layer's input and what 8 bits make of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.diagnosis.noise import LayerNoise, Rows
from engine.diagnosis.report import Finding, FindingKind
from engine.diagnosis.weight_findings import GOOD_DB
from engine.numerics.affine import UINT8_MAX, TensorQuantization
from engine.numerics.schemes import ActivationMode

CODES = UINT8_MAX + 1
# Three quarters of the error: a better weight could win no more than 1.2 dB.
INPUT_ERROR_SHARE = 0.75
# Noise of a thousandth of the signal; below, an input is worth a word.
NOISY_DB = 30.0
# What 99.9 % of the values need may be exceeded four times before two bits are lost to the rest.
BULK = 0.999
OUTLIER_RATIO = 4.0
# The range with the least error clips little; if clipping makes most of the error, the range is too narrow.
CLIPPED_ERROR_SHARE = 0.5
# A quarter of the codes is 2.5 dB.
UNUSED_SHARE = 0.25
# ReLU6 and sigmoids end at a value that many inputs have; a tenth at one end is no chance.
SATURATED_SHARE = 0.1
SATURATED_WIDTH = 1e-3


def find_input_problems(noise: LayerNoise, mode: ActivationMode) -> Iterator[Finding]:
    """What is unusual about the values themselves, and about their grid where they are quantized."""
    low, high = noise.extremes
    if low == high:
        yield Finding(FindingKind.CONSTANT_INPUT, {"input_value": low})
        return
    if mode != ActivationMode.FLOAT and noise.sqnr_db(noise.input_noise(mode)) < GOOD_DB:
        grid = noise.grid(mode)
        yield from _find_outliers(noise.rows, grid)
        yield from _find_clipping(noise, grid, mode)
        yield from _find_skew(grid, low, high)
    yield from _find_saturation(noise.rows, high)


def find_noisy_input(noise: LayerNoise, mode: ActivationMode, weight_noise: float) -> Iterator[Finding]:
    """Whether the quantized input, not the weight, decides what the layer loses."""
    own = noise.input_noise(mode)
    share = own / max(own + weight_noise, 1e-30)
    if share >= INPUT_ERROR_SHARE and noise.sqnr_db(own) < NOISY_DB:
        yield Finding(FindingKind.INPUT_ERROR, {"error_share": share, "input_db": noise.sqnr_db(own)})


def _find_outliers(rows: Rows, grid: TensorQuantization) -> Iterator[Finding]:
    """A grid that reaches far beyond nearly all values."""
    tail = (1 - BULK) / 2
    least, most = (float(value) for value in np.quantile(rows, (tail, 1 - tail)))
    codes = (max(most, 0.0) - min(least, 0.0)) / float(grid.scale) + 1
    ratio = CODES / max(codes, 1.0)
    if ratio >= OUTLIER_RATIO:
        yield Finding(FindingKind.INPUT_OUTLIERS, {"range_ratio": ratio, "codes": codes})


def _find_clipping(noise: LayerNoise, grid: TensorQuantization, mode: ActivationMode) -> Iterator[Finding]:
    change = grid.fake_quantize(noise.rows) - noise.rows
    is_clipped = np.abs(change) > (0.5 + 1e-3) * grid.scale
    if not is_clipped.any():
        return
    share = min(1.0, noise.noise_of_input_change(change * is_clipped) / noise.input_noise(mode))
    if share >= CLIPPED_ERROR_SHARE:
        figures = {"value_share": float(is_clipped.mean()), "error_share": share}
        yield Finding(FindingKind.CLIPPED_INPUT, figures)


def _find_skew(grid: TensorQuantization, low: float, high: float) -> Iterator[Finding]:
    """Codes between zero, which is always on the grid, and values that never come near it."""
    first, last = (int(code) for code in grid.quantize(np.array([low, high], np.float32)))
    unused = 1 - (last - first + 1) / CODES
    if unused >= UNUSED_SHARE:
        yield Finding(FindingKind.SKEWED_INPUT, {"least_value": low, "most_value": high, "code_share": unused})


def _find_saturation(rows: Rows, high: float) -> Iterator[Finding]:
    """Many values at the upper end, unless that is zero."""
    share = float((rows >= high - SATURATED_WIDTH * abs(high)).mean())
    if high != 0 and share >= SATURATED_SHARE:
        yield Finding(FindingKind.SATURATED_INPUT, {"value_share": share, "most_value": high})
