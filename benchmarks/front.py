"""Predicted against measured for ten plans along the front, on three models: size, latency, order by error.

    python -m benchmarks.front [--models resnet20 mobilenet_v2 squeezenet] [--method exact] [--seconds 1.5]

The front is that of file size against the predicted KL; sensitivity and calibration see the first 128
samples, the measured KL is that of the converted files (static INT8 activations included) on the others.
All files of a model are timed in turn on one thread, as in `benchmarks.latency_prediction`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from benchmarks.latency_prediction import time_in_turn
from benchmarks.manifest_accuracy import SUBJECTS, Subject
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.latency.figures import Latencies
from engine.plan import Plan, build_plan
from engine.requests.allocation import Front, FrontPoint, FrontRequest
from engine.requests.analysis import AnalysisMethod, AnalyzeRequest, CalibrateRequest
from engine.requests.benchmark import LatencyRequest
from engine.requests.conversion import ConvertRequest, ConvertResult, EvaluateRequest, Evaluation
from engine.requests.opening import OpenRequest
from engine.sensitivity.matrix import Sensitivity
from engine.summary import ModelSummary

SAMPLES = 128
PLANS = 10
BITS = (8, 4, 2)


def main() -> None:
    """Parse arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["resnet20", "mobilenet_v2", "squeezenet"])
    parser.add_argument("--method", type=AnalysisMethod, default=AnalysisMethod.EXACT, choices=list(AnalysisMethod))
    parser.add_argument("--seconds", type=float, default=1.5, help="of timing per plan")
    args = parser.parse_args()
    for name in args.models:
        with tempfile.TemporaryDirectory() as folder:
            compare(name, SUBJECTS[name], args.method, args.seconds, Path(folder))


def compare(name: str, subject: Subject, method: AnalysisMethod, seconds: float, folder: Path) -> None:
    """All figures of one model."""
    model, data = str(subject.model), subject.calibration_data()
    summary = run_request(OpenRequest(model), JobContext())
    assert isinstance(summary, ModelSummary)
    base = build_plan(summary, 8)
    sensitivity = run_request(AnalyzeRequest(model, data, base, BITS, SAMPLES, method), JobContext())
    assert isinstance(sensitivity, Sensitivity)
    latencies = run_request(LatencyRequest(model, base, data=data, is_fresh=True), JobContext())
    assert isinstance(latencies, Latencies)
    front = run_request(FrontRequest(summary, sensitivity, base, latencies=latencies), JobContext())
    assert isinstance(front, Front)
    points = [front.points[at] for at in np.unique(np.linspace(0, len(front.points) - 1, PLANS).astype(int))]
    calibration = str(folder / "model.calib")
    run_request(CalibrateRequest(model, data, calibration, SAMPLES), JobContext())
    paths, measured, sizes = [], [], []
    for index, point in enumerate(points):
        path = folder / f"{index}.onnx"
        request = ConvertRequest(model, as_plan(summary, base, point), str(path), data=data, calibration=calibration)
        converted = run_request(request, JobContext())
        assert isinstance(converted, ConvertResult)
        found = run_request(EvaluateRequest(str(path), subject.evaluation_data(SAMPLES), model, 5000), JobContext())
        assert isinstance(found, Evaluation)
        assert found.kl is not None
        paths.append(path)
        sizes.append(converted.file_bytes)
        measured.append(found.kl)
    laps = time_in_turn(paths, data, summary, seconds)
    times_ms = [statistics.median(lap[1] for lap in own) for own in laps]
    print(f"{name}: {len(front.points)} points, {front.metric}")
    show(points, list(zip(sizes, measured, times_ms, strict=True)))


def as_plan(summary: ModelSummary, base: Plan, point: FrontPoint) -> Plan:
    """The plan of a point."""
    plan = base
    for bits in set(point.bits):
        layers = [layer for layer, own in zip(summary.layers, point.bits, strict=True) if own == bits]
        plan = plan.with_bits(layers, bits)
    return plan


def show(points: list[FrontPoint], found: list[tuple[int, float, float]]) -> None:
    """A line per plan, and the three verdicts; `found` holds bytes, KL and milliseconds."""
    print(f"{'bytes':>10} {'predicted':>10} {'KL':>9} {'predicted':>9} {'thread ms':>9} {'predicted':>9}")
    for point, (size, loss, time_ms) in zip(points, found, strict=True):
        own = point.predicted
        print(f"{size:10,} {own.file_bytes:10,} {loss:9.4f} {own.value:9.4f} {time_ms:9.3f} {own.latency_ms:9.3f}")
    sizes, measured, times_ms = zip(*found, strict=True)
    misses = [abs(point.predicted.file_bytes / size - 1) for point, size in zip(points, sizes, strict=True)]
    latency = [abs((point.predicted.latency_ms or 0) / own - 1) for point, own in zip(points, times_ms, strict=True)]
    tau = kendalltau([point.predicted.value for point in points], measured).statistic
    print(f"  size: largest error {max(misses):.2%} (wanted ≤ 0.5 %)")
    print(f"  latency: median error {statistics.median(latency):.1%} (wanted ≤ 15 %)")
    print(f"  order by error: Kendall τ {tau:.2f} (wanted ≥ 0.8)", flush=True)


if __name__ == "__main__":
    main()
