"""Calibration and evaluation from one source or two, so that no sample serves both."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from engine.data.batches import Dataset
from engine.data.dataset import open_dataset
from engine.data.splitting import DEFAULT_SEED, find_shared
from engine.errors import DataError
from engine.job_context import JobContext
from engine.requests.data import DataChoice, DataSplit, EvaluationSource, SplitRequest
from engine.summary import TensorSpec


def divide_data(request: SplitRequest, inputs: tuple[TensorSpec, ...], context: JobContext) -> DataSplit:
    """Choose samples for calibration and for evaluation.

    One source is shuffled with a fixed seed, class by class in turn (`engine.data.splitting`): the first samples
    calibrate, at most half of them all if the rest is to evaluate. Of two sources, what both have by content is
    left to calibration; two that have the same samples are treated as one.

    Raises:
        DataError: a source cannot be opened or does not fit, or is too small to be divided.
        JobCancelled: cancelled.
    """
    base = dataclasses.replace(request.calibration, seed=DEFAULT_SEED, skip=0, take=None, excluded=())
    context.report(0, 2, f"Reading {Path(base.path).name}")
    first = open_dataset(base, inputs)
    if request.source == EvaluationSource.NONE:
        return _split(first, base, min(request.samples, first.total), None, 0)
    if request.source == EvaluationSource.REST or request.evaluation is None:
        return _halve(request, first, base)
    other = dataclasses.replace(request.evaluation, seed=DEFAULT_SEED, skip=0, take=None, excluded=())
    context.report(1, 2, f"Comparing with {Path(other.path).name}")
    second = open_dataset(other, inputs)
    if _is_same_place(base.path, other.path):
        return dataclasses.replace(_halve(request, first, base), shared=first.total)
    samples = min(request.samples, first.total)
    digests = first.content_digests(context, first.rows[:samples])
    shared = find_shared(digests, second.content_digests(context))
    if len(shared) == second.total:
        return dataclasses.replace(_halve(request, first, base), shared=len(shared))
    evaluation = dataclasses.replace(other, excluded=shared)
    return _split(first, base, samples, evaluation, second.total - len(shared), shared=len(shared))


def _halve(request: SplitRequest, dataset: Dataset, base: DataChoice) -> DataSplit:
    step = dataset.fixed_batch or 1
    samples = min(request.samples, dataset.total // 2)
    samples = max(step, samples - samples % step)
    if samples + step > dataset.total:
        raise DataError(
            f"{Path(base.path).name} has {dataset.total:,} samples, too few to calibrate and to evaluate. "
            "Give other data for evaluation, or none."
        )
    return _split(
        dataset, base, samples, dataclasses.replace(base, skip=samples), dataset.total - samples, is_one_source=True
    )


def _split(
    dataset: Dataset,
    base: DataChoice,
    samples: int,
    evaluation: DataChoice | None,
    evaluation_samples: int,
    *,
    shared: int = 0,
    is_one_source: bool = False,
) -> DataSplit:
    return DataSplit(
        calibration=dataclasses.replace(base, take=samples),
        evaluation=evaluation,
        samples=samples,
        evaluation_samples=evaluation_samples,
        total=dataset.total,
        shared=shared,
        is_one_source=is_one_source,
        has_labels=dataset.has_labels,
    )


def _is_same_place(first: str, second: str) -> bool:
    try:
        return Path(first).samefile(second)
    except OSError:
        return False
