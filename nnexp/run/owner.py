"""Who writes a run, where a lock cannot tell: a file of the owner's whose heart beats.

Locks may be missing on a folder that two machines share (NFS, SMB), or hold on one of them only.
So the process that writes a run has a file in its folder, `.owner-N`, and touches it every few
seconds. Whoever wants to know whether the run is being written watches that file: its time of
change is compared with what it was, never with a clock, as those of two machines may differ. Where
a lock is free and the owner was a process of this machine, it is dead: nobody has to wait.

To take a run over is to rename the file to `.owner-N+1`, which only one of several succeeds in. A
process that comes to life again finds that the file is no longer its own, and stops.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, sleep

from nnexp.errors import BusyError, LostError
from nnexp.io.files import open_regular, read_bytes, write
from nnexp.io.folder import Folder

# Seconds between two beats, and after how many without one the owner is dead.
BEAT, PATIENCE = 2.0, 10.0
_NAME = re.compile(r"\.owner-(\d{1,6})", re.ASCII)
_DIGEST = re.compile(rb"[0-9a-f]{32}")
# When each file was looked at, on the clock of this process, and its time of change then.
_seen: dict[Path, tuple[float, int | None]] = {}


class Owner:
    """This process as the owner of a run: its file, and the thread that touches it."""

    def __init__(self, home: Folder, number: int, descriptor: int) -> None:
        self._home = home
        self._number = number
        self._descriptor = descriptor
        self._closing = Event()
        self._lock = Lock()
        self._beat()
        Thread(target=self._live, name="heart", daemon=True).start()

    @classmethod
    def first(cls, home: Folder) -> Owner:
        """Own a folder that nobody else knows or owns.

        Raises:
            FileExistsError: somebody owns it.
        """
        descriptor = home.open(_name(1), os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            write(descriptor, machine())
        except BaseException:
            os.close(descriptor)
            raise
        return cls(home, 1, descriptor)

    @classmethod
    def claim(cls, home: Folder, *, locked: bool) -> Owner:
        """Take over a run whose owner is dead, or that has none.

        Args:
            home: its folder.
            locked: whether this process holds its lock; False where there are no locks.

        Raises:
            BusyError: its owner lives, or another process was faster.
        """
        busy = BusyError(f"{home.path}: is being written by another process")
        number = last(home.path)
        if number is not None and lives(home.path, locked=locked):
            raise busy
        try:
            if number is None:
                owner = cls.first(home)
            else:
                home.rename(_name(number), _name(number + 1))
                owner = cls(home, number + 1, home.open(_name(number + 1), os.O_RDWR))
        except (FileExistsError, FileNotFoundError) as error:
            raise busy from error
        # A process that stood still since it looked may have made an older number.
        if last(home.path) != owner._number:
            owner.close()
            raise busy
        os.pwrite(owner._descriptor, machine(), 0)
        return owner

    def check(self) -> None:
        """Raise LostError where another process has taken the run over."""
        if not self._home.holds(_name(self._number), self._descriptor):
            self._home.check()
            raise LostError(
                f"{self._home.path}: was taken over by another process while this one stood still; "
                "what is there now is left as it is"
            )

    def close(self) -> None:
        """Let go of the run."""
        self._closing.set()
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        with suppress(OSError):
            if self._home.holds(_name(self._number), descriptor):
                self._home.remove(_name(self._number))
        with suppress(OSError):
            os.close(descriptor)

    def _live(self) -> None:
        while not self._closing.wait(BEAT):
            self._beat()

    def _beat(self) -> None:
        with self._lock, suppress(OSError):
            if self._descriptor >= 0:
                os.utime(self._descriptor if os.utime in os.supports_fd else self._path)

    @property
    def _path(self) -> Path:
        return self._home.path / _name(self._number)


def _name(number: int) -> str:
    return f".owner-{number}"


@cache
def machine() -> bytes:
    """Return what tells this machine from others: a digest, so that nothing is given away."""
    identity = platform.node().encode()
    with suppress(OSError):
        identity += read_bytes("/etc/machine-id", 100)
    return hashlib.sha256(identity).hexdigest()[:32].encode()


def last(folder: Path) -> int | None:
    """Return the number of the owner's file of a run; None where there is none."""
    with suppress(OSError):
        matches = [_NAME.fullmatch(name) for name in os.listdir(folder)]  # noqa: PTH208 - fast
        return max((int(match[1]) for match in matches if match), default=None)
    return None


def lives(folder: Path, *, locked: bool) -> bool:
    """Tell whether the owner of a run is alive, which may take `PATIENCE` seconds.

    Args:
        folder: the run's, which has an owner's file.
        locked: whether its lock could be had.
    """
    number = last(folder)
    if number is None:
        return False
    path = folder / _name(number)
    with suppress(OSError):
        there = read_bytes(path, 100, follow=False)
        # A disk that is full, or whose power was cut, leaves no whole digest, and ends its owner.
        if locked and (there == machine() or not _DIGEST.fullmatch(there)):
            return False
    return _beats(path)


def _beats(path: Path) -> bool:
    """Tell whether a file is touched; one wait serves all runs of a folder."""
    since, before = _seen.get(path, (-PATIENCE, None))
    if path not in _seen or (monotonic() - since > PATIENCE and _changed(path) != before):
        siblings = {path, *path.parent.parent.glob("*/.owner-*")}
        _seen.update({each: (monotonic(), _changed(each)) for each in siblings})
    since, before = _seen[path]
    while (after := _changed(path)) == before and after is not None:
        if monotonic() - since >= PATIENCE:
            return False
        sleep(0.1)
    _seen[path] = (monotonic(), after)
    return after is not None


def _changed(path: Path) -> int | None:
    # To open a file is what makes NFS ask the server.
    with suppress(OSError), open_regular(path, follow=False) as stream:
        return os.fstat(stream.fileno()).st_mtime_ns
    return None
