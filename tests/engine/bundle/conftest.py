"""A quantized digits model, and the sample's digits as a folder of images."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from engine.bundle.building import TEMPLATES
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import open_model
from engine.plan import build_plan
from engine.requests.conversion import ConvertRequest
from engine.requests.data import DataChoice

IMAGES_PER_CLASS = 2
PIXEL_STEPS = 16
"""The digits have this many grey levels above black."""


@pytest.fixture(scope="session")
def quantized_digits(
    tmp_path_factory: pytest.TempPathFactory, sample_model: Path, sample_calibration_data: Path
) -> Path:
    """The bundled model in 8 bits, with plan and manifest beside it."""
    output = tmp_path_factory.mktemp("digits") / "digits-int8.onnx"
    plan = build_plan(open_model(sample_model).summary, 8)
    request = ConvertRequest(str(sample_model), plan, str(output), DataChoice(str(sample_calibration_data)), samples=32)
    run_request(request, JobContext())
    return output


@pytest.fixture(scope="session")
def digit_images(tmp_path_factory: pytest.TempPathFactory, sample_test_data: Path) -> Path:
    """PNG files in one folder per class, named in words, with their preprocessing."""
    folder = tmp_path_factory.mktemp("images")
    with np.load(sample_test_data) as data:
        inputs, labels = data["images"], data["labels"]
    lowest = float(inputs.min())
    scale = (float(inputs.max()) - lowest) / PIXEL_STEPS
    for digit in range(10):
        child = folder / f"{digit} digit"
        child.mkdir()
        for number, values in enumerate(inputs[labels == digit][:IMAGES_PER_CLASS]):
            pixels = np.rint((values.reshape(8, 8) - lowest) / scale).astype(np.uint8)
            Image.fromarray(pixels).save(child / f"{number}.png")
    preprocessing = {"color": "L", "scale": scale, "mean": [-lowest]}
    (folder / "preprocess.json").write_text(json.dumps(preprocessing), encoding="utf-8")
    return folder


LoadTemplate = Callable[[str], ModuleType]


@pytest.fixture
def load_template(monkeypatch: pytest.MonkeyPatch) -> LoadTemplate:
    """Imports a script of the bundle under its own name, for the time of a test."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, TEMPLATES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load
