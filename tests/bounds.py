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

SECONDS, MEMORY = 10.0, 500 << 20
_STATM = Path("/proc/self/statm")


class OutOfTimeError(BaseException):
    """A bound on time was reached; nothing is to catch it."""


def _expire(number: int, frame: FrameType | None) -> None:
    raise OutOfTimeError


@contextmanager
def bounded(seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """Raise OutOfTimeError after so many seconds, MemoryError after so many further bytes."""
    main = threading.current_thread() is threading.main_thread()
    limited = resource is not None and _STATM.exists()
    if main:
        handler = signal.signal(signal.SIGALRM, _expire)
        signal.setitimer(signal.ITIMER_REAL, seconds)
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
