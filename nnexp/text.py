"""Texts from strangers made harmless: they cannot steer a terminal, nor fill it."""

from __future__ import annotations

from typing import Any

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def one_line(text: str) -> str:
    r"""Replace what is not printable: control characters, line ends, marks of direction.

    >>> one_line("a\x1b[2J\nb\u202e")
    'a�[2J�b�'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _REPLACEMENT for c in text)


def printable(text: str) -> str:
    r"""Do the same, keeping line ends.

    >>> printable("a\x1bb\nc")
    'a�b\nc'
    """
    return "\n".join(map(one_line, text.split("\n")))


def clipped(text: str, length: int = 60) -> str:
    """Shorten a text.

    >>> clipped("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= length else text[: length - 1] + "…"


def fold(text: str, width: int) -> str:
    """Break a text at blanks; what follows the first line is two blanks further in.

    >>> print(fold("  a bb ccc dddd", 8))
      a bb
        ccc
        dddd
    """
    words = text.split()
    indent = " " * (len(text) - len(text.lstrip()))
    lines, line = [], indent + "".join(words[:1])
    for word in words[1:]:
        if len(line) + 1 + len(word) <= width:
            line += f" {word}"
        else:
            lines.append(line)
            line = f"{indent}  {word}"
    return "\n".join([*lines, line])


def shown(value: Any) -> str:
    """Write a value as the user would have written it, shortened.

    >>> shown(True), shown("fast"), shown([1, 2])
    ('true', "'fast'", '[1, 2]')
    """
    words = {True: "true", False: "false", None: "nothing"}
    text = words[value] if isinstance(value, bool) or value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
