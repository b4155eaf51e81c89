"""Metrics in the window: figures as short as a cell, colours that span what was measured."""

from __future__ import annotations

import math

import pytest

from engine.sensitivity.matrix import Cell, Metric
from gui.layers.cells import build_card
from gui.metrics import DamageRange, build_scale, format_cell, format_metric, format_significant
from gui.units import format_duration, format_us


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0132, "0.013"), (2.04e-4, "2e-4"), (2.14e-4, "2.1e-4"), (12.4, "12"), (120.0, "120"), (0.0, "0"), (1.0, "1.0")],
)
def test_that_figures_are_short(value: float, text: str) -> None:
    assert format_significant(value, 2) == text


def test_that_each_metric_is_written_in_its_own_way() -> None:
    assert format_cell(Metric.SQNR, 43.7) == "44"
    assert format_cell(Metric.TOP1_DROP, -0.31) == "−0.3"
    assert format_cell(Metric.COSINE, 0.99871) == "0.9987"
    assert format_cell(Metric.KL, 5.34e-5) == "5e-5"
    assert format_metric(Metric.KL, 0.0132) == "0.0132 nats"
    assert format_metric(Metric.SQNR, -0.0) == "0.0 dB"
    assert format_metric(Metric.KL, math.inf, with_unit=False) == "∞"


def test_that_sqnr_keeps_its_ends_whatever_was_measured() -> None:
    scale = build_scale(Metric.SQNR, DamageRange(1e-3, 1e-2))
    assert [scale.fragility(value) for value in (60.0, 50.0, 25.0, 0.0, -5.0)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_that_other_metrics_span_what_was_measured_on_a_log_scale() -> None:
    found = DamageRange().widened(1e-4).widened(1e-2).widened(0.0)
    scale = build_scale(Metric.KL, found)
    assert [scale.fragility(value) for value in (0.0, 1e-4, 1e-3, 1e-2)] == pytest.approx([0, 0, 0.5, 1])


def test_that_one_figure_alone_is_no_error() -> None:
    scale = build_scale(Metric.KL, DamageRange().widened(0.5))
    assert scale.fragility(0.5) in (0.0, 1.0)


def test_that_the_card_gives_every_figure_with_its_error() -> None:
    cell = Cell({Metric.KL: 0.0132, Metric.SQNR: 21.84}, {Metric.KL: 0.0021}, samples=64)
    card = build_card("a <b> layer", cell, 1234)
    for text in ("0.0132 ± 0.0021 nats", "21.8 dB", "64", "1.23 kB", "a &lt;b&gt; layer"):
        assert text in card


def test_that_durations_are_as_rough_as_forecasts() -> None:
    assert [format_duration(seconds) for seconds in (0.2, 40, 250, 9000)] == ["1 s", "40 s", "4 min", "2 h 30 min"]
    assert [format_us(value) for value in (3.14, 150.2, 1240.0)] == ["3.1 µs", "150 µs", "1.24 ms"]
