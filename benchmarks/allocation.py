"""What mixed precision buys at equal size, all rounded to nearest: mixed plans against uniform ones.

    python -m benchmarks.allocation [--models resnet20 mobilenet_v2 squeezenet] [--method exact] [--polish SECONDS]

resnet20: weights only, evaluated on 5,000 test images; mixed plans from 2, 4 and 8 bits at averages of 3.0
and 4.0 stored bits per weight (scales included) against 2 and 4 bits everywhere, and 3 bits everywhere,
simulated. The others: static INT8 activations, real files of the size of the uniform 4-bit file. Sensitivity
is measured on calibration samples, never on those that are evaluated.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.manifest_accuracy import SUBJECTS, Subject
from engine.data.dataset import open_dataset
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.jobs.operations.opened_models import open_cached
from engine.model.opened import Model, open_model
from engine.numerics.schemes import ActivationMode
from engine.plan import Plan, PlanDefaults, build_plan
from engine.requests.allocation import AllocateRequest, AllocateResult, Budget, PolishRequest, PolishResult
from engine.requests.analysis import AnalysisMethod, AnalyzeRequest
from engine.requests.conversion import ConvertRequest, EvaluateRequest, Evaluation
from engine.requests.opening import OpenRequest
from engine.sensitivity.matrix import Metric, Sensitivity
from engine.sensitivity.plan_meter import PlanMeter
from engine.sizes import bits_per_weight, predict_file_bytes
from engine.summary import ModelSummary

SAMPLES = 128
POLISH_SAMPLES = 1000
BITS = (8, 4, 2)
AVERAGES = (3.0, 4.0)


def main() -> None:
    """Parse arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["resnet20", "mobilenet_v2", "squeezenet"])
    parser.add_argument("--method", type=AnalysisMethod, default=AnalysisMethod.EXACT, choices=list(AnalysisMethod))
    parser.add_argument("--polish", type=float, default=0.0, metavar="SECONDS", help="improve by real evaluations")
    args = parser.parse_args()
    for name in args.models:
        subject = SUBJECTS[name]
        compare = compare_weight_only if name == "resnet20" else compare_files
        print(f"{name}, {args.method} sensitivity on {SAMPLES} samples")
        compare(subject, args.method, args.polish)


def compare_weight_only(subject: Subject, method: AnalysisMethod, polish_s: float) -> None:
    """Averages of stored bits per weight, activations in float."""
    model = open_model(subject.model)
    summary = model.summary
    base = build_plan(summary, 8, PlanDefaults(ActivationMode.FLOAT))
    sensitivity = analyze(subject, base, method)
    dataset = open_dataset(subject.evaluation_data(SAMPLES), summary.inputs)
    meter = PlanMeter(model, dataset, 5000, JobContext())

    def show(name: str, plan: Plan) -> float:
        drop = meter.measure(plan, JobContext())[Metric.TOP1_DROP]
        print(f"  {name:24} {bits_per_weight(summary, plan):5.2f} bits  top-1 drop {drop:6.2f} points", flush=True)
        return drop

    uniform = {bits: show(f"uniform {bits}", base.with_bits(summary.layers, bits)) for bits in (4, 2)}
    three = simulate_three_bits(model, meter)
    print(f"  {'uniform 3, simulated':24} {'':10}  top-1 drop {three:6.2f} points")
    mixed = {}
    for average in AVERAGES:
        plan = choose(subject, sensitivity, base, Budget(bits_per_weight=average), polish_s)
        mixed[average] = show(f"mixed {average:g}", plan)
    gain = min(uniform[2], three) - mixed[3.0]
    print(f"  mixed at 3.0 beats uniform 2 and 3 by {gain:.2f} points (wanted: 10 or more)")
    print(f"  mixed at 4.0 against uniform 4: {uniform[4] - mixed[4.0]:+.2f} points (wanted: 0 or more)")


