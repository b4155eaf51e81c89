"""A deployment bundle: gathered in a folder of its own, run there, and only then moved to where it was asked for."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.machinery
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from engine.benchmark import draw_feeds
from engine.bundle.labels import find_class_names, load_class_names
from engine.bundle.records import (
    KNOWN_FILES,
    Interface,
    build_manifest,
    ensure_named,
    fill_readme,
    format_requirements,
)
from engine.bundle.verification import STEPS, Sample, request_limit, verify_script, verify_service
from engine.calibration.calibration import load_calibration
from engine.conversion.manifest import manifest_path_for, plan_path_for
from engine.data.dataset import Dataset, open_dataset
from engine.errors import ModelError, OutputError
from engine.job_context import JobContext, ensure_writable, remove_leftovers
from engine.model.opening import external_tensors
from engine.model.runtime import Session
from engine.pytorch import is_packed_path
from engine.requests.handing_over import BundleRequest, BundleResult

TEMPLATES = Path(__file__).resolve().parents[2] / "resources" / "bundle"
MODEL_FILE = "model.onnx"
OWN_FILES = frozenset(name.casefold() for name in (MODEL_FILE, *KNOWN_FILES, "README.md", "manifest.json"))
_FORBIDDEN = frozenset('|`"<>')
"""What would not stay in its cell of the README's table."""
_COPIED_BYTES = 16 << 20
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def build_bundle(request: BundleRequest, context: JobContext) -> BundleResult:
    """Write a bundle whose `predict.py` and `service.py` gave what the workbench gives, each in a process of its own.

    Raises:
        ModelError: the model is no ONNX file, or it and its weights are not what its manifest describes.
        CalibrationError: the calibration that is to be put in is none.
        DataError: the data do not fit the model.
        OutputError: the output is there already or cannot be written.
        ConversionError: the bundle does not do what it should; nothing is written.
        JobCancelled: cancelled; nothing is written and no process is left.
    """
    ensure_named(request.name, request.version)
    model, output = Path(request.model), Path(request.output)
    if is_packed_path(model):
        raise ModelError(f"{model.name} holds packed PyTorch weights, and a bundle runs ONNX. Convert to .onnx first.")
    if output.exists():
        raise OutputError(f"{output} exists already. Choose another name for the bundle.")
    converted = _read_manifest(model)
    _ensure_recorded(model, model, converted)
    context.report(0, STEPS, f"Loading {model.name}")
    session = Session(model)
    weights = _find_weights(model)
    for path in weights:
        _ensure_recorded(path, model, converted)
    if request.calibration:
        load_calibration(Path(request.calibration))
    ensure_writable(output, 2 * sum(path.stat().st_size for path in (model, *weights)))
    dataset = open_dataset(request.data, session.inputs) if request.data else None
    with _staged(output, context) as stage, tempfile.TemporaryDirectory(prefix="bitsmith-bundle-") as scratch_name:
        scratch = Path(scratch_name)
        folder = stage / f"{request.name}-{request.version}"
        folder.mkdir()
        sample = _take_sample(session, dataset, scratch, context)
        _write_contents(folder, request, weights, dataset, context)
        interface = Interface(MODEL_FILE, session.inputs, session.outputs, request_limit(sample))
        _write_records(folder, request, interface, converted, context)
        verify_script(folder, sample, scratch, context)
        label, seconds = verify_service(folder, sample, scratch, context)
        files = tuple(sorted(path.name for path in folder.iterdir()))
        size = _move(folder, output, context)
    return BundleResult(str(output), files, size, sample.description, sample.expected_class, label, seconds)


