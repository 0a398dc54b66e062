"""NPZ files: Keras's keys, and refusal of what is damaged, forged or pickled."""

from __future__ import annotations

import io
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.data import Dataset, load
from nnexp.data.arrays import Npz
from nnexp.data.readers import Splits
from nnexp.errors import DataError
from nnexp.nn.types import Array

X, Y = np.arange(12 * 28 * 28).reshape(12, 28, 28).astype(np.uint8), np.arange(12) % 3


def options(path: Path, **changes: Any) -> Npz:
    """Return the options of a config with only a path, some of them changed."""
    return Npz.model_validate({"path": str(path), "validation": 0.25} | changes)


def save(folder: Path, **arrays: Array) -> Path:
    """Write an .npz file."""
    path = folder / "own.npz"
    write: Any = np.savez
    write(path, **arrays)
    return path


def refused(path: Path, message: str = "") -> pytest.RaisesExc[DataError]:
    """Expect a DataError that names the path and says what is wrong."""
    return pytest.raises(DataError, match=f"{re.escape(str(path))}.*{message}")


def sizes(parts: Splits) -> dict[str, int]:
    """Return how many examples each set has."""
    return {name: len(part.x) for name, part in parts.sets().items()}


def fitted(path: Path, n_in: int, n_out: int) -> Dataset:
    """Fit a file to a float32 network."""
    return load(options(path), n_in=n_in, n_out=n_out, dtype=np.float32)


@pytest.mark.parametrize("compressed", [False, True])
def test_images_as_keras_keeps_them(tmp_path: Path, compressed: bool) -> None:
    """uint8 images (n, 28, 28) with integer labels become scaled rows with one-hot targets."""
    path = tmp_path / "own.npz"
    write: Any = np.savez_compressed if compressed else np.savez
    write(path, x_train=X, y_train=Y, x_test=X[:5], y_test=Y[:5])
    data = fitted(path, 784, 3)
    assert {name: len(examples) for name, examples in data.sets.items()} == {
        "train": 9,
        "validation": 3,
        "test": 5,
    }
    np.testing.assert_array_equal(data.train.x, X[:9].reshape(9, 784))
    np.testing.assert_array_equal(
        data.sets["validation"].x * data.sets["validation"].scale, X[9:].reshape(3, 784) / 256
    )
    np.testing.assert_array_equal(data.train.y, np.eye(3)[Y[:9]])
    assert data.classes == ("0", "1", "2")
    assert data.train.x.dtype == np.uint8


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<f2", "<i4", ">u2", "?"])
def test_numbers_of_other_types_are_taken_as_they_are(tmp_path: Path, dtype: str) -> None:
    """Inputs that are not bytes are not scaled, whatever their type and order in memory."""
    x = np.asfortranarray((np.arange(24).reshape(8, 3) % 2).astype(dtype))
    data = fitted(save(tmp_path, x_train=x, y_train=np.arange(8) * 0.5), 3, 1)
    np.testing.assert_array_equal(data.train.x * data.train.scale, x[:6].astype(float))
    np.testing.assert_array_equal(data.train.y, np.arange(6)[:, None] * 0.5)
    assert data.train.x.dtype == np.float32
    assert data.classes is None


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_a_validation_set_of_its_own(tmp_path: Path, name: str) -> None:
    """A validation set under any of its names is used, and none is cut off the training set."""
    more: dict[str, Array] = {f"x_{name}": X[:4], f"y_{name}": Y[:4]}
    path = save(tmp_path, x_train=X, y_train=Y, **more)
    assert sizes(options(path).read()) == {"train": 12, "validation": 4}


@pytest.mark.parametrize(("validation", "size"), [(0, 0), (2, 2), (0.5, 6), (1 / 6, 2)])
def test_a_validation_set_cut_off(tmp_path: Path, validation: float, size: int) -> None:
    """A number or a fraction of the examples is cut off the end, before the first so many stay."""
    path = save(tmp_path, x_train=X, y_train=Y, x_test=X, y_test=Y)
    parts = options(path, validation=validation, train=3, test=2).read()
    assert sizes(parts) == {"train": 3, "test": 2} | ({"validation": size} if size else {})
    np.testing.assert_array_equal(parts.train.y, Y[:3])
    if parts.validation:
        np.testing.assert_array_equal(parts.validation.y, Y[-size:])
        np.testing.assert_array_equal(parts.validation.x, X[-size:])
    with refused(path, "leaves none of 12 training examples"):
        options(path, validation=12).read()


