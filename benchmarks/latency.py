"""Latency of INT8, 4-bit and 2-bit files against float and against onnxruntime's own static quantizer.

    python -m benchmarks.latency [--model M.onnx --data D [--preprocess P.json]] [--threads 1] [--seconds 10]

Without --model: ResNet-50 with random weights. All variants are loaded in one process and run in turn,
one call each, in rotating order; the table shows medians, and the median of the per-round ratios.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.networks import write_images, write_resnet50
from engine.data.dataset import open_dataset
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.plan import build_plan
from engine.requests.analysis import CalibrateRequest
from engine.requests.benchmark import Benchmark, BenchmarkRequest
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.data import DataChoice
from engine.requests.opening import OpenRequest
from engine.summary import ModelSummary

SAMPLES = 32


class _Reader(CalibrationDataReader):
    def __init__(self, choice: DataChoice, summary: ModelSummary) -> None:
        dataset = open_dataset(choice, summary.inputs)
        self._batches: Iterator[Any] = iter(dataset.batches(dataset.batch_size_for(1), limit=SAMPLES))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else dict(batch.inputs)


def quantize_with_onnxruntime(model: Path, output: Path, choice: DataChoice, summary: ModelSummary) -> None:
    """onnxruntime's static QDQ, per channel, min-max: its best speed."""
    prepared = output.with_suffix(".prepared.onnx")
    quant_pre_process(str(model), str(prepared))
    quantize_static(
        str(prepared),
        str(output),
        _Reader(choice, summary),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def main() -> None:
    """Parse arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--preprocess")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = args.model or write_resnet50(folder / "resnet50.onnx")
        data = DataChoice(args.data or str(write_images(folder / "images.npy", SAMPLES)), args.preprocess)
        measure(model, data, folder, args.threads, args.seconds)


def measure(model: Path, data: DataChoice, folder: Path, threads: int, seconds: float) -> None:
    """Make every variant, time them in turn and print the table."""
    context = JobContext()
    summary = run_request(OpenRequest(str(model)), context)
    assert isinstance(summary, ModelSummary)
    calibration = str(folder / "model.calib")
    run_request(CalibrateRequest(str(model), data, calibration, SAMPLES), context)
    peer = folder / "onnxruntime_int8.onnx"
    quantize_with_onnxruntime(model, peer, data, summary)
    paths = [str(model), str(peer)]
    for bits in (8, 4, 2):
        output = str(folder / f"bitsmith_{bits}bit.onnx")
        request = ConvertRequest(str(model), build_plan(summary, bits), output, data=data, calibration=calibration)
        result = run_request(request, context)
        assert isinstance(result, ConvertResult)
        integers = sum(layer.is_integer for layer in result.layers)
        print(f"{Path(output).name}: {integers} of {len(result.layers)} layers on integer kernels")
        paths.append(output)
    found = run_request(BenchmarkRequest(tuple(paths), data=data, threads=threads, seconds=seconds), context)
    assert isinstance(found, Benchmark)
    print(f"{found.cpu}; {found.runtime}; {threads} threads, batch 1, {found.points[0].runs} rounds, interleaved")
    print(f"{'file':24} {'size MB':>8} {'ratio':>6} {'p50 ms':>8} {'p90 ms':>8} {'speed-up':>8}")
    for point in found.points:
        ratio = found.points[0].file_bytes / point.file_bytes
        print(
            f"{Path(point.path).name:24} {point.file_bytes / 1e6:8.2f} {ratio:5.2f}x "
            f"{point.latency_ms['p50']:8.3f} {point.latency_ms['p90']:8.3f} {point.speedup:7.2f}x"
        )


if __name__ == "__main__":
    main()
