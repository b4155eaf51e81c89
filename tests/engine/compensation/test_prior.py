"""Moments less their means, with a prior, and in halves: each equals what rows with the same property give."""

from __future__ import annotations

import numpy as np
import pytest

from engine.compensation.moments import Moments
from engine.compensation.prior import choose_prior, take_channels
from engine.compensation.rounding import round_weight
from engine.numerics.schemes import PerGroup, Rounding, WeightScheme
from engine.numerics.weights import quantize_weight
from tests.engine.models import normal

SCHEME = WeightScheme(4, granularity=PerGroup(32))


def moments_of(*rows: np.ndarray) -> Moments:
    """Of float rows, or of float and quantized ones."""
    found = Moments.empty(1, rows[0].shape[1], is_quantized=len(rows) > 1)
    found.update(*(part[None] for part in rows))
    return found


def correlated(rows: int, inputs: int, seed: int) -> np.ndarray:
    """Rows of inputs that hang together and have means."""
    mixing = normal(inputs, inputs, seed=99, scale=inputs**-0.5) + np.eye(inputs, dtype=np.float32)
    return (normal(rows, inputs, seed=seed) @ mixing + 0.7).astype(np.float32)


@pytest.mark.parametrize("is_quantized", [False, True])
def test_that_the_centred_error_is_the_error_with_the_best_bias(is_quantized: bool) -> None:
    rows, w, v = correlated(200, 16, 1), normal(5, 16), normal(5, 16, seed=3)
    parts = (rows, rows + normal(200, 16, seed=2, scale=0.2)) if is_quantized else (rows,)
    difference = (rows @ w.T - parts[-1] @ v.T).astype(np.float64)
    wanted = ((difference - difference.mean(axis=0)) ** 2).sum(axis=0)
    assert moments_of(*parts).centred().error(w, v) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("is_quantized", [False, True])
def test_that_a_prior_is_that_many_independent_inputs(is_quantized: bool) -> None:
    rows, w, v = correlated(200, 16, 1), normal(5, 16), normal(5, 16, seed=3)
    parts = (rows, rows + normal(200, 16, seed=2, scale=0.2)) if is_quantized else (rows,)
    more = np.diag(np.sqrt(0.3 * (parts[-1] ** 2).sum(axis=0))).astype(np.float32)
    wanted = moments_of(*(np.concatenate([part, more]) for part in parts)).error(w, v)
    assert moments_of(*parts).with_prior(0.3).error(w, v) == pytest.approx(wanted, rel=1e-4)


def test_that_halves_sum_up() -> None:
    one, other = correlated(60, 8, 1), correlated(40, 8, 2)
    joined = Moments.joined(moments_of(one), moments_of(other))
    whole = moments_of(np.concatenate([one, other]))
    assert joined.square == pytest.approx(whole.square, rel=1e-6)
    assert joined.sum == pytest.approx(whole.sum, rel=1e-6)
    assert (joined.rows, joined.halves is not None) == (100, True)
    assert not joined.is_quantized


def test_that_few_samples_ask_for_a_prior_and_gain_by_it_on_others() -> None:
    w = normal(48, 128, scale=0.1)
    nearest = quantize_weight(w, SCHEME)
    few = Moments.joined(*(moments_of(correlated(40, 128, seed)) for seed in (1, 2)))
    unseen = moments_of(correlated(4000, 128, 3))
    assert few.halves is not None
    share = choose_prior(w, few.halves, nearest, SCHEME)
    assert share > 0
    errors = [
        unseen.error(w, round_weight(Rounding.GPTQ, w, moments, nearest, SCHEME).dequantize()).sum()
        for moments in (few, few.with_prior(share))
    ]
    assert errors[1] < 0.8 * errors[0]


def test_that_many_samples_ask_for_little() -> None:
    w = normal(48, 64, scale=0.1)
    many = Moments.joined(*(moments_of(correlated(20_000, 64, seed)) for seed in (1, 2)))
    assert many.halves is not None
    assert choose_prior(w, many.halves, quantize_weight(w, SCHEME), SCHEME) <= 0.05


def test_that_channels_are_taken_with_their_scales() -> None:
    weight = quantize_weight(normal(6, 64), SCHEME)
    rows = np.array([1, 4])
    assert np.array_equal(take_channels(weight, rows).dequantize(), weight.dequantize()[rows])
