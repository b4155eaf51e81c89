"""The histogram of what a layer reads, against the very values that it read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.activation_histogram import build_activation_histogram
from engine.errors import CalibrationError, ModelError
from engine.numerics.affine import choose_tensor_quantization
from engine.numerics.schemes import ActivationRange, CalibrationMethod
from engine.requests.histograms import ActivationHistogram, ActivationHistogramRequest
from tests.engine.conversion.cases import Opened, open_with_data
from tests.engine.models import conv_chain, run_model, serialize, sqnr_db


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return open_with_data(conv_chain(), tmp_path)


def histogram(opened: Opened, layer: str, choice: ActivationRange) -> ActivationHistogram:
    assert opened.calibration is not None
    request = ActivationHistogramRequest(str(opened.model.path), layer, "", choice)
    return build_activation_histogram(opened.model, opened.calibration, request)


@pytest.mark.parametrize("choice", [ActivationRange(CalibrationMethod.MINMAX), ActivationRange(fixed=(-1.0, 1.5))])
def test_that_the_histogram_is_that_of_the_values(opened: Opened, choice: ActivationRange) -> None:
    found = histogram(opened, "first", choice)
    values = opened.feeds["x"].reshape(-1)
    grid = choose_tensor_quantization(*(choice.fixed or (float(values.min()), float(values.max()))))
    assert found.tensor == "x"
    assert found.samples == len(opened.feeds["x"])
    assert sum(found.counts) == sum(found.quantized_counts) == values.size
    exact = np.histogram(values, np.asarray(found.edges))[0]
    assert np.abs(np.asarray(found.counts) - exact).sum() < 0.1 * values.size  # bins of 3 % against equal ones
    low, high = (-grid.zero_point - 0.5) * grid.scale, (255 - grid.zero_point + 0.5) * grid.scale
    assert found.below_fraction == pytest.approx((values < low).mean(), abs=0.01)
    assert found.above_fraction == pytest.approx((values > high).mean(), abs=0.01)
    assert (found.range_min, found.range_max) == pytest.approx((low + grid.scale / 2, high - grid.scale / 2), abs=1e-5)
    assert found.sqnr_db == pytest.approx(sqnr_db(values, grid.fake_quantize(values)), abs=0.5)
    assert (found.automatic_min < -1.0) == (values.min() < -1.0)


def test_that_zeros_of_a_relu_are_counted_once_and_in_their_place(opened: Opened) -> None:
    found = histogram(opened, "second", ActivationRange(CalibrationMethod.MINMAX))
    graph = opened.model.graph_model.clone()
    graph.graph.outputs.append(next(node.outputs[0] for node in graph.graph if node.name == "relu"))
    values = run_model(serialize(graph), opened.feeds)[-1].reshape(-1)
    assert found.edges[0] == found.range_min == found.full_min == 0
    assert found.below_fraction == found.above_fraction == 0
    in_first = (values < found.edges[1]).sum()
    assert found.counts[0] == pytest.approx(in_first, rel=0.02)
    assert sum(found.counts) == values.size


def test_that_what_cannot_be_shown_is_a_sentence(opened: Opened) -> None:
    with pytest.raises(ModelError, match="ghost"):
        histogram(opened, "ghost", ActivationRange())
    assert opened.calibration is not None
    opened.calibration.tensors["x"].count = 0
    with pytest.raises(CalibrationError, match="No sample reached the input of first"):
        histogram(opened, "first", ActivationRange())
