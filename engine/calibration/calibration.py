"""The calibration file: statistics of every tensor that any plan on one model could need."""

from __future__ import annotations

import hashlib
import io
import json
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from engine.calibration.statistics import BINS, SHIFT, TensorStatistics
from engine.errors import CalibrationError
from engine.numerics.affine import TensorQuantization, choose_tensor_quantization
from engine.numerics.schemes import ActivationRange, CalibrationMethod

SCHEMA_VERSION = 1
MAX_DOCUMENT_BYTES = 256 << 20
LARGEST_VALUE = float(np.finfo(np.float32).max)
_NOT_FINITE = ~np.isfinite((np.arange(BINS, dtype=np.uint32) << SHIFT).view(np.float32))
HEADER_BYTES = 4096
"""What the header of an array takes at most."""
_MALFORMED = (
    ValueError, KeyError, TypeError, AttributeError, EOFError, OverflowError, RecursionError, SyntaxError, RuntimeError,
    NotImplementedError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


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
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            document = json.loads(_read_array(archive, "document", np.uint8, MAX_DOCUMENT_BYTES).tobytes())
            items = document["tensors"]
            histograms = _read_array(archive, "histograms", np.int64, len(items) * BINS * 8)
        if len(items) and histograms.shape != (len(items), BINS):
            raise ValueError("other histograms than tensors")
        tensors = {str(item["name"]): _read_statistics(item, row) for item, row in zip(items, histograms, strict=True)}
        method = document.get("method")
        return Calibration(
            str(document["model"]["sha256"]),
            str(document["model"]["name"]),
            int(document["samples"]),
            str(document["data_digest"]),
            tensors,
            None if method is None else CalibrationMethod(method),
        )
    except OSError as error:
        raise CalibrationError(f"Cannot read the calibration {path}: {error.strerror or error}.") from error
    except _MALFORMED as error:
        raise CalibrationError(f"{path} is not a calibration file. Make one with: bitsmith calibrate") from error


def _read_array(archive: zipfile.ZipFile, name: str, kind: type[np.generic], most_bytes: int) -> npt.NDArray[Any]:
    """An array of the archive; ValueError if it is of another kind or larger than it can be."""
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > most_bytes + HEADER_BYTES:
        raise ValueError(f"{name} is larger than it can be")
    with archive.open(member) as stream:
        array = np.asarray(npy.read_array(stream, allow_pickle=False))
    if array.dtype != kind:
        raise ValueError(f"{name} is of another kind")
    return array


def _read_statistics(item: Mapping[str, Any], histogram: npt.NDArray[np.int64]) -> TensorStatistics:
    """One tensor's; ValueError if the figures contradict each other."""
    minimum, maximum, sums = float(item["min"]), float(item["max"]), (float(item["min_sum"]), float(item["max_sum"]))
    count, nonfinite, slices = int(item["count"]), int(item["nonfinite"]), int(item["slices"])
    is_range = -LARGEST_VALUE <= minimum <= maximum <= LARGEST_VALUE
    if (count and not is_range) or min(count, nonfinite, slices, int(histogram.min(initial=0))) < 0:
        raise ValueError("statistics of no values")
    if not all(map(math.isfinite, sums)):
        raise ValueError("sums of no values")
    is_whole = int(histogram.max(initial=0)) <= count and int(histogram.sum()) == count
    if histogram.any() and (not is_whole or histogram[_NOT_FINITE].any()):
        raise ValueError("a histogram of other values")
    return TensorStatistics(minimum, maximum, count, nonfinite, *sums, slices, histogram)


def ensure_calibration_fits(calibration: Calibration, model_sha256: str, model_name: str) -> None:
    """Raise `CalibrationError` unless the statistics were collected on this model."""
    if calibration.model_sha256 != model_sha256:
        raise CalibrationError(
            f"This calibration was collected on another model ({calibration.model_name}), not on {model_name}. "
            "Calibrate this model."
        )
