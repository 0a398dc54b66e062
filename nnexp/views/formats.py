"""The formats that a result can be written in, as one table.

A page is described once: blocks for people, data for programs. Adding a format is writing one
function and adding one entry to `FORMATS`: the choices of `--format`, its help, the generated
documentation and the tests take it from there. This module imports nothing heavy, since every
command imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnexp.text import fold, sanitize_line
from nnexp.views.table import (
    Table,
    as_csv,
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
        listing: whether the lines are shown as they stand: neither folded nor a list.
    """

    lines: Sequence[str] = ()
    table: Table[Any] | None = None
    title: str = ""
    heading: bool = False
    listing: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A result: blocks for people, and the same for programs: rows, or one record that may nest."""

    blocks: Sequence[Block]
    data: Table[Any] | Mapping[str, Any]

    def values(self) -> Any:
        """Return the raw values of the rows, or the record."""
        return self.data.raw() if isinstance(self.data, Table) else self.data


@dataclass(frozen=True, slots=True)
class Format:
    """A format that results can be written in.

    Attributes:
        words: what it is, for the help of `--format`.
        write: a page -> its text: of its blocks in a format for people, of its data in others.
        flat: whether it cannot write values that are lists or mappings.
    """

    words: str
    write: Callable[[Page], str]
    flat: bool = False


def text_page(blocks: Sequence[Block], width: int | None = None) -> str:
    """Write a page for a terminal of so many columns, sentences folded."""
    columns = min(width or _WIDEST, _WIDEST)

    def lines(block: Block) -> list[str]:
        if block.listing:
            return list(block.lines)
        indent = "  " if block.title else ""
        hanging = "  " if block.title or len(block.lines) > 1 else ""
        texts = [fold(f"{indent}{line}", columns, hanging) for line in block.lines]
        return [block.title, *texts] if block.title else texts

    return _joined(blocks, lines, lambda table: as_text(table, width))


def markdown_page(blocks: Sequence[Block]) -> str:
    """Write a page as Markdown; a heading is one of the second level."""

    def lines(block: Block) -> list[str]:
        if block.listing:
            fence = "```"
            while any(fence in line for line in block.lines):
                fence += "`"
            return [fence, *map(sanitize_line, block.lines), fence]
        several = block.title or len(block.lines) > 1
        mark = "## " if block.heading else "- " if several else ""
        texts = [mark + markdown(line.strip()) for line in block.lines]
        return [markdown(block.title), "", *texts] if block.title else texts

    return _joined(blocks, lines, as_markdown)


def _joined(
    blocks: Sequence[Block],
    lines: Callable[[Block], list[str]],
    table: Callable[[Table[Any]], str],
) -> str:
    parts = []
    for block in blocks:
        parts += ["\n".join(lines(block))] if block.lines else []
        parts += [table(block.table).rstrip("\n")] if block.table else []
    return "\n\n".join(filter(None, parts)) + "\n"


FORMATS: dict[str, Format] = {
    "table": Format(
        "columns for the terminal", lambda page: text_page(page.blocks, terminal_width())
    ),
    "csv": Format("raw values for spreadsheets", lambda page: as_csv(page.values()), flat=True),
    "json": Format("raw values for programs", lambda page: json_text(page.values()) + "\n"),
    "md": Format("Markdown for documents", lambda page: markdown_page(page.blocks)),
}
