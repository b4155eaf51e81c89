"""The calibration file: statistics of every tensor that any plan on one model could need."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from engine.calibration.statistics import TensorStatistics
from engine.errors import CalibrationError
from engine.numerics.affine import TensorQuantization, choose_tensor_quantization
from engine.numerics.schemes import ActivationRange, CalibrationMethod

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Calibration:
    """Statistics by tensor name, and what they were collected on.

    `method` is how ranges are read from it where nothing else is said.
    """

    model_sha256: str
    model_name: str
    samples: int
    data_digest: str
    tensors: Mapping[str, TensorStatistics]
    method: CalibrationMethod | None = None

    def quantization(self, tensor: str, choice: ActivationRange) -> TensorQuantization:
        """The uint8 grid of one tensor.

        Raises:
            CalibrationError: the tensor was not observed.
        """
        found = self.tensors.get(tensor)
        if found is None or not found.count:
            raise CalibrationError(
                f"The calibration has no values for the tensor {tensor!r}. Calibrate again, with samples that reach it."
            )
        return choose_tensor_quantization(*found.range(choice))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the statistics."""
        state = hashlib.sha256()
        for name in sorted(self.tensors):
            item = self.tensors[name]
            state.update(f"{name}:{item.minimum!r}:{item.maximum!r}:{item.count}".encode())
            state.update(item.histogram.tobytes())
        return state.hexdigest()


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write the file: an `.npz` with a JSON document and one row of counters per tensor."""
    names = sorted(calibration.tensors)
    items = [calibration.tensors[name] for name in names]
    document = {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": calibration.model_name, "sha256": calibration.model_sha256},
        "samples": calibration.samples,
        "data_digest": calibration.data_digest,
        "method": None if calibration.method is None else str(calibration.method),
        "tensors": [
            {
                "name": name,
                "min": item.minimum,
                "max": item.maximum,
                "count": item.count,
                "nonfinite": item.nonfinite,
                "min_sum": item.minimum_sum,
                "max_sum": item.maximum_sum,
                "slices": item.slices,
            }
            for name, item in zip(names, items, strict=True)
        ],
    }
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        document=np.frombuffer(json.dumps(document).encode(), np.uint8),
        histograms=np.stack([item.histogram for item in items]) if items else np.zeros((0, 0), np.int64),
    )
    path.write_bytes(buffer.getvalue())


def load_calibration(path: Path) -> Calibration:
    """Read a calibration file.

    Raises:
        CalibrationError: missing, unreadable or malformed.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            document = json.loads(archive["document"].tobytes())
            histograms = archive["histograms"]
        tensors = {
            item["name"]: TensorStatistics(
                item["min"],
                item["max"],
                item["count"],
                item["nonfinite"],
                item["min_sum"],
                item["max_sum"],
                item["slices"],
                row,
            )
            for item, row in zip(document["tensors"], histograms, strict=True)
        }
        method = document.get("method")
        return Calibration(
            document["model"]["sha256"],
            document["model"]["name"],
            document["samples"],
            document["data_digest"],
            tensors,
            None if method is None else CalibrationMethod(method),
        )
    except OSError as error:
        raise CalibrationError(f"Cannot read the calibration {path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CalibrationError(f"{path} is not a calibration file. Make one with: bitsmith calibrate") from error


def ensure_calibration_fits(calibration: Calibration, model_sha256: str, model_name: str) -> None:
    """Raise `CalibrationError` unless the statistics were collected on this model."""
    if calibration.model_sha256 != model_sha256:
        raise CalibrationError(
            f"This calibration was collected on another model ({calibration.model_name}), not on {model_name}. "
            "Calibrate this model."
        )
