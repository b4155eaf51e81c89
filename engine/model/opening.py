"""Opening a model file: every reason to refuse is found here, before anything is computed.

Nothing in the file is executed. Weights of external data stay memory-mapped until they are touched.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx_ir.serde import SerdeError, TensorProtoTensor

from engine.errors import ModelError, OutputError
from engine.model.passes.naming import RESERVED

MIN_OPSET = 7
QUANTIZED_OPS = {
    "QLinearConv", "QLinearMatMul", "MatMulInteger", "ConvInteger", "QuantizeLinear", "DynamicQuantizeLinear",
    "MatMulNBits", "QGemm", "QLinearAdd", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "GatherBlockQuantized",
}  # fmt: skip
_PICKLE = "is a pickle, which Bitsmith does not load because loading it can run code. Export the model to ONNX first."
LONGEST_NAME = 255
_ZIP_MAGIC = b"PK\x03\x04"
_MAGIC = {
    b"version https://git-lfs": "is not a model but Git LFS's pointer to one. Fetch the model with git lfs pull.",
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
    except SerdeError as error:
        raise ModelError(f"{path} contradicts itself ({_cause(error)}). Export or download it again.") from error
    except (DecodeError, ValueError, TypeError, KeyError, OSError) as error:
        raise ModelError(
            f"{path} is not a complete ONNX model (it may be truncated or another kind of file). "
            "Export or download it again."
        ) from error
    _ensure_names(model, path)
    _ensure_is_model(model, path)
    _ensure_whole_tensors(model, path)
    external = _ensure_external_data(model, onnx_path)
    if onnx_path != path:
        return Source(path, model, _hash_file(path), path.stat().st_size, onnx_path, tuple(external))
    file_bytes = len(data) + sum(external.values())
    return Source(path, model, hashlib.sha256(data).hexdigest(), file_bytes, path, tuple(external))


def resolve_onnx(path: Path) -> Path:
    """The file that ONNX Runtime loads: `path`, or for a PyTorch archive what it is converted to.

    Raises:
        ModelError: there is no such file, or the archive cannot be converted, or could run code and nobody consented.
    """
    _ensure_is_file(path)
    try:
        with path.open("rb") as file:
            is_archive = file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    except OSError as error:
        raise _unreadable(path, error) from error
    if not is_archive:
        return path
    from engine.pytorch.importing import import_model

    return import_model(path)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cause(error: BaseException) -> str:
    """The first line of what went wrong innermost, where onnx_ir wraps an error once per level of the file."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _ensure_is_file(path: Path) -> None:
    """Devices and pipes are refused: reading them may never end."""
    try:
        str(path).encode()  # ONNX Runtime takes no other names
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist. Check the path.") from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise ModelError(f"{path} is a folder. Give the .onnx file inside it.")
    if not stat.S_ISREG(mode):
        raise ModelError(f"{path} is a device or a pipe, not a file. Save the model to a file.")


def _unreadable(path: Path, error: OSError | ValueError) -> ModelError:
    reason = error.strerror if isinstance(error, OSError) else "its name is no UTF-8 text"
    return ModelError(f"Cannot read {path}: {reason}. Check its name and its permissions.")


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
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
    for value in (*model.graph.inputs, *model.graph.outputs):
        if RESERVED.match(value.name or ""):
            raise ModelError(f"{path} has an input or output {value.name!r}, a name that Bitsmith needs. Rename it.")
    for node in model.graph.all_nodes():
        if node.op_type in QUANTIZED_OPS:
            raise ModelError(
                f"{path} is quantized already (it contains {node.op_type}). Give the float model it was made from."
            )


def _ensure_names(model: ir.Model, path: Path) -> None:
    """Raise `ModelError` if a name is no text; onnx_ir hands out its bytes then."""
    for graph in model.graphs():
        values = [*graph.inputs, *graph.outputs, *graph.initializers.values()]
        nodes = list(graph)
        values += [value for node in nodes for value in (*node.inputs, *node.outputs) if value is not None]
        names = [text for node in nodes for text in (node.name, node.op_type, node.domain)]
        if any(isinstance(name, bytes) for name in (*names, *(value.name for value in values))):
            raise ModelError(f"{path} holds a name that is no UTF-8 text (damaged?). Export or download it again.")


def _ensure_whole_tensors(model: ir.Model, path: Path) -> None:
    """Raise `ModelError` if an initializer in the file has a type, a size or an amount of bytes that cannot be."""
    for graph in model.graphs():
        for value in graph.initializers.values():
            tensor = value.const_value
            if tensor is None or tensor.dtype == ir.DataType.STRING:
                continue
            if tensor.dtype == ir.DataType.UNDEFINED:
                raise ModelError(f"{path} has the weight {value.name} of no type. Export or download it again.")
            sizes = [size for size in tensor.shape if isinstance(size, int)]
            proto = tensor.raw if isinstance(tensor, TensorProtoTensor) else None
            stored = len(proto.raw_data) if proto is not None and proto.HasField("raw_data") else tensor.nbytes
            if any(size < 0 for size in sizes) or stored != tensor.nbytes:
                raise ModelError(
                    f"{path} has the weight {value.name} of shape {sizes}, and {stored:,} bytes for it (truncated?). "
                    "Export or download it again."
                )


def external_tensors(model: ir.Model) -> Iterator[ir.ExternalTensor]:
    """The initializers that live in files beside the model, those of If and Loop bodies included."""
    for graph in model.graphs():
        for value in graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                yield value.const_value


def ensure_keeps_weights(source: Source, *outputs: Path) -> None:
    """Raise `OutputError` if one of the files to be written holds weights of the model."""
    kept = {file.resolve() for file in source.external_files}
    for output in outputs:
        if output.resolve() in kept:
            raise OutputError(f"{output} holds weights of {source.path}. Choose another output path.")


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
        if file not in sizes:
            sizes[file] = _external_size(file, path)
        if tensor.length not in (None, tensor.nbytes):
            raise ModelError(
                f"{path} gives the weight {tensor.name} {tensor.length:,} bytes of {location}, and its shape takes "
                f"{tensor.nbytes:,}. Export or download it again."
            )
        if (tensor.offset or 0) + tensor.nbytes > sizes[file]:
            raise ModelError(f"{file} is shorter than {path.name} says (truncated?). Copy or download it again.")
    return sizes


def _external_size(file: Path, path: Path) -> int:
    """Bytes of a file of weights; links may lead no further than its model's own folder, as onnx has it."""
    location = file.relative_to(path.parent)
    try:
        is_file = file.is_file()
        target = file.resolve()
    except (OSError, ValueError):  # no name that a file can have
        is_file, target = False, file
    if not is_file:
        shown = str(location) if len(str(location)) <= LONGEST_NAME else f"{str(location)[:LONGEST_NAME]}…"
        raise ModelError(f"{path} keeps its weights in {shown}, which is missing. Put that file beside it.")
    if not target.is_relative_to(path.parent.resolve()):
        raise ModelError(
            f"{path} keeps its weights in {location}, a link to {target} outside its own folder, which is refused. "
            "Copy that file in place of the link."
        )
    return file.stat().st_size
