"""`nnexp explain`: the words of the field and of nnexp, in a sentence each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import click
from click.shell_completion import CompletionItem

from nnexp.cli.output import say
from nnexp.errors import OptionError, did_you_mean

GLOSSARY = Path(__file__).parents[1] / "glossary.md"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the glossary.

    Attributes:
        term: the standard word.
        aliases: other words for it, and its names in files.
        book: its symbol and chapter in Nielsen's book.
        key: the config key it belongs to.
        meaning: what it does.
    """

    term: str
    aliases: Sequence[str]
    book: str
    key: str
    meaning: str


def entries() -> list[Entry]:
    """Read the glossary, in the order of its terms."""
    rows = []
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines()[2:]:
        term, aliases, book, key, meaning = (cell.strip() for cell in line.strip("|").split("|"))
        rows.append(Entry(term, [a.strip() for a in aliases.split(",") if a], book, key, meaning))
    return rows


def _plain(word: str) -> str:
    """Compare words without case, blanks, hyphens and underscores."""
    return re.sub(r"[\s_-]", "", word).lower()


def find(word: str) -> Entry:
    """Return the entry of a term or one of its aliases.

    Raises:
        OptionError: there is none.
    """
    glossary = entries()
    names = {name: entry for entry in glossary for name in (*entry.aliases, entry.term)}
    if word in names:
        return names[word]
    plain = {_plain(name): entry for name, entry in names.items()}
    if _plain(word) not in plain:
        hint = did_you_mean(word, names) or "; nnexp explain lists all terms"
        raise OptionError(f"{word}: not in the glossary{hint}")
    return plain[_plain(word)]


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    terms = (entry.term for entry in entries())
    return [CompletionItem(term) for term in terms if term.startswith(incomplete)]


@click.command(epilog="Example: nnexp explain cross-entropy")
@click.argument("term", nargs=-1, shell_complete=_complete)
def explain(term: tuple[str, ...]) -> None:
    """Explain a TERM: what it means, its place in the book, and its config key.

    Without TERM, list all terms. Other words for a term are understood as well: lr, lambda, MSE.
    """
    if not term:
        glossary = entries()
        width = max(len(entry.term) for entry in glossary)
        for entry in glossary:
            term_cell, indent = f"{entry.term:<{width}}  ", " " * (width + 2)
            say(fill(entry.meaning, 100, initial_indent=term_cell, subsequent_indent=indent))
        return
    entry = find(" ".join(term))
    say(f"{entry.term}: {entry.meaning}")
    if entry.key:
        say(f"  config key: {entry.key}")
    if entry.book:
        say(f"  in the book: {entry.book}")
    if entry.aliases:
        say(f"  also: {', '.join(entry.aliases)}")
