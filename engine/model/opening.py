"""Opening a model file: every reason to refuse is found here, before anything is computed.

Nothing in the file is executed. Weights of external data stay memory-mapped until they are touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import onnx_ir as ir
from google.protobuf.message import DecodeError

from engine.errors import ModelError

MIN_OPSET = 7
QUANTIZED_OPS = {
    "QLinearConv", "QLinearMatMul", "MatMulInteger", "ConvInteger", "QuantizeLinear", "DynamicQuantizeLinear",
    "MatMulNBits", "QGemm", "QLinearAdd", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "GatherBlockQuantized",
}  # fmt: skip
_PICKLE = "is a pickle, which Bitsmith does not load because loading it can run code. Export the model to ONNX first."
_ZIP_MAGIC = b"PK\x03\x04"
_MAGIC = {
    **{bytes([0x80, protocol]): _PICKLE for protocol in (2, 3, 4, 5)},
}


@dataclass(frozen=True)
class Source:
    """A model file as it was read.

    Attributes:
        path: the user's file.
        sha256: of the user's file; external data is excluded.
        file_bytes: the user's file and external data together.
        onnx_path: what ONNX Runtime loads: `path` itself, or what a PyTorch file was converted to.
        external_files: files with weights beside `onnx_path`; preparing the model may leave nothing that names them.
    """

    path: Path
    model: ir.Model
    sha256: str
    file_bytes: int
    onnx_path: Path
    external_files: tuple[Path, ...] = ()

    @property
    def opset(self) -> int:
        """Version of the standard operator set."""
        return self.model.opset_imports.get("", 0)


def open_source(path: Path) -> Source:
    """Read a model file.

    Raises:
        ModelError: one sentence that names the file, what is wrong and what to do.
    """
    onnx_path = resolve_onnx(path)
    data = _read_bytes(onnx_path)
    try:
        model = ir.load(onnx_path)
    except (DecodeError, ValueError, TypeError, KeyError, OSError) as error:
        raise ModelError(
            f"{path} is not a complete ONNX model (it may be truncated or another kind of file). "
            "Export or download it again."
        ) from error
    _ensure_is_model(model, path)
    external = _ensure_external_data(model, onnx_path)
    if onnx_path != path:
        return Source(path, model, _hash_file(path), path.stat().st_size, onnx_path, tuple(external))
    file_bytes = len(data) + sum(external.values())
    return Source(path, model, hashlib.sha256(data).hexdigest(), file_bytes, path, tuple(external))


def resolve_onnx(path: Path) -> Path:
    """The file that ONNX Runtime loads: `path`, or for a PyTorch archive what it is converted to.

    Raises:
        ModelError: the archive cannot be converted, or could run code and nobody consented.
    """
    try:
        with path.open("rb") as file:
            is_archive = file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    except OSError:
        return path  # whoever reads it says why
    if not is_archive:
        return path
    from engine.pytorch.importing import import_model

    return import_model(path)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError(f"{path} is a folder. Give the .onnx file inside it.")
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist. Check the path.") from error
    except OSError as error:
        raise ModelError(f"Cannot read {path}: {error.strerror}.") from error
    if not data:
        raise ModelError(f"{path} is empty. Export or download the model again.")
    if data[4:8] == b"ORTM":
        raise ModelError(f"{path} is in ONNX Runtime's own ORT format. Give the .onnx file it was made from.")
    for magic, reason in _MAGIC.items():
        if data.startswith(magic):
            raise ModelError(f"{path} {reason}")
    return data


def _ensure_is_model(model: ir.Model, path: Path) -> None:
    if not model.opset_imports or not len(model.graph):
        raise ModelError(f"{path} is not an ONNX model (it holds no graph). Export or download it again.")
    opset = model.opset_imports.get("", 0)
    if opset and opset < MIN_OPSET:
        raise ModelError(f"{path} uses ONNX opset {opset}; Bitsmith reads {MIN_OPSET} and later. Export it again.")
    for node in model.graph.all_nodes():
        if node.op_type in QUANTIZED_OPS:
            raise ModelError(
                f"{path} is quantized already (it contains {node.op_type}). Give the float model it was made from."
            )


def external_tensors(model: ir.Model) -> Iterator[ir.ExternalTensor]:
    """The initializers that live in files beside the model, those of If and Loop bodies included."""
    for graph in model.graphs():
        for value in graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                yield value.const_value


def external_stamps(source: Source) -> tuple[str, ...]:
    """Name, size and time of every file with weights beside the model, which `sha256` leaves out, as they are now.

    Raises:
        OSError: one is gone.
    """
    stats = [(file.relative_to(source.onnx_path.parent), file.stat()) for file in sorted(source.external_files)]
    return tuple(f"{name.as_posix()} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)


def _ensure_external_data(model: ir.Model, path: Path) -> dict[Path, int]:
    """The external files and their bytes; raises `ModelError` if one is missing, too short or elsewhere."""
    sizes: dict[Path, int] = {}
    for tensor in external_tensors(model):
        location = PurePosixPath(str(tensor.location).replace("\\", "/"))
        if location.is_absolute() or ".." in location.parts:
            raise ModelError(f"{path} points to weights outside its own folder ({location}), which is refused.")
        file = path.parent / location
        if not file.is_file():
            raise ModelError(f"{path} keeps its weights in {location}, which is missing. Put that file beside it.")
        sizes.setdefault(file, file.stat().st_size)
        if (tensor.offset or 0) + tensor.nbytes > sizes[file]:
            raise ModelError(f"{file} is shorter than {path.name} says (truncated?). Copy or download it again.")
    return sizes
