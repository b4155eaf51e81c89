"""Arrays in `.npy` and `.npz` files, read in pieces: headers first, rows when they are asked for. Never unpickles."""

from __future__ import annotations

import abc
import shutil
import tempfile
import tokenize
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from typing_extensions import override

from engine.errors import DataError

_COPY_BYTES = 1 << 20
_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# What numpy's reader of headers, which parses a Python literal, lets through; its own words advise to trust the file.
_SENSELESS = (ValueError, TypeError, SyntaxError, tokenize.TokenError, OverflowError, RecursionError, MemoryError)
_DAMAGED = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]


class StoredArray(abc.ABC):
    """One array, not in memory yet.

    Attributes:
        source: the file's name.
        name: the array's name within it; the file's stem for `.npy`.
    """

    def __init__(self, source: str, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.source = source
        self.name = name
        self.shape = shape
        self.dtype = dtype

    @override
    def __str__(self) -> str:
        return f"Array '{self.name}' in {self.source} ({self.dtype} {list(self.shape)})"

    @abc.abstractmethod
    def chunks(self, start: int, stop: int, size: int) -> Iterator[NDArray[Any]]:
        """Rows `start` to `stop` along axis 0, `size` at a time; the last chunk may be smaller.

        Raises:
            DataError: the file is damaged.
        """

    @abc.abstractmethod
    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """These rows along axis 0, in this order.

        Raises:
            DataError: the file is damaged.
        """

    def whole(self) -> NDArray[Any]:
        """The whole array, in memory."""
        return next(self.chunks(0, self.shape[0], max(1, self.shape[0])))


class HeldArray(StoredArray):
    """An array that is in memory: scalars, and single samples that were given a batch axis."""

    def __init__(self, source: str, name: str, values: NDArray[Any]) -> None:
        super().__init__(source, name, values.shape, values.dtype)
        self._values = values

    @override
    def chunks(self, start: int, stop: int, size: int) -> Iterator[NDArray[Any]]:
        for offset in range(start, stop, size):
            yield self._values[offset : min(offset + size, stop)]

    @override
    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self._values[rows]

    @override
    def whole(self) -> NDArray[Any]:
        return self._values


class MappedArray(StoredArray):
    """A `.npy` file, memory-mapped."""

    def __init__(self, path: Path, header: _Header) -> None:
        super().__init__(path.name, path.stem, header.shape, header.dtype)
        self._path = path

    def _map(self) -> NDArray[Any]:
        try:
            return np.asarray(np.load(self._path, mmap_mode="r", allow_pickle=False))
        except _DAMAGED as error:
            raise DataError(
                f"{self.source} is damaged or incomplete ({error}). Write it again with np.save."
            ) from error

    @override
    def chunks(self, start: int, stop: int, size: int) -> Iterator[NDArray[Any]]:
        # Mapped anew for every chunk: pages of a mapping stay resident for as long as it lives.
        for offset in range(start, stop, size):
            yield np.array(self._map()[offset : min(offset + size, stop)])

    @override
    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self._map()[rows]

    @override
    def whole(self) -> NDArray[Any]:
        return self._map()


class ZippedArray(StoredArray):
    """A member of a `.npz` file, decompressed as it is streamed; column-major ones are read whole.

    Rows in another order than the file's are read from a decompressed copy: a temporary file without a name,
    which goes with this object.
    """

    def __init__(self, path: Path, member: str, header: _Header) -> None:
        super().__init__(path.name, member.removesuffix(".npy"), header.shape, header.dtype)
        self._path = path
        self._member = member
        self._is_fortran = header.is_fortran

    @override
    def chunks(self, start: int, stop: int, size: int) -> Iterator[NDArray[Any]]:
        if self._is_fortran or not self.shape:
            yield from HeldArray(self.source, self.name, self.whole()).chunks(start, stop, size)
            return
        row_shape = self.shape[1:]
        row_bytes = prod(row_shape) * self.dtype.itemsize
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(self._member) as stream:
                _read_header(stream)
                stream.seek(start * row_bytes, 1)
                for offset in range(start, stop, size):
                    rows = min(size, stop - offset)
                    content = _read_exactly(stream, rows * row_bytes)
                    yield np.frombuffer(content, self.dtype).reshape(rows, *row_shape)
        except _DAMAGED as error:
            raise self._damaged(error) from error

    @override
    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        if self._is_fortran or not prod(self.shape):
            return self.whole()[rows]
        # Mapped anew for every call: pages of a mapping stay resident for as long as it lives.
        return np.array(np.memmap(self._copy, self.dtype, "r", shape=self.shape)[rows])

    @cached_property
    def _copy(self) -> IO[bytes]:
        """All rows, decompressed.

        Raises:
            DataError: the file is damaged, or there is no room for the copy.
        """
        size = prod(self.shape) * self.dtype.itemsize
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if size > free:
            raise DataError(
                f"Array '{self.name}' in {self.source} takes {size / 1e6:,.0f} MB to be shuffled and "
                f"{tempfile.gettempdir()} has {free / 1e6:,.0f} MB free. Free some space, or save it as a .npy file."
            )
        copy = tempfile.TemporaryFile()  # noqa: SIM115  it is open as long as this object is used
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(self._member) as stream:
                _read_header(stream)
                left = size
                while left:
                    content = _read_exactly(stream, min(left, _COPY_BYTES))
                    copy.write(content)
                    left -= len(content)
        except _DAMAGED as error:
            copy.close()
            raise self._damaged(error) from error
        copy.flush()
        weakref.finalize(self, copy.close)
        return copy

    @override
    def whole(self) -> NDArray[Any]:
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(self._member) as stream:
                return np.asarray(npy.read_array(stream, allow_pickle=False))
        except _DAMAGED as error:
            raise self._damaged(error) from error

    def _damaged(self, error: BaseException) -> DataError:
        return DataError(f"Array '{self.name}' in {self.source} is damaged ({error}). Write the file again.")


def open_arrays(path: Path) -> dict[str, StoredArray]:
    """The arrays of a `.npy` or `.npz` file by name, in file order; only headers are read.

    Arrays of Python objects are listed (dtype object) but cannot be read: see `ensure_plain`.

    Raises:
        DataError: the file is missing, damaged or something else.
    """
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as stream:
                header = _read_header(stream)
                _ensure_complete(header, path.stat().st_size - stream.tell())
            array = MappedArray(path, header)
            return {array.name: array}
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            headers: dict[str, _Header] = {}
            for member in members:
                with archive.open(member) as stream:
                    headers[member] = _read_header(stream)
                    _ensure_complete(headers[member], archive.getinfo(member).file_size - stream.tell())
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist. Choose another data file.") from error
    except _DAMAGED as error:
        raise DataError(
            f"{path.name} is not a readable {path.suffix} file ({error}). Write it again with np.save or np.savez."
        ) from error
    zipped = [ZippedArray(path, member, header) for member, header in headers.items()]
    return {array.name: array for array in zipped}


def ensure_plain(array: StoredArray) -> None:
    """Raise `DataError` if an array holds Python objects: reading it would mean unpickling, which can run code."""
    if array.dtype.hasobject:
        raise DataError(
            f"Array '{array.name}' in {array.source} holds pickled Python objects, which Bitsmith never loads. "
            "Save it as a plain numeric array."
        )


def _read_header(stream: IO[bytes]) -> _Header:
    version = npy.read_magic(stream)
    if version not in _HEADER_READERS:
        raise ValueError(f"npy format {version[0]}.{version[1]}")
    try:
        header = _Header(*_HEADER_READERS[version](stream))
    except _SENSELESS as error:
        raise ValueError("its header is damaged") from error
    if any(isinstance(size, bool) or size < 0 for size in header.shape):
        raise ValueError(f"it has the shape {list(header.shape)}")
    return header


def _ensure_complete(header: _Header, size: int) -> None:
    """Raise ValueError unless there are as many bytes as the header promises, before anything is made to fit it."""
    if not header.dtype.hasobject and prod(header.shape) * header.dtype.itemsize > size:
        raise ValueError(f"it ends early, with {size:,} bytes of an array {list(header.shape)}")


def _read_exactly(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) != count:
        raise EOFError("it ends early")
    return content
