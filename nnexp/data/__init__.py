"""Data: bytes in, a `Dataset` out.

A reader turns a file into `Parts`; `load` fits them to a network: shapes, classes, targets.
Adding a format is one reader and one entry in `READERS`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from nnexp.data import embedded, idx, inline, npz, table
from nnexp.data.parts import MAX_CLASSES, Options, Part, Parts, Reader
from nnexp.errors import DataError
from nnexp.io.npz import MAX_BYTES
from nnexp.nn.costs import COSTS
from nnexp.nn.types import Array, Examples
from nnexp.text import shorten

READERS: dict[str, Reader] = {
    "mnist": embedded.read,
    "idx": idx.read,
    "npz": npz.read,
    "csv": table.read,
    "inline": inline.read,
}

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


def load(
    kind: str, options: Options, *, n_in: int, n_out: int, dtype: type[np.floating]
) -> Dataset:
    """Read data and fit them to a network of n_in inputs and n_out outputs.

    Labels become one-hot targets (n, n_out), or for two classes and a single output a column
    of 0 and 1. Real numbers, one an example, are a column of targets.

    Raises:
        DataError: the data cannot be read or are damaged.
        MisfitError: they do not fit the network.

    >>> xor = {"x": [[0, 0], [0, 1], [1, 0], [1, 1]], "y": [[0], [1], [1], [0]]}
    >>> data = load("inline", {"inline": xor}, n_in=2, n_out=1,
    ...     dtype=np.float64)
    >>> data.train.y.ravel(), data.classes
    (array([0., 1., 1., 0.]), ('0', '1'))
    """
    parts = READERS[kind](options)
    sets = parts.sets()
    if "train" not in sets:
        raise DataError(f"{parts.name}: the training set is empty")
    digest = hashlib.sha256()
    fitted = {}
    classes = _classes(parts, n_out)
    for name, part in sets.items():
        where = f"{parts.name}, {name} set"
        fitted[name] = _fit(where, part, classes, n_in, n_out, dtype)
        for array in (part.x, part.y):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    shape = parts.train.x.shape[1:]
    image = (shape[0], shape[1]) if len(shape) == 2 else None
    return Dataset(parts.name, fitted, classes, digest.hexdigest(), image)


def check_targets(dataset: Dataset, cost: str) -> None:
    """Refuse targets on which a cost is not defined, with a MisfitError."""
    for name, examples in dataset.sets.items():
        _check_targets(f"{dataset.name}, {name} set", examples.y, COSTS[cost].targets)


def _check_targets(where: str, y: Array, due: str) -> None:
    if due != "real" and (y.min() < 0 or y.max() > 1):
        raise MisfitError(
            "cost",
            f"targets between 0 and 1 are due; {where} has them from {y.min():g} to {y.max():g}: "
            "use cost quadratic",
        )
    if due == "distribution" and not np.allclose(y.sum(axis=1), 1, atol=1e-5):
        raise MisfitError(
            "cost",
            f"targets that sum to 1 in each example are due; those of {where} do not: "
            "use cost cross_entropy or quadratic",
        )


def _classes(parts: Parts, n_out: int) -> tuple[str, ...] | None:
    """Return the classes of the data, or None where the targets are real numbers."""
    if parts.classes is not None:
        if n_out != len(parts.classes) and (n_out, len(parts.classes)) != (1, 2):
            k = len(parts.classes)
            raise MisfitError(
                "layers",
                f"{parts.name} has {k} classes ({shorten(', '.join(parts.classes[:12]))}): "
                f"end layers with {k}",
            )
        return parts.classes
    if parts.regression:
        return None
    targets = [_flat_labels(part.y, n_out) for part in parts.sets().values()]
    y = targets[0]
    if n_out == 1 and y.size == len(y) and (y.ndim == 2 or y.dtype.kind == "f"):
        labelled = all(np.isin(y, (0, 1)).all() for y in targets)
    else:
        labelled = y.ndim != 2 or all(map(_is_one_hot, targets))
    if not labelled:
        return None
    if n_out > MAX_CLASSES:
        raise MisfitError(
            "layers", f"{parts.name} has classes: end layers with at most {MAX_CLASSES:,}"
        )
    return tuple(map(str, range(max(n_out, 2))))


def _flat_labels(y: Array, n_out: int) -> Array:
    """Flatten a column of labels (n, 1), which is how some of Keras's data sets come."""
    column = y.ndim == 2 and y.shape[1] == 1 and n_out > 1 and y.dtype.kind in "iu"
    return y.ravel() if column else y


def _is_one_hot(y: Array) -> bool:
    return bool(y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())


def _fit(
    where: str,
    part: Part,
    classes: tuple[str, ...] | None,
    n_in: int,
    n_out: int,
    dtype: type[np.floating],
) -> Examples:
    x = part.x.reshape(len(part.x), -1)
    if x.shape[1] != n_in:
        raise MisfitError(
            "layers",
            f"{where} has {x.shape[1]} inputs an example: begin layers with {x.shape[1]}",
        )
    scale = UINT8_SCALE if x.dtype == np.uint8 else 1.0
    if x.dtype != np.uint8:
        with np.errstate(over="ignore"):
            x = x.astype(dtype)
        if not np.isfinite(x).all():
            raise DataError(f"{where}: an input is not finite (NaN or infinity)")
    y = _flat_labels(part.y, n_out)
    if y.ndim > 2:
        raise DataError(f"{where}: targets have {y.ndim} dimensions; (n,) or (n, outputs) is due")
    if y.ndim == 2 and y.shape[1] != n_out:
        raise MisfitError(
            "layers",
            f"{where} has {y.shape[1]} targets an example: end layers with {y.shape[1]}",
        )
    with np.errstate(over="ignore"):
        finite = np.isfinite(y.astype(dtype)).all()
    if not finite:
        raise DataError(f"{where}: a target is not finite (NaN or infinity)")
    if classes is None:
        return Examples(x, y.reshape(len(y), -1).astype(dtype), scale)
    labels = _labels(where, y, len(classes))
    if n_out == 1:
        return Examples(x, labels[:, None].astype(dtype), scale, labels)
    size = len(labels) * n_out * np.dtype(dtype).itemsize
    if size > MAX_BYTES:
        raise DataError(
            f"{where}: {len(labels):,} targets of {n_out:,} outputs are {size:,} bytes; "
            f"at most {MAX_BYTES:,} are made"
        )
    targets = np.zeros((len(labels), n_out), dtype)
    targets[np.arange(len(labels)), labels] = 1
    return Examples(x, targets, scale, labels)


def _labels(where: str, y: Array, classes: int) -> Array:
    if y.ndim == 2 and y.shape[1] > 1:
        return np.asarray(y.argmax(axis=1), np.intp)
    y = y.ravel()
    labels = np.asarray(y, np.float64)
    bad = np.flatnonzero((labels < 0) | (labels >= classes) | (labels % 1 != 0))
    if len(bad):
        raise DataError(
            f"{where}: label {y[bad[0]]} of example {bad[0] + 1:,} is not one of the {classes} "
            f"classes 0 to {classes - 1}"
        )
    return np.asarray(labels, np.intp)
