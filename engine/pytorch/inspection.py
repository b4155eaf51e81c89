"""What a PyTorch archive would do when it is loaded, found without loading anything of it."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from engine.pytorch.archive import ZIP_MAGIC, Archive, ArchiveKind
from engine.pytorch.pickle_scan import find_foreign_globals
from engine.pytorch.program_check import clean_program, find_suspicious_strings

MAX_DOCUMENT_BYTES = 512 << 20
_MAX_NESTING = 3
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".pt", ".pth", ".pt2", ".ckpt", ".bin", ".debug_pkl")
_PICKLE_HEADS = tuple(bytes([0x80, protocol]) for protocol in (2, 3, 4, 5))
# Bytes that are read as numbers and never as anything else, unless the configuration says that they are pickled.
_RAW = re.compile(r"data/weights/weight_\d+|data/constants/tensor_\d+|(data|constants|traced_inputs)/\d+")
_PROGRAM_DOCUMENT = re.compile(r"models/\w+\.json|data/(weights|constants)/\w+_config\.json", re.ASCII)
_PROGRAM_BLOB = re.compile(r"data/(sample_inputs|weights|constants)/\w+\.pt", re.ASCII)
_PROGRAM_MARK = re.compile(r"archive_format|archive_version|byteorder|version|\.data/version")
_SCRIPT_MEMBER = re.compile(r"data\.pkl|constants\.pkl|attributes\.pkl|code/.*\.py|version|byteorder|\.data/version")
# TorchScript runs no Python, but some of its own operators read and write files or talk to other machines.
_SCRIPT_FILES = re.compile(r"\b(save|from_file|rpc_async|rpc_sync|rpc_remote)\b")
_SCRIPT_NAMESPACE = re.compile(r"\bops\b(?!\s*\.\s*(aten|prim|prims|quantized|torchvision)\b)")
_SCRIPT_CLASSES = re.compile(r"__torch__\s*\.\s*torch\s*\.\s*classes\b")


@dataclass(frozen=True)
class Finding:
    """One thing that could run code: the member it stands in, and what that asks for."""

    member: str
    what: str

    def __str__(self) -> str:
        return f"{self.member} asks for {self.what}"


def inspect_archive(archive: Archive) -> list[Finding]:
    """Everything in the archive that could run code when it is loaded; empty if it is harmless."""
    is_script = archive.kind == ArchiveKind.TORCH_SCRIPT
    pickled = _pickled_payloads(archive)
    found: list[Finding] = []
    for name in archive.members:
        if _RAW.fullmatch(name) and name not in pickled:
            continue
        if name in pickled or _looks_like_pickle(archive, name):
            found += [Finding(name, what) for what in _scan(archive.read(name), is_script=is_script)]
        if archive.kind == ArchiveKind.EXPORTED_PROGRAM:
            found += [Finding(name, what) for what in _inspect_program_member(archive, name)]
        elif is_script and name.startswith("code/") and name.endswith(".py"):
            found += [Finding(name, what) for what in _inspect_script(archive.read(name).decode("utf-8", "replace"))]
    return found


def needed_members(archive: Archive) -> list[str]:
    """What the loader of this kind of archive has to see; the rest (compiled code, notes) is left out of the copy."""
    if archive.kind == ArchiveKind.TORCH_SCRIPT:
        return [name for name in archive.members if _SCRIPT_MEMBER.fullmatch(name) or _is_script_data(name)]
    patterns = (_PROGRAM_DOCUMENT, _PROGRAM_BLOB, _PROGRAM_MARK, _RAW)
    pickled = _pickled_payloads(archive)
    return [name for name in archive.members if name in pickled or any(pattern.fullmatch(name) for pattern in patterns)]


def load_document(archive: Archive, name: str) -> object:
    """A JSON member, cleaned of what only serves debugging.

    Raises:
        ValueError: no JSON, or too large.
    """
    if archive.members[name].file_size > MAX_DOCUMENT_BYTES:
        raise ValueError(f"{name} is larger than any program")
    return clean_program(json.loads(archive.read(name)))


def is_document(name: str) -> bool:
    """Whether a member of an ExportedProgram is JSON."""
    return bool(_PROGRAM_DOCUMENT.fullmatch(name))


def _is_script_data(name: str) -> bool:
    return bool(_RAW.fullmatch(name)) and not name.startswith("traced_inputs/")


def _pickled_payloads(archive: Archive) -> set[str]:
    """Tensors of an ExportedProgram that its configuration declares to be pickled."""
    found: set[str] = set()
    for name in archive.members:
        if not name.endswith("_config.json") or not is_document(name):
            continue
        try:
            config = load_document(archive, name)
        except (ValueError, RecursionError):
            continue  # reported where documents are inspected
        entries = config.get("config") if isinstance(config, dict) else None
        for entry in entries.values() if isinstance(entries, dict) else ():
            if isinstance(entry, dict) and entry.get("use_pickle"):
                found.add(f"{name.rsplit('/', 1)[0]}/{entry.get('path_name')}")
    return found & set(archive.members)


def _looks_like_pickle(archive: Archive, name: str) -> bool:
    if archive.kind == ArchiveKind.UNKNOWN:
        return False  # refused anyway, with its own sentence
    is_named_so = name.lower().endswith(_PICKLE_SUFFIXES)
    return is_named_so or archive.starts_with(name, 4).startswith((*_PICKLE_HEADS, ZIP_MAGIC))


def _scan(data: bytes, *, is_script: bool, depth: int = 0) -> Iterator[str]:
    """Foreign globals of a pickle, or of every pickle in a nested torch.save archive."""
    if not data:
        return
    if depth > _MAX_NESTING:
        yield "archives inside archives"
    elif data.startswith(ZIP_MAGIC):
        yield from _scan_nested(data, depth)
    else:
        yield from find_foreign_globals(data, is_script=is_script)


def _scan_nested(data: bytes, depth: int) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as nested:
            names = [name.casefold() for name in nested.namelist()]
            if len(set(names)) < len(names):
                yield "a name that occurs twice"
            for name in nested.namelist():
                member = nested.read(name)
                is_pickle = name.lower().endswith(_PICKLE_SUFFIXES) or member.startswith(ZIP_MAGIC)
                if is_pickle or (member.startswith(_PICKLE_HEADS) and not re.search(r"(^|/)data/\d+$", name)):
                    yield from _scan(member, is_script=False, depth=depth + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        yield "a damaged archive"


def _inspect_program_member(archive: Archive, name: str) -> Iterator[str]:
    if re.fullmatch(r"data/constants/(custom|opaque)_obj_.*", name):
        yield "a pickled custom object"
    if is_document(name):
        try:
            yield from find_suspicious_strings(load_document(archive, name))
        except (ValueError, RecursionError):
            yield "a document that is no JSON"


def _inspect_script(code: str) -> Iterator[str]:
    for pattern in (_SCRIPT_FILES, _SCRIPT_NAMESPACE, _SCRIPT_CLASSES):
        if match := pattern.search(code):
            yield f"the operator {code[match.start() : match.start() + 30].partition('(')[0].strip()!r}"
