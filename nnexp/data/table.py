"""CSV files: one row an example, one column the target, numbers in all the others."""

from __future__ import annotations

import csv
from math import isfinite
from pathlib import Path

import numpy as np

from nnexp.data.parts import MAX_BYTES, Options, Part, Parts, permuted
from nnexp.errors import DataError, did_you_mean
from nnexp.nn.types import Array

_SPLIT_SEED = 0


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than {MAX_BYTES:,} bytes")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not CSV: {error}") from error
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path}:{line}: {len(row)} fields where {len(header)} are due")
    if not rows:
        raise DataError(f"{path}: has no rows below its header")
    return [name.strip() for name in header], rows


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise DataError(f"{path}:{line}: column {column}: {text!r} where a finite number is due")
    return value


def _is_whole(text: str) -> bool:
    return text.strip().removeprefix("-").isdecimal()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _classes(values: list[str]) -> tuple[str, ...]:
    names = sorted({value.strip() for value in values})
    return tuple(sorted(names, key=int) if all(map(_is_whole, names)) else names)


def read(options: Options) -> Parts:
    """Read a CSV file and split it at random, in the same way for every run.

    The target is a class where its values are words or whole numbers, else a real number; `task`
    says so where the guess would be wrong. With `standardize`, (x - mean) / standard deviation of
    the training set; a constant column becomes 0.

    Raises:
        DataError: naming the file, line and column at fault.
    """
    path = Path(options["path"])
    header, rows = _rows(path)
    target = options["target"]
    if target not in header:
        raise DataError(
            f"{path}:1: no column {target!r}; it has {', '.join(header)}"
            f"{did_you_mean(target, header)}"
        )
    if len(header) == 1:
        raise DataError(f"{path}:1: has no column beside {target}")
    at = header.index(target)
    x = np.array(
        [
            [_number(path, n, header[i], cell) for i, cell in enumerate(row) if i != at]
            for n, row in rows
        ]
    )
    values = [row[at] for _, row in rows]
    words = any(not _is_number(value) for value in values)
    task = options["task"] or ("classes" if words or all(map(_is_whole, values)) else "regression")
    classes = None
    if task == "regression":
        y: Array = np.array([[_number(path, n, target, row[at])] for n, row in rows])
    else:
        for n, row in rows:
            if not row[at].strip():
                raise DataError(f"{path}:{n}: column {target}: empty where a class is due")
        classes = _classes(values)
        y = np.array([classes.index(value.strip()) for value in values])
    return _split(path, x, y, classes, options)


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
