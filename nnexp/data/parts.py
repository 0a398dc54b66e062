"""What every reader returns: the sets of a data file, before a network has looked at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnexp.errors import DataError
from nnexp.nn.types import Array

# So many outputs can be told apart; the names of the classes stand in each run.json.
MAX_CLASSES, MAX_CLASS_NAME = 10_000, 100


@dataclass(frozen=True, slots=True)
class Part:
    """One set: inputs of the shape (n, ...) and either labels (n,) or real targets (n, k)."""

    x: Array
    y: Array

    def first(self, n: int | None) -> Part:
        """Return the first n examples (all for None)."""
        return self if n is None else Part(self.x[:n], self.y[:n])


@dataclass(frozen=True, slots=True)
class Parts:
    """The training set and, where there are any, the validation and the test set.

    Attributes:
        classes: the names of the classes where the file has names; else None.
        regression: whether the targets are real numbers even if they look like classes.
    """

    name: str
    train: Part
    validation: Part | None = None
    test: Part | None = None
    classes: tuple[str, ...] | None = None
    regression: bool = False

    def sets(self) -> dict[str, Part]:
        """Return the sets that have examples, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in named.items() if part is not None and len(part.x)}


Options = Mapping[str, Any]
Reader = Callable[[Options], Parts]


def hold_out(where: str, part: Part, validation: float) -> tuple[Part, Part | None]:
    """Cut the validation set off the end of a training set, as the book does with MNIST.

    Args:
        where: the file, for messages.
        part: all the training examples.
        validation: how many (a whole number from 1 up) or what fraction (below 1).
    """
    n = len(part.x)
    if validation >= 1 and validation % 1:
        raise DataError(f"{where}: validation: {validation} is neither a count nor a fraction")
    held = round(n * validation) if validation < 1 else int(validation)
    if held >= n:
        raise DataError(f"{where}: validation: {validation} leaves none of {n} training examples")
    if not held:
        return part, None
    cut = n - held
    return Part(part.x[:cut], part.y[:cut]), Part(part.x[cut:], part.y[cut:])


def permuted(n: int, seed: int) -> Array:
    """Return the fixed permutation that splits a file of n rows: the same for every run."""
    return np.random.default_rng(seed).permutation(n)
