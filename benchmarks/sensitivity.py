"""Sensitivity by every method against the naive loop, on ResNet-50 with random weights.

    python -m benchmarks.sensitivity [--samples 32] [--cells 12] [--full] [--methods quick racing …]
                                     [--model M.onnx --data D]

The naive loop is what people write: for each layer and bit width, put the fake-quantized weight into the
model, build an ONNX Runtime session and run all samples, batch 1 or all at once, whichever is faster here,
with as many threads as there are cores. It is timed on a random subset of the cells, a part of them before,
between and after our runs, and scaled; with --full on all, with --cells 0 not at all. "forward" is one plain
pass of the float model over all samples, the mean of as many timings, and "floor" the time that the multiply-
accumulates of all suffixes take at its speed. Seconds are of the wall and of the processor: on a machine that has
other things to do, compare the latter. Quick sensitivity alone, against plain passes:

    python -m benchmarks.sensitivity --methods quick --cells 0
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from benchmarks.networks import write_images, write_resnet50
from engine.allocation import allocate
from engine.comparison import OutputComparison
from engine.data.dataset import open_dataset
from engine.errors import BitsmithError, BudgetError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.jobs.operations.opened_models import open_cached
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.plan import Plan, build_plan, choose_layer_plan
from engine.requests.allocation import AllocateRequest, Budget
from engine.requests.analysis import AnalysisMethod, AnalyzeRequest, Forecast, ForecastRequest
from engine.requests.data import DataChoice
from engine.sensitivity.matrix import Metric, Sensitivity
from engine.sensitivity.suffix import SuffixGraph, candidate_weight

BITS = (8, 4, 2)
RATIOS = (0.08, 0.1, 0.125, 0.15, 0.2)
METHODS = ("quick", "loss", "racing", "exact")
COMPARED = (Metric.KL, Metric.SQNR, Metric.COSINE)
ResultT = TypeVar("ResultT")
Cell = tuple[str, int]


@dataclass
class Cost:
    """Seconds of the wall and of the processor, added up over parts."""

    wall: float = 0.0
    cpu: float = 0.0

    def time(self, work: Callable[[], ResultT]) -> ResultT:
        """Do `work` and add what it took."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return result


