"""The histogram of a layer's weight: every weight is counted, before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from engine.errors import ConversionError, ModelError
from engine.model.opened import Model
from engine.model.quantized_layers import quantize_layer
from engine.numerics.schemes import PerChannel, PerGroup, PerTensor, RangeMethod, WeightScheme
from engine.plan import LayerPlan
from engine.requests.histograms import WeightHistogram, WeightHistogramRequest
from engine.weight_histogram import build_weight_histogram
from tests.engine.models import conv_chain, open_built, sqnr_db


def histogram(model: Model, scheme: WeightScheme, layer: str = "second") -> WeightHistogram:
    return build_weight_histogram(model, WeightHistogramRequest(str(model.path), layer, LayerPlan(scheme)))


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(7)], ids=str)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [16, 8, 4, 2])
def test_that_every_weight_is_counted_before_and_after(
    tmp_path: Path, bits: int, symmetric: bool, granularity: PerTensor | PerChannel | PerGroup
) -> None:
    model = open_built(conv_chain(), tmp_path)
    found = histogram(model, WeightScheme(bits, symmetric, granularity))
    assert sum(found.counts) == sum(found.quantized_counts) == 8 * 72
    assert len(found.edges) == 129
    assert list(found.grid) == sorted(found.grid)
    assert len(found.grid) <= 256
    assert found.clipped_fraction == 0
    assert len(found.channel_min) == len(found.channel_max) == 8


def test_that_a_range_chosen_for_small_error_shows_what_it_clips(tmp_path: Path) -> None:
    model = open_built(conv_chain(channels=32), tmp_path)
    found = histogram(model, WeightScheme(2, range_method=RangeMethod.MSE))
    matrix = model.layers[1].matrix()
    assert 0 < found.clipped_fraction < 0.5
    assert found.range_max < matrix.max()
    assert found.grid == pytest.approx((found.range_min, 0, found.range_max))


def test_that_32_bits_have_no_grid_and_no_second_histogram(tmp_path: Path) -> None:
    found = histogram(open_built(conv_chain(), tmp_path), WeightScheme(32))
    assert (found.grid, found.quantized_counts, found.sqnr_db) == ((), (), None)


@pytest.mark.parametrize("bits", [32, 8])
def test_that_a_weight_with_nan_and_an_unknown_layer_are_refused_by_name(tmp_path: Path, bits: int) -> None:
    proto = conv_chain()
    weight = numpy_helper.to_array(next(item for item in proto.graph.initializer if item.name == "w2")).copy()
    weight[0, 0, 0, 0] = np.nan
    next(item for item in proto.graph.initializer if item.name == "w2").CopyFrom(numpy_helper.from_array(weight, "w2"))
    model = open_built(proto, tmp_path)
    with pytest.raises(ConversionError, match="second holds NaN"):
        histogram(model, WeightScheme(bits))
    with pytest.raises(ModelError, match="no layer named 'ghost'"):
        histogram(model, WeightScheme(bits), "ghost")


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(7)], ids=str)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("channel", [None, 3])
def test_that_the_figures_are_those_of_numpy(
    tmp_path: Path, channel: int | None, symmetric: bool, granularity: PerTensor | PerChannel | PerGroup
) -> None:
    model = open_built(conv_chain(), tmp_path)
    scheme = WeightScheme(4, symmetric, granularity, clip=0.5)
    request = WeightHistogramRequest(str(model.path), "second", LayerPlan(scheme), channel)
    found = build_weight_histogram(model, request)
    matrix = model.layers[1].matrix()
    quantized = quantize_layer(matrix, model.summary.layer_by_name["second"], LayerPlan(scheme))
    rows = slice(None) if channel is None else slice(channel, channel + 1)
    values, restored = matrix[rows], quantized.dequantize()[rows]
    counts, edges = np.histogram(values.astype(np.float64), bins=128)
    assert found.edges == pytest.approx(edges.tolist())
    assert np.abs(np.asarray(found.counts) - counts).sum() <= 2  # a value on an edge falls to either side
    assert sum(found.quantized_counts) == values.size
    assert found.sqnr_db == pytest.approx(sqnr_db(values, restored), abs=1e-4)
    assert found.levels_used == len(np.unique(quantized.codes[rows]))
    qmin, qmax = (-7, 7) if symmetric else (-8, 7)
    zero_point = np.zeros_like(quantized.scale) if quantized.zero_point is None else quantized.zero_point
    size = quantized.group_size if quantized.scale.shape[1] > 1 else matrix.shape[1]

    def spread(per_scale: np.ndarray) -> np.ndarray:
        wide = np.broadcast_to(per_scale, (len(matrix), per_scale.shape[1]))
        return np.repeat(wide, size, axis=1)[rows, : matrix.shape[1]]

    above = values > spread((qmax + 0.5 - zero_point) * quantized.scale)
    below = values < spread((qmin - 0.5 - zero_point) * quantized.scale)
    assert found.above_fraction == pytest.approx(above.mean())
    assert found.below_fraction == pytest.approx(below.mean())
    assert found.clipped_fraction > 0
    assert found.range_max == pytest.approx(0.5 * found.full_max, rel=0.15)
    if symmetric and not isinstance(granularity, PerGroup):
        widest = matrix if isinstance(granularity, PerTensor) else values
        assert found.full_max == pytest.approx(np.abs(widest).max())
    assert found.channel_max == pytest.approx(matrix.max(axis=1).tolist())


def test_that_a_constant_weight_and_a_channel_that_is_not_there_are_handled(tmp_path: Path) -> None:
    proto = conv_chain()
    weight = next(item for item in proto.graph.initializer if item.name == "w2")
    weight.CopyFrom(numpy_helper.from_array(np.zeros((8, 8, 3, 3), np.float32), "w2"))
    model = open_built(proto, tmp_path)
    found = histogram(model, WeightScheme(4))
    assert sum(found.counts) == sum(found.quantized_counts) == 8 * 72
    assert found.sqnr_db is None
    with pytest.raises(ModelError, match="8 output channels"):
        build_weight_histogram(model, WeightHistogramRequest(str(model.path), "second", LayerPlan(), 8))


def test_that_weights_of_denormal_numbers_alone_are_binned(tmp_path: Path) -> None:
    built = conv_chain()
    for tensor in built.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == 4:
            signs = np.sign(values).astype(np.float32) * np.float32(1e-42)
            tensor.CopyFrom(numpy_helper.from_array(signs, tensor.name))
    found = histogram(open_built(built, tmp_path), WeightScheme(32))
    assert (found.counts[0] + found.counts[-1], sum(found.counts)) == (8 * 72, 8 * 72)
