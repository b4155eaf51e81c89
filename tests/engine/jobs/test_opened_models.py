"""The model that stays open in the worker: once per file, anew when the file or its weights beside it change."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from engine.errors import ModelError
from engine.jobs.operations.opened_models import open_cached
from engine.model.opened import Model


@pytest.fixture
def apart(tmp_path: Path, sample_model: Path) -> Path:
    """The sample with its weights in files of their own, one in a folder."""
    path = tmp_path / "net.onnx"
    model = onnx.load(sample_model)
    (tmp_path / "more").mkdir()
    onnx.save(model, path, save_as_external_data=True, location="net.data", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    place = next(entry for entry in model.graph.initializer[0].external_data if entry.key == "location")
    (tmp_path / "more" / "first.data").write_bytes((tmp_path / "net.data").read_bytes())
    place.value = "more/first.data"
    onnx.save(model, path)
    return path


def biases(model: Model) -> list[np.ndarray]:
    return [layer.bias for layer in model.layers if layer.bias is not None]


@pytest.mark.parametrize("name", ["net.data", "more/first.data"])
def test_that_other_weights_beside_a_model_are_opened_anew(apart: Path, name: str) -> None:
    first = open_cached(str(apart))
    assert open_cached(str(apart)) is first
    weights = apart.parent / name
    stamp = weights.stat()
    weights.write_bytes(bytes(stamp.st_size))
    os.utime(weights, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 10**6))
    second = open_cached(str(apart))
    assert second is not first
    assert open_cached(str(apart)) is second
    if name == "net.data":
        assert all(not bias.any() for bias in biases(second))


def test_that_weights_that_are_gone_are_said(apart: Path) -> None:
    open_cached(str(apart))
    (apart.parent / "net.data").unlink()
    with pytest.raises(ModelError, match=r"net\.data, which is missing"):
        open_cached(str(apart))
