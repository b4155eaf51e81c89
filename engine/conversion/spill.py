"""Weights on their way to the file beside a large model: written as soon as they exist, then forgotten."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import onnx_ir as ir

# ONNX Runtime maps external initializers that start on a page.
ALIGNMENT = 4096
THRESHOLD_BYTES = 1024
COPY_BYTES = 16 << 20


class Spill:
    """An external data file that grows; use as a context manager.

    Peak memory stays at one tensor: what `absorb` has written is read again only by whoever loads the
    finished model.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("wb")
        self._done: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def absorb(self, graph: ir.Graph, prefix: str = "") -> None:
        """Move initializers of a kilobyte or more, whose names begin with `prefix`, into the file."""
        for name, value in graph.initializers.items():
            tensor = value.const_value
            if name in self._done or tensor is None or not name.startswith(prefix):
                continue
            self._done.add(name)
            if tensor.nbytes >= THRESHOLD_BYTES and tensor.dtype != ir.DataType.STRING:
                value.const_value = self._write(name, tensor)

    def _write(self, name: str, tensor: ir.TensorProtocol) -> ir.ExternalTensor:
        self._file.write(bytes(-self._file.tell() % ALIGNMENT))
        offset = self._file.tell()
        if isinstance(tensor, ir.ExternalTensor):
            self._copy(tensor)
        else:
            self._file.write(_buffer_of(tensor))
        self._file.flush()
        length = self._file.tell() - offset
        return ir.ExternalTensor(
            self._path.name,
            offset,
            length,
            tensor.dtype,
            shape=ir.Shape(tensor.shape.numpy()),
            name=name,
            base_dir=self._path.parent,
        )

    def _copy(self, tensor: ir.ExternalTensor) -> None:
        with Path(tensor.path).open("rb") as source:
            source.seek(tensor.offset or 0)
            left = tensor.nbytes
            while left:
                block = source.read(min(left, COPY_BYTES))
                if not block:
                    raise EOFError(f"{tensor.path} ended {left} bytes early")
                self._file.write(block)
                left -= len(block)


def _buffer_of(tensor: ir.TensorProtocol) -> bytes | memoryview:
    """The stored bytes, without a copy where the array already is what is stored."""
    array = tensor.numpy_packed() if isinstance(tensor, ir.PackedTensor) else tensor.numpy()
    is_stored = array.nbytes == tensor.nbytes and array.dtype.isnative and sys.byteorder == "little"
    return array.reshape(-1).view(np.uint8).data if is_stored else tensor.tobytes()
