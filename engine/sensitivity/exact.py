"""Exact sensitivity: what quantizing one layer, and nothing else, does to the network's outputs.

Nothing before a layer is computed again for its candidates: they start from the float model's values
at the cut and run only what depends on the layer (`suffix`). A layer is loaded once for all of its
candidates; layers go to as many threads as there are cores, each of which computes alone, which wastes
less than sharing every operator among them.

The float values of all samples at the cuts of neighbouring layers are held together, up to
`cuts.CUT_BYTES`; a model that needs more is passed over band by band, each of which costs one pass of
the float model over the samples, and a layer that alone needs more, in several runs of samples.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.data.dataset import Dataset
from engine.errors import ModelError
from engine.job_context import JobContext
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.plan import choose_layer_plan
from engine.requests.analysis import AnalyzeRequest, Forecast
from engine.sensitivity.cuts import Cut, FloatModel, split_bands
from engine.sensitivity.matrix import Cell, Metric, Sensitivity, SensitivityRow
from engine.sensitivity.output_metrics import NOISE, SIGNAL, Figures, build_cell, float_outputs
from engine.sensitivity.racing import CellKey, find_undecided, round_ends, scale_stopped
from engine.sensitivity.resume import FigureStore
from engine.sensitivity.suffix import Candidates, Suffix, SuffixGraph, candidate_weight
from engine.stored_weights import stored_weight_bytes

MAX_WORKERS = 8
# What racing leaves of the samples, as a forecast; it depends on how much samples differ, 0.15 to 0.7 was seen.
RACING_SHARE = 0.35
TRIAL_LAYERS = 3
# A node's overhead, in the multiply-accumulates that take as long.
NODE_WORK = 1_000_000
# Below this, the outputs differ by rounding only.
ROUNDING_NOISE = 1e-12
# Scaled with a cell that racing stopped; the others are no sums of damage.
DAMAGE_METRICS = (Metric.KL, Metric.MSE)


def analyze_exact(model: Model, dataset: Dataset, context: JobContext, request: AnalyzeRequest) -> Sensitivity:
    """KL, SQNR, MSE, cosine and top-1 drop of the network's outputs for each layer and bit width, one at a time.

    Every layer is tried in the scheme that the plan's defaults give those bits, so the codes measured
    are the codes that conversion would pack; of tied layers each is tried alone. KL is there where an
    output gives class scores, top-1 drop where samples have labels. A `SensitivityRow` is handed out
    per finished layer, and with racing again when its figures are settled. It is empty where the
    samples do not reach the layer (a branch of an If that is never taken), where nothing that the layer
    changes leaves the graph, and where ONNX Runtime cannot run the layer's part of the graph by itself.

    Within a band, layers with many weights for the time that they take come first: they decide most
    about a plan, soonest. What is done is kept on disk, so that a cancelled analysis of the same model
    and data goes on; an interrupted one gives the same matrix as one that was not. `request.is_fresh` starts anew.

    Raises:
        ModelError: ONNX Runtime cannot run the float model.
        ConversionError: a weight holds NaN or infinite values.
        DataError: the samples do not fit.
        JobCancelled: cancelled; rows handed out so far stay true.
    """
    with _open_analysis(model, dataset, context, request) as analysis:
        wanted = set(analysis.cells)
        if request.is_racing:
            for end in round_ends(analysis.samples, analysis.batch_size):
                analysis.measure(wanted, end)
                wanted = find_undecided(analysis.used_figures())
            analysis.settle()
        else:
            analysis.measure(wanted, analysis.samples)
        rows = {layer.name: analysis.row(layer.name) for layer in model.layers}
    return Sensitivity(model.summary.sha256, model.path.name, "exact", analysis.samples, dataset.digest, rows)


def forecast_exact(model: Model, dataset: Dataset, context: JobContext, request: AnalyzeRequest) -> Forecast:
    """What `analyze_exact` would take from here, from a timed trial of a few layers on one batch.

    Raises:
        ModelError: ONNX Runtime cannot run a part of the graph.
        DataError: the samples do not fit.
        JobCancelled: cancelled.
    """
    with _open_analysis(model, dataset, context, replace(request, is_fresh=False)) as analysis:
        done = set() if request.is_fresh else analysis.find_done(analysis.samples)
        seconds = analysis.predict_seconds(set(analysis.cells) - done)
    return Forecast(seconds * (RACING_SHARE if request.is_racing else 1.0), len(analysis.cells), len(done))


@dataclass(frozen=True)
class _Means:
    """What an analysis works with: threads, a folder for shared weights, the job's context."""

    pool: Executor
    folder: Path
    context: JobContext


