"""A table of records, and how it is written as text, CSV, JSON and Markdown.

A column shows a cell as text for people, and gives it as raw values for programs.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from shutil import get_terminal_size
from typing import Any, Generic, TextIO, TypeVar
from unicodedata import combining, east_asian_width

from nnexp.numbers import NONE
from nnexp.text import sanitize, sanitize_line, shorten_apart

T = TypeVar("T")

# Where a spreadsheet would take a text for a formula: at its beginning, or behind what other
# spreadsheets than its writer's take for the end of a cell or a line.
_FORMULA = re.compile(r"(?:^|(?<=[;\n]))(?=\s*[=+\-@＝＋－＠])")
# A file name is at most so long.
_LONGEST_NAME = 255
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#!|~&@$^]|(?<=www)\.|:(?=//)", re.IGNORECASE)
# What GitHub makes a link or a picture of even where it is escaped: @name, a@b.org, #1, :word:.
_ESCAPED_SIGN = re.compile(r"\\[@#](?=\w)|:(?=(?:[\w+-]|\\_)+:)")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column.

    Attributes:
        title: its heading.
        show: a record -> the cell's text.
        raw: a record -> the cell's values by name, for CSV and JSON; by default none.
        left: whether the text is flush left (words) or right (numbers).
    """

    title: str
    show: Callable[[T], str]
    raw: Callable[[T], Mapping[str, Any]] = lambda record: {}
    left: bool = False


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """Columns and the records they show; the first column names the record."""

    columns: Sequence[Column[T]]
    records: Sequence[T]

    def raw(self) -> list[dict[str, Any]]:
        """Return the raw values, one mapping per record."""
        return [
            dict(chain.from_iterable(column.raw(record).items() for column in self.columns))
            for record in self.records
        ]

    def cells(self) -> list[list[str]]:
        """Return the texts of the cells, row by row."""
        return [[column.show(record) for column in self.columns] for record in self.records]


def plain_column(
    title: str, key: str, value: Callable[[T], Any], *, left: bool = True
) -> Column[T]:
    """Return a column whose text is its value as it stands."""

    def show(record: T) -> str:
        content = _unsigned_zero(value(record))
        return NONE if content is None else str(content)

    return Column(title, show, lambda record: {key: value(record)}, left)


def _unsigned_zero(value: Any) -> Any:
    return value + 0.0 if isinstance(value, float) else value


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(c) in "WF" else not combining(c) for c in text)


def _draw(head: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[bool]) -> list[str]:
    """Align cells in columns, with a rule below the head."""
    columns = []
    for (title, *cells), flush_left in zip(zip(head, *rows, strict=True), left, strict=True):
        width = max(map(_width, (title, *cells)))
        column = [title, "─" * width, *cells]
        spaces = [" " * (width - _width(cell)) for cell in column]
        pairs = zip(column, spaces, strict=True) if flush_left else zip(spaces, column, strict=True)
        columns.append(["".join(pair) for pair in pairs])
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]


def _short_cells(table: Table[T]) -> list[list[str]]:
    """Return cells of one short line each; names, and what makes two cells differ, stay."""
    rows = [list(map(sanitize_line, row)) for row in table.cells()]
    names, *others = zip(*rows, strict=True) if rows else [()]
    columns = [shorten_apart(names, _LONGEST_NAME), *map(shorten_apart, others)]
    return [list(row) for row in zip(*columns, strict=True)]


def as_text(table: Table[T], width: int | None = None) -> str:
    """Draw the table for people.

    Where it is wider than the terminal, rows become columns: first cells on top, as many side by
    side as fit. Names are written whole, so that they can be typed; other cells are cut where that
    does not make two of them equal.

    Args:
        table: what to draw.
        width: of the terminal, in characters; None where there is none.
    """

    def fits(lines: Sequence[str]) -> bool:
        return width is None or all(_width(line) <= width for line in lines)

    head = [column.title for column in table.columns]
    rows = _short_cells(table)
    lines = _draw(head, rows, [column.left for column in table.columns])
    if fits(lines):
        return "\n".join(lines) + "\n"
    blocks = []
    while rows:
        count = 1
        while count < len(rows) and fits(_turned(head, rows[: count + 1])):
            count += 1
        blocks.append("\n".join(_turned(head, rows[:count])))
        rows = rows[count:]
    return "\n\n".join(blocks) + "\n"


def _turned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    top, *below = zip(head, *rows, strict=True)
    return _draw(top, below, [True] * len(top))


def terminal_width() -> int | None:
    """Return the width of the terminal, or None where stdout is not one."""
    stdout: TextIO | None = sys.stdout  # None where the shell has closed it
    return get_terminal_size().columns if stdout is not None and stdout.isatty() else None


def as_csv(values: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> str:
    """Write rows, or a record, as CSV; columns that only some rows have are empty elsewhere.

    Numbers are written as they are, but zero has no sign. A text that a spreadsheet would take for
    a formula begins with a quotation mark, as OWASP advises (Application Security Verification
    Standard 5.0, 1.2.10).
    """
    rows = [values] if isinstance(values, Mapping) else values
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(_defused, names))
    writer.writerows([_defused(row.get(name)) for name in names] for row in rows)
    return stream.getvalue()


def _defused(value: Any) -> Any:
    """Keep a spreadsheet from calculating a text: a quotation mark goes before it."""
    if value is None or isinstance(value, (int, float)):
        return _unsigned_zero(value)
    return _FORMULA.sub("'", sanitize(str(value)))


def json_text(value: Any) -> str:
    r"""Write JSON of printable characters alone; the others are escaped, so that none is lost.

    A number that is not finite becomes null, and zero has no sign.

    >>> print(json_text(["é\x9b\ud800", float("nan"), -0.0]))
    [
      "é\u009b\ud800",
      null,
      0.0
    ]
    """
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str)
    return "\n".join(
        line if line.isprintable() else "".join(map(_escaped, line)) for line in text.split("\n")
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return _unsigned_zero(value) if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(map(_plain, value)) if isinstance(value, list | tuple) else value


def _escaped(char: str) -> str:
    return char if char.isprintable() else json.dumps(char)[1:-1]


def as_markdown(table: Table[T]) -> str:
    """Write the texts as a Markdown table."""
    rule = [":---" if column.left else "---:" for column in table.columns]
    rows = [[column.title for column in table.columns], *table.cells()]
    head, *below = [list(map(markdown, row)) for row in rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *below))


def markdown(text: str) -> str:
    r"""Write a text so that Markdown shows it as it is, on one line.

    Nothing in it becomes a link; an empty comment parts what would, where no escape does.

    >>> print(markdown("a_b|<b> www.c.org d@e.org"))
    a\_b\|\<b\> www\.c.org d\@<!-- -->e.org
    """
    escaped = _MARKUP.sub(r"\\\g<0>", sanitize_line(text))
    return _ESCAPED_SIGN.sub(r"\g<0><!-- -->", escaped)