def simulate_three_bits(model: Model, meter: PlanMeter) -> float:
    """Drop of top-1 with codes −3…3 per channel, clipped where the squared error is least."""
    weights = {layer.name: round_to_three_bits(layer.matrix()) for layer in model.layers}
    return meter.measure_weights(weights, JobContext())[Metric.TOP1_DROP]


def round_to_three_bits(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 [channels, inputs], fake-quantized."""
    widest = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), np.float32(1e-12))
    best, least = matrix, np.full((len(matrix), 1), np.inf)
    for shrink in np.linspace(0.3, 1.0, 71):
        scale = (shrink * widest / 3).astype(np.float32)
        rounded = np.clip(np.rint(matrix / scale), -3, 3) * scale
        error = np.square(rounded - matrix).sum(axis=1, keepdims=True)
        best, least = np.where(error < least, rounded, best), np.minimum(error, least)
    return best.astype(np.float32)


def compare_files(subject: Subject, method: AnalysisMethod, polish_s: float) -> None:
    """Real files, static INT8 activations, the size of uniform 4 bits."""
    summary = run_request(OpenRequest(str(subject.model)), JobContext())
    assert isinstance(summary, ModelSummary)
    base = build_plan(summary, 8)
    uniform = base.with_bits(summary.layers, 4)
    sensitivity = analyze(subject, base, method)
    budget = Budget(file_bytes=predict_file_bytes(summary, uniform))
    mixed = choose(subject, sensitivity, base, budget, polish_s)
    found = {name: convert_and_evaluate(subject, plan) for name, plan in (("uniform 4", uniform), ("mixed", mixed))}
    for name, (size, evaluation) in found.items():
        print(
            f"  {name:24} {size:10,} bytes  top-1 {evaluation.top1:.2f} % of {evaluation.reference_top1:.2f} %, "
            f"SQNR {evaluation.sqnr_db:.1f} dB, {evaluation.samples} samples"
        )
    gain = (found["mixed"][1].top1 or 0.0) - (found["uniform 4"][1].top1 or 0.0)
    print(f"  mixed beats uniform 4 by {gain:.2f} points (wanted: more than 0)", flush=True)


def convert_and_evaluate(subject: Subject, plan: Plan) -> tuple[int, Evaluation]:
    """Size of the file and its figures on the samples that were not used for calibration."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "converted.onnx"
        run_request(
            ConvertRequest(str(subject.model), plan, str(output), subject.calibration_data(), samples=SAMPLES),
            JobContext(),
        )
        found = run_request(
            EvaluateRequest(str(output), subject.evaluation_data(SAMPLES), str(subject.model), samples=5000),
            JobContext(),
        )
        assert isinstance(found, Evaluation)
        return output.stat().st_size, found


def analyze(subject: Subject, plan: Plan, method: AnalysisMethod) -> Sensitivity:
    """The matrix, from the calibration samples."""
    started = time.perf_counter()
    found = run_request(
        AnalyzeRequest(str(subject.model), subject.calibration_data(), plan, BITS, SAMPLES, method, is_fresh=True),
        JobContext(),
    )
    assert isinstance(found, Sensitivity)
    print(f"  analysed in {time.perf_counter() - started:.1f} s")
    return found


def choose(subject: Subject, sensitivity: Sensitivity, base: Plan, budget: Budget, polish_s: float) -> Plan:
    """The plan that allocation finds, polished if time is given for it."""
    if polish_s <= 0:
        summary = open_cached(str(subject.model)).summary
        found = run_request(AllocateRequest(summary, sensitivity, base, budget), JobContext())
        assert isinstance(found, AllocateResult)
        return found.plan
    samples = POLISH_SAMPLES if subject.calibration else SAMPLES
    request = PolishRequest(
        str(subject.model), subject.calibration_data(), sensitivity, base, budget, samples=samples, seconds=polish_s
    )
    polished = run_request(request, JobContext())
    assert isinstance(polished, PolishResult)
    return polished.best.plan


if __name__ == "__main__":
    main()
