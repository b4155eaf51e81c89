"""Tests of the check of preprocessing: what it says about class folders that are not the network's classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.input_check import check_inputs, fit_presets
from engine.job_context import JobContext
from engine.model.opened import open_model, summarize
from engine.requests.data import CheckRequest, DataChoice
from engine.requests.opening import FitRequest

CLASSES = 10
GREY = '{"resize_short": 8, "crop": [8, 8], "color": "L"}'


@pytest.mark.parametrize("folders", [3, CLASSES])
def test_that_class_folders_are_counted(sample_model: Path, tmp_path: Path, folders: int) -> None:
    write_images(tmp_path, folders)
    check = check_inputs(CheckRequest(str(sample_model), DataChoice(str(tmp_path), preprocessing=GREY)), JobContext())
    assert (check.class_folders, check.classes, check.samples) == (folders, CLASSES, folders)


def test_that_labels_of_a_table_or_an_array_come_from_no_folders(
    sample_model: Path, sample_test_data: Path, tmp_path: Path
) -> None:
    write_images(tmp_path, 3)
    (tmp_path / "labels.csv").write_text("file,label\nc0/1.png,4\n")
    for path, preprocessing in ((tmp_path, GREY), (sample_test_data, "")):
        request = CheckRequest(str(sample_model), DataChoice(str(path), preprocessing=preprocessing))
        assert check_inputs(request, JobContext()).class_folders == 0


def test_that_trying_presets_counts_them_too(sample_model: Path, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    summary = summarize(open_model(sample_model))
    fits = fit_presets(FitRequest(str(sample_model), DataChoice(str(tmp_path))), summary, JobContext())
    assert (fits.class_folders, fits.classes, fits.samples) == (3, CLASSES, 3)


def write_images(folder: Path, classes: int) -> None:
    for number in range(classes):
        (folder / f"c{number}").mkdir()
        Image.fromarray(np.full((8, 8), 20 * number, np.uint8)).save(folder / f"c{number}" / "1.png")
