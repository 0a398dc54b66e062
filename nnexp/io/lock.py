"""A running process holds a lock on its metrics.csv; the lock dies with the process."""

from __future__ import annotations

import errno
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

fcntl: Any
try:
    import fcntl
except ImportError:  # not POSIX
    fcntl = None

_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
# A reader that looks whether a lock is held holds it for a moment itself.
_PATIENCE = 0.5


def hold(descriptor: int) -> bool | None:
    """Lock an open file for as long as it is open; return False where another process has it.

    Returns None on a file system without locks.
    """
    if fcntl is None:
        return None
    end = monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _HELD:
                return None
        else:
            return True
        if monotonic() > end:
            return False
        sleep(0.01)


def is_held(file: FileDescriptorLike) -> bool | None:
    """Tell whether another process holds the lock of an open file; None without locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return True if error.errno in _HELD else None
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
