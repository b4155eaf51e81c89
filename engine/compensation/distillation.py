"""Distillation (quantization-aware fine-tuning): train what is stored so that the outputs are the float model's.

The quantized network learns from the float one on unlabelled samples (Hinton et al., arXiv 1503.02531): codes,
scales and biases of all layers at once, with a learning rate that falls along a cosine. It starts from codes that were
chosen layer by layer. Every so often it is judged by samples that it does not learn from; the best state is what is
kept, so the result is never worse there than the start.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.compensation.descent import WEIGHT_TENSORS, Descent, Parameter, rate_share, weight_parameters
from engine.compensation.distillation_data import Augmentation, Samples, Values
from engine.compensation.distillation_loss import OutputLoss
from engine.compensation.inputs import InputQuantization
from engine.compensation.side_by_side import PARTS, side_by_side
from engine.compensation.student import Student
from engine.data.dataset import Dataset
from engine.errors import UnsupportedOperator
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.model.quantized_layers import ChosenWeights
from engine.plan import Plan
from engine.requests.conversion import ConvertRequest, DeviceChoice, DistillationPoint
from engine.torch_graph.device import TrainingDevice
from engine.torch_graph.graph import TorchGraph

Tensor = torch.Tensor

# What waits between the forward and backward passes of these.
ACTIVATION_BYTES = 2 << 30


@dataclass(frozen=True)
class DistillationSettings:
    """How to train.

    Attributes:
        steps: updates.
        batch, token_batch: samples per update; sequences of tokens, each of which has many predictions.
        code_rate: learning rate of codes and zero points, in codes.
        scale_rate: of the logarithms of scales.
        bias_rate: of biases, in norms of the channel's weights.
        judgements: how often the held-out samples are looked at.
        augments: whether colour images are varied.
        seconds: after which no further step is made, so that the result depends on the machine; None for no limit.
    """

    steps: int = 300
    batch: int = 16
    token_batch: int = 4
    code_rate: float = 0.003
    scale_rate: float = 2e-3
    bias_rate: float = 2e-3
    judgements: int = 20
    augments: bool = True
    seconds: float | None = None
    seed: int = 0
    device: DeviceChoice = DeviceChoice.AUTO


def distill(
    model: Model,
    request: ConvertRequest,
    inputs: InputQuantization,
    chosen: ChosenWeights,
    context: JobContext,
    *,
    dataset: Dataset,
) -> ChosenWeights:
    """Train what `chosen` starts with, in as many steps as the plan says; where that cannot be, a note says why.

    Raises:
        ConversionError: a weight holds NaN or infinite values.
        DataError: the samples do not fit.
        DeviceError: the request asks for a GPU where there is none.
        JobCancelled: cancelled.
    """
    settings = DistillationSettings(steps=request.plan.defaults.distillation_steps, device=request.device)
    try:
        training = Distillation(model, request.plan, inputs, chosen, settings)
        training.run(dataset, request.samples, context)
    except UnsupportedOperator as error:
        return _with_note(chosen, f"{str(error)[:-1]}, so the network was not distilled.")
    best = min(training.points, key=lambda point: point.held_out_loss)
    if best.step > 0:
        return training.device.signed(training.best)
    note = "Distillation did not come closer to float on the samples that were held out."
    return _with_note(training.device.signed(chosen), note)


def _with_note(chosen: ChosenWeights, note: str) -> ChosenWeights:
    return dataclasses.replace(chosen, notes=(*chosen.notes, note))


class Distillation:
    """A quantized network in training.

    `best` may be read at any time, also when `run` was cancelled.

    Attributes:
        points: the curves so far.
        best: the state with the lowest held-out loss.
        device: what it is trained on.
    """

    def __init__(
        self,
        model: Model,
        plan: Plan,
        inputs: InputQuantization,
        chosen: ChosenWeights,
        settings: DistillationSettings,
    ) -> None:
        """Start from `chosen`.

        Raises:
            UnsupportedOperator: one has no torch form.
            ConversionError: a weight holds NaN or infinite values.
        """
        self._settings = settings
        self._teacher = TorchGraph(model.graph, model.layers)
        self._student = Student(model, plan, inputs, chosen, self._teacher)
        self._outputs = [spec.name for spec in model.summary.outputs]
        self.points: list[DistillationPoint] = []
        self.best = chosen
        self.device = TrainingDevice()

    def run(self, dataset: Dataset, samples: int, context: JobContext) -> ChosenWeights:
        """Train on the first `samples`, of which some are held out; a `DistillationPoint` arrives as partial result.

        Raises:
            UnsupportedOperator: an operator is used in a way that has no torch form.
            DataError: the samples do not fit.
            DeviceError: the settings ask for a GPU where there is none.
            JobCancelled: cancelled; `best` is what there is.
        """
        context.report(0, self._settings.steps, "Preparing to distill")
        with side_by_side(self.device) as self._threads:
            self._begin(dataset, samples, context)
            self._train(max(1, self._batch // self._data.unit))
        return self.best

    def _train(self, units_per_step: int) -> None:
        settings = self._settings
        noise = torch.Generator().manual_seed(settings.seed)
        draws = self._data.draw(units_per_step, noise)
        parameters = self._parameters()
        self._trained = [item.values for item in parameters]
        descent = Descent(parameters)
        every = max(1, settings.steps // settings.judgements)
        losses: list[float] = []
        for step, units in zip(range(1, settings.steps + 1), draws, strict=False):
            loss, gradients = self._learn(units, noise)
            losses.append(loss)
            self._move(descent, gradients, rate_share(step, settings.steps))
            is_over = settings.seconds is not None and self._seconds >= settings.seconds
            self._report(step, losses[-1])
            if step % every == 0 or step == settings.steps or is_over:
                self._judge(step, losses)
                losses = []
            if is_over:
                break

    def _move(self, descent: Descent, gradients: Sequence[Tensor | None], share: float) -> None:
        def move() -> None:
            descent.step(gradients, share)
            self._student.project()

        self.device.attempt(move)

    def _begin(self, dataset: Dataset, samples: int, context: JobContext) -> None:
        self._context, self._started = context, time.perf_counter()
        self._data = Samples(dataset, samples)
        first = self._data.take(torch.arange(1))
        self._loss = OutputLoss.of(self._teach(first, self._outputs), is_tokens=dataset.is_tokens)
        self._fetch = [self._outputs[index] for index in self._loss.fetched]
        self._batch = self._settings.token_batch if dataset.is_tokens else self._settings.batch
        per_sample = self._activation_bytes(first)
        self._part = self._count_at_once(per_sample) if self._data.is_free else 1
        self._choose_device(self._part * per_sample)
        self._augmentation = Augmentation(first) if self._settings.augments and self._data.is_free else None
        self._judge(0, [])

    def _choose_device(self, activation_bytes: int) -> None:
        self.device.choose(self._settings.device, WEIGHT_TENSORS * self._student.weight_bytes + 2 * activation_bytes)
        self._teacher.keep_on(self.device)
        self._student.keep_on(self.device)
        self._context.report(0, self._settings.steps, f"Distilling on {self.device.name}")

    def _parameters(self) -> list[Parameter]:
        settings = self._settings
        found = [Parameter(bias.moved, settings.bias_rate) for bias in self._student.biases.values()]
        for weight in self._student.weights.values():
            found += weight_parameters(weight, settings.code_rate, settings.scale_rate)
        return found

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _report(self, step: int, loss: float) -> None:
        steps, best = self._settings.steps, min(point.held_out_loss for point in self.points)
        text = f"Distilling: step {step} of {steps}, loss {loss:.4g}, held out {best:.4g} at best"
        self._context.report(step, steps, text)

    @torch.no_grad()
    def _teach(self, values: Values, fetch: Sequence[str]) -> list[Tensor]:
        return self._teacher.run(values, fetch)

    def _learn(self, units: Tensor, noise: torch.Generator) -> tuple[float, list[Tensor | None]]:
        """Loss and gradients of a batch."""
        parts = []
        for part in torch.split(units, self._part):
            values = self._data.take(part)
            if self._augmentation is not None:
                values = self._augmentation.apply(values, noise)
            parts.append((values, len(part) / len(units)))
        return self._threads.differentiate(parts, self._measure, self._trained)

    def _measure(self, part: tuple[Values, float]) -> Tensor:
        """The loss of some inputs, times their share."""
        self._context.check_cancelled()
        values, share = self.device.bring_all(part[0]), part[1]
        return self._loss.measure(self._teach(values, self._fetch), self._student.run(values, self._fetch)) * share

    def _activation_bytes(self, first: Values) -> int:
        """What one sample, or one batch of the size that the model dictates, leaves for the backward pass."""
        taken = 0

        def pack(tensor: Tensor) -> Tensor:
            nonlocal taken
            taken += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            self._student.run(first, self._fetch)
        return max(taken, 1)

    def _count_at_once(self, per_sample: int) -> int:
        """Samples that go through the network at once."""
        return max(1, min(math.ceil(self._batch / PARTS), ACTIVATION_BYTES // PARTS // per_sample))

    def _judge(self, step: int, losses: Sequence[float]) -> None:
        """Measure the held-out samples, and keep the state if it is the best so far."""
        batches = list(self._data.held_out_batches(self._part))
        found = self._threads.measure(batches, self._measure)
        held_out = sum(loss.item() for loss in found) / sum(units for _, units in batches)
        is_best = not self.points or held_out < min(point.held_out_loss for point in self.points)
        if is_best:
            self.best = self._student.freeze()
        mean = float(np.mean(losses)) if losses else held_out
        self.points.append(DistillationPoint(step, self._settings.steps, mean, held_out, is_best, self._seconds))
        self._context.partial(self.points[-1])
