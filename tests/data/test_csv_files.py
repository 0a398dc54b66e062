"""CSV files: classes and numbers, a fixed split, and mistakes with their line and column."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.data.csv_file import Csv
from nnexp.data.readers import Split, Splits
from nnexp.errors import DataError
from nnexp.nn.types import Array


def write(folder: Path, text: str | bytes) -> Path:
    """Write a CSV file."""
    path = folder / "own.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def write_rows(folder: Path, header: str, rows: Iterable[tuple[object, ...]]) -> Path:
    """Write a CSV file with a header and rows of plain values."""
    return write(folder, "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")


def parse(path: Path, **changes: Any) -> Splits:
    """Read a file with the target column y, all rows for training by default."""
    options = {"path": str(path), "target": "y", "validation": 0, "test": 0} | changes
    return Csv.model_validate(options).read()


def in_file_order(part: Split) -> tuple[list[list[float]], Array]:
    """Return inputs and targets sorted by the first input, which the tests let count the rows."""
    order = np.argsort(part.x[:, 0])
    return part.x[order].tolist(), part.y[order]


def refused(path: Path, message: str) -> pytest.RaisesExc[DataError]:
    """Expect a DataError that begins with the path and goes on with a pattern."""
    return pytest.raises(DataError, match=f"^{re.escape(str(path))}{message}")


@pytest.mark.parametrize(
    ("cells", "classes", "labels"),
    [
        (["cat", "dog", "cat", "ant"], ("ant", "cat", "dog"), [1, 2, 1, 0]),
        (["10", "9", "-1", "10"], ("-1", "9", "10"), [2, 1, 0, 2]),
        (["1", "0", " 1", "0 "], ("0", "1"), [1, 0, 1, 0]),
        (["1", "2.5", "x", "1"], ("1", "2.5", "x"), [0, 1, 2, 0]),
        (["7", "07", "007", "0007"], ("0007", "007", "07", "7"), [3, 2, 1, 0]),
        (["²", "³", "²", "¹"], ("²", "³", "¹"), [0, 1, 0, 2]),
    ],
)
def test_classes(
    tmp_path: Path, cells: list[str], classes: tuple[str, ...], labels: list[int]
) -> None:
    """Words and whole numbers are classes, sorted as words and as numbers."""
    path = write_rows(tmp_path, "n,y", enumerate(cells))
    parts = parse(path)
    assert parts.classes == classes
    assert in_file_order(parts.train)[1].tolist() == labels


def test_regression(tmp_path: Path) -> None:
    """Numbers of which one has a fraction are a column of targets."""
    parts = parse(write(tmp_path, "n,y,b\n0,1,-1e3\n1,2.5,.5\n2,-3,0\n"))
    x, y = in_file_order(parts.train)
    assert (x, y.tolist()) == ([[0, -1000], [1, 0.5], [2, 0]], [[1], [2.5], [-3]])
    assert parts.classes is None


def test_task_overrules_the_guess(tmp_path: Path) -> None:
    """`task` makes classes of fractions and targets of whole numbers."""
    path = write(tmp_path, "n,y\n0,1.5\n1,2.5\n")
    assert parse(path, task="classes").classes == ("1.5", "2.5")
    path = write(tmp_path, "n,y\n0,3\n1,4\n")
    parts = parse(path, task="regression")
    assert (parts.classes, in_file_order(parts.train)[1].tolist()) == (None, [[3], [4]])


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    """A BOM, quotes, line breaks in quotes, CRLF, blank lines and spaces in the header are read."""
    text = '\ufeff y ,"n","b, too"\r\n"big, red","0",1\r\n\r\n"two\r\nlines",1,2\r\n"a ""b""",2,3'
    parts = parse(write(tmp_path, text))
    assert parts.classes == ('a "b"', "big, red", "two\r\nlines")
    x, y = in_file_order(parts.train)
    assert (x, y.tolist()) == ([[0, 1], [1, 2], [2, 3]], [1, 2, 0])


