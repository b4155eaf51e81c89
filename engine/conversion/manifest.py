"""What lies beside a converted model: the plan that made it, and a manifest of what was written and measured.

Both are JSON with sorted keys and without a time, so that the same conversion writes the same bytes. Plain
data only: the window imports this, too.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine
from engine.errors import OutputError, PlanError
from engine.job_context import JobContext
from engine.machine import describe_cpu, describe_runtime
from engine.plan import Plan, format_plan, load_plan
from engine.requests.conversion import ConvertResult

SCHEMA_VERSION = 1
HASHED_BYTES = 16 << 20
DIGITS, DB_DIGITS = 4, 2
JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """What a model was made from.

    Attributes:
        source_sha256: of the source file; external data is excluded, as in plans.
        source_bytes: external data included.
        calibration_sha256: digest of the calibration; None if the plan needs none.
    """

    source_name: str
    source_sha256: str
    source_bytes: int
    plan: Plan
    calibration_sha256: str | None = None


def plan_path_for(output: Path) -> Path:
    """Where the plan of a converted model lies: net.plan.json beside net.onnx."""
    return _beside(output, "plan")


def manifest_path_for(output: Path) -> Path:
    """Where the manifest of a converted model lies: net.manifest.json beside net.onnx."""
    return _beside(output, "manifest")


def paths_of(output: Path) -> tuple[Path, ...]:
    """What a conversion to `output` writes under its name: the model, its plan and its manifest."""
    return output, plan_path_for(output), manifest_path_for(output)


def _beside(output: Path, kind: str) -> Path:
    """Only .onnx is left out, so that net.onnx and net.safetensors can share a folder."""
    stem = output.stem if output.suffix == ".onnx" else output.name
    return output.with_name(f"{stem}.{kind}.json")


def ensure_plan_kept(output: Path, plan: Plan) -> None:
    """Raise `OutputError` if another plan lies where the one of `output` goes, and no conversion put it there."""
    path = plan_path_for(output)
    if not path.exists() or _holds(path, plan):
        return
    try:
        recorded = json.loads(manifest_path_for(output).read_text(encoding="utf-8"))["plan_sha256"]
        is_record = load_plan(path).digest == recorded
    except (OSError, ValueError, KeyError, TypeError, PlanError):
        is_record = False
    if not is_record:
        raise OutputError(
            f"{path} holds something else than the plan of this conversion, which goes there. Move it, or choose "
            "another output path."
        )


def _holds(path: Path, plan: Plan) -> bool:
    try:
        return load_plan(path) == plan
    except PlanError:
        return False


def write_records(written: Path, output: Path, origin: Origin, result: ConvertResult, context: JobContext) -> None:
    """Write plan and manifest beside `written`, which is on its way to `output`.

    A plan that is there already in other words stays as it is.

    Raises:
        JobCancelled: cancelled while the files were hashed.
    """
    files = sorted(written.parent.iterdir())
    document = build_manifest(files, origin, result, context)
    if not _holds(plan_path_for(output), origin.plan):
        plan_path_for(written).write_text(format_plan(origin.plan), encoding="utf-8")
    manifest_path_for(written).write_text(_format(document), encoding="utf-8")


def build_manifest(files: list[Path], origin: Origin, result: ConvertResult, context: JobContext) -> JsonObject:
    """The manifest of these written files."""
    return {
        "schema_version": SCHEMA_VERSION,
        "bitsmith_version": engine.__version__,
        "source": {"name": origin.source_name, "bytes": origin.source_bytes, "sha256": origin.source_sha256},
        "plan_sha256": origin.plan.digest,
        "calibration_sha256": origin.calibration_sha256,
        "files": [_describe_file(file, context) for file in files],
        "file_bytes": result.file_bytes,
        "size_ratio": _rounded(result.file_bytes / result.source_bytes),
        "bits_per_weight": _rounded(result.bits_per_weight),
        "opset": result.opset,
        "is_portable": result.is_portable,
        "verified_on": "random inputs" if result.is_drawn else "data",
        "sqnr_db": _rounded(result.sqnr_db, DB_DIGITS),
        "verified_samples": result.verified_samples,
        "layers": [
            {"name": layer.name, "bits": layer.bits, "kernel": layer.kernel, "is_integer": layer.is_integer}
            for layer in result.layers
        ],
        "warnings": list(result.warnings),
        "training_devices": list(result.devices),
        "runtime": describe_runtime(),
        "cpu": describe_cpu(),
    }


def rename_model(manifest: str, name: str, new_name: str) -> str:
    """The text of a manifest for a copy of its model under another name."""
    document = json.loads(manifest)
    for file in document["files"]:
        if file["name"] == name:
            file["name"] = new_name
    return _format(document)


def _format(document: JsonObject) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _describe_file(path: Path, context: JobContext) -> JsonObject:
    digest = hashlib.sha256()
    size = path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(HASHED_BYTES):
            digest.update(block)
            context.report(file.tell(), size, f"Hashing {path.name}")
    return {"name": path.name, "bytes": size, "sha256": digest.hexdigest()}


def _rounded(value: float | None, digits: int = DIGITS) -> float | None:
    """What JSON can say: None for an infinite or undefined number."""
    return round(value, digits) if value is not None and math.isfinite(value) else None
