"""Predicted against measured latency of whole converted models: ten plans along a front, on three models.

    python -m benchmarks.latency_prediction [--assets ../shared/assets] [--seconds 2] [--models resnet20 …]

Five plans come from the allocation by size, four keep the most sensitive layers in float amid integers, one
stores 4 bits and computes in float. `stories260K` has dynamic kernels instead of static ones. All files of
a model are timed in turn in one process, on one thread, by the clock on the wall and by that of the thread,
which stands still while other programs run: on a quiet machine both tell the same.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from engine.data.dataset import open_dataset
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.latency.figures import Latencies
from engine.latency.prediction import predict_latency_us
from engine.model.runtime import Session
from engine.numerics.schemes import ActivationMode
from engine.plan import FLOAT_LAYER, Plan, PlanDefaults, build_plan, choose_layer_plan
from engine.requests.allocation import AllocateRequest, AllocateResult, Budget
from engine.requests.analysis import AnalyzeRequest, CalibrateRequest
from engine.requests.benchmark import LatencyRequest
from engine.requests.conversion import ConvertRequest
from engine.requests.data import DataChoice
from engine.requests.opening import OpenRequest
from engine.sensitivity.matrix import Sensitivity, noise_to_signal
from engine.sizes import predict_file_bytes
from engine.summary import ModelSummary

ACCEPTED_ERROR = 0.15
SAMPLES = 32
MIN_ROUNDS = 30
Laps = list[tuple[float, float]]
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Case:
    """A model of the manifest with its data."""

    model: str
    data: str
    preprocess: str | None = None
    activations: ActivationMode = ActivationMode.STATIC


CASES = {
    "resnet20": Case("cifar10_resnet20.onnx", "cifar10_calib_1000.npz", "cifar10.preprocess.json"),
    "mobilenet": Case("imagenet_mobilenet_v2_dequant_ptq.onnx", "imagenet_500", "mobilenet_v2.preprocess.json"),
    "squeezenet": Case("imagenet_squeezenet1.1.onnx", "imagenet_500", "squeezenet.preprocess.json"),
    "stories": Case("stories260K.onnx", "tinystories_tok512_seq257.npz", None, ActivationMode.DYNAMIC),
}


def main() -> None:
    """Parse arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "assets")
    parser.add_argument("--seconds", type=float, default=2.0, help="per plan")
    parser.add_argument("--models", nargs="+", choices=CASES, default=["resnet20", "mobilenet", "squeezenet"])
    args = parser.parse_args()
    errors: list[tuple[float, float]] = []
    for name in args.models:
        with tempfile.TemporaryDirectory() as folder:
            errors += measure(CASES[name], args.assets, Path(folder), args.seconds)
    for index, clock in enumerate(("on the wall", "by the thread's clock")):
        found = [abs(pair[index]) for pair in errors]
        verdict = "accepted" if statistics.median(found) <= ACCEPTED_ERROR else "NOT accepted"
        print(
            f"all {len(found)} plans {clock}: median |error| {statistics.median(found):.1%}, "
            f"largest {max(found):.1%}: {verdict} (≤ 15 %)"
        )


def measure(case: Case, assets: Path, folder: Path, seconds: float) -> list[tuple[float, float]]:
    """Predict and measure ten plans of one model → the errors of each, by both clocks."""
    model = str(assets / "models" / case.model)
    preprocess = str(assets / "data" / case.preprocess) if case.preprocess else None
    data = DataChoice(str(assets / "data" / case.data), preprocess)
    summary = _run(OpenRequest(model), ModelSummary)
    uniform = build_plan(summary, 8, PlanDefaults(activations=case.activations))
    sensitivity = _run(AnalyzeRequest(model, data, uniform, samples=SAMPLES), Sensitivity)
    latencies = _run(LatencyRequest(model, uniform, data=data, is_fresh=True), Latencies)
    plans = dict(build_plans(summary, uniform, sensitivity))
    calibration = str(folder / "model.calib")
    if case.activations == ActivationMode.STATIC:
        run_request(CalibrateRequest(model, data, calibration, SAMPLES), JobContext())
    paths = [model]
    for index, plan in enumerate(plans.values()):
        paths.append(str(folder / f"{index}.onnx"))
        source = calibration if plan.needs_calibration else None
        run_request(ConvertRequest(model, plan, paths[-1], data=data, calibration=source), JobContext())
    laps = time_in_turn([Path(path) for path in paths], data, summary, seconds)
    print(f"\n{case.model}: {latencies.cpu}; {latencies.runtime}; {len(laps[0])} rounds of {len(paths)} files in turn")
    print(f"{'plan':22} {'MB':>6} {'predicted ms':>12} {'wall ms':>8} {'error':>7} {'thread ms':>9} {'error':>7}")
    _show("float", summary.file_bytes, latencies.float_us / 1e3, laps[0])
    errors = []
    for (name, plan), own in zip(plans.items(), laps[1:], strict=True):
        predicted_ms = predict_latency_us(summary, plan, latencies).us / 1e3
        errors.append(_show(name, predict_file_bytes(summary, plan), predicted_ms, own))
    wall, thread = (statistics.median(abs(pair[index]) for pair in errors) for index in (0, 1))
    print(f"median |error| {wall:.1%} on the wall, {thread:.1%} by the thread's clock")
    return errors