@contextmanager
def _open_analysis(model: Model, dataset: Dataset, context: JobContext, request: AnalyzeRequest) -> Iterator[_Analysis]:
    """Cut the graph, and clean up after use."""
    context.report(0, len(model.layers), "Cutting the graph")
    with (
        tempfile.TemporaryDirectory(prefix="bitsmith-", ignore_cleanup_errors=True) as folder,
        ThreadPoolExecutor(max_workers=_count_workers()) as pool,
    ):
        yield _Analysis(model, dataset, request, _Means(pool, Path(folder), context))


def _count_workers() -> int:
    return min(os.cpu_count() or 1, MAX_WORKERS)


def _input_digest(dataset: Dataset) -> str:
    """Tells apart what the data's digest does not: samples that are passed over at the start."""
    first = next(iter(dataset.batches(dataset.batch_size_for(1), limit=1)))
    return hashlib.sha256(b"".join(value.tobytes() for value in first.inputs.values())).hexdigest()


class _Analysis:
    """One analysis under way.

    Attributes:
        cells: every cell that can be measured, layer by layer.
        figures: by cell, of the first samples.
        used: by cell, how many of them count.
    """

    def __init__(self, model: Model, dataset: Dataset, request: AnalyzeRequest, means: _Means) -> None:
        self._model = model
        self._means = means
        self._choices = {
            layer.name: {width: choose_layer_plan(layer, width, request.plan.defaults) for width in request.bits}
            for layer in model.summary.layers
        }
        self._graph = SuffixGraph(model, means.folder)
        suffixes = [suffix for suffix in map(self._graph.cut, model.layers) if suffix.outputs]
        self._suffixes = {suffix.layer.name: suffix for suffix in suffixes}
        self._work = {suffix.layer.name: _work(model, suffix) for suffix in suffixes}
        self._floats = FloatModel(self._graph, suffixes, dataset, request.samples, means.context)
        self._bands = sorted(
            (sorted(band, key=self._urgency) for band in split_bands(self._floats, suffixes)),
            key=lambda band: self._urgency(*band),
        )
        self.samples = self._floats.samples
        self.batch_size = self._floats.batch_size
        data = (dataset.digest, _input_digest(dataset), str(self.samples), str(self.batch_size))
        self._store = FigureStore((model.summary.sha256, *data), is_fresh=request.is_fresh)
        self.cells: list[CellKey] = [(name, width) for name in self._suffixes for width in request.bits]
        self.figures = {(name, width): self._store.load(name, self._choices[name][width]) for name, width in self.cells}
        self.used = dict.fromkeys(self.cells, 0)
        self._factors = dict.fromkeys(self.cells, 1.0)

    def used_figures(self) -> dict[CellKey, Figures]:
        """By cell, of the samples that count."""
        return {key: self.figures[key][: self.used[key]] for key in self.cells}

    def _urgency(self, *suffixes: Suffix) -> float:
        """Sorts those with many weights for the time that they take to the front."""
        weights = sum(self._model.summary.layer_by_name[suffix.layer.name].parameters for suffix in suffixes)
        return -weights / sum(self._work[suffix.layer.name] for suffix in suffixes)

    def find_done(self, samples: int) -> set[CellKey]:
        """The cells that were measured on so many samples before."""
        return {key for key, figures in self.figures.items() if len(figures) >= samples}

    def measure(self, wanted: set[CellKey], samples: int) -> None:
        """Bring these cells up to `samples` samples; rows that an earlier analysis finished are handed out first."""
        wanted = wanted.intersection(self.cells)
        self.used |= dict.fromkeys(wanted, samples)
        missing = wanted - self.find_done(samples)
        incomplete = {name for name, _ in missing}
        for name in dict.fromkeys(name for name, _ in self.cells):
            if name not in incomplete and any((name, width) in wanted for width in self._choices[name]):
                self._means.context.partial(self.row(name))
        total = len(missing)
        self._means.context.report(0, max(total, 1), "Measuring")
        for band in self._bands:
            names = {suffix.layer.name for suffix in band}
            start = min((len(self.figures[key]) for key in missing if key[0] in names), default=samples)
            reads = [name for suffix in band for name in suffix.reads]
            start -= start % self.batch_size
            for span in self._floats.batches_within(start, samples, reads):
                active = [
                    suffix
                    for suffix in band
                    if suffix.layer.name in self._suffixes and self._lacking(suffix, missing, span[1])
                ]
                if not active:
                    continue
                cuts = self._floats.collect(reads, span, self._means.pool, self._means.context)
                for suffix in self._run_all(active, missing, cuts):
                    done = self.find_done(samples)
                    self._report(suffix, total - len(missing - done), total)
                    if not self._lacking(suffix, missing, samples):
                        self._means.context.partial(self.row(suffix.layer.name))
                del cuts

    def _report(self, suffix: Suffix, done: int, total: int) -> None:
        title = self._model.summary.layer_by_name[suffix.layer.name].title
        self._means.context.report(done, max(total, 1), f"Measured {title}")

    def _lacking(self, suffix: Suffix, missing: set[CellKey], samples: int) -> list[int]:
        """The bit widths of a layer that have not seen so many samples and should."""
        keys = [(suffix.layer.name, width) for width in self._choices[suffix.layer.name]]
        return [key[1] for key in keys if key in missing and len(self.figures[key]) < samples]

    def _run_all(self, suffixes: Sequence[Suffix], missing: set[CellKey], cuts: list[Cut]) -> Iterator[Suffix]:
        """Measure layers in parallel; each is stored and yielded when it is done, in whatever order."""
        jobs: dict[Future[dict[int, Figures]], Suffix] = {}
        for suffix in suffixes:
            widths = self._lacking(suffix, missing, cuts[-1].stop)
            jobs[self._means.pool.submit(self._run_layer, suffix, widths, cuts)] = suffix
        try:
            for job in as_completed(jobs):
                suffix = jobs[job]
                try:
                    found = job.result()
                except ModelError:
                    self._give_up(suffix, missing)
                    continue
                for width, figures in found.items():
                    self.figures[suffix.layer.name, width] = figures
                    self._store.save(suffix.layer.name, self._choices[suffix.layer.name][width], figures)
                yield suffix
        finally:
            for job in jobs:
                job.cancel()

    def _give_up(self, suffix: Suffix, missing: set[CellKey]) -> None:
        """Leave a layer unmeasured whose part of the graph does not run by itself."""
        name = suffix.layer.name
        del self._suffixes[name]
        self.cells = [key for key in self.cells if key[0] != name]
        missing -= {(name, width) for width in self._choices[name]}
        self._means.context.partial(self.row(name))

    def _run_layer(self, suffix: Suffix, widths: Sequence[int], cuts: Sequence[Cut]) -> dict[int, Figures]:
        """Figures of one layer's candidates, what was known of them before included; runs in a thread of the pool."""
        layer = suffix.layer
        candidates = Candidates(self._graph, suffix, self._quantize(layer, widths), self._floats.examples)
        found = {width: [self.figures[layer.name, width]] for width in widths}
        known = {width: len(self.figures[layer.name, width]) for width in widths}
        for cut in cuts:
            needed = [width for width in widths if known[width] <= cut.start]
            for width, outputs in candidates.run(needed, cut.values, self._means.context):
                values = {**cut.values, **outputs}
                found[width].append(
                    cut.reference.compare(float_outputs([values[name] for name in self._graph.outputs]))
                )
        return {width: np.concatenate(parts) for width, parts in found.items()}

    def _quantize(self, layer: Layer, widths: Sequence[int]) -> dict[int, np.ndarray]:
        matrix = layer.matrix()
        summary = self._model.summary.layer_by_name[layer.name]
        return {
            width: candidate_weight(layer, fake_quantize_layer(matrix, summary, self._choices[layer.name][width]))
            for width in widths
        }

    def settle(self) -> None:
        """Bring cells that stopped early in line with the others, and hand out the rows that this changes."""
        self._factors = scale_stopped(self.used_figures(), self.samples)
        for name in self._suffixes:
            if any(self._factors[name, width] != 1.0 for width in self._choices[name]):
                self._means.context.partial(self.row(name))

    def row(self, name: str) -> SensitivityRow:
        """The row of one layer."""
        summary = self._model.summary.layer_by_name[name]
        choices = self._choices[name]
        stored = {width: stored_weight_bytes(summary, choice) for width, choice in choices.items()}
        suffix = self._suffixes.get(name)
        if suffix is None:
            return SensitivityRow(name, {}, stored)
        figures = {width: self.figures[name, width][: self.used[name, width]] for width in choices}
        if suffix.layer.body_owner is not None and all(_is_untouched(item) for item in figures.values()):
            return SensitivityRow(name, {}, stored)
        cells = {
            width: _scale(build_cell(item), self._factors[name, width]) for width, item in figures.items() if len(item)
        }
        return SensitivityRow(name, cells, stored)

    def predict_seconds(self, cells: set[CellKey]) -> float:
        """Time for these cells on all samples: a few layers are timed, the others follow by their work."""
        ordered = sorted({name for name, _ in cells}, key=lambda name: self._work[name])
        if not ordered:
            return 0.0
        picked = sorted({round(index) for index in np.linspace(0, len(ordered) - 1, TRIAL_LAYERS)})
        timed = [self._time_layer(self._suffixes[ordered[index]]) for index in picked]
        work = [self._work[ordered[index]] for index in picked]
        runs = self.samples / min(self.batch_size, self.samples)
        layers = {name: sum(key[0] == name for key in cells) for name in ordered}
        loads = np.interp([self._work[name] for name in ordered], work, [load for load, _ in timed])
        batches = np.interp([self._work[name] for name in ordered], work, [run for _, run in timed])
        total = sum(
            load + batch * runs * layers[name] for name, load, batch in zip(ordered, loads, batches, strict=True)
        )
        return float(total) / _count_workers()

    def _time_layer(self, suffix: Suffix) -> tuple[float, float]:
        """Seconds to load a layer, and to run one batch of one candidate while all threads are busy likewise."""
        width = next(iter(self._choices[suffix.layer.name]))
        span = (0, min(self.batch_size, self.samples))
        cut = self._floats.collect(suffix.reads, span, self._means.pool, self._means.context)[0]

        def run() -> tuple[float, float]:
            started = time.perf_counter()
            candidates = Candidates(self._graph, suffix, self._quantize(suffix.layer, [width]), self._floats.examples)
            loaded = time.perf_counter()
            for _, outputs in candidates.run([width], cut.values, self._means.context):
                values = {**cut.values, **outputs}
                cut.reference.compare(float_outputs([values[name] for name in self._graph.outputs]))
            return loaded - started, time.perf_counter() - loaded

        self._means.context.report(0, 1, "Timing a few layers")
        jobs = [self._means.pool.submit(run) for _ in range(_count_workers())]
        timings = [job.result() for job in jobs]
        return sum(load for load, _ in timings) / len(timings), sum(spent for _, spent in timings) / len(timings)


def _work(model: Model, suffix: Suffix) -> int:
    """What one sample of one candidate costs: multiply-accumulates, and as many again as nodes take."""
    names = {node.name for node in (suffix.head, *suffix.nodes)}
    macs = sum(model.summary.layer_by_name[layer.name].macs or 0 for layer in model.layers if layer.node.name in names)
    return macs + NODE_WORK * len(names)


def _is_untouched(figures: Figures) -> bool:
    """Whether nothing reached the outputs but rounding."""
    return bool((figures[:, NOISE] <= ROUNDING_NOISE * figures[:, SIGNAL]).all())


def _scale(cell: Cell, factor: float) -> Cell:
    """The cell as it would be, had it seen all samples."""
    if factor == 1.0:
        return cell
    values, errors = dict(cell.values), dict(cell.errors)
    for metric in DAMAGE_METRICS:
        if metric in values:
            values[metric] *= factor
        if metric in errors:
            errors[metric] *= factor
    return Cell(values, errors, cell.samples)
