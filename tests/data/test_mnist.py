"""The MNIST in the package: the published files, the published counts, the book's split."""

from __future__ import annotations

import gzip
import hashlib

import numpy as np
import pytest

from nnexp.data import load
from nnexp.data.idx import MNIST, SHA256, Mnist, read_idx
from nnexp.data.readers import Split
from nnexp.nn.types import Array

# How often each digit occurs in the published training and test files.
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(scope="module")
def files() -> dict[str, Array]:
    """The four files as arrays, read whole."""
    return {name: read_idx(MNIST / f"{name}.gz") for name in SHA256}


def assert_part(part: Split | None, x: Array, y: Array) -> None:
    """Compare a set with the expected images and labels."""
    assert part is not None
    np.testing.assert_array_equal(part.x, x)
    np.testing.assert_array_equal(part.y, y)


def test_files_are_those_that_were_published() -> None:
    """Unpacked, each embedded file has the published sha256."""
    assert len(SHA256) == 4
    for name, digest in SHA256.items():
        packed = (MNIST / f"{name}.gz").read_bytes()
        assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == digest, name


def test_sizes_and_counts(files: dict[str, Array]) -> None:
    """There are 60,000 and 10,000 images of 28 x 28, and as many of each digit as published."""
    for part, n, counts in (("train", 60_000, TRAIN_COUNTS), ("t10k", 10_000, TEST_COUNTS)):
        images, labels = files[f"{part}-images-idx3-ubyte"], files[f"{part}-labels-idx1-ubyte"]
        assert images.shape == (n, 28, 28)
        assert images.dtype == np.uint8
        assert np.bincount(labels).tolist() == counts


def test_the_split_of_the_book(files: dict[str, Array]) -> None:
    """Training takes the first 50,000 images, validation the last 10,000 of the same file."""
    parts = Mnist(name="mnist").read()
    x, y = files["train-images-idx3-ubyte"], files["train-labels-idx1-ubyte"]
    assert_part(parts.train, x[:50_000], y[:50_000])
    assert_part(parts.validation, x[50_000:], y[50_000:])
    assert_part(parts.test, files["t10k-images-idx3-ubyte"], files["t10k-labels-idx1-ubyte"])


def test_the_first_so_many(files: dict[str, Array]) -> None:
    """Smaller sets are the first so many of each of the book's sets."""
    parts = Mnist(name="mnist", train=1000, validation=100).read()
    x, y = files["train-images-idx3-ubyte"], files["train-labels-idx1-ubyte"]
    assert_part(parts.train, x[:1000], y[:1000])
    assert_part(parts.validation, x[50_000:50_100], y[50_000:50_100])
    assert parts.test is not None
    assert len(parts.test.x) == 10_000


def test_no_validation_and_no_test(files: dict[str, Array]) -> None:
    """A size of 0 leaves a set out, and the training images stay the same ones."""
    parts = Mnist(name="mnist", train=20, validation=0, test=0).read()
    assert list(parts.sets()) == ["train"]
    assert_part(
        parts.train,
        files["train-images-idx3-ubyte"][:20],
        files["train-labels-idx1-ubyte"][:20],
    )


def test_fitted_to_a_network(files: dict[str, Array]) -> None:
    """Images stay bytes, to be scaled by 1/256 as the book's are; labels become one-hot."""
    sizes = {"train": 300, "validation": 20, "test": 10}
    options = Mnist.model_validate({"name": "mnist"} | sizes)
    data = load(options, n_in=784, n_out=10, dtype=np.float32)
    assert {name: len(examples) for name, examples in data.sets.items()} == sizes
    assert data.classes == tuple("0123456789")
    labels = files["train-labels-idx1-ubyte"][:300]
    np.testing.assert_array_equal(data.train.y, np.eye(10)[labels])
    np.testing.assert_array_equal(data.train.labels, labels)
    assert data.train.x.dtype == np.uint8
    assert data.train.y.dtype == np.float32
    images = files["train-images-idx3-ubyte"][:300].reshape(300, 784)
    np.testing.assert_array_equal(data.train.x * data.train.scale, images / 256)
    # It is part of what identifies a run: runs of every version have this one.
    assert data.digest == "625a4fcb6b4fe313582bb5d8406440ab0464137f776864a2bea6bb63b2869a8a"
