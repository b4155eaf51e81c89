"""Loss-aware sensitivity: what every layer's quantization adds to the loss, from gradients.

To second order the KL divergence between the float model and one whose logits z moved by δz is ½·δzᵀ·F·δz
with F = diag(p) − p·pᵀ per prediction. With a random direction v whose covariance is F, that is
½·E[(v·δz)²]; and v·δz = ⟨ΔW, ∂(v·z)/∂W⟩ to first order in ΔW. So one forward and one backward pass per sample
give the gradient of every weight, and every candidate of every layer is one inner product: no pass per cell.

v = √p∘s − p·(√p·s) with random signs s has this covariance, as has the gradient at a label sampled from p (the
Fisher information); but where the model is certain, its square is about the same every time, while that of a sampled
label is nearly 0 but for the rare wrong label, which then decides the score alone.

Outputs that are no class scores have no such loss: there v has independent elements of equal variance, and the
score is the mean squared error of the outputs (Gauss–Newton).
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from engine.comparison import class_scores, is_probabilities
from engine.data.batches import Batch
from engine.data.dataset import Dataset
from engine.errors import BitsmithError, UnsupportedOperator
from engine.job_context import JobContext
from engine.model.graph import attribute_float
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.model.quantized_layers import fake_quantize_layer
from engine.plan import Plan, choose_layer_plan
from engine.sensitivity.matrix import Cell, Metric, Sensitivity, SensitivityRow
from engine.stored_weights import stored_weight_bytes
from engine.torch_graph.graph import TorchGraph
from engine.torch_graph.tensors import to_tensor

Scores = npt.NDArray[np.float64]

# Weight changes of a band of layers are held at once; a model that needs more is passed over band by band.
BAND_BYTES = 1 << 30
# Directions per sample, each another backward pass: several where samples are few and the network is small. At
# equal cost more samples rank better (resnet20, 8 bits: 64 samples 0.78 with one draw, 0.86 with four, 256 0.97).
MAX_DRAWS = 4
DRAWN_WEIGHTS = 1 << 22
DRAWN_SAMPLES = 256
MAX_WORKERS = 8
SEED = 0
_SMALLEST_PROBABILITY = 1e-12


def analyze_loss(
    model: Model, dataset: Dataset, context: JobContext, *, plan: Plan, bits: Sequence[int], samples: int
) -> Sensitivity:
    """Expected rise of the loss for each layer and weight bit width, in nats per prediction, with standard errors.

    The metric is `Metric.LOSS`, or `Metric.MSE` of the outputs where these are no class scores. Layers are
    tried in the scheme that the plan's defaults give those bits. A `SensitivityRow` is handed out per layer.

    Raises:
        BitsmithError: an operator has no torch form.
        DataError: the samples do not fit.
        JobCancelled: cancelled.
    """
    context.report(0, len(model.layers), "Building the graph that gradients flow through")
    try:
        return _analyze(model, dataset, context, plan=plan, bits=tuple(bits), samples=samples)
    except UnsupportedOperator as error:
        raise BitsmithError(
            f"Gradients cannot be had of {model.path.name}: {str(error)[0].lower()}{str(error)[1:]} "
            "Choose the quick or the exact method."
        ) from error


def _analyze(
    model: Model, dataset: Dataset, context: JobContext, *, plan: Plan, bits: tuple[int, ...], samples: int
) -> Sensitivity:
    graph = TorchGraph(model.graph, model.layers)
    rows: dict[str, SensitivityRow] = {}
    seen = 0
    for band in _split_bands(model.layers, len(bits)):
        changes = _build_changes(model, band, plan, bits, context)
        work = _Pass(graph, model, dataset.is_tokens, _choose_draws(model.layers, samples), changes)
        measured = _measure(work, dataset, samples, context)
        seen = measured.samples
        for layer in band:
            cells = dict(zip(bits, measured.cells(layer.name), strict=True))
            rows[layer.name] = SensitivityRow(layer.name, cells, _stored_bytes(model, layer, plan, bits))
            context.partial(rows[layer.name])
    return Sensitivity(model.summary.sha256, model.path.name, "loss", seen, dataset.digest, rows)


def _choose_draws(layers: Iterable[Layer], samples: int) -> int:
    weights = sum(layer.layout.channels * layer.layout.inputs for layer in layers)
    affordable = min(DRAWN_WEIGHTS // max(weights, 1), DRAWN_SAMPLES // max(samples, 1))
    return int(np.clip(affordable, 1, MAX_DRAWS))


def _split_bands(layers: Iterable[Layer], candidates: int) -> Iterator[list[Layer]]:
    band: list[Layer] = []
    weight = 0
    for layer in layers:
        size = 4 * candidates * layer.layout.channels * layer.layout.inputs
        if band and weight + size > BAND_BYTES:
            yield band
            band, weight = [], 0
        band.append(layer)
        weight += size
    yield band


def _stored_bytes(model: Model, layer: Layer, plan: Plan, bits: Iterable[int]) -> dict[int, int]:
    summary = model.summary.layer_by_name[layer.name]
    return {width: stored_weight_bytes(summary, choose_layer_plan(summary, width, plan.defaults)) for width in bits}


def _build_changes(
    model: Model, band: Sequence[Layer], plan: Plan, bits: tuple[int, ...], context: JobContext
) -> dict[str, torch.Tensor]:
    """ΔW of every candidate: by layer float32 [bits, weights], weights in the stored order."""

    def build(layer: Layer) -> torch.Tensor:
        summary = model.summary.layer_by_name[layer.name]
        matrix = layer.matrix()
        changes = np.empty((len(bits), matrix.size), np.float32)
        scale = attribute_float(layer.node, "alpha", 1.0) if layer.op == "Gemm" else 1.0
        for row, width in zip(changes, bits, strict=True):
            quantized = fake_quantize_layer(matrix, summary, choose_layer_plan(summary, width, plan.defaults))
            row[:] = layer.layout.from_matrix(quantized - matrix).reshape(-1) / np.float32(scale or 1.0)
        return torch.from_numpy(changes)

    changes = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for layer, found in zip(band, pool.map(build, band), strict=True):
            changes[layer.name] = found
            title = model.summary.layer_by_name[layer.name].title
            context.report(len(changes), len(band), f"Quantizing {title}")
    return changes


@dataclass(frozen=True)
class _Pass:
    """What one sample goes through."""

    graph: TorchGraph
    model: Model
    is_tokens: bool
    draws: int
    changes: Mapping[str, torch.Tensor]

    def measure(self, batch: Batch, index: int) -> tuple[Metric, dict[str, Scores]]:
        """Scores of every candidate by layer: float64 [bits], per prediction, the mean over the draws."""
        weights = {name: self.graph.weights[name].detach().requires_grad_() for name in self.changes}
        given = {name: to_tensor(value) for name, value in batch.inputs.items()}
        outputs = self.graph.run(given, [spec.name for spec in self.model.summary.outputs], weights=weights)
        target = _build_target(outputs, is_tokens=self.is_tokens)
        noise = torch.Generator().manual_seed(SEED + index)
        scores = {name: np.zeros(len(change)) for name, change in self.changes.items()}
        for draw in range(self.draws):
            value = (target.draw(noise) * target.values).sum()
            gradients = torch.autograd.grad(
                value, list(weights.values()), allow_unused=True, retain_graph=draw + 1 < self.draws
            )
            for name, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    slopes = (self.changes[name] @ gradient.reshape(-1)).numpy().astype(np.float64)
                    scores[name] += np.square(slopes) * target.share / self.draws
        return target.metric, scores


@dataclass(frozen=True)
class _Target:
    """What a direction is drawn for.

    Attributes:
        values: logits [predictions, classes]; without classes, all float outputs as one row.
        roots: √p of every logit; None without classes.
        share: what a squared slope counts for.
    """

    metric: Metric
    values: torch.Tensor
    roots: torch.Tensor | None
    share: float

    def draw(self, noise: torch.Generator) -> torch.Tensor:
        """One direction v, shaped as `values`."""
        signs = torch.randint(0, 2, self.values.shape, generator=noise).to(self.values.dtype) * 2 - 1
        if self.roots is None:
            return signs
        scaled = self.roots * signs
        return scaled - self.roots.square() * scaled.sum(1, keepdim=True)


def _build_target(outputs: Sequence[torch.Tensor], *, is_tokens: bool) -> _Target:
    floats = [output for output in outputs if output.is_floating_point()]
    if not floats:
        raise BitsmithError(
            "The model has no output of floats that a loss could be read from. Choose the quick method."
        )
    scores = class_scores([floats[0].detach().numpy()], is_tokens=is_tokens)
    if scores is None:
        values = torch.cat([output.reshape(1, -1) for output in floats], 1)
        return _Target(Metric.MSE, values, None, 1.0 / values.numel())
    logits = floats[0].reshape(scores.shape)
    if is_probabilities(scores):
        logits = logits.clamp(min=_SMALLEST_PROBABILITY).log()
    roots = torch.softmax(logits.detach(), 1).sqrt()
    return _Target(Metric.LOSS, logits, roots, 0.5 / len(logits))


class _Measured:
    """Scores of a band, sample by sample."""

    def __init__(self) -> None:
        self.metric = Metric.LOSS
        self.samples = 0
        self._scores: dict[str, list[Scores]] = {}

    def add(self, metric: Metric, scores: Mapping[str, Scores], samples: int) -> None:
        """What one pass over `samples` samples gave."""
        self.metric = metric
        self.samples += samples
        for name, values in scores.items():
            self._scores.setdefault(name, []).append(values)

    def cells(self, layer: str) -> Iterator[Cell]:
        """One per candidate: mean and standard error over the passes."""
        values = np.stack(self._scores[layer])
        count = len(values)
        means = values.mean(0)
        errors = values.std(0, ddof=1) / np.sqrt(count) if count > 1 else None
        for index, mean in enumerate(means):
            error = {} if errors is None else {self.metric: float(errors[index])}
            yield Cell({self.metric: float(mean)}, error, self.samples)


def _measure(work: _Pass, dataset: Dataset, samples: int, context: JobContext) -> _Measured:
    """Samples side by side, each on one thread: that wastes less than every operator on all of them."""
    total = min(samples, dataset.samples)
    measured = _Measured()
    workers = min(os.cpu_count() or 1, MAX_WORKERS)
    waiting: deque[tuple[Future[tuple[Metric, dict[str, Scores]]], int]] = deque()

    def collect() -> None:
        future, size = waiting.popleft()
        measured.add(*future.result(), size)
        context.report(measured.samples, total, f"Gradients: sample {measured.samples} of {total}")

    with _single_threaded(), ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for index, batch in enumerate(dataset.batches(dataset.batch_size_for(1), limit=total)):
            waiting.append((pool.submit(work.measure, batch, index), len(batch)))
            if len(waiting) > workers:
                collect()
        while waiting:
            collect()
    return measured


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """Operators run on one thread each inside of the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
