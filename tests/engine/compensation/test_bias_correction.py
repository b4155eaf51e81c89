"""Correction of biases: the mean of a layer's output is that of the float layer on the samples that it saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from engine.errors import CalibrationError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import open_model
from engine.numerics.schemes import ActivationMode
from engine.plan import PlanDefaults, build_plan
from engine.requests.conversion import ConvertRequest
from engine.requests.data import DataChoice
from tests.engine.models import conv_chain, draw_samples, run_model, save_model, write_dataset


def convert(path: Path, data: DataChoice | None, defaults: PlanDefaults, output: Path, bits: int = 4) -> Path:
    plan = build_plan(open_model(path).summary, bits, defaults)
    run_request(ConvertRequest(str(path), plan, str(output), data), JobContext())
    return output


@pytest.mark.parametrize(
    ("activations", "bits", "remaining"),
    [(ActivationMode.FLOAT, 4, 1e-4), (ActivationMode.STATIC, 8, 0.3)],
)
def test_mean_errors_vanish(activations: ActivationMode, bits: int, remaining: float, tmp_path: Path) -> None:
    """Of all outputs, on the samples of the correction; a static output is rounded behind its bias."""
    path = save_model(conv_chain(), tmp_path)
    model = open_model(path)
    feeds = draw_samples(model.summary, 60)
    feeds["x"] += 1  # inputs with a mean, which weight errors turn into one of the outputs
    data = DataChoice(str(write_dataset(model, feeds, tmp_path / "d.npz").path))
    expected = run_model(path, feeds)[0].mean(axis=0)
    errors = {}
    for is_corrected in (False, True):
        defaults = PlanDefaults(activations=activations, correct_bias=is_corrected)
        output = convert(path, data, defaults, tmp_path / f"{is_corrected}.onnx", bits)
        errors[is_corrected] = np.abs(run_model(output, feeds)[0].mean(axis=0) - expected).mean()
    assert errors[True] < remaining * errors[False]


def test_codes_stay_those_of_rounding_to_nearest(tmp_path: Path) -> None:
    path = save_model(conv_chain(), tmp_path)
    model = open_model(path)
    data = DataChoice(str(write_dataset(model, draw_samples(model.summary, 16), tmp_path / "d.npz").path))
    stored = []
    for is_corrected in (False, True):
        defaults = PlanDefaults(activations=ActivationMode.FLOAT, correct_bias=is_corrected)
        written = onnx.load(convert(path, data, defaults, tmp_path / f"{is_corrected}.onnx"))
        stored.append({item.name: item.SerializeToString() for item in written.graph.initializer})
    changed = {name for name in stored[0] if stored[0][name] != stored[1][name]}
    assert changed == {"b1", "b2", "b3"}


def test_it_needs_data(tmp_path: Path) -> None:
    path = save_model(conv_chain(), tmp_path)
    defaults = PlanDefaults(activations=ActivationMode.FLOAT, correct_bias=True)
    with pytest.raises(CalibrationError, match="correction of biases"):
        convert(path, None, defaults, tmp_path / "o.onnx")
