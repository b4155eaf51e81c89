"""What a bundle says about itself: `manifest.json`, `requirements.txt` and `README.md`."""

from __future__ import annotations

import dataclasses
import math
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import engine
from engine.errors import OutputError
from engine.machine import describe_cpu, describe_runtime
from engine.requests.benchmark import BenchmarkPoint
from engine.requests.conversion import Evaluation
from engine.requests.handing_over import BundleRequest
from engine.summary import TensorSpec

SCHEMA_VERSION = 1
# https://semver.org/#is-there-a-suggested-regular-expression-regex-to-check-a-semver-string
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
KNOWN_FILES = {
    "predict.py": "runs the model on one sample; a module for your own program, too",
    "service.py": "answers predictions over HTTP",
    "requirements.txt": "the packages that these two need, in the versions they were tested with",
    "preprocess.json": "how an image becomes the model's input: x = (pixel · scale − mean) / std",
    "labels.txt": "class names, one line per class of the output; an empty line where the name is unknown",
    "plan.json": "the choices that made the model",
    "calibration.calib": "the activation ranges that the model was made with",
}
_REQUIREMENTS = ("onnxruntime", "numpy", "pillow", "flask", "waitress")
JsonObject = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Interface:
    """What the model takes and gives, and how large a request for it may be."""

    file: str
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    max_request_bytes: int


def ensure_named(name: str, number: str) -> None:
    """Raise `OutputError` unless these can be the name and the Semantic Version of a bundle."""
    if not _NAME.fullmatch(name):
        raise OutputError(
            f"{name!r} cannot be the name of a bundle. Use letters, digits, '.', '_' and '-', at most 100."
        )
    if not _SEMVER.fullmatch(number):
        raise OutputError(f"{number!r} is no Semantic Version. Give three numbers such as 1.0.0, or 1.1.0-rc.1.")


def build_manifest(
    request: BundleRequest, interface: Interface, converted: JsonObject, files: list[JsonObject]
) -> JsonObject:
    """The document; `converted` is the manifest that conversion wrote, empty for models that Bitsmith did not make."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": request.name,
        "version": request.version,
        "bitsmith_version": engine.__version__,
        "model": {
            "file": interface.file,
            "inputs": [_describe_tensor(spec) for spec in interface.inputs],
            "outputs": [_describe_tensor(spec) for spec in interface.outputs],
        },
        "max_request_bytes": interface.max_request_bytes,
        "source": converted.get("source"),
        "plan_sha256": converted.get("plan_sha256"),
        "calibration_sha256": converted.get("calibration_sha256"),
        "metrics": _collect_metrics(converted, request.evaluation, request.benchmark),
        "files": files,
        "tested_with": {"python": platform.python_version(), **_versions(), "cpu": describe_cpu()},
    }


def format_requirements() -> str:
    """The packages that predict.py and service.py import, in the versions that they were just run with."""
    return "".join(f"{name}=={number}\n" for name, number in _versions().items())


def fill_readme(
    template: str, request: BundleRequest, max_request_bytes: int, *, takes_images: bool, files: Sequence[str]
) -> str:
    """The README: the template with the name, the sample that fits, and what the files are."""
    kinds = {**dict.fromkeys(files, "weights"), "model.onnx": "the model", **KNOWN_FILES}
    rows = [f"| `{name}` | {kinds[name]} |" for name in files]
    image, arrays = "image.jpg", "inputs.npz"
    curl = (
        "curl -F image=@image.jpg http://127.0.0.1:8000/predict"
        if takes_images
        else "curl -H 'Content-Type: application/json' -d @inputs.json http://127.0.0.1:8000/predict"
    )
    replacements = {
        "{name}": request.name,
        "{version}": request.version,
        "{sample}": image if takes_images else arrays,
        "{curl}": curl,
        "{files}": "\n".join(rows),
        "{limit}": f"{max_request_bytes >> 20} MiB",
        "{python}": ".".join(platform.python_version_tuple()[:2]),
        "{runtime}": describe_runtime(),
    }
    for mark, text in replacements.items():
        template = template.replace(mark, text)
    return template


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _REQUIREMENTS}


def _describe_tensor(spec: TensorSpec) -> JsonObject:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}


def _collect_metrics(
    converted: JsonObject, evaluation: Evaluation | None, benchmark: BenchmarkPoint | None
) -> JsonObject:
    """What was measured, by whom; nothing that was not."""
    metrics: JsonObject = {}
    if converted:
        keys = ("file_bytes", "size_ratio", "bits_per_weight", "sqnr_db", "verified_on", "verified_samples")
        metrics["conversion"] = {key: converted.get(key) for key in keys}
    if evaluation is not None:
        found = dataclasses.asdict(evaluation)
        for path in ("model", "reference"):
            found[path] = Path(found[path]).name if found[path] else None
        metrics["evaluation"] = {key: _finite(value) for key, value in found.items() if value is not None}
    if benchmark is not None:
        metrics["benchmark"] = {
            "latency_ms": dict(benchmark.latency_ms),
            "throughput_per_s": benchmark.throughput_per_s,
            "speedup": benchmark.speedup,
        }
    return metrics


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
