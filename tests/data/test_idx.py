"""IDX files: what is read, and messages that name the file at fault."""

from __future__ import annotations

import gzip
import re
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.data.idx import IdxFolder, read_idx, read_pair
from nnexp.errors import DataError
from nnexp.nn.types import Array

CODES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
IMAGES, LABELS = "{}-images-idx3-ubyte", "{}-labels-idx1-ubyte"


def header(code: int, *shape: int) -> bytes:
    """Return the beginning of an IDX file."""
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def idx(values: Array, code: int = 0x08) -> bytes:
    """Return an array as an IDX file."""
    return header(code, *values.shape) + values.astype(f">{CODES[code]}").tobytes()


def write_pair(
    folder: Path, part: str, n: int, *, labels: int | None = None
) -> tuple[Array, Array]:
    """Write n images of 2 x 3 and as many labels, and return them."""
    x = np.arange(n * 6, dtype=np.uint8).reshape(n, 2, 3)
    y = np.arange(n if labels is None else labels, dtype=np.uint8) % 3
    (folder / IMAGES.format(part)).write_bytes(idx(x))
    (folder / LABELS.format(part)).write_bytes(gzip.compress(idx(y)))
    return x, y


def refused(path: Path, message: str) -> pytest.RaisesExc[DataError]:
    """Expect a DataError that names the path and says what is wrong."""
    return pytest.raises(DataError, match=f"{re.escape(str(path))}.*{message}")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("code", CODES)
def test_every_type_comes_back(tmp_path: Path, code: int, packed: bool) -> None:
    """Each type and number of dimensions is read as written, in native byte order."""
    extremes: Any = np.iinfo(CODES[code]) if code < 0x0D else np.finfo(CODES[code])
    values = np.array([extremes.min, extremes.max, 0, 1, 2, 3, 4, 100], CODES[code])
    path = tmp_path / "some-file"
    for shape in [(8,), (4, 2), (2, 2, 2), (1, 8, 1, 1), (0, 3)]:
        expected = values[: np.prod(shape)].reshape(shape)
        content = idx(expected, code)
        path.write_bytes(gzip.compress(content) if packed else content)
        result = read_idx(path)
        np.testing.assert_array_equal(result, expected)
        assert result.dtype == expected.dtype
        assert result.dtype.isnative
    path.write_bytes(idx(values.reshape(4, 2), code))
    for rows in (1, 4, 5):
        np.testing.assert_array_equal(read_idx(path, rows), values.reshape(4, 2)[:rows])


WHOLE = idx(np.arange(60).reshape(10, 6))
PACKED = gzip.compress(WHOLE)
DAMAGED = {
    "nothing": (b"", "at its beginning, got nothing"),
    "three bytes": (WHOLE[:3], "not an IDX file"),
    "another magic": (b"\x89PNG" + WHOLE[4:], "got 89 50 4e 47"),
    "unknown type": (b"\0\0\x0a" + WHOLE[3:], "not an IDX file"),
    "no dimension": (header(0x08), "not an IDX file"),
    "five dimensions": (header(0x08, *[1] * 5) + b"\0", "not an IDX file"),
    "cut in the header": (WHOLE[:9], "truncated in its header"),
    "one byte short": (WHOLE[:-1], "truncated: expected 60 bytes after its header, got 59"),
    "header only": (header(0x08, 10, 6), "truncated.* got 0"),
    "one byte too long": (WHOLE + b"\0", "longer than the 60 bytes"),
    "gzip cut": (PACKED[:-20], "damaged or truncated gzip"),
    "gzip without its checksum": (PACKED[:-8], "damaged or truncated gzip"),
    "gzip with a flipped bit": (PACKED[:30] + bytes([PACKED[30] ^ 1]) + PACKED[31:], "damaged"),
    "gzip with another beginning": (PACKED[:10] + b"\xff" + PACKED[11:], "damaged"),
    "gzip of too little": (gzip.compress(WHOLE[:-1]), "expected 60 bytes after its header, got 59"),
    "gzip of too much": (gzip.compress(WHOLE + b"\0"), "longer than"),
}


@pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damage_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """A damaged file is refused with its path and what is wrong with it."""
    path = tmp_path / "some-file"
    path.write_bytes(content)
    with refused(path, message):
        read_idx(path)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("rows", [None, 2**31], ids=["whole", "first rows"])
def test_terabytes_are_refused_before_memory_is_taken(
    tmp_path: Path, packed: bool, rows: int | None
) -> None:
    """A header that promises more than is ever read is refused without an allocation."""
    path = tmp_path / "some-file"
    content = header(0x0E, *[2**32 - 1] * 4) + b"\0" * 100
    path.write_bytes(gzip.compress(content) if packed else content)
    tracemalloc.start()
    try:
        with refused(path, "promises .* bytes of data; at most"):
            read_idx(path, rows)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_missing_files_are_refused(tmp_path: Path) -> None:
    """A missing file or folder, or a folder in a file's place, is refused with its path."""
    for path, message in [(tmp_path / "none", "No such file"), (tmp_path, "directory")]:
        with refused(path, f"cannot be read: .*{message}"):
            read_idx(path)
    for folder, message in ((tmp_path, "no such file"), (tmp_path / "none", "no such folder")):
        with refused(folder, f"expected one file train-images-idx.*, got {message}"):
            read_pair(folder, "train")
    write_pair(tmp_path, "train", 3)
    (tmp_path / LABELS.format("train")).unlink()
    with refused(tmp_path, "expected one file train-labels-idx.*, got no such file"):
        read_pair(tmp_path, "train")


def test_several_candidates_are_refused(tmp_path: Path) -> None:
    """Where a packed and a plain file stand side by side, neither is picked."""
    write_pair(tmp_path, "train", 3)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"")
    with refused(tmp_path, "2 such files: train-images-idx3-ubyte, train-images-idx3-ubyte.gz"):
        read_pair(tmp_path, "train")


def test_counts_that_differ_are_refused(tmp_path: Path) -> None:
    """Images and labels must be as many, and labels have one dimension."""
    write_pair(tmp_path, "train", 3, labels=4)
    images, labels = (tmp_path / name.format("train") for name in (IMAGES, LABELS))
    with refused(images, "3 images, but train-labels-idx1-ubyte has 4 labels"):
        read_pair(tmp_path, "train")
    labels.write_bytes(idx(np.zeros((3, 1))))
    with refused(labels, "has 2 dimensions"):
        read_pair(tmp_path, "train")


@pytest.mark.parametrize(("validation", "size"), [(0, 0), (1, 1), (4, 4), (0.25, 3), (1 / 6, 2)])
def test_a_folder(tmp_path: Path, validation: float, size: int) -> None:
    """The validation set is cut off the end of the training set; then the first so many stay."""
    x, y = write_pair(tmp_path, "train", 12)
    x_test, y_test = write_pair(tmp_path, "t10k", 5)
    parts = IdxFolder(path=str(tmp_path), validation=validation, train=6, test=2).read()
    expected = {"train": (x[:6], y[:6]), "test": (x_test[:2], y_test[:2])}
    if size:
        expected["validation"] = x[12 - size :], y[12 - size :]
    assert parts.sets().keys() == expected.keys()
    for name, part in parts.sets().items():
        np.testing.assert_array_equal(part.x, expected[name][0])
        np.testing.assert_array_equal(part.y, expected[name][1])


def test_names_as_others_write_them(tmp_path: Path) -> None:
    """EMNIST's prefix and the dot of older copies are understood."""
    x, y = write_pair(tmp_path, "train", 3)
    for name in (IMAGES, LABELS):
        (tmp_path / name.format("train")).rename(
            tmp_path / f"emnist-digits-{name.format('train').replace('-idx', '.idx')}"
        )
    pair = read_pair(tmp_path, "train")
    np.testing.assert_array_equal(pair.x, x)
    np.testing.assert_array_equal(pair.y, y)


@pytest.mark.parametrize("validation", [12, 13, 0.97])
def test_nothing_left_for_training_is_refused(tmp_path: Path, validation: float) -> None:
    """A validation set as large as the training set is refused."""
    write_pair(tmp_path, "train", 12)
    write_pair(tmp_path, "t10k", 5)
    with refused(tmp_path, "leaves none of 12 training examples"):
        IdxFolder(path=str(tmp_path), validation=validation).read()
