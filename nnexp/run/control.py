"""What a run tells whoever watches it, and what ends it before its last epoch.

Of SIGINT and SIGTERM the first ends it cleanly, a second one at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from nnexp.config.schema import Experiment
    from nnexp.run.log import Row

# `timeout` signals a process and then its group: that is one wish, not two.
_ECHO = 0.2


class Progress:
    """What a run tells whoever watches it; this one shows nothing."""

    def begin(self, experiment: Experiment, done: int, examples: int) -> None:
        """Hear what is trained, how many epochs are done, and how many examples one has."""

    def advance(self, examples: int) -> None:
        """Hear how many examples of the current epoch have been trained on."""

    def epoch(self, row: Row) -> None:
        """Hear that an epoch has ended, with its row of metrics.csv."""

    def note(self, text: str) -> None:
        """Hear what was done to the run's files from outside."""


# Given the rows of metrics.csv so far, it says why the run is to end now, or None. It is a function
# of the rows alone, so that a run that is resumed ends where it would have ended undisturbed.
Ending = Callable[[Sequence[Mapping[str, Any]]], "str | None"]


def never(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Let a run continue."""
    return None


class Interrupts:
    """Stands before the handlers of SIGINT and SIGTERM, while it is entered.

    The first signal is handed on, a KeyboardInterrupt as a rule; while an epoch is logged it waits
    until that is done. A second one raises KeyboardInterrupt wherever the program is. Signals that
    are ignored, or end the process, are left alone, as are threads that cannot receive any.

    Attributes:
        at_once: whether there was a second one.
    """

    def __init__(self) -> None:
        self.at_once = False
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._first: float | None = None
        self._waits = False
        self._waiting: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self._receive:
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._first is None:
            self._first, self._waiting = monotonic(), number
            if not self._waits:
                self._hand_on()
        elif monotonic() - self._first > _ECHO:
            self.at_once = True
            raise KeyboardInterrupt

    def _hand_on(self) -> None:
        if self._waiting is not None:
            number, self._waiting = self._waiting, None
            self._handlers[number](number, None)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the first signal wait until the context ends, so that what is in it is done whole."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
        self._hand_on()
