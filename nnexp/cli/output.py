"""The one door to the terminal: whatever a stranger's file holds, what is printed is text."""

from __future__ import annotations

import click

from nnexp.text import one_line, printable


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print on stdout, or on stderr, without anything that could steer the terminal."""
    click.echo(printable(str(text)), err=err, nl=nl)


def say_note(text: str) -> None:
    """Print a note of one line on stderr."""
    say(f"note: {one_line(text)}", err=True)
