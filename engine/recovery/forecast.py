"""What each rung would take, from the speed of a timed trial and the work that the layers make."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from engine.compensation.adaround import ITERATIONS
from engine.compensation.distillation import DistillationSettings
from engine.compensation.rows import MIN_ROWS, ROWS_PER_INPUT, moment_bytes
from engine.data.dataset import Dataset
from engine.job_context import JobContext
from engine.model.layers import RECURRENT_OPS, Layer
from engine.model.opened import Model
from engine.model.sessions import load_session
from engine.recovery.ladder import TRAINING_STEPS
from engine.recovery.report import RecoverForecast
from engine.recovery.targets import Rung
from engine.requests.recovery import RecoverRequest

# Passes over the samples: ranges, the float network and the quantized one of the walk, and what is measured.
CALIBRATION_PASSES, WALK_PASSES, EVALUATION_PASSES = 1.5, 4.0, 2.0
# Moments of float and quantized inputs and of both, two operations each.
MOMENT_OPERATIONS = 6.0
# Of inputs³: factorising and inverting; of channels · inputs²: one product, and the search over single flips.
FACTOR_OPERATIONS, SWEEP_OPERATIONS = 4.0, 8.0
# Elementwise operations on every weight of one iteration, each as costly as so many multiplications of a product.
ELEMENTWISE_OPERATIONS = 300.0
# A step of distillation: two networks forward and one backward, in smaller parts than a plain pass.
STEP_PASSES = 10.0
# One step of every block of reconstruction: the quantized network forward and backward. Wide blocks, which take
# longest, have small batches.
BLOCK_STEP_PASSES, BLOCK_BATCH = 8.0, 8
TRIAL_SIDE = 768
TRIAL_SECONDS = 0.2


@dataclass(frozen=True)
class _Speed:
    """Of this computer, now: seconds per sample of the float network, operations per second in either precision."""

    sample_seconds: float
    single: float
    double: float


def forecast_recovery(
    model: Model, dataset: Dataset, evaluation: Dataset, request: RecoverRequest, context: JobContext
) -> RecoverForecast:
    """Seconds of every rung that is asked for, but for `Rung.MIX`, which has no end of its own.

    Raises:
        DataError: the samples do not fit.
        JobCancelled: cancelled.
    """
    context.report(0, 2, "Timing a few samples")
    speed = _Speed(_time_sample(model, dataset, context), _time_product(np.float32), _time_product(np.float64))
    context.report(1, 2, "Counting the layers' work")
    samples = min(request.samples, dataset.samples)
    passes = CALIBRATION_PASSES * samples
    passes += EVALUATION_PASSES * min(request.evaluation_samples, evaluation.samples)
    simple = passes * speed.sample_seconds
    walk = simple + WALK_PASSES * samples * speed.sample_seconds
    layers = [layer for layer in model.layers if _is_rounded(layer, request)]
    gptq = sum(_gptq_operations(layer) for layer in layers) / speed.double
    learnt = sum(_adaround_operations(layer) for layer in layers) / speed.single
    seconds = {
        Rung.START: simple,
        Rung.CORRECT: walk,
        Rung.EQUALIZE: simple,
        Rung.SCALE: walk,
        Rung.GPTQ: walk + gptq,
        Rung.ADAROUND: walk + gptq + learnt,
    }
    for rung, steps in TRAINING_STEPS.items():
        seconds[rung] = walk + gptq + steps * _step_seconds(rung, dataset, speed.sample_seconds)
    wanted = (Rung.START, *(rung for rung in request.rungs if rung != Rung.START))
    return RecoverForecast(tuple((rung, seconds[rung]) for rung in wanted if rung in seconds))


def count_steps(rung: Rung, model: Model, dataset: Dataset, seconds: float, context: JobContext) -> int:
    """Steps of training that `seconds` are enough for, at most those of `TRAINING_STEPS`."""
    step = _step_seconds(rung, dataset, _time_sample(model, dataset, context))
    return min(TRAINING_STEPS[rung], int(seconds / step))


def _step_seconds(rung: Rung, dataset: Dataset, sample_seconds: float) -> float:
    """Of one step of distillation, or of one step of every block."""
    if rung == Rung.RECONSTRUCT:
        return BLOCK_STEP_PASSES * BLOCK_BATCH * sample_seconds
    batch = DistillationSettings.token_batch if dataset.is_tokens else DistillationSettings.batch
    return STEP_PASSES * batch * sample_seconds


def _is_rounded(layer: Layer, request: RecoverRequest) -> bool:
    is_product = layer.op not in RECURRENT_OPS and layer.op != "Gather" and layer.body_owner is None
    return is_product and request.plan.layer(layer.name).weights.is_integer


def _gptq_operations(layer: Layer) -> float:
    inputs, channels = layer.layout.inputs, layer.layout.channels
    groups = moment_bytes(layer) / (8 * inputs**2)
    rows = max(MIN_ROWS, ROWS_PER_INPUT * inputs)
    return (
        groups * inputs**2 * (MOMENT_OPERATIONS * rows + FACTOR_OPERATIONS * inputs)
        + SWEEP_OPERATIONS * channels * inputs**2
    )


def _adaround_operations(layer: Layer) -> float:
    inputs, channels = layer.layout.inputs, layer.layout.channels
    return ITERATIONS * channels * inputs * (2.0 * inputs + ELEMENTWISE_OPERATIONS)


def _time_sample(model: Model, dataset: Dataset, context: JobContext) -> float:
    """Seconds per sample of the float network, in the batches that it would be run in."""
    session = load_session(model.graph_model)
    batch = next(iter(dataset.batches(dataset.batch_size_for(8), limit=8)))
    return _median_seconds(lambda: session.run(batch.inputs, context)) / max(len(batch), 1)


def _time_product(dtype: type[np.floating]) -> float:
    """Operations per second of a matrix product."""
    matrix = torch.from_numpy(np.ones((TRIAL_SIDE, TRIAL_SIDE), dtype))
    return 2 * TRIAL_SIDE**3 / _median_seconds(lambda: torch.matmul(matrix, matrix))


def _median_seconds(work: Callable[[], object]) -> float:
    work()
    times: list[float] = []
    end = time.perf_counter() + TRIAL_SECONDS
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))
