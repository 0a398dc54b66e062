"""Between the program and the file system: every call is counted, and may fail or be noted."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WRITING = os.O_WRONLY | os.O_RDWR
BY_NAME = ("mkdir", "rmdir", "unlink", "rename", "replace")
BY_FILE = ("fsync", "pread", "close")


class Disk:
    """Stands before `os` for the files below a folder, while it is entered.

    Subclasses say in `before` what becomes of a call, and note in `after` what it did.
    """

    def __init__(self, root: Path) -> None:
        self.root = str(root.resolve())
        self.calls = 0
        self.awake = True
        self._files: dict[int, tuple[str, tuple[int, int]]] = {}
        self._real: dict[str, Any] = {}

    def before(self, name: str, path: str) -> None:
        """Raise OSError to let the call fail."""

    def after(self, name: str, path: str, *details: Any) -> None:
        """Take note of a call that succeeded."""

    def most(self, data: Any) -> Any:
        """Return as much of the data as a write takes."""
        return data

    def __enter__(self) -> Self:
        names = ("open", "write", "lseek", *BY_NAME, *BY_FILE)
        self._real = {name: getattr(os, name) for name in names} | {"read": io.open}
        for name in names:
            setattr(os, name, self._stand_in(name))
        io.open = self._read  # type: ignore[assignment]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        io.open = self._real.pop("read")
        for name, real in self._real.items():
            setattr(os, name, real)

    def _stand_in(self, name: str) -> Callable[..., Any]:
        if name in BY_NAME:
            return lambda path, *rest, **words: self._by_name(name, path, *rest, **words)
        if name in BY_FILE:
            return lambda file, *rest: self._by_file(name, file, *rest)
        others: dict[str, Callable[..., Any]] = {
            "open": self._open,
            "write": self._write,
            "lseek": self._lseek,
        }
        return others[name]

    def below(self, path: Any, folder: int | None = None) -> str | None:
        """Return a path, seen from an open folder, as text where it is below the root, or is it."""
        if isinstance(path, int):
            return None
        start = Path.cwd() if folder is None else Path(self._known(folder) or os.devnull)
        path = str(start / os.fsdecode(path))
        return path if path == self.root or path.startswith(self.root + os.sep) else None

    def _known(self, file: Any) -> str | None:
        """Return the path of an open file; its number may have been given to another meanwhile."""
        path, identity = self._files.get(file, (None, None))
        if path is None or identity != _identity(file):
            return None
        return path

    def _came(self, name: str, path: str) -> None:
        if self.awake:
            self.calls += 1
            self.before(name, path)

    def _by_name(self, name: str, path: Any, *rest: Any, **words: Any) -> Any:
        here = self.below(path, words.get("dir_fd", words.get("src_dir_fd")))
        if here is None:
            return self._real[name](path, *rest, **words)
        self._came(name, here)
        result = self._real[name](path, *rest, **words)
        others = [self.below(p, words.get("dst_dir_fd")) for p in rest if isinstance(p, str | Path)]
        self.after(name, here, *others)
        if others:  # what is open below has moved with it
            for file, (at, identity) in self._files.items():
                if at == here or at.startswith(here + os.sep):
                    self._files[file] = (f"{others[0]}{at[len(here) :]}", identity)
        return result

    def _by_file(self, name: str, file: int, *rest: Any) -> Any:
        path = self._known(file)
        if path is None:
            return self._real[name](file, *rest)
        if name == "close":
            del self._files[file]
            # A file that cannot be closed is closed all the same.
            self._real["close"](file)
        self._came(name, path)
        outcome = None if name == "close" else self._real[name](file, *rest)
        self.after(name, path, file, *rest)
        return outcome

    def _open(self, path: Any, flags: int, *rest: Any, **words: Any) -> int:
        here = self.below(path, words.get("dir_fd"))
        if here is None:
            return int(self._real["open"](path, flags, *rest, **words))
        self._came("open" if flags & WRITING else "look", here)
        there = os.path.lexists(here)
        file = int(self._real["open"](path, flags, *rest, **words))
        self._files[file] = (here, _identity(file))
        self.after("open", here, file, flags, there)
        return file

    def _write(self, file: int, data: Any) -> int:
        path = self._known(file)
        if path is None:
            return int(self._real["write"](file, data))
        self._came("write", path)
        data = self.most(data)
        taken = int(self._real["write"](file, data))
        self.after("write", path, file, bytes(data[:taken]))
        return taken

    def _lseek(self, file: int, position: int, whence: int) -> int:
        outcome = int(self._real["lseek"](file, position, whence))
        if (path := self._known(file)) is not None:
            self.after("lseek", path, file, outcome)
        return outcome

    def _read(self, path: Any, *rest: Any, **words: Any) -> Any:
        here = self.below(path)
        if here is not None and "opener" not in words:
            self._came("read", here)
        return self._real["read"](path, *rest, **words)


def _identity(file: int) -> tuple[int, int]:
    try:
        outcome = os.fstat(file)
    except OSError:
        return (-1, -1)
    return (outcome.st_dev, outcome.st_ino)


class Failing(Disk):
    """Lets one call fail, or every call from there on.

    Attributes:
        at: the number of the call, from 1.
        error: the errno; None fails nothing.
        lasting: whether the calls after it fail too.
        short: if the call is a write, it takes half of the data, and the next call fails instead.
        silent: the call does not fail; `on_fault` has done something instead.
        faults: how often something failed or was shortened.
    """

    def __init__(
        self,
        root: Path,
        at: int = 0,
        error: int | None = None,
        *,
        lasting: bool = False,
        short: bool = False,
        silent: bool = False,
        on_fault: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(root)
        self.at, self.error, self.lasting, self.short = at, error, lasting, short
        self.silent = silent
        self.faults = 0
        self._on_fault = on_fault

    def before(self, name: str, path: str) -> None:
        """Fail at its calls."""
        fails = self.calls == self.at or (self.lasting and self.calls > self.at > 0)
        if fails and self.silent:
            self._count()
        if fails and self.error is not None and not (self.short and name == "write"):
            self._count()
            named = (path,) if name in (*BY_NAME, "open", "look", "read") else ()
            raise OSError(self.error, os.strerror(self.error), *named)

    def _count(self) -> None:
        self.faults += 1
        if self.faults == 1:
            self.awake = False
            self._on_fault()
            self.awake = True

    def most(self, data: Any) -> Any:
        """Take half of it where the write is to be short."""
        if not (self.short and self.calls == self.at) or len(data) < 2:
            return data
        self._count()
        self.short, self.at = False, self.at + 1
        return data[: len(data) // 2]


ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
