"""The one door to the terminal: whatever a stranger's file holds, what is printed is text."""

from __future__ import annotations

import errno

import click

from nnexp.errors import NnexpError
from nnexp.text import one_line, printable


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print on stdout, or on stderr, without anything that could steer the terminal.

    Raises:
        NnexpError: stdout goes to a file that cannot be written. Of stderr nobody could be told.
    """
    try:
        click.echo(printable(str(text)), err=err, nl=nl)
    except OSError as error:
        if error.errno == errno.EPIPE:  # who reads has seen enough
            raise
        if not err:
            raise NnexpError(f"the output cannot be written: {error.strerror}") from error


def say_note(text: str) -> None:
    """Print a note of one line on stderr."""
    say(f"note: {one_line(text)}", err=True)
