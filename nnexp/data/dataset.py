"""From data of any format to a data set that fits a network: shapes, classes, targets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from nnexp.data.readers import Reader, Splits
from nnexp.errors import DataError
from nnexp.io.npz import MAX_BYTES
from nnexp.names import MAX_CLASSES
from nnexp.nn.costs import COSTS
from nnexp.nn.types import Array, Examples
from nnexp.text import shorten

# The book's pixels are value / 256 (Nielsen's mnist.pkl.gz); every uint8 input is scaled so.
UINT8_SCALE = 1 / 256


class MisfitError(DataError):
    """The data are sound but do not fit a key of the config, `layers` or `cost`."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data fitted to a network.

    Attributes:
        sets: "train" and, where there are any, "validation" and "test".
        classes: the names of the classes, or None for regression.
        digest: sha256 over all inputs and targets of all sets.
        image: height and width where the inputs are grey images; else None.
    """

    name: str
    sets: dict[str, Examples]
    classes: tuple[str, ...] | None
    digest: str
    image: tuple[int, int] | None = None

    @property
    def train(self) -> Examples:
        """The training set."""
        return self.sets["train"]

    def check_targets(self, cost: str) -> None:
        """Refuse targets on which a cost is not defined, with a MisfitError."""
        expected = COSTS[cost].targets
        for name, examples in self.sets.items():
            where, y = f"{self.name}, {name} set", examples.y
            if expected != "real" and (y.min() < 0 or y.max() > 1):
                limits = f"from {y.min():g} to {y.max():g}"
                message = f"expected targets between 0 and 1; {where} has them {limits}"
                raise MisfitError("cost", f"{message}: use cost quadratic")
            if expected == "distribution" and not np.allclose(y.sum(axis=1), 1, atol=1e-5):
                message = f"expected targets that sum to 1 in each example; those of {where} do not"
                raise MisfitError("cost", f"{message}: use cost cross_entropy or quadratic")


def load(data: Reader, *, n_in: int, n_out: int, dtype: type[np.floating]) -> Dataset:
    """Read data and fit them to a network of n_in inputs and n_out outputs.

    Labels become one-hot targets (n, n_out), or for two classes and a single output a column
    of 0 and 1. Real numbers, one per example, are a column of targets.

    Raises:
        DataError: the data cannot be read or are damaged.
        MisfitError: they do not fit the network.

    >>> from nnexp.data.arrays import Inline
    >>> xor = {"x": [[0, 0], [0, 1], [1, 0], [1, 1]], "y": [[0], [1], [1], [0]]}
    >>> inline = Inline.model_validate({"inline": xor})
    >>> data = load(inline, n_in=2, n_out=1, dtype=np.float64)
    >>> data.train.y.ravel(), data.classes
    (array([0., 1., 1., 0.]), ('0', '1'))
    """
    splits = data.read()
    if not splits.train:
        raise DataError(f"{splits.name}: the training set is empty")
    digest = hashlib.sha256()
    sets = {}
    targets = {name: _flat_labels(split.y, n_out) for name, split in splits.sets().items()}
    classes = _classes(splits, list(targets.values()), n_out)
    for name, split in splits.sets().items():
        where = f"{splits.name}, {name} set"
        x = split.x.reshape(len(split), -1)
        if (n := x.shape[1]) != n_in:
            message = f"{where} has {n} inputs per example: begin layers with {n}"
            raise MisfitError("layers", message)
        scale = UINT8_SCALE if x.dtype == np.uint8 else 1.0
        x = _finite(where, "an input", x, dtype) if scale == 1 else x
        y, labels = _targets(where, targets[name], n_out, classes, dtype)
        sets[name] = Examples(x, y, scale, labels)
        for array in (split.x, split.y):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    shape = splits.train.x.shape[1:]
    image = (shape[0], shape[1]) if len(shape) == 2 else None
    return Dataset(splits.name, sets, classes, digest.hexdigest(), image)


def _flat_labels(y: Array, n_out: int) -> Array:
    """Flatten a column of labels (n, 1), which is how some of Keras's data sets come."""
    column = y.ndim == 2 and y.shape[1] == 1 and n_out > 1 and y.dtype.kind in "iu"
    return y.ravel() if column else y


def _classes(splits: Splits, targets: list[Array], n_out: int) -> tuple[str, ...] | None:
    """Return the classes of the data, or None where the targets are real numbers."""
    if splits.classes is not None:
        k = len(splits.classes)
        if n_out != k and (n_out, k) != (1, 2):
            names = shorten(", ".join(splits.classes[:12]))
            message = f"{splits.name} has {k} classes ({names}): end layers with {k}"
            raise MisfitError("layers", message)
        return splits.classes
    y = targets[0]
    if n_out == 1 and y.size == len(y) and (y.ndim == 2 or y.dtype.kind == "f"):
        has_classes = all(np.isin(y, (0, 1)).all() for y in targets)
    else:
        has_classes = all(y.ndim == 1 or _is_one_hot(y) for y in targets)
    if splits.regression or not has_classes:
        return None
    if n_out > MAX_CLASSES:
        message = f"{splits.name} has classes: end layers with at most {MAX_CLASSES:,}"
        raise MisfitError("layers", message)
    return tuple(map(str, range(max(n_out, 2))))


def _is_one_hot(y: Array) -> bool:
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=-1) == 1).all())


def _finite(where: str, what: str, values: Array, dtype: type[np.floating]) -> Array:
    """Convert values, all of which must be finite."""
    with np.errstate(over="ignore"):
        values = values.astype(dtype)
    if not np.isfinite(values).all():
        raise DataError(f"{where}: {what} is not finite (NaN or infinity)")
    return values


def _targets(
    where: str, y: Array, n_out: int, classes: tuple[str, ...] | None, dtype: type[np.floating]
) -> tuple[Array, Array | None]:
    """Return the targets (n, n_out), and the labels where there are classes."""
    if y.ndim == 1 and classes is None:
        y = y[:, None]
    if y.ndim > 2:
        expected = "expected targets of the shape (n,) or (n, outputs)"
        raise DataError(f"{where}: {expected}, got {y.ndim} dimensions")
    if y.ndim == 2 and (n := y.shape[1]) != n_out:
        raise MisfitError("layers", f"{where} has {n} targets per example: end layers with {n}")
    numbers = _finite(where, "a target", y, dtype)
    if classes is None:
        return numbers, None
    if y.ndim == 2 and n_out > 1:  # one-hot already
        return numbers, y.argmax(axis=1)
    labels, k = y.ravel().astype(np.float64), len(classes)
    bad = np.flatnonzero((labels < 0) | (labels >= k) | (labels % 1 != 0))
    if len(bad):
        label = f"label {y.flat[bad[0]]} of example {bad[0] + 1:,}"
        raise DataError(f"{where}: {label} is not one of the {k} classes 0 to {k - 1}")
    labels = labels.astype(np.intp)
    if n_out == 1:
        return numbers.reshape(-1, 1), labels
    size = len(labels) * n_out * numbers.itemsize
    if size > MAX_BYTES:
        targets = f"{len(labels):,} targets of {n_out:,} outputs are {size:,} bytes"
        raise DataError(f"{where}: {targets}; at most {MAX_BYTES:,} are made")
    one_hot = np.zeros((len(labels), n_out), dtype)
    one_hot[np.arange(len(labels)), labels] = 1
    return one_hot, labels
