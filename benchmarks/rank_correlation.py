"""How well quick and loss-aware sensitivity rank cells: Spearman's correlation with the exact KL divergence.

    python -m benchmarks.rank_correlation [--models resnet20 …] [--samples 64 256] [--exact-samples 256]

A cell is one layer at one bit width. "all" is the correlation over all cells, the other columns within one
width, which is harder: there the widths themselves say nothing. Seconds are wall-clock, on all cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable

from scipy.stats import spearmanr

from benchmarks.manifest_accuracy import SUBJECTS
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.plan import build_plan
from engine.requests.analysis import AnalysisMethod, AnalyzeRequest
from engine.requests.opening import OpenRequest
from engine.sensitivity.matrix import Metric, Sensitivity, damage
from engine.summary import ModelSummary

BITS = (8, 4, 2)


def analyze(name: str, summary: ModelSummary, method: AnalysisMethod, samples: int) -> tuple[Sensitivity, float]:
    """The matrix and the seconds that it took."""
    subject = SUBJECTS[name]
    plan = build_plan(summary, 8)
    data = subject.calibration_data()
    request = AnalyzeRequest(str(subject.model), data, plan, BITS, samples, method, is_fresh=True)
    start = time.perf_counter()
    found = run_request(request, JobContext())
    assert isinstance(found, Sensitivity)
    return found, time.perf_counter() - start


def correlate(exact: Sensitivity, other: Sensitivity, bits: Iterable[int]) -> float:
    """Spearman's correlation over the cells that both hold."""
    pairs = [
        (
            row.cells[width].values[Metric.KL],
            damage(other.metrics[0], other.rows[layer].cells[width].values[other.metrics[0]]),
        )
        for layer, row in exact.rows.items()
        for width in bits
        if width in row.cells and width in other.rows[layer].cells
    ]
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def describe(label: str, exact: Sensitivity, found: Sensitivity, seconds: float) -> str:
    """One line of the table."""
    widths = "  ".join(f"{correlate(exact, found, (width,)):7.3f}" for width in BITS)
    return f"  {label:18}{seconds:6.1f} s  {correlate(exact, found, BITS):5.3f}  {widths}"


def main() -> None:
    """Print a table per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SUBJECTS, default=["resnet20"])
    parser.add_argument("--samples", nargs="+", type=int, default=[64, 256])
    parser.add_argument("--exact-samples", type=int, default=256)
    arguments = parser.parse_args()
    for name in arguments.models:
        summary = run_request(OpenRequest(str(SUBJECTS[name].model)), JobContext())
        assert isinstance(summary, ModelSummary)
        exact, seconds = analyze(name, summary, AnalysisMethod.EXACT, arguments.exact_samples)
        print(f"{name}: exact KL on {exact.samples} samples, {seconds:.1f} s")
        print(f"  {'':18}{'':8}  {'all':>5}  " + "  ".join(f"{width} bits".rjust(7) for width in BITS))
        for method in (AnalysisMethod.QUICK, AnalysisMethod.LOSS):
            for samples in arguments.samples:
                found, seconds = analyze(name, summary, method, samples)
                print(describe(f"{method}, {found.samples}", exact, found, seconds), flush=True)


if __name__ == "__main__":
    main()
