"""IDX files, gzipped or not: MNIST's format, and Fashion-MNIST's and EMNIST's.

An IDX file begins with two zero bytes, a type code and the number of dimensions; then each
dimension as a big-endian 32-bit integer; then the values. (Y. LeCun, "The MNIST database")
"""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from nnexp.data.parts import Options, Part, Parts, check_size, hold_out
from nnexp.errors import DataError
from nnexp.nn.types import Array

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def read_idx(path: Path, rows: int | None = None) -> Array:
    """Read an IDX file, or only its first rows.

    Raises:
        DataError: the file is missing, unreadable, not IDX, truncated or too long.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
            return _parse(path, stream, rows)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged or truncated gzip file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _parse(path: Path, stream: BinaryIO, rows: int | None) -> Array:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 4:
        raise DataError(
            f"{path}: not an IDX file: it begins with {head.hex(' ') or 'nothing'} "
            "where 00 00, a type code and the number of dimensions are due"
        )
    dtype = np.dtype(_TYPES[head[2]])
    size = stream.read(4 * head[3])
    if len(size) < 4 * head[3]:
        raise DataError(f"{path}: truncated in its header")
    shape = [int(n) for n in np.frombuffer(size, ">u4")]
    whole = rows is None or rows >= shape[0]
    if not whole:
        shape[0] = cast("int", rows)
    check_size(str(path), prod(shape), dtype.itemsize)
    due = prod(shape) * dtype.itemsize
    data = stream.read(due)
    if len(data) < due:
        raise DataError(f"{path}: truncated: its header promises {due:,} bytes, {len(data):,} came")
    if whole and stream.read(1):
        raise DataError(f"{path}: longer than the {due:,} bytes its header promises")
    values = np.frombuffer(data, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


def find(folder: Path, part: str, kind: str) -> Path:
    """Find the one file of a folder that holds `part` (train, t10k) `kind` (images, labels)."""
    names = sorted(folder.glob(f"*{part}-{kind}[-.]idx*")) if folder.is_dir() else []
    if len(names) != 1:
        said = "no such file" if not names else "several: " + ", ".join(p.name for p in names)
        raise DataError(
            f"{folder}: {said}: one file {part}-{kind}-idx... (.gz or not) is due there"
        )
    return names[0]


def read_pair(folder: Path, part: str, rows: int | None = None) -> Part:
    """Read the images and labels of `part` (train or t10k) from a folder."""
    images, labels = find(folder, part, "images"), find(folder, part, "labels")
    x, y = read_idx(images, rows), read_idx(labels, rows)
    if y.ndim != 1:
        raise DataError(f"{labels}: has {y.ndim} dimensions; labels have one")
    if len(x) != len(y):
        raise DataError(f"{images}: {len(x):,} images, but {labels.name} has {len(y):,} labels")
    return Part(x, y)


def read(options: Options) -> Parts:
    """Read a folder laid out as MNIST's: train-images, train-labels, t10k-images, t10k-labels."""
    folder = Path(options["path"])
    train, validation = hold_out(
        str(folder), read_pair(folder, "train"), cast("float", options["validation"])
    )
    test = read_pair(folder, "t10k", options["test"])
    return Parts(folder.name, train.first(options["train"]), validation, test)
