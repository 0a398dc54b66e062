"""The one place that prints: untrusted text is sanitized before it reaches the terminal."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
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
        discard(sys.stderr if err else sys.stdout)
        if not err:
            raise NnexpError(f"the output cannot be written: {error.strerror}") from error


def discard(stream: TextIO) -> None:
    """Let what is left in a stream go nowhere: Python writes it when it exits."""
    with suppress(OSError, ValueError), Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), stream.fileno())


def is_live(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal on which a line can be drawn again."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def say_note(*texts: str) -> None:
    """Print notes on stderr, one line each."""
    for text in texts:
        say(f"note: {sanitize_line(text)}", err=True)
