"""The calibration pass and its file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from engine.calibration.calibration import ensure_calibration_fits, load_calibration, write_calibration
from engine.calibration.collection import calibrate
from engine.errors import CalibrationError, DataError, JobCancelled
from engine.job_context import CallbackContext, JobContext
from engine.numerics.schemes import ActivationRange, CalibrationMethod
from engine.placement import calibrated_tensors
from tests.engine.models import build_model, calibrate_on, conv_chain, draw_samples, normal, open_built, write_dataset

MINMAX = ActivationRange(CalibrationMethod.MINMAX)


def test_that_every_tensor_that_a_plan_could_need_is_observed_exactly(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    feeds = draw_samples(model.summary, 40)
    found = calibrate_on(model, write_dataset(model, feeds, tmp_path / "d.npz"))
    assert set(found.tensors) == set(calibrated_tensors(model.summary))
    assert found.samples == 40
    assert found.tensors["x"].range(MINMAX) == (feeds["x"].min(), feeds["x"].max())
    assert found.tensors["x"].count == feeds["x"].size
    assert found.tensors["r1"].minimum == 0
    assert found.tensors["r1"].count == 40 * 8 * 8 * 8


def test_that_samples_beyond_the_limit_are_not_seen(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    feeds = draw_samples(model.summary, 40)
    feeds["x"][7] = 1000.0
    dataset = write_dataset(model, feeds, tmp_path / "d.npz")
    assert calibrate(model, dataset, 7, JobContext()).tensors["x"].maximum < 100
    assert calibrate(model, dataset, 8, JobContext()).tensors["x"].maximum == 1000


def test_that_a_calibration_survives_its_file_and_the_file_is_reproducible(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    found = calibrate_on(model, write_dataset(model, draw_samples(model.summary, 8), tmp_path / "d.npz"))
    write_calibration(found, tmp_path / "a.calib")
    again = load_calibration(tmp_path / "a.calib")
    assert again.digest == found.digest
    assert (again.model_sha256, again.model_name) == (found.model_sha256, "m.onnx")
    assert (again.samples, again.data_digest) == (8, found.data_digest)
    for name, item in found.tensors.items():
        for method in CalibrationMethod:
            choice = ActivationRange(method, 99)
            assert again.tensors[name].range(choice) == item.range(choice)
    write_calibration(again, tmp_path / "b.calib")
    assert (tmp_path / "a.calib").read_bytes() == (tmp_path / "b.calib").read_bytes()


def test_that_a_calibration_of_another_model_is_refused_with_its_name(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    found = calibrate_on(model, write_dataset(model, draw_samples(model.summary, 4), tmp_path / "d.npz"))
    ensure_calibration_fits(found, model.summary.sha256, "m.onnx")
    with pytest.raises(CalibrationError, match=r"another model \(m\.onnx\), not on other\.onnx"):
        ensure_calibration_fits(found, "0" * 64, "other.onnx")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04rest"])
def test_that_a_file_that_is_no_calibration_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.calib"
    path.write_bytes(content)
    with pytest.raises(CalibrationError, match=r"c\.calib"):
        load_calibration(path)
    with pytest.raises(CalibrationError, match="Cannot read"):
        load_calibration(tmp_path / "absent.calib")


def test_that_an_archive_with_other_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", x=np.zeros(3))
    with pytest.raises(CalibrationError, match="is not a calibration file"):
        load_calibration(tmp_path / "c.npz")


def test_that_an_unknown_tensor_is_refused_by_name(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    found = calibrate_on(model, write_dataset(model, draw_samples(model.summary, 4), tmp_path / "d.npz"))
    with pytest.raises(CalibrationError, match="'ghost'"):
        found.quantization("ghost", MINMAX)


def test_that_a_tensor_that_is_never_finite_is_refused_by_name(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Log", ["x"], ["logarithm"]),
        helper.make_node("MatMul", ["logarithm", "w"], ["y"]),
    ]
    model = open_built(build_model(nodes, {"x": ["N", 4]}, ["y"], {"w": normal(4, 8)}), tmp_path)
    dataset = write_dataset(model, {"x": -np.ones((5, 4), np.float32)}, tmp_path / "d.npz")
    with pytest.raises(DataError, match="'logarithm' is NaN or infinite on every sample"):
        calibrate(model, dataset, 5, JobContext())


def test_that_progress_never_goes_back_and_ends_at_the_total(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    dataset = write_dataset(model, draw_samples(model.summary, 100), tmp_path / "d.npz")
    reports: list[tuple[int, int]] = []
    calibrate(model, dataset, 70, CallbackContext(lambda done, total, message: reports.append((done, total))))
    assert reports[0] == (0, 70)
    assert reports[-1] == (70, 70)
    assert reports == sorted(reports)


def test_that_cancel_ends_the_pass(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    dataset = write_dataset(model, draw_samples(model.summary, 100), tmp_path / "d.npz")
    context = CallbackContext(lambda done, total, message: context.cancel() if done else None)
    with pytest.raises(JobCancelled):
        calibrate(model, dataset, 100, context)


def edited(
    path: Path, change: Callable[[dict[str, Any]], object], histograms: Callable[[Any], Any] = lambda h: h
) -> Path:
    with np.load(path) as archive:
        document, counts = json.loads(archive["document"].tobytes()), archive["histograms"]
    change(document)
    target = path.with_name("edited.calib")
    with target.open("wb") as file:
        np.savez(file, document=np.frombuffer(json.dumps(document).encode(), np.uint8), histograms=histograms(counts))
    return target


@pytest.mark.parametrize(
    ("change", "histograms"),
    [
        (lambda document: document["tensors"][0].update(min=-1e308), lambda counts: counts),
        (lambda document: document["tensors"][0].update(max=float("nan")), lambda counts: counts),
        (lambda document: document["tensors"][0].update(min=5.0, max=1.0), lambda counts: counts),
        (lambda document: document["tensors"][0].update(count=10**400), lambda counts: counts),
        (lambda document: document["tensors"][0].update(slices="8"), lambda counts: counts[:, :8]),
        (lambda document: document.update(tensors=[None]), lambda counts: counts[:1]),
        (lambda document: None, lambda counts: counts + 1),
        (lambda document: None, lambda counts: counts - 1),
        (lambda document: None, lambda counts: counts.astype(np.float32)),
        (lambda document: None, lambda counts: counts[:, :16]),
    ],
)
def test_that_a_calibration_of_impossible_figures_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], histograms: Callable[[Any], Any]
) -> None:
    model = open_built(conv_chain(), tmp_path)
    dataset = write_dataset(model, draw_samples(model.summary, 4), tmp_path / "d.npz")
    path = tmp_path / "m.calib"
    write_calibration(calibrate(model, dataset, 4, JobContext()), path)
    load_calibration(edited(path, lambda document: None))
    with pytest.raises(CalibrationError, match=r"edited\.calib is not a calibration file"):
        load_calibration(edited(path, change, histograms))


def test_that_a_calibration_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.calib"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("document.npy", "w") as stream:
            np.save(stream, np.frombuffer(b'{"tensors": []}', np.uint8))
        with archive.open("histograms.npy", "w") as stream:
            np.save(stream, np.zeros((500, 16384), np.int64))
    with pytest.raises(CalibrationError, match="is not a calibration file"):
        load_calibration(path)
