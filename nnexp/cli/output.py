"""The one place that prints: untrusted text is sanitized before it reaches the terminal."""

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
    """Print sanitized text on stdout, or on stderr.

    Raises:
        NnexpError: stdout is a file that cannot be written. A failure of stderr is ignored.
    """
    try:
        click.echo(sanitize(str(text)), err=err, nl=nl)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader has closed the pipe
            raise
        _redirect_to_null(sys.stderr if err else sys.stdout)
        if not err:
            raise NnexpError(f"the output cannot be written: {error.strerror}") from error


def _redirect_to_null(stream: TextIO) -> None:
    """Redirect a stream to the null device: Python writes what is left in it when it exits."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def is_live(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal on which a line can be drawn again."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def say_note(text: str) -> None:
    """Print a one-line note on stderr."""
    say(f"note: {sanitize_line(text)}", err=True)
