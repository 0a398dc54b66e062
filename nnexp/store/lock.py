"""A running process holds a lock on its metrics.csv; the lock dies with the process."""

from __future__ import annotations

from typing import IO, Any

fcntl: Any
try:
    import fcntl
except ImportError:  # not POSIX: a dead run is shown as running
    fcntl = None


def hold(stream: IO[Any]) -> None:
    """Lock an open file for as long as it is open."""
    if fcntl is not None:
        fcntl.flock(stream, fcntl.LOCK_EX)


def is_held(stream: IO[Any]) -> bool:
    """Tell whether another process holds the lock of an open file."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(stream, fcntl.LOCK_UN)
    return False