@dataclass
class NaiveLoop:
    """The loop that people write, and what it has cost so far."""

    model: Model
    plan: Plan
    inputs: dict[str, np.ndarray]
    cost: Cost = field(default_factory=Cost)
    forwards: list[Cost] = field(default_factory=list)
    found: dict[Cell, dict[Metric, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._proto = ir.to_proto(self.model.graph_model)
        self._weights = {item.name: item for item in self._proto.graph.initializer}
        self._layers = {layer.name: layer for layer in self.model.layers}
        self._samples = len(next(iter(self.inputs.values())))
        self.batch = 1
        session = self._build()
        self.batch = min((1, self._samples), key=lambda batch: self._time_batch(session, batch))
        self._reference = self._run(session, self.batch)

    def _build(self) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting is no work
        return ort.InferenceSession(self._proto.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def _run(self, session: ort.InferenceSession, batch: int) -> list[list[np.ndarray]]:
        starts = range(0, self._samples, batch)
        return [session.run(None, {n: v[start : start + batch] for n, v in self.inputs.items()}) for start in starts]

    def _time_batch(self, session: ort.InferenceSession, batch: int) -> float:
        self._run(session, batch)
        cost = Cost()
        cost.time(lambda: self._run(session, batch))
        return cost.wall

    def forward(self) -> Cost:
        """One plain pass of the float model over all samples, the mean of `forwards`."""
        count = len(self.forwards)
        return Cost(sum(cost.wall for cost in self.forwards) / count, sum(cost.cpu for cost in self.forwards) / count)

    def measure(self, cells: Sequence[Cell]) -> None:
        """Time a plain pass, then measure these cells, and add what it takes to `cost`."""
        session, forward = self._build(), Cost()
        forward.time(lambda: self._run(session, self.batch))
        self.forwards.append(forward)
        for cell in cells:
            self.found[cell] = self.cost.time(partial(self._measure_cell, *cell))

    def _measure_cell(self, name: str, bits: int) -> dict[Metric, float]:
        layer, summary = self._layers[name], self.model.summary.layer_by_name[name]
        matrix = fake_quantize_layer(layer.matrix(), summary, choose_layer_plan(summary, bits, self.plan.defaults))
        tensor = self._weights[str(layer.weight_value.name)]
        original = tensor.raw_data
        tensor.raw_data = candidate_weight(layer, matrix).tobytes()
        session = self._build()
        tensor.raw_data = original
        comparison = OutputComparison()
        for expected, outputs in zip(self._reference, self._run(session, self.batch), strict=True):
            comparison.update(expected, outputs, len(outputs[0]))
        values = zip(COMPARED, (comparison.kl, comparison.sqnr_db, comparison.cosine), strict=True)
        return {metric: value for metric, value in values if value is not None}


def suffix_macs(model: Model) -> float:
    """Multiply-accumulates of one sample through every layer's suffix, one candidate each."""
    macs = {layer.node.name: model.summary.layer_by_name[layer.name].macs or 0 for layer in model.layers}
    with tempfile.TemporaryDirectory() as folder:
        graph = SuffixGraph(model, Path(folder))
        suffixes = [graph.cut(layer) for layer in model.layers]
    return float(sum(macs.get(node.name, 0) for suffix in suffixes for node in (suffix.head, *suffix.nodes)))


def largest_difference(naive: NaiveLoop, exact: Sensitivity, metric: Metric) -> float:
    """Relative to the naive loop's figure; SQNR as a ratio of energies, cosine as its distance from 1."""
    pairs = [
        (values[metric], exact.rows[name].cells[bits].values[metric])
        for (name, bits), values in naive.found.items()
        if metric in values
    ]
    if metric == Metric.SQNR:
        pairs = [(10 ** (one / 10), 10 ** (other / 10)) for one, other in pairs]
    if metric == Metric.COSINE:
        pairs = [(1 - one, 1 - other) for one, other in pairs]
    return max((abs(one - other) / abs(one) for one, other in pairs if one), default=0.0)


def plan_losses(model: Model, plan: Plan, exact: Sensitivity, other: Sensitivity) -> Iterator[tuple[float, float]]:
    """For size ratios, how much more exact KL the plan chosen from `other` has than the one from `exact`, in %."""
    for ratio in RATIOS:
        try:
            chosen = [
                allocate(AllocateRequest(model.summary, source, plan, Budget(size_ratio=ratio))).plan
                for source in (exact, other)
            ]
        except BudgetError:
            continue
        best, found = (
            sum(exact.value(name, item.layer(name).weights.bits, exact.metrics[0]) or 0.0 for name in exact.rows)
            for item in chosen
        )
        yield ratio, 100.0 * (found / best - 1.0)


def main() -> None:
    """Parse arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--cells", type=int, default=12, help="of the naive loop; 0: leave it out")
    parser.add_argument("--full", action="store_true", help="all cells of the naive loop (minutes)")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        model = args.model or write_resnet50(folder / "resnet50.onnx")
        data = DataChoice(args.data or str(write_images(folder / "images.npy", args.samples)))
        measure(make_requests(model, data, args.samples, args.methods), None if args.full else args.cells)


def make_requests(path: Path, data: DataChoice, samples: int, methods: Sequence[str]) -> dict[str, AnalyzeRequest]:
    """By name of the method, as the table shows it."""
    plan = build_plan(open_cached(str(path)).summary, 8)
    exact = AnalyzeRequest(str(path), data, plan, BITS, samples, AnalysisMethod.EXACT, is_fresh=True)
    known = {
        "quick": replace(exact, method=AnalysisMethod.QUICK),
        "loss": replace(exact, method=AnalysisMethod.LOSS),
        "racing": replace(exact, is_racing=True),
        "exact": exact,
    }
    return {name: known[name] for name in METHODS if name in methods}


def measure(requests: dict[str, AnalyzeRequest], naive_cells: int | None) -> None:
    """Run every method, the naive loop in between, and print the table."""
    context = JobContext()
    first = next(iter(requests.values()))
    model, samples = open_cached(first.model), first.samples
    batch = next(iter(open_dataset(first.data, model.summary.inputs).batches(samples, samples)))
    naive = NaiveLoop(model, first.plan, batch.inputs)
    cells = [(layer.name, bits) for layer in model.layers for bits in BITS]
    chosen = np.random.default_rng(0).permutation(len(cells))[:naive_cells]
    parts = np.array_split(chosen, len(requests) + 1)
    naive.measure([cells[index] for index in parts[0]])
    costs: dict[str, Cost] = {}
    found: dict[str, Sensitivity] = {}
    for (name, request), part in zip(requests.items(), parts[1:], strict=True):
        if request.method == AnalysisMethod.EXACT:
            forecast = run_request(ForecastRequest(request), context)
            assert isinstance(forecast, Forecast)
            print(f"forecast of {name}: {forecast.seconds:.1f} s", flush=True)
        cost = Cost()
        result = _attempt(request, cost, context)
        if result is not None:
            costs[name], found[name] = cost, result
            print(f"{name}: {cost.wall:.1f} s", flush=True)
        naive.measure([cells[index] for index in part])
    _print_costs(naive, costs, len(cells), samples)
    if "racing" in found:
        used = [cell.samples for row in found["racing"].rows.values() for cell in row.cells.values()]
        print(f"racing used {np.mean(used):.1f} of {samples} samples per cell")
    if "exact" in found:
        _print_agreement(naive, first.plan, found)


def _print_agreement(naive: NaiveLoop, plan: Plan, found: dict[str, Sensitivity]) -> None:
    exact = found["exact"]
    for metric in COMPARED:
        difference = largest_difference(naive, exact, metric)
        print(f"largest relative difference of {metric} from the naive loop: {difference:.1e}")
    for name, other in found.items():
        if name != "exact":
            losses = [f"{ratio:g}: {loss:+.2f} %" for ratio, loss in plan_losses(naive.model, plan, exact, other)]
            print(f"exact KL of plans chosen from {name}, against those from exact, by size ratio: {', '.join(losses)}")


def _attempt(request: AnalyzeRequest, cost: Cost, context: JobContext) -> Sensitivity | None:
    """None if the method is not there or cannot be had for this model."""
    try:
        result = cost.time(lambda: run_request(request, context))
    except BitsmithError as error:
        print(f"{request.method}: skipped, {error}")
        return None
    assert isinstance(result, Sensitivity)
    return result if result.method == request.method else None


def _print_costs(naive: NaiveLoop, costs: dict[str, Cost], cells: int, samples: int) -> None:
    forward = naive.forward()
    whole = sum(layer.macs or 0 for layer in naive.model.summary.layers)
    share = suffix_macs(naive.model) * len(BITS) / max(whole, 1)
    print(f"{cells} cells, {samples} samples; the suffixes are {100 * share / cells:.1f} % of the naive arithmetic")
    yardsticks = {"forward": forward, "floor": Cost(forward.wall * share, forward.cpu * share)}
    if naive.found:
        scale = cells / len(naive.found)
        yardsticks["naive"] = Cost(naive.cost.wall * scale, naive.cost.cpu * scale)
        print(f"naive: batch {naive.batch}, timed on {len(naive.found)} cells and scaled to {cells}")
    print(f"{'method':10}" + "".join(f"{title:>15}" for title in ("wall s", "CPU s", *_ratio_titles(yardsticks))))
    for name, cost in {**yardsticks, **costs}.items():
        ratios = [ratio for other in yardsticks.values() for ratio in (cost.wall / other.wall, cost.cpu / other.cpu)]
        print(f"{name:10}{cost.wall:15.1f}{cost.cpu:15.1f}" + "".join(f"{ratio:15.4g}" for ratio in ratios))


def _ratio_titles(yardsticks: Iterable[str]) -> Iterator[str]:
    return (f"{clock} / {name}" for name in yardsticks for clock in ("wall", "CPU"))


if __name__ == "__main__":
    main()
