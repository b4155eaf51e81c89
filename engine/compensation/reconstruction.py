"""Block reconstruction: train codes, scales, zero points, biases and clips of one block after the other.

A block is a residual block, or a few layers in a row (see `blocks`). It learns to give what the float network has at
its end, from what the network quantized so far has at its start (BRECQ, Li et al., arXiv 2102.05426): layers of a
block make up for each other, and no more has to be right than what the rest of the network reads. At random, values
are left unquantized, and float inputs stand for quantized ones (QDrop, Wei et al., arXiv 2203.05740). Codes are
learned through rounding with the straight-through estimator, scales as in LSQ (arXiv 1902.08153).

Every so often a block is judged by samples that it does not learn from; the best state is what is kept, so that no
block ends worse there than it started.

Memory: the tensors at two cuts of all samples, float and quantized, at most `CUT_BYTES` with fewer samples where
these are wide, and what one part of a batch leaves for the backward pass.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from engine.compensation.blocks import Block, find_blocks
from engine.compensation.descent import WEIGHT_TENSORS, Descent, Parameter, rate_share, weight_parameters
from engine.compensation.distillation_data import Samples, Values
from engine.compensation.inputs import InputQuantization
from engine.compensation.learned_grids import drop_quantization
from engine.compensation.reporting import BlockReport, activation_of, sqnr_db
from engine.compensation.side_by_side import PARTS, side_by_side
from engine.compensation.student import Dropping, Student
from engine.data.dataset import Dataset
from engine.errors import UnsupportedOperator
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.model.quantized_layers import ChosenWeights
from engine.plan import Plan
from engine.requests.conversion import BlockReconstruction, Change, ConvertRequest, DeviceChoice, LayerChange
from engine.torch_graph.device import CPU, TrainingDevice
from engine.torch_graph.graph import TorchGraph

Tensor = torch.Tensor

# Tensors at the cuts, float and quantized, of all samples.
CUT_BYTES = 2 << 30
# What one batch has at a block's start and end; of wide blocks a batch has fewer samples, whose many positions say
# enough.
BATCH_BYTES, MIN_BATCH = 8 << 20, 4
# Samples that go through a block at once where nothing is learned.
PASS_SAMPLES = 8
LEAST_ENERGY = 1e-12
# What a block leaves for the backward pass, in batches of that size.
BLOCK_BATCHES = 64


@dataclass(frozen=True)
class ReconstructionSettings:
    """How to train.

    Attributes:
        steps: updates of each block.
        batch: samples per update, at most.
        code_rate: learning rate of codes and zero points, in codes.
        scale_rate: of the logarithms of scales of weights.
        bias_rate: of biases, in norms of the channel's weights.
        grid_rate: of the logarithms of scales of activations.
        grid_code_rate: of zero points of activations, in codes.
        drop: share of values that are not quantized.
        judgements: how often the held-out samples are looked at.
    """

    steps: int = 100
    batch: int = 32
    code_rate: float = 3e-4
    scale_rate: float = 1e-3
    bias_rate: float = 1e-3
    grid_rate: float = 1e-3
    grid_code_rate: float = 0.02
    drop: float = 0.5
    judgements: int = 4
    seed: int = 0
    device: DeviceChoice = DeviceChoice.AUTO


def reconstruct(
    model: Model,
    request: ConvertRequest,
    inputs: InputQuantization,
    chosen: ChosenWeights,
    context: JobContext,
    *,
    dataset: Dataset,
) -> ChosenWeights:
    """Train what `chosen` starts with, block by block, as long as the plan says; where that cannot be, a note says why.

    Raises:
        ConversionError: a weight holds NaN or infinite values.
        DataError: the samples do not fit.
        DeviceError: the request asks for a GPU where there is none.
        JobCancelled: cancelled.
    """
    settings = ReconstructionSettings(steps=request.plan.defaults.reconstruction_steps, device=request.device)
    try:
        training = Reconstruction(model, request.plan, inputs, chosen, settings)
        return training.device.signed(training.run(dataset, request.samples, context))
    except UnsupportedOperator as error:
        note = f"{str(error)[:-1]}, so no blocks were reconstructed."
        return dataclasses.replace(chosen, notes=(*chosen.notes, note))


@dataclass
class _Cut:
    """What all samples have at a point of the network; at the graph's inputs, nothing but these."""

    name: str | None = None
    reference: Tensor | None = None
    quantized: Tensor | None = None


