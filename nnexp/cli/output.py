"""The one door to the terminal: whatever a stranger's file holds, what is printed is text."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TextIO

import click

from nnexp.errors import NnexpError
from nnexp.text import sanitize, sanitize_line


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print on stdout, or on stderr, without anything that could steer the terminal.

    Raises:
        NnexpError: stdout goes to a file that cannot be written. Of stderr nobody could be told.
    """
    try:
        click.echo(sanitize(str(text)), err=err, nl=nl)
    except OSError as error:
        if error.errno == errno.EPIPE:  # who reads has seen enough
            raise
        _let_go(sys.stderr if err else sys.stdout)
        if not err:
            raise NnexpError(f"the output cannot be written: {error.strerror}") from error


def _let_go(stream: TextIO) -> None:
    """Lead a stream nowhere: Python would try once more at its end to write what is left."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def is_live(stream: TextIO | None) -> bool:
    """Tell whether what is drawn on a stream can be drawn over."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def say_note(text: str) -> None:
    """Print a note of one line on stderr."""
    say(f"note: {sanitize_line(text)}", err=True)
