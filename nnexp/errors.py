"""The errors nnexp raises on purpose, and how their messages are worded.

A message says where, what came, what is allowed and what to do. What the user can fix is a
`NnexpError`; any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from nnexp.text import sanitize_line, shorten

_MOST_PROBLEMS = 50
_LONGEST = 2_000
_MOST_CHOICES, _LONGEST_WORD = 2_000, 255


class NnexpError(Exception):
    """Input, data or a run folder was refused; the message is for the user."""


class DataError(NnexpError):
    """A data set is missing, damaged, or does not fit the network."""


class RunError(NnexpError):
    """A run folder cannot be found, read or written."""


class LostError(RunError):
    """A folder is no longer the one that this process began to write in."""


class LaterError(RunError):
    """A file was written by a later version of nnexp, in a format that this one does not know."""


class BusyError(RunError):
    """A run is being written by another process."""


class ResumeError(RunError):
    """A run cannot be resumed as if it had not been interrupted."""


class OptionError(NnexpError):
    """The value of a command-line option was refused."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a config: the place, the key, and what is wrong; one line of text.

    >>> print(Problem("a.yaml:3", "eta", "expected a number above 0, got -1"))
    a.yaml:3: eta: expected a number above 0, got -1
    """

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        parts = (shorten(self.where, _LONGEST), shorten(self.key), self.message)
        return shorten(sanitize_line(": ".join(part for part in parts if part)), 2 * _LONGEST)


class ConfigError(NnexpError):
    """A config was refused: all of its problems, of which the message has the first 50."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:_MOST_PROBLEMS]]
        if len(self.problems) > _MOST_PROBLEMS:
            lines.append(f"... and {len(self.problems) - _MOST_PROBLEMS:,} more")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        """Let a worker process hand the error on."""
        return type(self), (self.problems,)


def one_of(choices: Iterable[str]) -> str:
    """Word a list of choices.

    >>> one_of(["sigmoid", "tanh", "relu"])
    'sigmoid, tanh or relu'
    """
    *rest, last = choices
    return f"{', '.join(rest)} or {last}" if rest else last


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return a suggestion for a mistyped word, or an empty string.

    Only 2,000 choices of at most 255 characters are compared: the time grows with both.

    >>> did_you_mean("epoch", ["epochs", "eta"]), did_you_mean("zebra", ["epochs", "eta"])
    ('; did you mean epochs?', '')
    """
    near = [choice for choice in islice(choices, _MOST_CHOICES) if len(choice) <= _LONGEST_WORD]
    close = get_close_matches(word.lower(), near, n=1) if len(word) <= _LONGEST_WORD else []
    return f"; did you mean {close[0]}?" if close else ""
