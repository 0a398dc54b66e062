"""Texts: sanitize untrusted ones so that they cannot steer a terminal, shorten, fold, quote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from textwrap import TextWrapper
from typing import Any


def sanitize_line(text: str) -> str:
    r"""Replace what is not printable: control characters, line ends, direction marks.

    >>> sanitize_line("a\x1b[2J\nb\u202e")
    'a�[2J�b�'
    """
    if text.isprintable():  # as nearly all are
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def sanitize(text: str) -> str:
    r"""Replace what is not printable, except line ends.

    >>> sanitize("a\x1bb\nc")
    'a�b\nc'
    """
    return "\n".join(map(sanitize_line, text.split("\n")))


def shorten(text: str, length: int = 60) -> str:
    """Cut a text to a length.

    >>> shorten("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= length else text[: length - 1] + "…"


def fold(text: str, width: int, hanging: str = "  ") -> str:
    """Break a text at blanks; lines after the first are indented by `hanging` as well.

    >>> print(fold("  a bb ccc dddd", 8))
      a bb
        ccc
        dddd
    """
    indent = " " * (len(text) - len(text.lstrip()))
    wrapper = TextWrapper(width, indent, indent + hanging)
    wrapper.break_long_words = wrapper.break_on_hyphens = False
    return wrapper.fill(" ".join(text.split()))


def command(*words: object) -> str:
    r"""Write a command line that sh, bash and zsh understand as these words, whatever is in them.

    What is not printable is written as octal numbers for printf. A path that begins with - or ~ is
    written with its folder.

    >>> command("nnexp", "show", "a b"), command("nnexp", "show", Path("-x"))
    ("nnexp show 'a b'", 'nnexp show ./-x')
    >>> command("nnexp", "show", "a\nb")
    'nnexp show "$(printf \'a\\012b\')"'
    """
    return " ".join(map(_word, words))


def _word(word: object) -> str:
    text = str(word)
    if isinstance(word, Path) and text[:1] in "-~":
        text = f"./{text}"
    if not text.isprintable():
        plain = (
            chr(c) if chr(c).isalnum() and c < 128 else f"\\{c:03o}" for c in os.fsencode(text)
        )
        return f"\"$(printf '{''.join(plain)}')\""
    # zsh looks for a program where a word begins with =.
    return f"'{text}'" if text.startswith("=") and "'" not in text else quote(text)


def quoted(value: Any) -> str:
    """Write a value of a config as the user would have written it, shortened.

    >>> quoted(True), quoted("fast"), quoted([1, 2])
    ('true', "'fast'", '[1, 2]')
    """
    words = {True: "true", False: "false", None: "nothing"}
    text = words[value] if isinstance(value, bool) or value is None else repr(value)
    return shorten(text, 60)


def shorten_apart(texts: Sequence[str], length: int = 60) -> list[str]:
    """Shorten texts, at the end or in the middle, so that different ones stay different.

    Where that cannot be, they are returned whole.

    >>> shorten_apart(["experiment a", "experiment b", "short"], 9)
    ['expe…nt a', 'expe…nt b', 'short']
    """
    different = len(set(texts))
    half = (length - 1) // 2
    ends = [shorten(text, length) for text in texts]
    if len(set(ends)) == different:
        return ends
    middles = [t if len(t) <= length else f"{t[:half]}…{t[half + 1 - length :]}" for t in texts]
    return middles if len(set(middles)) == different else list(texts)
