"""The histogram of a layer's weight: every weight is counted, before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from engine.errors import ConversionError, ModelError
from engine.jobs.requests import WeightHistogram, WeightHistogramRequest
from engine.model.opened import Model
from engine.numerics.schemes import PerChannel, PerGroup, PerTensor, RangeMethod, WeightScheme
from engine.plan import LayerPlan
from engine.weight_histogram import build_weight_histogram
from tests.engine.models import conv_chain, open_built, plan_for


def histogram(model: Model, scheme: WeightScheme, layer: str = "second") -> WeightHistogram:
    plan = plan_for(model.summary, LayerPlan(scheme))
    return build_weight_histogram(model, WeightHistogramRequest(str(model.path), layer, plan))


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
