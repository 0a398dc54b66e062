"""Fitting data to a network: targets, classes, misfits and the digest; inline examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.data import Dataset, MisfitError, load
from nnexp.data.arrays import Inline, Npz
from nnexp.data.csv_file import Csv
from nnexp.data.idx import Mnist
from nnexp.errors import DataError
from nnexp.nn.costs import COSTS
from nnexp.nn.types import DTYPES, Array

BITS = [[0, 0], [0, 1], [1, 0], [1, 1]]


def inline(y: Any, n_out: int, x: Any = BITS, dtype: type[np.floating] = np.float64) -> Dataset:
    """Load inline examples."""
    options = Inline.model_validate({"inline": {"x": x, "y": y}})
    return load(options, n_in=2, n_out=n_out, dtype=dtype)


def npz(folder: Path, arrays: dict[str, Array], *, n_in: int = 2, n_out: int = 3) -> Dataset:
    """Load arrays by way of an .npz file; x_train and y_train may be left out."""
    sound = {"x_train": np.arange(12.0).reshape(6, 2), "y_train": np.arange(6) % 3}
    save: Any = np.savez
    save(folder / "own.npz", **(sound | arrays))
    options = Npz(path=str(folder / "own.npz"), validation=2)
    return load(options, n_in=n_in, n_out=n_out, dtype=np.float32)


def csv(folder: Path, text: str, n_out: int) -> Dataset:
    """Load a CSV file with one feature and the target y."""
    (folder / "own.csv").write_text(text, encoding="utf-8")
    options = Csv(path=str(folder / "own.csv"), target="y", validation=0, test=0)
    return load(options, n_in=1, n_out=n_out, dtype=np.float64)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize(
    ("y", "n_out", "targets", "labels"),
    [
        ([[0], [1], [1], [0]], 1, [[0], [1], [1], [0]], [0, 1, 1, 0]),
        ([[0.0], [1.0], [1.0], [0.0]], 1, [[0], [1], [1], [0]], [0, 1, 1, 0]),
        ([0, 1, 1, 0], 1, [[0], [1], [1], [0]], [0, 1, 1, 0]),
        ([0, 1, 1, 0], 2, [[1, 0], [0, 1], [0, 1], [1, 0]], [0, 1, 1, 0]),
        ([0, 2, 1, 0], 3, [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]], [0, 2, 1, 0]),
        ([[1, 0], [0, 1], [0, 1], [1, 0]], 2, [[1, 0], [0, 1], [0, 1], [1, 0]], [0, 1, 1, 0]),
    ],
)
def test_classes_become_targets(
    y: Any, n_out: int, targets: Any, labels: list[int], dtype: type[np.floating]
) -> None:
    """0 and 1 for one output, class numbers and one-hot rows are classes."""
    data = inline(y, n_out, dtype=dtype)
    np.testing.assert_array_equal(data.train.y, targets)
    np.testing.assert_array_equal(data.train.labels, labels)
    assert data.classes == tuple(str(i) for i in range(max(n_out, 2)))
    assert data.train.x.dtype == data.train.y.dtype == dtype
    np.testing.assert_array_equal(data.train.x * data.train.scale, BITS)


@pytest.mark.parametrize(
    ("y", "n_out"),
    [
        ([[0], [1], [1], [2]], 1),
        ([[0.5], [1], [1], [0]], 1),
        ([[0], [-1], [1], [0]], 1),
        ([[0.5, 0.5], [1, 0], [0, 1], [1, 0]], 2),
        ([[1, 1], [1, 0], [0, 1], [0, 0]], 2),
    ],
)
def test_real_targets_are_regression(y: Any, n_out: int) -> None:
    """Targets that are neither 0 and 1 alone nor one-hot have no classes and no labels."""
    data = inline(y, n_out)
    np.testing.assert_array_equal(data.train.y, y)
    assert (data.classes, data.train.labels) == (None, None)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([[0, 0], [0]], [0, 1], "the rows of x differ in length"),
        (BITS, [0, 1], "x has 4 rows, y has 2"),
        (BITS, [[0], [1], [0, 1], [0]], "the rows of y differ in length"),
    ],
)
def test_ragged_inline_examples_are_refused(x: Any, y: Any, message: str) -> None:
    """Inline rows of different lengths or numbers are refused with the key."""
    with pytest.raises(DataError, match=f"^{message}"):
        inline(y, 1, x)


def test_misfits_name_the_key_and_the_mend(tmp_path: Path) -> None:
    """Layers that do not fit the data are refused with what they must begin or end with."""
    cases: list[tuple[Any, str]] = [
        (lambda: npz(tmp_path, {}, n_in=3), "has 2 inputs per example: begin layers with 2"),
        (
            lambda: npz(tmp_path, {"x_train": np.zeros((6, 4, 5))}),
            "20 inputs per example: begin layers with 20",
        ),
        (lambda: inline([[0, 1, 0]] * 4, 2), "has 3 targets per example: end layers with 3"),
        (lambda: inline([[0.5, 1]] * 4, 1), "has 2 targets per example: end layers with 2"),
        (lambda: csv(tmp_path, "x,y\n1,a\n2,b\n3,c\n", 2), r"3 classes \(a, b, c\): .* with 3"),
        (lambda: csv(tmp_path, "x,y\n1,a\n2,b\n3,c\n", 1), "end layers with 3"),
        (lambda: csv(tmp_path, "x,y\n1,a\n2,b\n", 3), "end layers with 2"),
        (lambda: csv(tmp_path, "x,y\n1,0.5\n2,1\n", 2), "1 targets per example: end layers with 1"),
        (
            lambda: npz(tmp_path, {"x_test": np.zeros((1, 9)), "y_test": np.zeros(1, int)}),
            "test set has 9 inputs",
        ),
    ]
    for attempt, message in cases:
        with pytest.raises(MisfitError, match=message) as caught:
            attempt()
        assert caught.value.key == "layers"


@pytest.mark.parametrize("bad", [3, 255, -1, 1.5])
def test_labels_outside_the_classes_are_refused(tmp_path: Path, bad: float) -> None:
    """A label that is no class is refused with its set and the number of its example."""
    y = np.array([0, 1, 2, 0, 1, bad])
    with pytest.raises(DataError, match=rf"validation set: label {bad}.* of example 2 is not one"):
        npz(tmp_path, {"y_train": y})


def test_two_classes_with_one_output(tmp_path: Path) -> None:
    """Two classes fit one output as 0 and 1, and two outputs one-hot."""
    text = "x,y\n1,yes\n2,no\n3,yes\n4,no\n"
    one, two = csv(tmp_path, text, 1), csv(tmp_path, text, 2)
    assert one.classes == two.classes == ("no", "yes")
    np.testing.assert_array_equal(one.train.y[:, 0], one.train.x[:, 0] % 2)
    np.testing.assert_array_equal(two.train.y, np.eye(2)[(two.train.x[:, 0] % 2).astype(int)])
    np.testing.assert_array_equal(one.train.labels, two.train.labels)


@pytest.mark.parametrize("key", ["x_train", "y_train"])
def test_numbers_too_large_for_the_precision_are_refused(tmp_path: Path, key: str) -> None:
    """What becomes infinite in float32 is refused, without a warning."""
    arrays = {"x_train": np.ones((6, 2)), "y_train": np.full(6, 0.5)}
    arrays[key] *= 1e300
    with pytest.raises(DataError, match=r"train set: .* is not finite"):
        npz(tmp_path, arrays, n_out=1)


def test_targets_of_too_many_dimensions_are_refused(tmp_path: Path) -> None:
    """Targets are a vector or a matrix."""
    with pytest.raises(DataError, match="got 3 dimensions"):
        npz(tmp_path, {"y_train": np.ones((6, 1, 3))})


TARGETS = {
    "one-hot": ([[1, 0], [0, 1], [0, 1], [1, 0]], {"real", "unit", "distribution"}),
    "distribution": ([[0.25, 0.75]] * 4, {"real", "unit", "distribution"}),
    "within 0 and 1": ([[1, 1], [0, 0], [0.5, 1], [0, 1]], {"real", "unit"}),
    "above 1": ([[1, 0], [0, 1], [0, 1], [0, 1.01]], {"real"}),
    "below 0": ([[1, -0.01], [0, 1], [0, 1], [0, 1]], {"real"}),
}


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("name", TARGETS)
def test_targets_must_suit_the_cost(name: str, cost: str) -> None:
    """A cost is refused, under its key, exactly where it is not defined on the targets."""
    y, suited = TARGETS[name]
    data = inline(y, 2)
    if COSTS[cost].targets in suited:
        data.check_targets(cost)
        return
    with pytest.raises(MisfitError, match=r"inline, train set .*: use cost") as caught:
        data.check_targets(cost)
    assert caught.value.key == "cost"


def test_targets_of_every_set_are_checked(tmp_path: Path) -> None:
    """A target outside [0, 1] in the validation or the test set is refused too."""
    y = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 2])
    with pytest.raises(MisfitError, match=r"validation set has them from 0.5 to 2"):
        npz(tmp_path, {"y_train": y}, n_out=1).check_targets("cross_entropy")


def test_digest(tmp_path: Path) -> None:
    """The digest is the same across loads and precisions and changes with any value or cut."""
    sound = {
        "x_train": np.arange(12.0).reshape(6, 2),
        "y_train": np.arange(6) % 3,
        "x_test": np.ones((3, 2)),
        "y_test": np.zeros(3, int),
    }
    digest = npz(tmp_path, sound).digest
    assert npz(tmp_path, sound).digest == digest
    options = Npz(path=str(tmp_path / "own.npz"), validation=2)
    same = load(options, n_in=2, n_out=3, dtype=np.float64)
    assert same.digest == digest
    cut = load(options.model_copy(update={"validation": 1}), n_in=2, n_out=3, dtype=np.float32)
    digests = {digest, cut.digest}
    for key, array in sound.items():
        for i in range(array.size):
            changed = array.copy()
            changed.flat[i] = (changed.flat[i] + 1) % 3 if key[0] == "y" else 99
            digests.add(npz(tmp_path, sound | {key: changed}).digest)
    # The same bytes as another type, and as another set, are other data.
    digests.add(npz(tmp_path, sound | {"x_test": sound["x_test"].view(np.int64)}).digest)
    renamed = {key.replace("test", "val"): array for key, array in sound.items()}
    digests.add(npz(tmp_path, renamed).digest)
    assert len(digests) == 4 + sum(array.size for array in sound.values())


def test_an_empty_training_set_is_refused(tmp_path: Path) -> None:
    """Files without a single training example are refused, whatever else they have."""
    arrays = {"x_train": np.zeros((0, 2)), "y_train": np.zeros(0, int)}
    with pytest.raises(DataError, match="leaves none of 0 training examples"):
        npz(tmp_path, arrays)
    arrays |= {"x_val": np.zeros((1, 2)), "y_val": np.zeros(1, int)}
    with pytest.raises(DataError, match="own: the training set is empty"):
        npz(tmp_path, arrays)


def memory(data: Dataset) -> int:
    """Return the bytes that a data set keeps, those included that its arrays are views of."""
    arrays = [a for e in data.sets.values() for a in (e.x, e.y, e.labels) if a is not None]
    owners = [a if a.base is None else a.base for a in arrays]
    return sum({id(owner): owner.nbytes for owner in owners}.values())


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_part_of_a_file_does_not_keep_the_whole_in_memory(
    tmp_path: Path, dtype: type[np.generic]
) -> None:
    """The first few examples of each set need as much memory as they have, in every format."""
    x, y = np.zeros((10_000, 4), dtype), np.arange(10_000) % 3
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    npz = Npz(path=str(tmp_path / "a.npz"), train=20, validation=10, test=5)
    assert memory(load(npz, n_in=4, n_out=3, dtype=np.float32)) < 35 * 40
    mnist = Mnist(name="mnist", train=20, validation=10, test=5)
    assert memory(load(mnist, n_in=784, n_out=10, dtype=np.float32)) < 35 * 840


def test_a_column_of_labels_is_labels(tmp_path: Path) -> None:
    """Whole numbers of the shape (n, 1) with several outputs are classes, as in Keras's CIFAR."""
    path = tmp_path / "column.npz"
    np.savez(path, x_train=np.eye(4), y_train=np.array([[0], [2], [1], [2]]))
    data = load(Npz(path=str(path), validation=0), n_in=4, n_out=3, dtype=np.float64)
    np.testing.assert_array_equal(data.train.y, np.eye(3)[[0, 2, 1, 2]])


def test_sets_of_different_forms_of_targets(tmp_path: Path) -> None:
    """One-hot rows and labels are the same classes; a vector is no matrix of real targets."""
    y = np.eye(3)[np.arange(6) % 3]
    test = {"x_test": np.ones((2, 2)), "y_test": np.array([2, 0])}
    data = npz(tmp_path, {"y_train": y, **test})
    np.testing.assert_array_equal(data.sets["test"].y, np.eye(3)[[2, 0]])
    np.testing.assert_array_equal(data.train.y, y[:4])
    with pytest.raises(MisfitError, match="test set has 1 targets per example"):
        npz(tmp_path, {"y_train": y / 2, **test})


def test_a_regression_on_0_and_1_stays_one(tmp_path: Path) -> None:
    """`task: regression` is believed also where the targets look like two classes."""
    path = tmp_path / "bits.csv"
    path.write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(10)))
    data = load(
        Csv(path=str(path), target="y", task="regression"), n_in=1, n_out=1, dtype=np.float64
    )
    assert data.classes is None
    assert data.train.labels is None
