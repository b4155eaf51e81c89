"""PyTorch files as ONNX: inspect, refuse or ask for consent, convert once, then use the copy in the cache.

Source of the traps: torch.export.load falls back to torch.load(weights_only=False) for sample inputs, weights
and constants (torch/_export/serde/serialize.py, torch/export/pt2_archive/_package.py, torch 2.13).
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from engine.errors import ModelError, OutputError, UntrustedModelError
from engine.job_context import JobContext
from engine.pytorch.archive import ZIP_MAGIC, Archive, ArchiveKind, open_archive
from engine.pytorch.consent import describe_danger, describe_other_consent
from engine.pytorch.example_inputs import Shapes, read_traced_inputs
from engine.pytorch.import_cache import (
    MODEL_NAME,
    ImportOptions,
    find_imported,
    import_folder,
    new_import,
    write_options,
)
from engine.pytorch.inspection import inspect_archive
from engine.pytorch.sanitizing import write_checked_copy
from engine.pytorch.torch_conversion import (
    convert_module,
    convert_program,
    convert_script,
    describe_state_dict,
    ensure_torch,
)


def is_archive(path: Path) -> bool:
    """Whether the file begins as a zip archive does."""
    with path.open("rb") as file:
        return file.read(4) == ZIP_MAGIC


def hash_file(path: Path) -> str:
    """SHA-256 of a file of any size, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def import_model(
    path: Path,
    *,
    trusted_sha256: str | None = None,
    input_shapes: Shapes = (),
    context: JobContext | None = None,
) -> Path:
    """The ONNX file that a PyTorch archive was converted to, now or before.

    Args:
        trusted_sha256: the file that the user agreed to run code of.
        input_shapes: for TorchScript and pickled modules that do not say them; name and shape each.

    Raises:
        UntrustedModelError: it could run code, and there is no consent for this very file.
        ModelError: no model of PyTorch, or one that cannot be converted.
        OutputError: the cache cannot be written.
        JobCancelled: cancelled.
    """
    context = context or JobContext()
    sha256 = hash_file(path)
    if trusted_sha256 is not None and trusted_sha256 != sha256:
        raise UntrustedModelError(describe_other_consent(path, sha256))
    if (found := find_imported(sha256, input_shapes)) is not None:
        return found
    with open_archive(path) as archive:
        reasons = _ensure_model(path, archive, sha256, is_trusted=trusted_sha256 is not None)
        ensure_torch(path)
        context.report(0, 1, f"Converting {path.name} from PyTorch")
        with new_import(sha256, input_shapes, context) as work:
            _ensure_space(path, archive, work)
            _convert(path, archive, work, input_shapes, is_trusted=bool(reasons))
            write_options(work, ImportOptions(bool(reasons), input_shapes))
    found = find_imported(sha256, input_shapes)
    if found is None:
        raise OutputError(f"Cannot keep the converted model in {import_folder()}. Check that folder.")
    return found


def _ensure_model(path: Path, archive: Archive, sha256: str, *, is_trusted: bool) -> list[str]:
    """What in the archive could run code, all of it consented to."""
    if archive.kind == ArchiveKind.UNKNOWN:
        raise ModelError(
            f"{path} is a zip archive (a packed folder, or of another program), neither an ONNX file nor a PyTorch "
            "model. Unpack it, or export the model to ONNX first."
        )
    reasons = [str(finding) for finding in inspect_archive(archive)]
    if reasons and not is_trusted:
        raise UntrustedModelError(describe_danger(path, sha256, reasons))
    if archive.kind == ArchiveKind.CHECKPOINT and not reasons:
        raise ModelError(describe_state_dict(path))
    return reasons


def _ensure_space(path: Path, archive: Archive, work: Path) -> None:
    needed, free = 2 * archive.stored_bytes, shutil.disk_usage(work).free
    if needed > free:
        raise OutputError(
            f"Converting {path} needs {needed / 1e6:.0f} MB in {import_folder()}, {free / 1e6:.0f} MB are free. "
            "Free some space."
        )


def _convert(path: Path, archive: Archive, work: Path, shapes: Shapes, *, is_trusted: bool) -> None:
    target = work / MODEL_NAME
    if archive.kind == ArchiveKind.CHECKPOINT:
        convert_module(path, target, shapes)
        return
    source = path
    if not is_trusted:
        source = work / "checked.pt2"
        write_checked_copy(archive, source)
    if archive.kind == ArchiveKind.EXPORTED_PROGRAM:
        convert_program(path, source, target, is_trusted=is_trusted)
    else:
        convert_script(path, source, target, shapes, read_traced_inputs(archive))