class Trap:
    """An object that leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_pickled_objects_are_refused_unopened(tmp_path: Path) -> None:
    """An array of objects is refused, and nothing in it is ever executed."""
    mark = tmp_path / "executed"
    path = save(tmp_path, x_train=np.array([Trap(mark)] * 12, dtype=object), y_train=Y)
    with refused(path, "x_train: contains pickled objects"):
        options(path).read()
    assert not mark.exists()
    np.load(path, allow_pickle=True)["x_train"]
    assert mark.exists()  # the trap would have worked


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "expected the keys x_train and y_train, got nothing"),
        ({"x_train": X, "labels": Y}, "expected the keys x_train and y_train, got labels, x_train"),
        ({"x_train": X, "y_train": Y[:-1]}, r"x_train \(12, 28, 28\) and y_train \(11,\) differ"),
        ({"x_train": X, "y_train": np.array(1)}, "differ in their number"),
        ({"x_train": np.array(1.0), "y_train": Y}, "differ in their number"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y[:3]}, "x_test .* differ"),
        ({"x_train": X, "y_train": Y.astype(str)}, "y_train: expected numbers, got the type <U"),
        ({"x_train": X * 1j, "y_train": Y}, "x_train: expected numbers, got the type <c16"),
        ({"x_train": X[:0], "y_train": Y[:0]}, "leaves none of 0"),
    ],
)
def test_unfit_contents_are_refused(tmp_path: Path, arrays: dict[str, Array], message: str) -> None:
    """Keys that are missing, sets that do not belong together and what is no number are refused."""
    path = save(tmp_path, **arrays)
    with refused(path, message):
        options(path).read()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["x_train", "y_train", "x_test", "y_test"])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, key: str, bad: float) -> None:
    """A NaN or an infinity is refused with its key and index."""
    arrays = {name: np.ones(4) for name in ("x_train", "y_train", "x_test", "y_test")}
    arrays[key][2] = bad
    path = save(tmp_path, **arrays)
    with refused(path, rf"{key}: {bad} at index \(2,\); every value must be finite"):
        options(path).read()


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder, text, a lone .npy and a cut .npz are refused with their path."""
    path = save(tmp_path, x_train=X, y_train=Y)
    whole = path.read_bytes()
    with refused(tmp_path / "none.npz", "cannot be read: No such file"):
        options(tmp_path / "none.npz").read()
    with refused(tmp_path, "cannot be read: .*directory"):
        options(tmp_path).read()
    lone = io.BytesIO()
    np.save(lone, X)
    for content in (b"", b"x,y\n1,2\n", lone.getvalue(), whole[:-1], whole[:200]):
        path.write_bytes(content)
        with refused(path, "not an .npz file, or a damaged one"):
            options(path).read()


def forge(folder: Path, npy: bytes, name: str = "x_train.npy") -> Path:
    """Write an .npz file with a sound y_train and these bytes as x_train."""
    path = folder / "forged.npz"
    sound = io.BytesIO()
    np.save(sound, Y)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("y_train.npy", sound.getvalue())
        archive.writestr(name, npy)
    return path


def npy(header: str, version: int = 1) -> bytes:
    """Return an .npy file with this header and next to no data."""
    text = header.encode("latin1")
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2, "little") + text + b"\0" * 64


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1048576, 1048576)}", "at most"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2**99,)}", ""),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 9)}", "at most"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "at most"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 0)}", ""),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (12, 3)}", "damaged"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-12,)}", "damaged"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (12,", "damaged"),
        ("{'descr': '<f8', 'shape': (12,)}", "damaged"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (12,)}", "pickled objects"),
        ("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (12,)}", "pickled objects"),
        ("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (12,)}", "expected numbers"),
        ("__import__('os').getcwd()", "damaged"),
        ("(" * 5000, "damaged"),
        (" " * 20_000, "damaged"),
        ("", "damaged"),
    ],
)
def test_forged_headers_are_refused(tmp_path: Path, header: str, message: str) -> None:
    """A header that lies or is no header is refused before what it promises is allocated."""
    path = forge(tmp_path, npy(header))
    tracemalloc.start()
    try:
        with refused(path, message):
            options(path).read()
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_other_forgeries_are_refused(tmp_path: Path) -> None:
    """Another version, another folder in the archive and bytes that are no .npy are refused."""
    sound = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (8,)}")
    with refused(forge(tmp_path, sound, "deep/x_train.npy"), "got deep/x_train, y_train"):
        options(tmp_path / "forged.npz").read()
    with refused(forge(tmp_path, b"not an array"), "damaged"):
        options(tmp_path / "forged.npz").read()
    with refused(forge(tmp_path, npy("{}", version=9)), "x_train: expected .npy version"):
        options(tmp_path / "forged.npz").read()


@pytest.mark.parametrize("compressed", [False, True])
def test_flipped_bytes_are_refused_or_harmless(tmp_path: Path, compressed: bool) -> None:
    """Whatever byte of a file is changed, nothing but a DataError comes of it."""
    path, rng = tmp_path / "flipped.npz", np.random.default_rng(0)
    write: Any = np.savez_compressed if compressed else np.savez
    write(path, x_train=X[:, :2, :2], y_train=Y)
    whole = path.read_bytes()
    refusals = []
    for at, value in rng.integers((len(whole), 256), size=(400, 2)).tolist():
        path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
        try:
            options(path).read()
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert all(text.startswith(str(path)) and "None" not in text for text in refusals)


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    """A test set without its labels is not passed over in silence."""
    path = tmp_path / "half.npz"
    np.savez(path, x_train=X, y_train=Y, x_test=X)
    with refused(path, "has x_test, but not the other"):
        options(path).read()
