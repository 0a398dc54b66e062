"""A folder that this process writes in: everything goes through the folder's own descriptor.

A path may come to lead elsewhere while a program runs: the folder was moved, removed, or another
one or a link was put in its place. What is written here reaches the folder that was opened or
nothing: before each write the path must still lead to it, no link in it is followed, and a file
that is appended to must still be the file that was opened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, Self

from nnexp.errors import LostError, RunError
from nnexp.io.files import guarded, make_folder, patiently, sync, to_disk, write

# Windows opens no folder; it lets nobody move or remove one that is in use.
_BY_DESCRIPTOR = {os.open, os.stat, os.mkdir, os.unlink, os.rename} <= os.supports_dir_fd
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True, slots=True)
class Place:
    """A folder by what it is, not by what its path leads to; other processes may be sent it.

    It is told from all others as long as a process holds the folder open.
    """

    path: Path
    device: int
    inode: int

    def check(self) -> None:
        """Raise LostError where the path no longer leads to the folder."""
        with suppress(OSError):
            status = self.path.stat()
            if (status.st_dev, status.st_ino) == (self.device, self.inode):
                return
        raise LostError(
            f"{self.path}: was moved, removed or replaced while nnexp was writing in it; what is "
            "there now is left as it is; what was moved can be continued where it is"
        )


class Folder:
    """An open folder, the same one whatever its path leads to later.

    Attributes:
        path: where it was when it was opened; changed by whoever renames it.
    """

    def __init__(self, path: Path, descriptor: int | None = None) -> None:
        self.path = path
        if descriptor is None:
            descriptor = os.open(path, _FOLDER) if _BY_DESCRIPTOR else -1
        self._descriptor = descriptor
        status = path.stat() if descriptor < 0 else os.fstat(descriptor)
        self._identity = status.st_dev, status.st_ino
        self._claimed = False

    @classmethod
    def made(cls, path: Path) -> Self:
        """Open a folder that is made where it is missing.

        Raises:
            RunError: it cannot be made.
        """
        with guarded(path, begun=False):
            make_folder(path)
            return cls(path)

    @property
    def place(self) -> Place:
        """What it is."""
        return Place(self.path, *self._identity)

    @classmethod
    def hidden(cls, runs: Path, stem: str) -> Self:
        """Make a folder that only this process knows, to be claimed when it is whole."""
        for i in count():
            path = runs / f".{stem}.{os.getpid()}-{i}.new"
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return cls(path)
        raise AssertionError

    def claim(self, wanted: Path, *, suffix: bool) -> None:
        """Rename it to the first free name: to rename onto a folder that holds files fails.

        Raises:
            FileExistsError: the name is taken, and there is to be no suffix.
            RunError: so are 9,998 names with suffixes.
        """
        self.check()
        suffixes = chain([""], (f"-{i}" for i in range(2, 10_000)))
        for path in (wanted.with_name(wanted.name + suffix) for suffix in suffixes):
            try:
                if not path.is_symlink():
                    # First: an interrupt may come as soon as it has the name.
                    self._claimed = True
                    self.path.rename(path)
                    self.path = path
                    return
            except OSError:
                self._claimed = False
                if not path.exists():
                    raise
            if not suffix:
                raise FileExistsError(f"{path} is there already")
        raise RunError(f"{wanted}: 9,999 runs of this name are there already")

    def discard(self) -> None:
        """Remove what was made ready for a run that did not come to be; never what has a name."""
        if self._claimed:
            return
        with suppress(OSError, LostError):
            at = self.path if self._descriptor < 0 else self._descriptor
            for name in os.listdir(at):  # noqa: PTH208 - Path has no descriptors
                self.remove(name)
            self.check()
            self.path.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # what counts is on the disk
                os.close(descriptor)

    def check(self) -> None:
        """Raise LostError where its path no longer leads to it."""
        self.place.check()

    @contextmanager
    def _at(self, name: str) -> Iterator[tuple[str | Path, dict[str, Any]]]:
        """Yield how `os` is told of a file in the folder; its errors then have the whole path."""
        path = self.path / name
        try:
            yield (name, {"dir_fd": self._descriptor}) if self._descriptor >= 0 else (path, {})
        except OSError as error:
            error.filename = error.filename and str(path)
            raise

    def open(self, name: str, flags: int) -> int:
        """Open a regular file in it; raise OSError where it is a link, a pipe or a device."""
        with self._at(name) as (at, words):
            descriptor = patiently(os.open, at, flags | _NO_LINK, 0o666, **words)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise OSError(errno.EINVAL, "not a file", str(at))
        return descriptor

    def inside(self, name: str) -> Folder:
        """Open a folder in it, made where it is missing; raise OSError where it is a link."""
        with self._at(name) as (at, words):
            with suppress(FileExistsError):
                os.mkdir(at, **words)  # noqa: PTH102 - Path has no descriptors
            if self._descriptor >= 0:
                return Folder(self.path / name, os.open(at, _FOLDER | _NO_LINK, **words))
            if Path(at).is_symlink():
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(at))
            return Folder(Path(at))

    def holds(self, name: str, descriptor: int) -> bool:
        """Tell whether an open file is the one of this name."""
        with suppress(OSError), self._at(name) as (at, words):
            there = os.stat(at, follow_symlinks=False, **words)  # noqa: PTH116 - Path has no descriptors
            return os.path.samestat(os.fstat(descriptor), there)
        return False

    def create(self, name: str, data: bytes) -> None:
        """Write a new file and wait until the disk has it."""
        descriptor = self.open(name, _NEW)
        try:
            with self._at(name):
                write(descriptor, data)
                to_disk(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError), self._at(name) as (at, words):
            os.unlink(at, **words)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name in the folder, in place of what has that name."""
        with self._at(new) as (target, words), self._at(old) as (at, _):
            there = {f"{end}_{key}": value for key, value in words.items() for end in _ENDS}
            os.replace(at, target, **there)  # noqa: PTH105 - nor here

    def replace(self, name: str, data: bytes, *, owned: bool = True) -> None:
        """Replace a file: at any moment, and after any crash, it is the old one or the new one.

        Args:
            name: of the file.
            data: its new contents.
            owned: whether no other process may be replacing it now.

        Raises:
            LostError: the folder is no longer where it was.
        """
        self.check()
        temporary = f".{name}.new" if owned else f".{name}.{os.getpid()}.new"
        try:
            self.remove(temporary)  # left by a process that was killed
            self.create(temporary, data)
            self.rename(temporary, name)
        except BaseException:
            with suppress(OSError):
                self.remove(temporary)
            raise
        self.sync()

    def sync(self) -> None:
        """Wait until the disk has its entries."""
        if self._descriptor >= 0:
            sync(self._descriptor)


_ENDS = ("src", "dst")
