"""The formats that a result can be written in, as one table.

A page is described once: blocks for people, data for programs. Adding a format is writing its
functions and adding one entry to `FORMATS`: the choices of `--format`, its help, the generated
documentation and the tests take it from there. This module imports nothing heavy, since every
command imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnexp.text import fold
from nnexp.views.table import (
    Column,
    Table,
    as_csv,
    as_json,
    as_markdown,
    as_text,
    json_text,
    markdown,
    terminal_width,
)

_WIDEST = 100


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a page.

    Attributes:
        lines: sentences; below a title they are a list.
        table: what stands below them.
        title: a word or two above them, with a colon.
        heading: whether the lines are the heading of the page.
    """

    lines: Sequence[str]
    table: Table[Any] | None = None
    title: str = ""
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A result: blocks for people, and the same as data for programs.

    Attributes:
        blocks: its parts, in order.
        data: rows, or one record, whose values may be lists and mappings.
    """

    blocks: Sequence[Block]
    data: Table[Any] | Mapping[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """Return the data as rows of raw values."""
        return self.data.raw() if isinstance(self.data, Table) else [dict(self.data)]


@dataclass(frozen=True, slots=True)
class Format:
    """A format that results can be written in.

    Attributes:
        name: as in `--format NAME`.
        words: what it is, for the help of `--format`.
        table: a table -> its text.
        page: the blocks of a page -> its text, in formats for people.
        record: a record with lists and mappings in it -> its text, in formats that can nest.
    """

    name: str
    words: str
    table: Callable[[Table[Any]], str]
    page: Callable[[Sequence[Block]], str] | None = None
    record: Callable[[Mapping[str, Any]], str] | None = None

    @property
    def only_tables(self) -> bool:
        """Whether it can write neither a page nor a record that nests."""
        return self.page is None and self.record is None

    def write(self, page: Page) -> str:
        """Write a page: its blocks in a format for people, its data in one for programs."""
        if self.page is not None:
            return self.page(page.blocks)
        if isinstance(page.data, Table):
            return self.table(page.data)
        if self.record is not None:
            return self.record(page.data)
        return self.table(Table([Column("", str, lambda record: record)], [page.data]))


def text_page(blocks: Sequence[Block], width: int | None = None) -> str:
    """Write a page for a terminal of so many columns, sentences folded."""

    def lines(block: Block) -> str:
        columns = min(width or _WIDEST, _WIDEST)
        if len(block.lines) == 1 and not block.title:
            return fold(block.lines[0], columns, hanging="")
        title, indent = ([block.title], "  ") if block.title else ([], "")
        return "\n".join([*title, *(fold(f"{indent}{line}", columns) for line in block.lines)])

    return _joined(blocks, lines, lambda table: as_text(table, width))


def markdown_page(blocks: Sequence[Block]) -> str:
    """Write a page as Markdown; a heading is one of the second level."""

    def lines(block: Block) -> str:
        texts = [markdown(line.strip()) for line in block.lines]
        if block.heading:
            return "\n".join(f"## {text}" for text in texts)
        if block.title or len(texts) > 1:
            texts = [f"- {text}" for text in texts]
        return "\n".join([*([f"{markdown(block.title)}\n"] if block.title else []), *texts])

    return _joined(blocks, lines, as_markdown)


def _joined(
    blocks: Sequence[Block], lines: Callable[[Block], str], table: Callable[[Table[Any]], str]
) -> str:
    parts = [
        part
        for block in blocks
        for part in (
            lines(block) if block.lines else "",
            table(block.table).rstrip("\n") if block.table else "",
        )
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


FORMATS: dict[str, Format] = {
    format_.name: format_
    for format_ in (
        Format(
            name="table",
            words="columns for the terminal",
            table=lambda table: as_text(table, terminal_width()),
            page=lambda blocks: text_page(blocks, terminal_width()),
        ),
        Format(name="csv", words="raw values for spreadsheets", table=as_csv),
        Format(
            name="json",
            words="raw values for programs",
            table=as_json,
            record=lambda record: json_text(record) + "\n",
        ),
        Format(name="md", words="Markdown for documents", table=as_markdown, page=markdown_page),
    )
}
