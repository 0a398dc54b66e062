"""Arrays of inputs and targets: .npz files with Keras's keys, and examples in the config itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Discriminator, Field, Tag

from nnexp.data.readers import HoldOutReader, Reader, Real, Split, Splits, Strict
from nnexp.errors import DataError
from nnexp.io.npz import Archive, open_archive
from nnexp.nn.types import Array
from nnexp.text import shorten


class Npz(HoldOutReader):
    """An .npz file with x_train, y_train, x_test, y_test; x_validation, y_validation optional."""

    kind = "npz"
    form = "{path: FILE.npz}"
    words = """\
An `.npz` file with Keras's keys, `data: {path: digits.npz}`: `x_train`, `y_train`, `x_test`,
`y_test`, and `x_validation`, `y_validation` (or `x_val`, `y_val`) where there is a validation set;
without one it is cut off the training set. Inputs are flattened; uint8 inputs are divided by 256.
Labels `y` are integers, or one row of targets per example."""
    suffixes = (".npz",)
    images = True

    def read(self) -> Splits:
        """Read the sets of the file; without a validation set it is cut off the training set.

        Raises:
            DataError: the file is missing, damaged, lacks a key, or contains pickled objects.
        """
        path = Path(self.path)
        with open_archive(path) as archive:
            train, test = _pair(path, archive, "train"), _pair(path, archive, "test")
            validation = _pair(path, archive, "validation", "val", "valid")
        if train is None:
            keys = shorten(", ".join(sorted(archive.names)) or "nothing", 200)
            raise DataError(f"{path}: expected the keys x_train and y_train, got {keys}")
        return self.hold_out(Splits(path.stem, train, validation, test))


def _pair(path: Path, archive: Archive, *names: str) -> Split | None:
    """Read the inputs and targets of the first of these sets that the file has."""
    for name in names:
        keys = {f"x_{name}", f"y_{name}"} & archive.names
        if len(keys) == 1 and name != "train":
            raise DataError(f"{path}: has {keys.pop()}, but not the other of the pair")
        if len(keys) == 2:
            x, y = (_numbers(path, archive, f"{axis}_{name}") for axis in "xy")
            if not x.ndim or not y.ndim or len(x) != len(y):
                shapes = f"x_{name} {x.shape} and y_{name} {y.shape}"
                raise DataError(f"{path}: {shapes} differ in their number of examples")
            return Split(x, y)
    return None


def _numbers(path: Path, archive: Archive, key: str) -> Array:
    values = archive.read(key)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = tuple(np.argwhere(~np.isfinite(values))[0].tolist())
        raise DataError(f"{path}: {key}: {values[bad]} at index {bad}; every value must be finite")
    return values


Targets = Annotated[
    Annotated[list[list[Real]], Field(min_length=1), Tag("rows")]
    | Annotated[list[Real], Field(min_length=1), Tag("numbers")],
    Discriminator(
        lambda y: "rows" if isinstance(y, list) and y and isinstance(y[0], list) else "numbers"
    ),
]


class InlineExamples(Strict):
    """Examples in the config."""

    x: list[list[Real]] = Field(min_length=1, description="one row of inputs per example")
    y: Targets = Field(description="per example, one row of targets or one number (a class)")


class Inline(Reader):
    """Examples written in the config; they are the training set."""

    kind = "inline"
    form = "{inline: {x: [...], y: [...]}}"
    words = """\
Examples in the config itself, `data: {inline: {x: [[0, 0], [0, 1]], y: [[0], [1]]}}`; they are the
training set."""

    inline: InlineExamples = Field(description="the examples")

    def read(self) -> Splits:
        """Return {inline: {x: [[...], ...], y: [[...], ...]}} as arrays; y may be class numbers."""
        x, y = self.inline.x, self.inline.y
        if len({len(row) for row in x}) != 1:
            raise DataError("the rows of x differ in length")
        if len(x) != len(y):
            raise DataError(f"x has {len(x)} rows, y has {len(y)}")
        if len({len(row) for row in y if isinstance(row, list)}) > 1:
            raise DataError("the rows of y differ in length")
        return Splits("inline", Split(np.array(x, np.float64), np.array(y)))
