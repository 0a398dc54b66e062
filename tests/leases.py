"""Files on lease, as Samba and NFS servers have them: who opens one has to ask for it back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no leases
    fcntl = None  # type: ignore[assignment]


class Leases:
    """Files that this process has on lease, until somebody opens them.

    Attributes:
        returned: how many were asked for.
    """

    def __init__(self) -> None:
        self.returned = 0
        self._lent: set[int] = set()

    def take(self, path: Path) -> None:
        """Take a file on lease; raise OSError where there is no such thing."""
        descriptor = os.open(path, os.O_RDWR)
        self._lent.add(descriptor)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)

    def give_back(self, *_: object) -> None:
        """Give back what was asked for."""
        for descriptor in [*self._lent]:
            if fcntl.fcntl(descriptor, fcntl.F_GETLEASE) != fcntl.F_WRLCK:
                self._give(descriptor)
                self.returned += 1

    def close(self) -> None:
        """Give back all."""
        for descriptor in [*self._lent]:
            self._give(descriptor)

    def _give(self, descriptor: int) -> None:
        self._lent.discard(descriptor)
        os.close(descriptor)


def permitted(folder: Path) -> bool:
    """Tell whether files of a folder can be taken on lease."""
    probe = folder / "probe"
    probe.touch()
    try:
        with lent(probe):
            return True
    except (OSError, AttributeError):
        return False
    finally:
        probe.unlink()


@contextmanager
def lent(*paths: Path) -> Iterator[Leases]:
    """Take files on lease, and those in folders; each is given back when somebody opens it."""
    leases = Leases()
    before = signal.signal(signal.SIGIO, leases.give_back)
    try:
        for path in paths:
            for file in [path] if path.is_file() else path.rglob("*"):
                if file.is_file() and not file.is_symlink():
                    leases.take(file)
        yield leases
    finally:
        leases.close()
        signal.signal(signal.SIGIO, before)