def _read_manifest(model: Path) -> dict[str, Any]:
    """What conversion wrote beside the model; empty without it.

    Raises:
        ModelError: it is something else.
    """
    path = manifest_path_for(model)
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text("utf-8"))
        document["files"] = [{"name": entry["name"], "sha256": entry["sha256"]} for entry in document["files"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} is no manifest of a conversion. Move it, or convert the model again.") from error
    return dict(document)


def _ensure_recorded(path: Path, model: Path, converted: dict[str, Any]) -> None:
    """Raise `ModelError` if the manifest of the model describes another file than this one."""
    if not converted:
        return
    recorded = {entry["name"]: entry["sha256"] for entry in converted["files"]}
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if recorded.get(path.name) != digest:
        manifest = manifest_path_for(model).name
        raise ModelError(f"{path.name} is not the file that {manifest} describes. Convert the model again.")


def _find_weights(model: Path) -> list[Path]:
    """Files with the model's external data, which keep the names by which the model refers to them.

    Raises:
        ModelError: one of them lies in another folder, or has a name that does something else in a bundle. A file
            of Python's would be run by the scripts beside it.
    """
    names = {str(tensor.location) for tensor in external_tensors(ir.load(model))}
    for name in names:
        if Path(name).name != name or model.with_name(name).is_symlink():
            raise ModelError(f"{model.name} keeps weights in {name}. A bundle takes them from the model's own folder.")
        is_taken = name.casefold() in OWN_FILES or name.casefold().endswith(tuple(importlib.machinery.all_suffixes()))
        if is_taken or not name.isprintable() or not _FORBIDDEN.isdisjoint(name):
            raise ModelError(
                f"{model.name} keeps weights in {name!r}, which cannot be the name of weights in a bundle. Save the "
                "model with another one, such as model.data."
            )
    return [model.with_name(name) for name in sorted(names)]


@contextlib.contextmanager
def _staged(output: Path, context: JobContext) -> Iterator[Path]:
    """A folder beside `output`, which is gone when the block ends."""
    stage = output.parent / f".{output.name}.{os.getpid()}.bitsmith-tmp"
    context.on_temporary(stage)
    try:
        remove_leftovers(output)
        stage.mkdir()
        yield stage
    except OSError as error:
        raise OutputError(f"Cannot write {output}: {error.strerror or error}. Choose another folder.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _take_sample(session: Session, dataset: Dataset | None, scratch: Path, context: JobContext) -> Sample:
    """The first sample of the data, or a drawn one, and what the workbench gives for it."""
    names = [spec.name for spec in session.outputs]
    if dataset is None:
        inputs = draw_feeds(session.inputs, 1)
        path, description = scratch / "sample.npz", "drawn inputs"
        _save_arrays(path, inputs)
    else:
        count = dataset.batch_size_for(1)
        inputs = next(iter(dataset.batches(1, count))).inputs
        if dataset.image_preprocessing is not None:
            content, suffix = dataset.first_image()
            path, description = scratch / f"sample{suffix}", f"the first image of {dataset.path.name}"
            path.write_bytes(content)
            inputs = {name: np.repeat(value[:1], count, axis=0) for name, value in inputs.items()}
        else:
            path, description = scratch / "sample.npz", f"the first sample of {dataset.path.name}"
            _save_arrays(path, inputs)
    try:
        values = session.run(inputs, context)
    except ModelError as error:
        if dataset is not None:
            raise
        raise ModelError(f"The model does not run on drawn inputs; give data with real ones. ({error})") from error
    is_repeated = dataset is not None and dataset.image_preprocessing is not None
    expected = {name: value[:1] if is_repeated else value for name, value in zip(names, values, strict=True)}
    return Sample(path, description, inputs, expected)


def _save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """What `np.savez` does, for any name: it takes `file` for itself."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(values), allow_pickle=False)


def _write_contents(
    folder: Path, request: BundleRequest, weights: list[Path], dataset: Dataset | None, context: JobContext
) -> None:
    """Everything but what the records say."""
    model = Path(request.model)
    copies = {model: MODEL_FILE, **{path: path.name for path in weights}}
    if plan_path_for(model).is_file():
        copies[plan_path_for(model)] = "plan.json"
    if request.calibration:
        copies[Path(request.calibration)] = "calibration.calib"
    for script in ("predict.py", "service.py"):
        copies[TEMPLATES / script] = script
    for source, name in copies.items():
        context.report(1, STEPS, f"Copying {source.name}")
        _copy(source, folder / name, context)
    preprocessing = dataset.image_preprocessing if dataset is not None else None
    class_names = load_class_names(Path(request.labels)) if request.labels else ()
    if request.data is not None and dataset is not None and preprocessing is not None:
        _write(folder / "preprocess.json", json.dumps(dataclasses.asdict(preprocessing), indent=2) + "\n")
        if not class_names and dataset.path.is_dir():
            table = Path(request.data.label_file) if request.data.label_file else None
            class_names = find_class_names(dataset.path, table, preprocessing)
    if any(class_names):
        _write(folder / "labels.txt", "\n".join(class_names) + "\n")
    _write(folder / "requirements.txt", format_requirements())


def _write_records(
    folder: Path, request: BundleRequest, interface: Interface, converted: dict[str, Any], context: JobContext
) -> None:
    """The README, and the manifest with the digests of everything else."""
    names = sorted(path.name for path in folder.iterdir())
    takes_images = "preprocess.json" in names
    template = (TEMPLATES / "README.md").read_text("utf-8")
    limit = interface.max_request_bytes
    _write(folder / "README.md", fill_readme(template, request, limit, takes_images=takes_images, files=names))
    files = [_describe_file(path, context) for path in sorted(folder.iterdir())]
    document = build_manifest(request, interface, converted, files)
    _write(folder / "manifest.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _describe_file(path: Path, context: JobContext) -> dict[str, Any]:
    context.report(2, STEPS, f"Hashing {path.name}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _copy(source: Path, target: Path, context: JobContext) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(_COPIED_BYTES):
            context.check_cancelled()
            writer.write(block)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _move(folder: Path, output: Path, context: JobContext) -> int:
    """Give the finished bundle its name; returns its bytes."""
    context.report(5, STEPS, f"Writing {output.name}")
    if output.suffix.lower() != ".zip":
        size = sum(path.stat().st_size for path in folder.iterdir())
        folder.rename(output)
        return size
    archive_path = folder.parent / output.name
    with zipfile.ZipFile(archive_path, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.name}", _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with path.open("rb") as reader, archive.open(entry, "w", force_zip64=True) as writer:
                while block := reader.read(_COPIED_BYTES):
                    context.check_cancelled()
                    writer.write(block)
    os.replace(archive_path, output)
    return output.stat().st_size
