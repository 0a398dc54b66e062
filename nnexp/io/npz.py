"""Arrays of numbers from .npz and other files, read within bounds.

np.load would read more than numbers (pickled objects run code) and as much as a header promises:
a few kilobytes can promise terabytes, or unpack to gigabytes. Here the promise is checked against a
bound, and against the size of what is there, before memory is taken.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from ast import literal_eval
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nnexp.errors import DataError
from nnexp.io.files import open_regular, size_of
from nnexp.text import shorten

MAX_BYTES = 4 << 30
# Up to here, whatever a file says is taken for true; beyond, it may be so many times its size.
UNDOUBTED, EXPANSION = 256 << 20, 200
_DIRECTORY = 1 << 20
_PIECE = 1 << 18
_HEADER = 10_000
_NUMBERS = re.compile(r"[<>|=]?[buif][0-9]{1,2}")
_WORD = re.compile(r"<U[0-9]{1,2}")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# A damaged header is Python source that cannot be read; an encrypted file is a RuntimeError.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    SyntaxError,
    OverflowError,
)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


def check_size(where: str, size: int, stored: int, limit: int = MAX_BYTES) -> None:
    """Refuse what would not fit: a header can promise more than a disk can hold.

    Args:
        where: the file, and what of it, for the message.
        size: bytes of the array.
        stored: bytes it is made from, maybe compressed.
        limit: bytes that are read at most.

    Raises:
        DataError: the array is larger, or too large for what it is made from.
    """
    if size > limit:
        raise DataError(f"{where}: promises {size:,} bytes of data; at most {limit:,} are read")
    if size > max(UNDOUBTED, EXPANSION * stored):
        raise DataError(
            f"{where}: promises {size:,} bytes of data from {stored:,}; beyond {UNDOUBTED:,}, "
            f"at most {EXPANSION} times as many are read"
        )


def read_whole(stream: _Readable, size: int) -> bytearray:
    """Read so many bytes, or all that there are; memory is taken as they come."""
    data = bytearray()
    while len(data) < size and (piece := stream.read(min(_PIECE, size - len(data)))):
        data += piece
    return data


class _Directed(io.BufferedReader):
    """A file of which no large piece is read at once, as the directory of a zip file would be."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _DIRECTORY:
            raise ValueError(f"a directory of {size:,} bytes; at most {_DIRECTORY:,} are read")
        return super().read(size)


class Archive:
    """An open .npz file; see `open_archive`.

    Attributes:
        names: of its arrays.
    """

    def __init__(self, path: Path, zipped: zipfile.ZipFile, size: int, limit: int) -> None:
        self._path, self._zipped, self._size, self._left = path, zipped, size, limit
        self._limit = limit
        files = (name for name in zipped.namelist() if name.endswith(".npy"))
        self.names = {name.removesuffix(".npy") for name in files}

    def read(self, name: str) -> np.ndarray:
        """Read an array of numbers.

        Raises:
            DataError: it is none, or larger than what may still be read.
        """
        return self._read(name, _NUMBERS)

    def word(self, name: str) -> str:
        """Read an array that is one short text."""
        word = self._read(name, _WORD)
        if word.shape != ():
            raise DataError(f"{self._path}: {name}: is not a single text")
        return str(word)

    def _read(self, name: str, types: re.Pattern[str]) -> np.ndarray:
        where = f"{self._path}: {name}"
        info = self._zipped.getinfo(f"{name}.npy")
        if info.compress_type not in _METHODS:
            # The others of zipfile unpack without a bound.
            raise DataError(f"{where}: is packed by method {info.compress_type}; expected 0 or 8")
        with self._zipped.open(info) as stream:
            shape, fortran, dtype = _header(where, stream, types)
            # Neighbours of a 0 are counted as well: there are shapes that no array can have.
            size = prod(max(n, 1) for n in shape) * dtype.itemsize
            if size > self._left:
                check_size(where, size, self._size, self._limit)
                raise DataError(f"{self._path}: has more than {self._limit:,} bytes of data")
            check_size(where, size, min(info.compress_size, self._size))
            expected = prod(shape) * dtype.itemsize
            data = read_whole(stream, expected)
            if len(data) < expected or stream.read(1):
                raise DataError(f"{where}: damaged: expected {expected:,} bytes of data")
        self._left -= size
        return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _header(
    where: str, stream: _Readable, types: re.Pattern[str]
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read what stands before the values of an .npy file, version 1.0.

    Source: NumPy, numpy.lib.format.
    """
    magic = stream.read(10)
    if magic[:6] != b"\x93NUMPY" or len(magic) < 10:
        raise DataError(f"{where}: is no .npy file, or a damaged one")
    if magic[6:8] != b"\1\0":
        raise DataError(f"{where}: expected .npy version 1.0, got {magic[6]}.{magic[7]}")
    length = int.from_bytes(magic[8:], "little")
    if length > _HEADER:
        raise DataError(f"{where}: damaged: a header of {length:,} bytes")
    try:
        header = literal_eval(stream.read(length).decode("latin1").strip())
        shape, fortran, descr = header["shape"], header["fortran_order"], header["descr"]
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise DataError(f"{where}: damaged: its header cannot be read") from error
    if re.search(r"'[<>|=]?O", repr(descr)):
        raise DataError(f"{where}: contains pickled objects, which nnexp never loads; save numbers")
    if not isinstance(descr, str) or not types.fullmatch(descr):
        shown = shorten(str(descr))
        raise DataError(f"{where}: expected numbers, got the type {shown}")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise DataError(f"{where}: damaged: the shape {shorten(str(shape))}")
    return shape, bool(fortran), np.dtype(descr)


@contextmanager
def open_archive(path: Path, limit: int = MAX_BYTES, *, follow: bool = True) -> Iterator[Archive]:
    """Open an .npz file to read arrays of numbers.

    Args:
        path: the file.
        limit: bytes that are read at most, of all arrays together.
        follow: whether it may be a link.

    Raises:
        DataError: it cannot be read, is damaged, or has other arrays than expected; nothing else is
            raised, also while its arrays are read.
    """
    try:
        with (
            _Directed(open_regular(path, follow=follow).detach()) as stream,
            zipfile.ZipFile(stream) as zipped,
        ):
            yield Archive(path, zipped, size_of(stream), limit)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise DataError(f"{path}: {error.args[0]}") from error
    except _DAMAGED as error:
        raise DataError(f"{path}: not an .npz file, or a damaged one ({error})") from error