@dataclass(frozen=True)
class _Task:
    """A block in training.

    Attributes:
        targets: what the float network has at the ends of the block, of all samples.
        energy: mean squares of these.
    """

    block: Block
    cut: _Cut
    targets: Mapping[str, Tensor]
    energy: Mapping[str, float]


class Reconstruction:
    """A quantized network whose blocks are trained in turn.

    Attributes:
        device: what it is trained on.
    """

    def __init__(
        self,
        model: Model,
        plan: Plan,
        inputs: InputQuantization,
        chosen: ChosenWeights,
        settings: ReconstructionSettings,
    ) -> None:
        """Start from `chosen`.

        Raises:
            UnsupportedOperator: an operator has no torch form.
            ConversionError: a weight holds NaN or infinite values.
        """
        self._settings = settings
        self._teacher = TorchGraph(model.graph, model.layers)
        self._student = Student(model, plan, inputs, chosen, self._teacher)
        self._blocks: Sequence[Block] = find_blocks(model)
        self._outputs = {layer.name: activation_of(layer) for layer in model.layers}
        self._open_grids = list(self._student.grids.values())
        self._noise = torch.Generator().manual_seed(settings.seed)
        self.device = TrainingDevice()

    def run(self, dataset: Dataset, samples: int, context: JobContext) -> ChosenWeights:
        """Train on the first `samples`, of which some are held out; a `BlockReconstruction` arrives for each block.

        Raises:
            UnsupportedOperator: an operator is used in a way that has no torch form.
            DataError: the samples do not fit.
            DeviceError: the settings ask for a GPU where there is none.
            JobCancelled: cancelled.
        """
        self._context = context
        context.report(0, 1, "Preparing to reconstruct blocks")
        self._data = Samples(dataset, samples)
        with side_by_side(self.device) as self._threads:
            self._blocks = self._probe()
            self._choose_device()
            cut = _Cut()
            for index, block in enumerate(self._blocks):
                cut = self._reconstruct(index, block, cut)
        return self._student.freeze()

    def _choose_device(self) -> None:
        needed = WEIGHT_TENSORS * self._student.weight_bytes + BLOCK_BATCHES * BATCH_BYTES
        self.device.choose(self._settings.device, needed)
        self._teacher.keep_on(self.device)
        self._student.keep_on(self.device)
        self._context.report(0, 1, f"Reconstructing blocks on {self.device.name}")

    def _probe(self) -> list[Block]:
        """The blocks whose cuts hold samples along the first axis, others joined; sees to `CUT_BYTES`, too."""
        units = torch.arange(min(2, self._data.units) if self._data.is_free else 1)
        names = [block.start for block in self._blocks if block.start is not None]
        with torch.no_grad():
            found = dict(zip(names, self._teacher.run(self._data.take(units), names), strict=True))
        rows = len(units) * self._data.unit
        blocks: list[Block] = []
        widest = 1
        for block in self._blocks:
            tensor = found.get(block.start or "")
            if blocks and (tensor is None or not tensor.ndim or len(tensor) != rows):
                blocks[-1] = blocks[-1].join(block)
                continue
            blocks.append(block)
            widest = max(widest, 0 if tensor is None else tensor.nbytes // len(units))
        self._data.limit(CUT_BYTES // (4 * widest))
        return blocks

    def _reconstruct(self, index: int, block: Block, cut: _Cut) -> _Cut:
        """Train a block, and go on to its end."""
        everything = torch.arange(self._data.units + self._data.held_out)
        found = self._collect(lambda units: self._teacher.run(self._values(cut, units, cut.reference), block.ends),
                              everything)  # fmt: skip
        targets = {name: values for name, values in zip(block.ends, found, strict=True) if values.is_floating_point()}
        energy = {name: max(values.square().mean().item(), LEAST_ENERGY) for name, values in targets.items()}
        task = _Task(block, cut, targets, energy)
        self._train(index, task)
        if index + 1 == len(self._blocks):
            return _Cut()
        (quantized,) = self._collect(lambda units: self._student.run(
            self._values(cut, units, cut.quantized), block.ends[:1], layers=block.layers), everything)  # fmt: skip
        return _Cut(block.ends[0], targets[block.ends[0]], quantized)

    def _collect(self, run: Callable[[Tensor], list[Tensor]], units: Tensor) -> list[Tensor]:
        """What `run` gives for units, put together; PASS_SAMPLES at a time."""

        def work(part: Tensor) -> list[Tensor]:
            self._context.check_cancelled()
            return [tensor.cpu() for tensor in run(part)]

        parts = self._threads.measure(torch.split(units, PASS_SAMPLES if self._data.is_free else 1), work)
        return [torch.cat(tensors) for tensors in zip(*parts, strict=True)]

    def _values(self, cut: _Cut, units: Tensor, at_cut: Tensor | None) -> Values:
        """What stands at the cut, on the device."""
        values = self._data.take(units)
        if cut.name is not None and at_cut is not None:
            values[cut.name] = at_cut[self._data.rows(units)]
        return self.device.bring_all(values)

    def _train(self, index: int, task: _Task) -> None:
        """Learn, if there is anything; at the end the block has the best of the states that were judged."""
        settings, started = self._settings, time.perf_counter()
        parameters = self._parameters(task.block)
        if not parameters:
            return
        trained = [item.values for item in parameters]
        for tensor in trained:
            tensor.requires_grad_()
        if not self.device.attempt(lambda: self._measure(task, torch.arange(1), None).requires_grad):
            for tensor in trained:  # grids of other blocks, and nothing else
                tensor.requires_grad = False
            return
        descent = Descent(parameters)
        before = self._compare_layers(task)
        first = best = self._judge(task)
        report = BlockReport(self._context, index, len(self._blocks), task.block.layers, settings.steps, first)
        kept = [tensor.detach().to(CPU, copy=True) for tensor in trained]
        every = max(1, settings.steps // settings.judgements)
        batch = self._batch_of(task)
        used = [False] * len(trained)
        draws = self._data.draw(batch, self._noise)
        for step, units in zip(range(1, settings.steps + 1), draws, strict=False):
            loss, gradients = self._learn(task, units, trained)
            used = [gradient is not None for gradient in gradients]
            self._move(descent, gradients, rate_share(step, settings.steps))
            held_out = self._judge(task) if step % every == 0 or step == settings.steps else None
            if held_out is not None and held_out < best:
                best = held_out
                kept = [tensor.detach().to(CPU, copy=True) for tensor in trained]
            report.add(step, loss, held_out)
        with torch.no_grad():
            for tensor, values in zip(trained, kept, strict=True):
                tensor.copy_(values)
                tensor.requires_grad = False
        touched = {id(tensor) for tensor, is_used in zip(trained, used, strict=True) if is_used}
        self._open_grids = [grid for grid in self._open_grids if id(grid.log_scale) not in touched]
        self._context.partial(
            BlockReconstruction(index, len(self._blocks), task.block.layers, first, best, time.perf_counter() - started)
        )
        for name, after in self._compare_layers(task).items():
            self._context.partial(LayerChange(name, Change.RECONSTRUCT, before[name], after))

    def _move(self, descent: Descent, gradients: Sequence[Tensor | None], share: float) -> None:
        def move() -> None:
            descent.step(gradients, share)
            self._student.project()

        self.device.attempt(move)

    def _parameters(self, block: Block) -> list[Parameter]:
        """What a block can change; a grid belongs to the first block that has values on it."""
        settings, student = self._settings, self._student
        found = [Parameter(student.biases[name].moved, settings.bias_rate)
                 for name in block.layers if name in student.biases]  # fmt: skip
        for name in block.layers:
            if name in student.weights:
                found += weight_parameters(student.weights[name], settings.code_rate, settings.scale_rate)
        for grid in self._open_grids:
            found.append(Parameter(grid.log_scale, settings.grid_rate))
            if grid.zero_point is not None:
                found.append(Parameter(grid.zero_point, settings.grid_code_rate))
        return found

    def _batch_of(self, task: _Task) -> int:
        """Units of a batch."""
        tensors = [*task.targets.values(), *([] if task.cut.quantized is None else [task.cut.quantized])]
        per_unit = sum(tensor.nbytes for tensor in tensors) // (self._data.units + self._data.held_out)
        wanted = max(MIN_BATCH, BATCH_BYTES // max(per_unit, 1))
        return max(1, min(self._settings.batch, wanted) // self._data.unit)

    def _learn(self, task: _Task, units: Tensor, trained: Sequence[Tensor]) -> tuple[float, list[Tensor | None]]:
        size = math.ceil(len(units) / PARTS) if self._data.is_free else 1
        parts = [(part, int(torch.randint(0, 1 << 62, (), generator=self._noise))) for part in torch.split(units, size)]
        return self._threads.differentiate(
            parts, lambda item: self._measure(task, *item) * (len(item[0]) / len(units)), trained
        )

    def _measure(self, task: _Task, units: Tensor, seed: int | None) -> Tensor:
        """Squared error at the ends of the block by their energy; values are dropped where there is a seed."""
        self._context.check_cancelled()
        cut, share = task.cut, self._settings.drop
        values = self._values(cut, units, cut.quantized)
        dropping = None
        if seed is not None and share:
            noise = torch.Generator().manual_seed(seed)
            dropping = Dropping(share, noise)
            if cut.name is not None and cut.reference is not None:
                reference = self.device.bring(cut.reference[self._data.rows(units)])
                values[cut.name] = drop_quantization(reference, values[cut.name], share, noise)
        names = list(task.targets)
        found = self._student.run(values, names, layers=task.block.layers, dropping=dropping)
        total = torch.zeros(())
        for name, value in zip(names, found, strict=True):
            wanted = task.targets[name][self._data.rows(units)].to(value.device)
            total = total + (value - wanted).square().mean() / task.energy[name]
        return total

    def _judge(self, task: _Task) -> float:
        """The loss on what is held out, with everything quantized."""
        parts = self._held_out_parts()
        found = self._threads.measure(parts, lambda part: self._measure(task, part, None) * len(part))
        return sum(loss.item() for loss in found) / sum(map(len, parts))

    def _compare_layers(self, task: _Task) -> dict[str, float]:
        """SQNR in dB of what follows each trained layer for what is held out, against the float network."""
        outputs = {name: self._outputs[name] for name in task.block.layers if name in self._student.weights}
        cut, fetch = task.cut, list(outputs.values())

        def compare(units: Tensor) -> list[tuple[float, float]]:
            self._context.check_cancelled()
            wanted = self._teacher.run(self._values(cut, units, cut.reference), fetch)
            found = self._student.run(self._values(cut, units, cut.quantized), fetch, layers=task.block.layers)
            return [
                (value.double().square().sum().item(), (other - value).double().square().sum().item())
                for value, other in zip(wanted, found, strict=True)
            ]

        parts = self._threads.measure(self._held_out_parts(), compare)
        sums = (map(sum, zip(*pairs, strict=True)) for pairs in zip(*parts, strict=True))
        return {name: sqnr_db(*pair) for name, pair in zip(outputs, sums, strict=True)}

    def _held_out_parts(self) -> Sequence[Tensor]:
        """Units that are held out, all where there are none, as many as go through a block at once."""
        first = self._data.units if self._data.held_out else 0
        units = torch.arange(first, self._data.units + self._data.held_out)
        return torch.split(units, PASS_SAMPLES if self._data.is_free else 1)
