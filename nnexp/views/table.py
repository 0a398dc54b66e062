"""A table of records, and the formats it can be written in.

A column shows a cell as text for people, and gives it as raw values for programs. Adding a format
is one function and one entry in `FORMATS`.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

NONE = "–"


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column.

    Attributes:
        title: its heading.
        show: a record -> the cell's text.
        raw: a record -> the cell's values by name, for CSV and JSON.
        left: whether the text is flush left (words) or right (numbers).
    """

    title: str
    show: Callable[[T], str]
    raw: Callable[[T], Mapping[str, Any]]
    left: bool = False


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """Columns and the records they show."""

    columns: Sequence[Column[T]]
    records: Sequence[T]

    def raw(self) -> list[dict[str, Any]]:
        """Return the raw values, one mapping a record."""
        rows: list[dict[str, Any]] = []
        for record in self.records:
            row: dict[str, Any] = {}
            for column in self.columns:
                row |= column.raw(record)
            rows.append(row)
        return rows

    def shown(self) -> list[list[str]]:
        """Return the cells' texts."""
        return [[column.show(record) for column in self.columns] for record in self.records]


def plain_column(
    title: str, key: str, value: Callable[[T], Any], *, left: bool = True
) -> Column[T]:
    """Return a column whose text is its value as it stands."""

    def show(record: T) -> str:
        found = value(record)
        return NONE if found is None else str(found)

    return Column(title, show, lambda record: {key: value(record)}, left)


def as_text(table: Table[T]) -> str:
    """Draw the table for a terminal; as wide as it likes where the output is not one."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for column in table.columns:
        drawn.add_column(
            Text(column.title),
            justify="left" if column.left else "right",
            overflow="fold",
        )
    for row in table.shown():
        drawn.add_row(*(Text(cell) for cell in row))
    stream = io.StringIO()
    on_terminal = sys.stdout.isatty()
    console = Console(
        file=stream,
        width=None if on_terminal else 10_000,
        force_terminal=on_terminal,
        highlight=False,
    )
    console.print(drawn)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def as_csv(table: Table[T]) -> str:
    """Write the raw values as CSV; columns that only some records have are empty elsewhere."""
    rows = table.raw()
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def as_json(table: Table[T]) -> str:
    """Write the raw values as a JSON list of objects."""
    return json.dumps(table.raw(), indent=2, ensure_ascii=False, default=str) + "\n"


def as_markdown(table: Table[T]) -> str:
    """Write the texts as a Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    rule = [":---" if column.left else "---:" for column in table.columns]
    head = line([column.title for column in table.columns]) + line(rule)
    return head + "".join(line(row) for row in table.shown())


FORMATS: dict[str, Callable[[Table[Any]], str]] = {
    "table": as_text,
    "csv": as_csv,
    "json": as_json,
    "md": as_markdown,
}