MISTAKES = {
    "missing": (None, ": cannot be read: No such file"),
    "empty": ("", ": has no rows below its header"),
    "header only": ("a,y\n", ": has no rows below its header"),
    "no such column": ("a,Y2\n1,2\n", ":1: no column 'y'; it has a, Y2"),
    "mistyped column": ("a,yy\n1,2\n", ":1: no column 'y'; it has a, yy; did you mean yy?"),
    "target only": ("y\n1\n", ":1: has no column beside y"),
    "short row": ("a,b,y\n1,2,3\n1,2\n", ":3: expected 3 fields, got 2"),
    "long row": ("a,y\n1,2\n\n1,2,3\n", ":4: expected 2 fields, got 3"),
    "word": ("a,b,y\n1,2,0\n1,two,0\n", ":3: column b: expected a finite number, got 'two'"),
    "nan": ("a,y\nnan,0\n", ":2: column a: expected a finite number, got 'nan'"),
    "infinity": ("y,a\n0,1\n0,-inf\n", ":3: column a: expected a finite number, got '-inf'"),
    "too large": ("a,y\n1e999,0\n", ":2: column a: expected a finite number, got '1e999'"),
    "underscore": (
        "a,b,y\n1,2,0\n1_4.23,2,0\n",
        ":3: column a: expected a finite number, got '1_4.23'",
    ),
    "thousands": ("y,a\n0,1_000\n", ":2: column a: expected a finite number, got '1_000'"),
    "full-width digits": (
        "y,a\n0,\uff11\uff12\n",
        ":2: column a: expected a finite number, got '\uff11",
    ),
    "arabic digits": ("a,y\n\u0661,0\n", ":2: column a: expected a finite number"),
    "infinity in words": (
        "a,y\ninfinity,0\n",
        ":2: column a: expected a finite number, got 'infinity'",
    ),
    "hexadecimal": ("a,y\n0x1F,0\n", ":2: column a: expected a finite number, got '0x1F'"),
    "empty cell": ("a,y\n,0\n", ":2: column a: expected a finite number, got an empty cell"),
    "nan target": ("a,y\n1,0.5\n1,nan\n", ":3: column y: expected a finite number, got 'nan'"),
    "empty class": (
        "a,y\n1,cat\n1, \n",
        ":3: column y: expected a class of at most 100 characters, got an empty",
    ),
    "open quote": ('a,y\n1,2\n"1,2\n', ":3: not CSV"),
    "stray quote": ('a,y\n1,"2"2\n', ":2: not CSV"),
    "latin-1": ("a,y\n1,caf\xe9\n".encode("latin-1"), r": is not UTF-8 text \(byte \d+\)"),
    "bytes": (b"\xff\xfe\x00\x01", ": is not UTF-8 text"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named_by_line_and_column(
    tmp_path: Path, text: str | bytes | None, message: str
) -> None:
    """A message names the path, and the line and column where there are any."""
    path = tmp_path / "own.csv" if text is None else write(tmp_path, text)
    with refused(path, message):
        parse(path)


def test_targets_are_numbers_as_csv_writes_them(tmp_path: Path) -> None:
    """What only Python takes for a number is a word, and a class, in the target's column too."""
    path = write(tmp_path, "a,y\n1,1_0\n2,3\n3,\uff11\n")
    assert parse(path).classes == ("1_0", "3", "\uff11")
    with refused(path, ":2: column y: expected a finite number, got '1_0'"):
        parse(path, task="regression")


def test_underscores_in_names_and_classes_are_harmless(tmp_path: Path) -> None:
    """Only cells that must be numbers must not have them; blanks around a number are no part."""
    parts = parse(write(tmp_path, "sepal_length,y\n 1.5\u00a0,iris_setosa\n-2e1 ,iris_\u00e9\n"))
    assert parts.classes == ("iris_setosa", "iris_\u00e9")
    assert in_file_order(parts.train)[0] == [[-20.0], [1.5]]


def test_a_word_among_targets_of_regression(tmp_path: Path) -> None:
    """Where regression was asked for, a word in the target column is named by its line."""
    path = write(tmp_path, "a,y\n1,2\n1,cat\n")
    with refused(path, ":3: column y: expected a finite number, got 'cat'"):
        parse(path, task="regression")


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 60), st.floats(0, 0.99), st.floats(0, 0.99))
def test_the_split_is_disjoint_exhaustive_and_fixed(
    tmp_path_factory: pytest.TempPathFactory, n: int, validation: float, test: float
) -> None:
    """Every row is in one set, the sets have the sizes asked for, and each reading agrees."""
    path = write_rows(tmp_path_factory.getbasetemp(), "n,y", ((i, i + 0.5) for i in range(n)))
    sizes = {"validation": round(n * validation), "test": round(n * test)}
    if n - sum(sizes.values()) < 1:
        with refused(path, f": validation and test leave none of {n} rows for training"):
            parse(path, validation=validation, test=test)
        return
    first, again = (parse(path, validation=validation, test=test).sets() for _ in range(2))
    rows = np.concatenate([part.x[:, 0] for part in first.values()])
    assert sorted(rows) == list(range(n))
    assert {name: len(part.x) for name, part in first.items() if name != "train"} == {
        name: size for name, size in sizes.items() if size
    }
    for name, part in first.items():
        np.testing.assert_array_equal(part.y, part.x + 0.5)
        np.testing.assert_array_equal(part.x, again[name].x)


def test_the_split_is_drawn_at_random(tmp_path: Path) -> None:
    """A file that is sorted by class does not leave a class out of a set."""
    path = write_rows(tmp_path, "n,y", ((i, i // 100) for i in range(300)))
    for part in parse(path, validation=0.2, test=0.2).sets().values():
        assert (np.bincount(part.y, minlength=3) > len(part.y) / 6).all()


def test_standardize_by_the_training_rows(tmp_path: Path) -> None:
    """All sets are shifted and divided by the training set's own mean and standard deviation."""
    rng = np.random.default_rng(0)
    values = rng.normal(50, 20, size=(40, 2))
    path = write_rows(tmp_path, "a,b,y", ((a, b, 0) for a, b in values.tolist()))
    plain, scaled = (
        parse(path, validation=0.25, test=0.25, standardize=flag).sets() for flag in (False, True)
    )
    x = plain["train"].x
    mean = x.sum(axis=0) / 20
    spread = (((x - mean) ** 2).sum(axis=0) / 20) ** 0.5
    for name, part in scaled.items():
        np.testing.assert_allclose(part.x, (plain[name].x - mean) / spread, rtol=1e-12)
        np.testing.assert_array_equal(part.y, plain[name].y)
    assert abs(scaled["train"].x.mean(axis=0)).max() < 1e-12
    assert abs(scaled["test"].x.mean(axis=0)).max() > 0.01


@pytest.mark.parametrize("constant", [0.0, 0.1, 0.3, 1 / 3, 1e10 + 0.1])
def test_a_constant_column_becomes_zero(tmp_path: Path, constant: float) -> None:
    """A column that does not vary becomes 0, whatever its rounding errors."""
    for n in (3, 7, 10, 60):
        path = write_rows(tmp_path, "n,a,y", ((i, constant, 0) for i in range(n)))
        np.testing.assert_array_equal(parse(path, standardize=True).train.x[:, 1], 0)