def time_in_turn(paths: list[Path], data: DataChoice, summary: ModelSummary, seconds: float) -> list[Laps]:
    """Per file, milliseconds (wall, thread) of every call; the order rotates, and so do four inputs."""
    sessions = [Session(path, threads=1, is_spinning=False) for path in paths]
    feeds = [batch.inputs for batch in open_dataset(data, summary.inputs).batches(1, limit=4)]
    laps: list[Laps] = [[] for _ in paths]
    start, rounds = time.monotonic(), 0
    while rounds < MIN_ROUNDS or time.monotonic() - start < seconds * len(paths):
        for turn in range(len(paths)):
            index = (rounds + turn) % len(paths)
            before = time.perf_counter_ns(), time.thread_time_ns()
            sessions[index].run(feeds[rounds % len(feeds)])
            after = time.perf_counter_ns(), time.thread_time_ns()
            laps[index].append(((after[0] - before[0]) / 1e6, (after[1] - before[1]) / 1e6))
        rounds += 1
    return laps


def build_plans(summary: ModelSummary, uniform: Plan, sensitivity: Sensitivity) -> Iterator[tuple[str, Plan]]:
    """Ten plans by name."""
    largest = predict_file_bytes(summary, uniform) / summary.file_bytes
    least = predict_file_bytes(summary, build_plan(summary, 2, uniform.defaults)) / summary.file_bytes
    for share in (1.0, 0.75, 0.5, 0.25, 0.0):
        ratio = least + share * (largest - least) + 1e-3
        request = AllocateRequest(summary, sensitivity, uniform, Budget(size_ratio=ratio))
        yield f"size ratio {ratio:.3f}", _run(request, AllocateResult).plan
    fragile = sorted(summary.layers, key=lambda layer: -noise_to_signal(sensitivity.value(layer.name, 8) or 99.0))
    for divisor, bits in ((8, 32), (4, 16), (2, 32), (1.34, 32)):
        kept = fragile[: max(1, round(len(fragile) / divisor))]
        chosen = {layer.name: FLOAT_LAYER if bits == 32 else choose_layer_plan(layer, bits, uniform.defaults)
                  for layer in kept}  # fmt: skip
        yield f"{len(kept)} of {len(fragile)} at {bits} bits", uniform.with_layers(chosen)
    yield "4 bits, float kernel", build_plan(summary, 4, PlanDefaults(activations=ActivationMode.FLOAT))


def _show(name: str, file_bytes: int, predicted_ms: float, laps: Laps) -> tuple[float, float]:
    """Print one line; the errors against both medians."""
    wall_ms, thread_ms = (statistics.median(lap[index] for lap in laps) for index in (0, 1))
    errors = predicted_ms / wall_ms - 1, predicted_ms / thread_ms - 1
    print(
        f"{name:22} {file_bytes / 1e6:6.2f} {predicted_ms:12.3f} {wall_ms:8.3f} {errors[0]:+7.1%} "
        f"{thread_ms:9.3f} {errors[1]:+7.1%}"
    )
    return errors


def _run(request: object, kind: type[ResultT]) -> ResultT:
    result = run_request(request, JobContext())
    assert isinstance(result, kind)
    return result


if __name__ == "__main__":
    main()
