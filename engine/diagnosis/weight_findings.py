"""What is unusual about a layer's weight and what its scheme makes of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from engine.diagnosis.noise import LayerNoise, Matrix
from engine.diagnosis.report import Finding, FindingKind
from engine.model.quantized_layers import fake_quantize_layer, quantize_layer
from engine.numerics.schemes import PerTensor, WeightScheme
from engine.numerics.weights import QuantizedWeight, range_of
from engine.plan import LayerPlan

# Above this, noise is a ten-thousandth of the signal: nothing about the weight is worth a change.
GOOD_DB = 40.0
# A channel with eight times the median's error costs as much as eight channels; below a quarter of the whole error
# such channels do not decide, and above a tenth of the channels they are no exceptions.
LOUD_RATIO = 8.0
LOUD_SHARE = 0.25
LOUD_CHANNELS_SHARE = 0.1
# From here on, a wider range is called the reason for a channel's error, and channels count as spread.
WIDE_RATIO = 2.0
# Four times the median's range takes two bits from half of the channels.
SPREAD_RATIO = 4.0
# The largest of n normal weights is about √(2·ln n) RMS; a weight this much larger sets the scale alone.
OUTLIER_RATIO = 1.6
OUTLIER_SCALES_SHARE = 0.05
FEWEST_PER_SCALE = 16
# A range with the least error loses about as much by clipping as by rounding; more speaks for a wider one.
CLIPPED_ERROR_SHARE = 0.5
# Rounding moves a weight by at most half a scale; what moves more was clipped.
HALF_SCALE = 0.5 + 1e-3
# −80 dB beside the loudest channel: nothing that counts.
DEAD_SHARE = 1e-8


def find_weight_problems(noise: LayerNoise, choice: LayerPlan) -> tuple[list[Finding], float]:
    """Findings, and Σ ‖Δw·x‖² with them: the weight is quantized once for both.

    Raises:
        ConversionError: the weight does not fit the scheme.
    """
    if not choice.weights.is_integer:
        changed = fake_quantize_layer(noise.matrix, noise.summary, choice)
        return [], float(noise.energy(changed - noise.matrix).sum())
    quantized = quantize_layer(noise.matrix, noise.summary, choice)
    change = quantized.dequantize() - noise.matrix
    error = noise.energy(change)
    total = float(error.sum())
    if noise.sqnr_db(total) >= GOOD_DB:
        return [], total
    found = list(_find_spread(noise, quantized, choice.weights))
    if not found:  # which explains these two
        found += _find_loud_channels(noise, error)
        found += _find_outliers(noise.matrix, quantized, choice.weights)
    found += _find_clipping(noise, quantized, change, choice.weights)
    return found, total


def find_dead_channels(noise: LayerNoise) -> Iterator[Finding]:
    """Output channels that give nothing, input channels that bring nothing."""
    if noise.inputs.lookups is not None:  # words that no sample holds are not dead
        return
    dead = int((noise.signal <= DEAD_SHARE * noise.signal.max()).sum())
    if dead:
        yield Finding(FindingKind.DEAD_OUTPUTS, {"count": dead, "channels": noise.signal.size})
    silent = noise.inputs.is_silent
    if silent.any():
        yield Finding(FindingKind.DEAD_INPUTS, {"count": int(silent.sum()), "channels": silent.size})


def _find_spread(noise: LayerNoise, quantized: QuantizedWeight, scheme: WeightScheme) -> Iterator[Finding]:
    if not isinstance(scheme.granularity, PerTensor):
        return
    ranges = np.abs(noise.matrix).max(axis=1)
    ratio = float(ranges.max() / max(np.median(ranges), 1e-30))
    if ratio < SPREAD_RATIO:
        return
    qmin, qmax = range_of(scheme)
    codes = np.ptp(quantized.codes.astype(np.int16), axis=1) + 1
    figures = {"channels": ranges.size, "range_ratio": ratio, "codes": float(np.median(codes))}
    yield Finding(FindingKind.CHANNEL_SPREAD, {**figures, "all_codes": qmax - qmin + 1})


def _find_loud_channels(noise: LayerNoise, error: npt.NDArray[np.float64]) -> Iterator[Finding]:
    """Few output channels that hold much of the error."""
    if noise.inputs.lookups is not None:
        return
    loud = error > LOUD_RATIO * np.median(error)
    count, share = int(loud.sum()), float(error[loud].sum() / error.sum())
    if not 0 < count <= LOUD_CHANNELS_SHARE * error.size or share < LOUD_SHARE:
        return
    ranges = np.abs(noise.matrix).max(axis=1)
    ratio = float(np.median(ranges[loud]) / max(np.median(ranges), 1e-30))
    figures = {"count": count, "channels": error.size, "error_share": share}
    if ratio >= WIDE_RATIO:
        yield Finding(FindingKind.WIDE_CHANNELS, {**figures, "range_ratio": ratio})
    else:
        yield Finding(FindingKind.LOUD_CHANNELS, figures)


def _find_outliers(matrix: Matrix, quantized: QuantizedWeight, scheme: WeightScheme) -> Iterator[Finding]:
    """Scales that one large weight sets for all that share it."""
    is_one = isinstance(scheme.granularity, PerTensor)
    if is_one:
        matrix = matrix.reshape(1, -1)
    size = matrix.shape[1] if quantized.groups == 1 else quantized.group_size
    if size < FEWEST_PER_SCALE:
        return
    whole = matrix[:, : matrix.shape[1] // size * size].reshape(-1, size)
    rms = np.sqrt(np.mean(np.square(whole), axis=1))
    crest = np.abs(whole).max(axis=1) / np.maximum(rms, np.finfo(np.float32).tiny)
    is_set_by_one = crest > OUTLIER_RATIO * math.sqrt(2 * math.log(size))
    share = float(is_set_by_one.mean())
    if share < OUTLIER_SCALES_SHARE:
        return
    ratio = float(np.median(crest[is_set_by_one]))
    if is_one:
        yield Finding(FindingKind.ONE_LARGE_WEIGHT, {"rms_ratio": ratio})
    else:
        yield Finding(FindingKind.WEIGHT_OUTLIERS, {"scale_share": share, "rms_ratio": ratio})


def _find_clipping(
    noise: LayerNoise, quantized: QuantizedWeight, change: Matrix, scheme: WeightScheme
) -> Iterator[Finding]:
    """Weights outside their range that make most of the error."""
    qmin, qmax = range_of(scheme)
    scale = quantized.scale
    if scale.shape[1] > 1:
        scale = np.repeat(scale, quantized.group_size, axis=1)[:, : change.shape[1]]
    is_at_end = (quantized.codes == qmin) | (quantized.codes == qmax)
    is_clipped = is_at_end & (np.abs(change) > HALF_SCALE * scale)
    if not is_clipped.any():
        return
    share = min(1.0, float(noise.energy(change * is_clipped).sum() / noise.energy(change).sum()))
    if share >= CLIPPED_ERROR_SHARE:
        figures = {"weight_share": float(is_clipped.mean()), "error_share": share}
        yield Finding(FindingKind.CLIPPED_WEIGHTS, figures)
