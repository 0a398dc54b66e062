"""Bounds on time and memory, for what must not take more of either whatever it is given."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

try:
    import resource
except ImportError:  # not POSIX: time is bounded nowhere, memory neither
    resource = None  # type: ignore[assignment]

SECONDS, MEMORY, _TICK = 10.0, 500 << 20, 0.5
_STATM = Path("/proc/self/statm")


class OutOfTimeError(BaseException):
    """A bound on time was reached; nothing is to catch it."""


class _Ticks:
    """Counts ticks of a clock, which stands still while the process is stopped."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds / _TICK

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._left -= 1
        if self._left <= 0:
            raise OutOfTimeError


@contextmanager
def bounded(seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """Raise OutOfTimeError after so many seconds, MemoryError after so many further bytes."""
    main = threading.current_thread() is threading.main_thread()
    limited = resource is not None and _STATM.exists()
    if main:
        handler = signal.signal(signal.SIGALRM, _Ticks(seconds))
        signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    if limited:
        before = resource.getrlimit(resource.RLIMIT_AS)
        now = int(_STATM.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, before[1]))
    try:
        yield
    finally:
        if limited:
            resource.setrlimit(resource.RLIMIT_AS, before)
        if main:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
