"""What a data format is: its keys in a config, how it is read, and the splits it returns.

A format is one module with its `Reader`; the table of them is `nnexp.data.READERS`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from nnexp.errors import DataError
from nnexp.nn.types import Array

Natural = Annotated[int, Field(ge=1)]
Real = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Reduction = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Split:
    """One set: inputs of the shape (n, ...) and either labels (n,) or real targets (n, k)."""

    x: Array
    y: Array

    def __len__(self) -> int:
        """Return n."""
        return len(self.x)

    def cut(self, *ranges: slice) -> list[Split]:
        """Return these ranges of the examples.

        They are views where together they are the whole; else they are copies, so that the rest
        does not stay in memory.

        >>> import numpy as np
        >>> [len(part) for part in Split(np.eye(5), np.arange(5)).cut(slice(2), slice(3, 9))]
        [2, 2]
        """
        parts = [Split(self.x[rows], self.y[rows]) for rows in ranges]
        if sum(map(len, parts)) == len(self):
            return parts
        return [Split(part.x.copy(), part.y.copy()) for part in parts]


@dataclass(frozen=True, slots=True)
class Splits:
    """The training set and, where there are any, the validation and the test set.

    Attributes:
        classes: the names of the classes where the file has names; else None.
        regression: whether the targets are real numbers even if they look like classes.
    """

    name: str
    train: Split
    validation: Split | None = None
    test: Split | None = None
    classes: tuple[str, ...] | None = None
    regression: bool = False

    def sets(self) -> dict[str, Split]:
        """Return the sets that have examples, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split}


class Strict(BaseModel):
    """A mapping that has no other keys, and whose values are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Reader(Strict):
    """A data format; its fields are its keys in a config, of which the first marks it.

    Attributes:
        kind: its name in messages.
        form: how a config writes it, in one line.
        words: its paragraph in docs/configuration.md.
        suffixes: the endings of its files, in lower case.
        folder: what its folders hold, where it is a format of folders.
        images: whether an example can be an image.
        layers: the sizes of the first and last layer, where only one of each is possible.
    """

    kind: ClassVar[str]
    form: ClassVar[str]
    words: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    folder: ClassVar[str] = ""
    images: ClassVar[bool] = False
    layers: ClassVar[tuple[int, int] | None] = None

    @abstractmethod
    def read(self) -> Splits:
        """Read the data.

        Raises:
            DataError: they are missing or damaged; the message names the file.
        """


class FileReader(Reader):
    """A format that is read from a file or a folder."""

    path: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="relative to the config file"
    )


class HoldOutReader(FileReader):
    """A format that has a training set and may have a validation and a test set."""

    train: Natural | None = Field(None, description="only the first so many; all by default")
    validation: Strength = Field(
        1 / 6,
        description="cut off the end of the training set: how many, or (below 1) what fraction",
    )
    test: Natural | None = Field(None, description="only the first so many; all by default")

    def hold_out(self, splits: Splits) -> Splits:
        """Return what the keys ask for of the splits of a file.

        Without a validation set, the end of the training set becomes one, as the book does with
        MNIST.

        Raises:
            DataError: nothing is left for training.
        """
        n, size, test = len(splits.train), self.validation, splits.test
        end = n
        if splits.validation is None:
            where = f"{self.path}: validation: {size:.15g}"
            if size >= 1 and size % 1:
                raise DataError(f"{where} is neither an integer nor a fraction below 1")
            end = n - (round(n * size) if size < 1 else int(size))
            if end < 1:
                raise DataError(f"{where} leaves none of {n} training examples")
        train, rest = splits.train.cut(slice(min(self.train or end, end)), slice(end, n))
        if test:
            (test,) = test.cut(slice(self.test))
        return Splits(splits.name, train, splits.validation or rest, test)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn a failure to read a file, or to read it as text, into a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (byte {error.start})") from error
