"""`nnexp explain` and `nnexp schema`: the words of the field, and the keys of a config."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from nnexp.cli.output import say
from nnexp.errors import OptionError, did_you_mean

GLOSSARY = Path(__file__).parents[1] / "glossary.md"


class Entry(NamedTuple):
    """A line of the glossary; `book` is its symbol and chapter in Nielsen's book, if any."""

    term: str
    aliases: Sequence[str]
    book: str
    key: str
    meaning: str


def entries() -> list[Entry]:
    """Read the glossary, in the order of its terms."""
    rows = []
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines()[2:]:
        term, aliases, *others = (cell.strip() for cell in line.strip("|").split("|"))
        rows.append(Entry(term, [a.strip() for a in aliases.split(",") if a], *others))
    return rows


def _plain(word: str) -> str:
    """Compare words without case, blanks, hyphens and underscores."""
    return re.sub(r"[\s_-]", "", word).lower()


def find(word: str) -> Entry:
    """Return the entry of a term or one of its aliases.

    Raises:
        OptionError: there is none.
    """
    words = {name: entry for entry in entries() for name in (*entry.aliases, entry.term)}
    plain = {_plain(name): entry for name, entry in words.items()}
    if entry := words.get(word) or plain.get(_plain(word)):
        return entry
    hint = did_you_mean(word, words) or "; nnexp explain lists all terms"
    raise OptionError(f"{word}: not in the glossary{hint}")


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(e.term) for e in entries() if e.term.startswith(incomplete)]


@click.command(epilog="Example: nnexp explain cross-entropy")
@click.argument("term", nargs=-1, shell_complete=_complete)
def explain(term: tuple[str, ...]) -> None:
    """Explain a TERM of the field or of nnexp.

    It says what the term means, its place in the book, and its config key.

    Without TERM, list all terms. Other words for a term are understood as well: lr, lambda, MSE.
    """
    if not term:
        glossary = entries()
        width = max(len(entry.term) for entry in glossary) + 2
        for entry in glossary:
            term_cell = f"{entry.term:<{width}}"
            say(fill(entry.meaning, 100, initial_indent=term_cell, subsequent_indent=" " * width))
        return
    entry = find(" ".join(term))
    say(f"{entry.term}: {entry.meaning}")
    also = ", ".join(entry.aliases)
    for title, text in (("config key", entry.key), ("in the book", entry.book), ("also", also)):
        if text:
            say(f"  {title}: {text}")


@click.command(epilog="Example: nnexp schema > nnexp.schema.json")
@click.option("--study", is_flag=True, help="Print the schema of a study file instead.")
def schema(study: bool) -> None:
    """Print the JSON Schema of a config.

    With it an editor completes and checks the keys.
    """
    from nnexp.config.study_file import json_schema, study_schema

    content = study_schema() if study else json_schema()
    say(json.dumps(content, indent=2, ensure_ascii=False))
