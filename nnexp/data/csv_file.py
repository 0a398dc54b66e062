"""CSV files: one row per example, one column the target, numbers in all the others."""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Iterator
from math import inf, isfinite
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
from pydantic import Field

from nnexp.data.readers import FileReader, Fraction, Split, Splits, reading
from nnexp.errors import DataError, did_you_mean
from nnexp.io.files import open_regular
from nnexp.names import MAX_CLASS_NAME, MAX_CLASSES
from nnexp.nn.types import Array
from nnexp.numbers import parse_number
from nnexp.text import shorten

MAX_LINE, MAX_CELLS = 4_000_000, 100_000_000
_SPLIT_SEED = 0
_INTEGER = re.compile(r"\s*-?[0-9]+\s*")


class Csv(FileReader):
    """A .csv file with a header: one row per example, numbers in every column but the target."""

    kind = "csv"
    form = "{path: FILE.csv, target: COLUMN}"
    words = """\
A `.csv` file with a header line, `data: {path: flowers.csv, target: species}`. One row is one
example; every column but the target must hold numbers. The split is drawn at random once, the same
for every run and every seed."""
    suffixes = (".csv",)

    target: str = Field(description="the column to predict")
    task: Literal["classes", "regression"] | None = Field(
        None, description="what the target is; by default, numbers with a fraction are regression"
    )
    validation: Fraction = Field(0.2, description="fraction of the rows, drawn at random once")
    test: Fraction = Field(0.2, description="fraction of the rows, drawn at random once")
    standardize: bool = Field(
        False, description="features to mean 0, variance 1, by the training set's statistics"
    )

    def read(self) -> Splits:
        """Read the file and split it at random, in the same way for every run.

        The target is a class where its values are words or integers, else a real number; `task`
        decides where that would be wrong. With `standardize`, (x - mean) / standard deviation of
        the training set; a constant column becomes 0.

        Raises:
            DataError: naming the file, line and column at fault.
        """
        table = _read(Path(self.path), self.target)
        task = self.task
        if task is None:
            words = any(parse_number(cell) is None for cell in table.y)
            is_class = words or all(map(_INTEGER.fullmatch, table.y))
            task = "classes" if is_class else "regression"
        classes, y = table.classes() if task == "classes" else (None, table.numbers())
        train, validation, test = self._split(np.frombuffer(table.x).reshape(len(y), -1), y)
        name = Path(self.path).stem
        return Splits(name, train, validation, test, classes, regression=classes is None)

    @np.errstate(over="ignore", invalid="ignore")
    def _split(self, x: Array, y: Array) -> list[Split]:
        """Return the training, the validation and the test set."""
        n = len(x)
        order = np.random.default_rng(_SPLIT_SEED).permutation(n)
        last = n - round(n * self.test)
        first = last - round(n * self.validation)
        if first < 1:
            message = f"validation and test leave none of {n} rows for training"
            raise DataError(f"{self.path}: {message}")
        splits = [Split(x[rows], y[rows]) for rows in np.split(order, [first, last])]
        if not self.standardize:
            return splits
        x_train = splits[0].x
        mean, spread = x_train.mean(axis=0), x_train.std(axis=0)
        # Rounding leaves the standard deviation of a constant such as 0.1 a little above 0.
        constant = (x_train == x_train[0]).all(axis=0)
        mean[constant], spread[constant] = x_train[0, constant], 1
        return [Split((split.x - mean) / spread, split.y) for split in splits]


class _Table:
    """The contents of a file: the features row after row, the target's cells, and their lines."""

    def __init__(self, path: Path, header: list[str], target: str) -> None:
        if target not in header:
            names = shorten(", ".join(header[:100]), 200)
            hint = did_you_mean(target, header)
            raise DataError(f"{path}:1: no column {target!r}; it has {names}{hint}")
        if len(header) == 1:
            raise DataError(f"{path}:1: has no column beside {target}")
        self._path, self._target, self._at = path, target, header.index(target)
        self._columns = header[: self._at] + header[self._at + 1 :]
        self._lines, self.x, self.y = array("q"), array("d"), list[str]()

    def add(self, line: int, row: list[str]) -> None:
        """Add a row: split off its target and read the rest as numbers."""
        expected = len(self._columns) + 1
        if len(row) != expected:
            raise DataError(f"{self._path}:{line}: expected {expected} fields, got {len(row)}")
        self._lines.append(line)
        self.y.append(row.pop(self._at))
        text = "".join(row)
        try:
            values = list(map(float, row))
        except ValueError:
            values = [inf]
        # The sum may overflow as well.
        if not isfinite(sum(values)) or "_" in text or not text.isascii():
            values = [self._finite(line, *pair) for pair in zip(self._columns, row, strict=True)]
        self.x.extend(values)

    def _finite(self, line: int, column: str, cell: str) -> float:
        value = parse_number(cell)
        if value is None or not isfinite(value):
            raise self._error(line, column, "a finite number", cell)
        return value

    def _error(self, line: int, column: str, expected: str, cell: str) -> DataError:
        got = shorten(repr(cell)) if cell.strip() else "an empty cell"
        where = f"{self._path}:{line}: column {shorten(column)}"
        return DataError(f"{where}: expected {expected}, got {got}")

    def numbers(self) -> Array:
        """Return the target as a column of numbers."""
        rows = zip(self._lines, self.y, strict=True)
        return np.array([[self._finite(line, self._target, cell)] for line, cell in rows])

    def classes(self) -> tuple[tuple[str, ...], Array]:
        """Return the names of the classes, sorted, and each row's class by its number."""
        cells = [cell.strip() for cell in self.y]
        for line, cell in zip(self._lines, cells, strict=True):
            if not 0 < len(cell) <= MAX_CLASS_NAME:
                expected = f"a class of at most {MAX_CLASS_NAME} characters"
                raise self._error(line, self._target, expected, cell)
        names = sorted(set(cells))
        if len(names) > MAX_CLASSES:
            raise DataError(
                f"{self._path}: column {shorten(self._target)}: {len(names):,} classes; at most "
                f"{MAX_CLASSES:,} are possible; for real numbers use task: regression"
            )
        if all(map(_INTEGER.fullmatch, names)):
            names.sort(key=int)
        numbers = {name: i for i, name in enumerate(names)}
        return tuple(names), np.array([numbers[cell] for cell in cells])


def _read(path: Path, target: str) -> _Table:
    table, cells = None, 0
    try:
        with reading(path), open_regular(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            rows = csv.reader(_lines(path, text), strict=True)
            header = [name.strip() for name in next(rows, [])]
            for row in rows:
                cells += len(row) or 1
                if cells > MAX_CELLS:
                    raise DataError(f"{path}: larger than the {MAX_CELLS:,} cells that are read")
                if row:
                    table = table or _Table(path, header, target)
                    table.add(rows.line_num, row)
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num}: not CSV: {error}") from error
    if table is None:
        raise DataError(f"{path}: has no rows below its header")
    return table


def _lines(path: Path, text: TextIO) -> Iterator[str]:
    while line := text.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise DataError(f"{path}: a line is longer than {MAX_LINE:,} characters")
        yield line
