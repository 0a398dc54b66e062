"""Folders of IDX files, and the MNIST that comes with nnexp (origin and licence in its README).

An IDX file begins with two zero bytes, a type code and the number of dimensions; then each
dimension as a big-endian 32-bit integer; then the values. (Y. LeCun, "The MNIST database")
"""

from __future__ import annotations

import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from pydantic import Field

from nnexp.data.readers import HoldOutReader, Reader, Split, Splits, reading
from nnexp.errors import DataError
from nnexp.io.files import open_regular, size_of
from nnexp.io.npz import check_size, read_whole
from nnexp.nn.types import Array
from nnexp.text import shorten

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PIECE = 1 << 16

MNIST = Path(__file__).parent / "mnist"
# Of MNIST's files as they were published, uncompressed.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class IdxFolder(HoldOutReader):
    """A folder of IDX files laid out as MNIST's (so are Fashion-MNIST and EMNIST)."""

    kind = "idx"
    form = "{path: FOLDER}"
    words = """\
A folder of IDX files laid out as MNIST's (`train-images...`, `train-labels...`, `t10k-images...`,
`t10k-labels...`, gzipped or not), such as Fashion-MNIST or one of EMNIST's sets:
`data: {path: fashion}`. Labels must be 0 to one less than the number of outputs; EMNIST's letters
are numbered from 1, so give them 27 outputs, one of which stays silent."""
    folder = "IDX files"
    images = True

    def read(self) -> Splits:
        """Read the folder's train-images, train-labels, t10k-images and t10k-labels."""
        folder = Path(self.path)
        train, test = read_pair(folder, "train"), read_pair(folder, "t10k", self.test)
        return self.hold_out(Splits(folder.name, train, None, test))


class Mnist(Reader):
    """The MNIST that comes with nnexp, or the first so many images of each set."""

    kind = "mnist"
    form = "mnist, {name: mnist, train: N}"
    words = """\
`data: mnist` is the whole of MNIST in the book's split: the first 50,000 training images for
training, the last 10,000 of the training file for validation, 10,000 for the test. It comes with
nnexp; nothing is downloaded. Pixels are value / 256, as in the book.

`data: {name: mnist, train: 1000}` is a part of it, the first so many images of each set."""
    images = True
    layers = (784, 10)

    name: Literal["mnist"] = Field(description="the data set that comes with nnexp")
    train: int = Field(50_000, ge=1, le=50_000, description="training images")
    validation: int = Field(10_000, ge=0, le=10_000, description="validation images")
    test: int = Field(10_000, ge=0, le=10_000, description="test images")

    def read(self) -> Splits:
        """Read the first so many images of each set; a file is unpacked only as far as needed."""
        whole = read_pair(MNIST, "train", None if self.validation else self.train)
        last = slice(50_000, 50_000 + self.validation)
        train, validation = whole.cut(slice(self.train), last)
        test = read_pair(MNIST, "t10k", self.test) if self.test else None
        return Splits("MNIST", train, validation, test)


class _Gunzip:
    """Unpacks a gzip file of one member, no more at a time than is asked for.

    gzip.GzipFile would read on through further members and padding, for as long as there are any.
    """

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._inflate = zlib.decompressobj(wbits=31)

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""
        while not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._packed.read(_PIECE)
            piece = self._inflate.decompress(packed, size)
            if piece:
                return piece
            if not packed:
                raise EOFError("it ends in the middle")
        if self._inflate.unused_data or self._packed.read(1):
            raise EOFError("something follows its end")
        return b""


def read_idx(path: Path, rows: int | None = None) -> Array:
    """Read an IDX file, or only its first rows.

    Raises:
        DataError: the file is missing, unreadable, not IDX, truncated or too long.
    """
    try:
        with reading(path), open_regular(path) as raw:
            is_gzip = raw.peek(2)[:2] == b"\x1f\x8b"
            return _parse(path, _Gunzip(raw) if is_gzip else raw, size_of(raw), rows)
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged or truncated gzip file ({error})") from error


def _parse(path: Path, stream: BinaryIO | _Gunzip, stored: int, rows: int | None) -> Array:
    head = read_whole(stream, 4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 4:
        raise DataError(
            f"{path}: not an IDX file: expected 00 00, a type code and the number of dimensions "
            f"at its beginning, got {head.hex(' ') or 'nothing'}"
        )
    dtype = np.dtype(_TYPES[head[2]])
    dimensions = read_whole(stream, 4 * head[3])
    if len(dimensions) < 4 * head[3]:
        raise DataError(f"{path}: truncated in its header")
    shape = [int(n) for n in np.frombuffer(dimensions, ">u4")]
    n = shape[0]
    shape[0] = n if rows is None else min(n, rows)
    # Neighbours of a 0 are counted as well: there are shapes that no array can have.
    check_size(str(path), prod(max(size, 1) for size in shape) * dtype.itemsize, stored)
    size = prod(shape) * dtype.itemsize
    data = read_whole(stream, size)
    if len(data) < size:
        expected = f"expected {size:,} bytes after its header, got {len(data):,}"
        raise DataError(f"{path}: truncated: {expected}")
    if shape[0] == n and stream.read(1):
        raise DataError(f"{path}: longer than the {size:,} bytes that its header says")
    values = np.frombuffer(data, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


def _find(folder: Path, name: str) -> Path:
    """Return the one file of a folder whose name begins so, as in train-images."""
    with reading(folder):
        missing = "no such file" if folder.is_dir() else "no such folder"
        files = sorted(folder.glob(f"*{name}[-.]idx*"))
    if len(files) != 1:
        names = shorten(", ".join(file.name for file in files[:4]), 200)
        got = f"{len(files):,} such files: {names}" if files else missing
        raise DataError(f"{folder}: expected one file {name}-idx... (.gz or not), got {got}")
    return files[0]


def read_pair(folder: Path, part: str, rows: int | None = None) -> Split:
    """Read the images and labels of `part` (train or t10k) from a folder."""
    images, labels = (_find(folder, f"{part}-{kind}") for kind in ("images", "labels"))
    x, y = read_idx(images, rows), read_idx(labels, rows)
    if y.ndim != 1:
        raise DataError(f"{labels}: has {y.ndim} dimensions; labels have one")
    if len(x) != len(y):
        raise DataError(f"{images}: {len(x):,} images, but {labels.name} has {len(y):,} labels")
    return Split(x, y)
