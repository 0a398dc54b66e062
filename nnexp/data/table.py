"""CSV files: one row an example, one column the target, numbers in all the others."""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import TextIO

import numpy as np

from nnexp.data.parts import (
    MAX_CLASS_NAME,
    MAX_CLASSES,
    Options,
    Part,
    Parts,
    permuted,
)
from nnexp.errors import DataError, did_you_mean
from nnexp.io.files import open_regular
from nnexp.nn.types import Array
from nnexp.text import shorten

MAX_LINE, MAX_CELLS = 4_000_000, 100_000_000
_SPLIT_SEED = 0


@dataclass
class _Table:
    """What a file holds: the features row after row, and the target's cells.

    Attributes:
        lines: the number of each row's line.
    """

    path: Path
    header: list[str]
    target: str
    lines: array[int] = field(default_factory=lambda: array("q"))
    x: array[float] = field(default_factory=lambda: array("d"))
    y: list[str] = field(default_factory=list)

    def add(self, line: int, row: list[str]) -> None:
        """Add a row, split off its target and read the rest as numbers."""
        if len(row) != len(self.header):
            raise DataError(
                f"{self.path}:{line}: {len(row)} fields where {len(self.header)} are due"
            )
        self.lines.append(line)
        self.y.append(row.pop(self._at))
        try:
            values = [float(cell) for cell in row]
        except ValueError:
            values = [inf]
        if not isfinite(sum(values)):  # which may overflow as well
            values = self._checked(line, row)
        self.x.extend(values)

    def __post_init__(self) -> None:
        self._at = self.header.index(self.target)

    def _checked(self, line: int, row: list[str]) -> list[float]:
        columns = [name for i, name in enumerate(self.header) if i != self._at]
        return [_number(self.path, line, *pair) for pair in zip(columns, row, strict=True)]

    def numbers(self) -> Array:
        """Return the target as a column of numbers."""
        rows = zip(self.lines, self.y, strict=True)
        return np.array([[_number(self.path, n, self.target, cell)] for n, cell in rows])


def _read(path: Path, target: str) -> _Table:
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(_lines(path, stream), strict=True)
            table = None
            header = [name.strip() for name in next(reader, [])]
            cells = 0
            for row in reader:
                cells += len(row) or 1
                if cells > MAX_CELLS:
                    raise DataError(f"{path}: larger than the {MAX_CELLS:,} cells that are read")
                if row:
                    table = table or _begin(path, header, target)
                    table.add(reader.line_num, row)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not CSV: {error}") from error
    if table is None:
        raise DataError(f"{path}: has no rows below its header")
    return table


def _lines(path: Path, stream: TextIO) -> Iterator[str]:
    while line := stream.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise DataError(f"{path}: a line is longer than {MAX_LINE:,} characters")
        yield line


def _begin(path: Path, header: list[str], target: str) -> _Table:
    if target not in header:
        named = shorten(", ".join(header[:100]), 200)
        raise DataError(
            f"{path}:1: no column {target!r}; it has {named}{did_you_mean(target, header)}"
        )
    if len(header) == 1:
        raise DataError(f"{path}:1: has no column beside {target}")
    return _Table(path, header, target)


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        shown = shorten(repr(text))
        raise DataError(
            f"{path}:{line}: column {shorten(column)}: {shown} where a finite number is due"
        )
    return value


def _is_whole(text: str) -> bool:
    return text.strip().removeprefix("-").isdecimal()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _labels(table: _Table) -> tuple[tuple[str, ...], Array]:
    """Return the names of the classes, sorted, and each row's class by its number."""
    cells = [cell.strip() for cell in table.y]
    for line, cell in zip(table.lines, cells, strict=True):
        if not 0 < len(cell) <= MAX_CLASS_NAME:
            what = f"{shorten(repr(cell))} where a class is due" if cell else "empty where a class"
            due = f"{what}, at most {MAX_CLASS_NAME} characters" if cell else f"{what} is due"
            raise DataError(f"{table.path}:{line}: column {shorten(table.target)}: {due}")
    distinct = set(cells)
    if len(distinct) > MAX_CLASSES:
        raise DataError(
            f"{table.path}: column {shorten(table.target)}: {len(distinct):,} classes; at most "
            f"{MAX_CLASSES:,} can be told apart; for real numbers use task: regression"
        )
    names = sorted(distinct)
    if all(map(_is_whole, names)):
        names.sort(key=int)
    numbers = {name: i for i, name in enumerate(names)}
    return tuple(names), np.array([numbers[cell] for cell in cells])


def read(options: Options) -> Parts:
    """Read a CSV file and split it at random, in the same way for every run.

    The target is a class where its values are words or whole numbers, else a real number; `task`
    says so where the guess would be wrong. With `standardize`, (x - mean) / standard deviation of
    the training set; a constant column becomes 0.

    Raises:
        DataError: naming the file, line and column at fault.
    """
    path = Path(options["path"])
    table = _read(path, options["target"])
    x = np.frombuffer(table.x).reshape(len(table.y), -1)
    words = any(not _is_number(cell) for cell in table.y)
    whole = all(map(_is_whole, table.y))
    task = options["task"] or ("classes" if words or whole else "regression")
    if task == "regression":
        return _split(path, x, table.numbers(), None, options)
    classes, y = _labels(table)
    return _split(path, x, y, classes, options)


@np.errstate(over="ignore", invalid="ignore")
def _split(
    path: Path, x: Array, y: Array, classes: tuple[str, ...] | None, options: Options
) -> Parts:
    order = permuted(len(x), _SPLIT_SEED)
    held, tested = (round(len(x) * options[name]) for name in ("validation", "test"))
    cuts = [len(x) - held - tested, len(x) - tested]
    if cuts[0] < 1:
        raise DataError(f"{path}: validation and test leave none of {len(x)} rows for training")
    train, validation, test = (Part(x[rows], y[rows]) for rows in np.split(order, cuts))
    if options["standardize"]:
        mean, spread = train.x.mean(axis=0), train.x.std(axis=0)
        # Rounding leaves the standard deviation of a constant such as 0.1 a little above 0.
        constant = (train.x == train.x[0]).all(axis=0)
        mean[constant], spread[constant] = train.x[0, constant], 1
        train, validation, test = (
            Part((part.x - mean) / spread, part.y) for part in (train, validation, test)
        )
    return Parts(path.stem, train, validation, test, classes, classes is None)
