"""Timing: shape of the figures, drawn inputs, refusals, cancelling."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from engine.benchmark import benchmark, draw_feeds
from engine.errors import DataError, JobCancelled
from engine.job_context import CallbackContext, JobContext
from engine.requests.benchmark import BenchmarkPoint, BenchmarkRequest
from engine.summary import TensorSpec


def write_relu(path: Path, batch: str) -> str:
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[{batch},4] x) => (float[{batch},4] y) {{ y = Relu(x) }}'
    onnx.save(onnx.parser.parse_model(text), path)
    return str(path)


def test_that_models_are_timed_in_equal_rounds_with_their_memory(tmp_path: Path) -> None:
    model = write_relu(tmp_path / "m.onnx", "n")
    seen: list[object] = []
    context = CallbackContext(partial_ready=seen.append)
    result = benchmark(BenchmarkRequest((model, model), batch=2, seconds=0.6), context)
    first, second = result.points
    assert first.runs == second.runs >= 30
    assert first.speedup == 1.0
    assert first.latency_ms["p50"] <= first.latency_ms["p90"] <= first.latency_ms["p99"]
    assert first.throughput_per_s == pytest.approx(2000 / first.latency_ms["p50"])
    assert first.file_bytes == Path(model).stat().st_size
    assert first.rss_bytes is not None
    assert 0 < len(first.histogram_ms) <= 200
    assert seen
    assert all(isinstance(point, BenchmarkPoint) for point in seen)


def test_that_a_batch_that_the_model_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="batches of exactly 1, not 4"):
        benchmark(BenchmarkRequest((write_relu(tmp_path / "m.onnx", "1"),), batch=4), JobContext())


def test_that_cancelling_while_timing_stops(tmp_path: Path) -> None:
    context = CallbackContext(progressed=lambda done, _total, _text: context.cancel() if done else None)
    with pytest.raises(JobCancelled):
        benchmark(BenchmarkRequest((write_relu(tmp_path / "m.onnx", "n"),), seconds=60), context)


def test_that_drawn_inputs_follow_the_declared_shapes() -> None:
    inputs = (
        TensorSpec("x", "float32", ("b", "t")),
        TensorSpec("s", "float32", (2, "b", 3)),
        TensorSpec("r", "int64", ()),
    )
    feeds = draw_feeds(inputs, 5)
    assert {name: value.shape for name, value in feeds.items()} == {"x": (5, 1), "s": (2, 5, 3), "r": ()}
    np.testing.assert_array_equal(feeds["x"], draw_feeds(inputs, 5)["x"])
