"""Whether preprocessing fits: the float model's own top-1 on a few labelled samples tells."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.comparison import class_scores
from engine.data.dataset import open_dataset
from engine.data.guessing import fit_to_input, load_presets, read_image_input
from engine.data.image_dataset import list_classes
from engine.data.labels import find_label_table
from engine.data.preview import find_image_size
from engine.errors import DataError
from engine.job_context import JobContext
from engine.model.opening import resolve_onnx
from engine.model.runtime import Session
from engine.requests.data import CheckRequest, DataCheck, DataChoice
from engine.requests.opening import FitRequest, PresetFit, PresetFits
from engine.summary import ModelSummary

BATCH = 16
OFFSETS = (0, 1, -1)


def check_inputs(request: CheckRequest, context: JobContext) -> DataCheck:
    """Count the samples that the float model gets right.

    Raises:
        DataError: no labels, or a model without class scores.
    """
    session = Session(resolve_onnx(Path(request.model)))
    return _count(session, request.data, request.samples, context)


def fit_presets(request: FitRequest, model: ModelSummary, context: JobContext) -> PresetFits:
    """Try every preset, adapted to the input, with every label offset of −1, 0, 1; the best comes first.

    Raises:
        DataError: no images, no labels, or a model without class scores.
    """
    image_size = find_image_size(request.data, model)
    if image_size is None:
        raise DataError(f"{Path(request.data.path).name} has no images to preprocess. Choose other data.")
    session = Session(resolve_onnx(Path(request.model)))
    size = read_image_input(model.inputs[0])[2]
    presets = sorted(load_presets(), key=lambda preset: preset.preprocessing.crop != size)
    found: list[PresetFit] = []
    tried: set[str] = set()
    check, problem = None, None
    for number, preset in enumerate(presets):
        context.report(number, len(presets), f"Trying {preset.title}")
        fitted = fit_to_input(preset.preprocessing, model.inputs[0], image_size)
        if fitted.to_json() in tried:
            continue
        tried.add(fitted.to_json())
        data = dataclasses.replace(request.data, preprocessing=fitted.to_json())
        try:
            check = _count(session, data, request.samples, context)
        except DataError as error:
            problem = error
            continue
        offset = check.best_offset
        chosen = dataclasses.replace(fitted, label_offset=fitted.label_offset + offset)
        found.append(PresetFit(preset.name, preset.title, chosen.to_json(), check.right_by_offset[offset]))
    if problem is not None and not found:
        raise problem
    found.sort(key=lambda fit: -fit.right)
    assert check is not None
    return PresetFits(tuple(found), check.samples, check.classes, check.class_folders)


def _count(session: Session, data: DataChoice, samples: int, context: JobContext) -> DataCheck:
    dataset = open_dataset(data, session.inputs)
    if not dataset.has_labels:
        raise DataError(
            f"{dataset.path.name} has no labels, so there is nothing to check against. Sort the images into class "
            "folders, or add a labels.csv with the columns file,label."
        )
    total, done, classes = min(samples, dataset.samples), 0, 0
    right = dict.fromkeys(OFFSETS, 0)
    for batch in dataset.batches(BATCH, total):
        context.report(done, total, f"Checking {dataset.path.name}")
        scores = class_scores(session.run(batch.inputs, context), is_tokens=False)
        if scores is None or batch.labels is None or len(scores) != len(batch.labels):
            raise DataError("The model gives no class scores that could be compared with labels.")
        best: NDArray[np.int64] = scores.argmax(axis=1)
        classes = scores.shape[1]
        for offset in OFFSETS:
            right[offset] += int((best == batch.labels + offset).sum())
        done += len(batch)
    context.report(done, max(total, done), f"Checked {dataset.path.name}")
    return DataCheck(done, right, classes, _count_class_folders(data))


def _count_class_folders(data: DataChoice) -> int:
    """How many folders numbered the classes; 0 if a table or an array did."""
    folder = Path(data.path)
    if not folder.is_dir() or data.label_file is not None or find_label_table(folder) is not None:
        return 0
    return len(list_classes(folder))
