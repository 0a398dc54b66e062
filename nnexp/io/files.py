"""Files that anybody may have put there, read within bounds; files of ours, written to survive.

Only regular files are opened, so that a named pipe, a device or a folder under a file's name blocks
nothing; what is read is bounded by the caller. Whole files are replaced at once, lines appended,
and both forced to the disk.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from time import monotonic, sleep
from typing import Any, BinaryIO, ParamSpec, TypeVar

from nnexp.errors import RunError

_KINDS = (
    (stat.S_ISLNK, "a link, which is not followed here"),
    (stat.S_ISDIR, os.strerror(errno.EISDIR)),
    (stat.S_ISFIFO, "a named pipe, not a file"),
)
# Links are not followed: in a folder from elsewhere they could lead anywhere.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_WITHOUT_WAITING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
# Another program may have a file on lease (Samba and NFS servers take leases); asked for it back,
# it has 45 s on Linux.
_PATIENCE = 60
_P = ParamSpec("_P")
_T = TypeVar("_T")


def patiently(call: Callable[_P, _T], *words: _P.args, **more: _P.kwargs) -> _T:
    """Call the system, again and again where it says that it cannot answer yet (EAGAIN).

    Raises:
        OSError: another failure, or a minute has passed.
    """
    end: float | None = None
    while True:
        try:
            return call(*words, **more)
        except BlockingIOError:
            end = end or monotonic() + _PATIENCE
            if monotonic() > end:
                raise
        sleep(0.01)


class _Patient(io.FileIO):
    """A file that is asked again where it has no bytes yet: that is not its end."""

    def readinto(self, buffer: Any, /) -> int:
        return patiently(self._readinto, buffer)

    def _readinto(self, buffer: Any) -> int:
        number: int | None = super().readinto(buffer)
        if number is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return number


def open_regular(path: Path | str, *, follow: bool = True) -> io.BufferedReader:
    """Open a regular file to read its bytes.

    Args:
        path: the file.
        follow: whether it may be a link. Files of a run folder may not: a link there could lead
            anywhere.

    Raises:
        OSError: it cannot be opened, or is no regular file; its strerror says why.
    """
    return stream_of(_open(path, follow=follow)[0])


def stream_of(descriptor: int) -> io.BufferedReader:
    """Return an open file to be read; where it has no bytes yet, they are waited for."""
    return io.BufferedReader(_Patient(descriptor))


def _open(path: Path | str, *, follow: bool) -> tuple[int, os.stat_result]:
    try:
        _check_kind(os.stat(path, follow_symlinks=follow).st_mode, path)  # noqa: PTH116 - fast
        # It may have become a link or a named pipe since.
        descriptor = patiently(os.open, path, _WITHOUT_WAITING | (0 if follow else _NO_LINK))
    except ValueError as error:  # a NUL, or half of a surrogate pair
        raise OSError(errno.EINVAL, "not a name that a file can have", str(path)) from error
    try:
        status = os.fstat(descriptor)
        _check_kind(status.st_mode, path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, status


def _check_kind(mode: int, path: Path | str) -> None:
    if not stat.S_ISREG(mode):
        kind = next((words for test, words in _KINDS if test(mode)), "a device, not a file")
        raise OSError(errno.EINVAL, kind, str(path))


def size_of(stream: BinaryIO) -> int:
    """Return the size of an open file in bytes."""
    return os.fstat(stream.fileno()).st_size


def read_bytes(path: Path | str, limit: int, *, follow: bool = True) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises:
        OSError: it cannot be opened, is no regular file, or is larger; its strerror says why.
    """
    return read_dated(path, limit, follow=follow)[0]


def read_dated(path: Path | str, limit: int, *, follow: bool = True) -> tuple[bytes, int]:
    """Read a file as `read_bytes` does; return also when it was written, in nanoseconds."""
    descriptor, status = _open(path, follow=follow)
    try:
        size = status.st_size
        if size > limit:
            raise OSError(errno.EFBIG, f"{size:,} bytes; at most {limit:,} are read")
        data = patiently(os.read, descriptor, size)
        while len(data) < size and (piece := patiently(os.read, descriptor, size - len(data))):
            data += piece
        return data, status.st_mtime_ns
    finally:
        os.close(descriptor)


# A folder cannot be synchronized everywhere; where it cannot, there is nothing to wait for.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


@contextmanager
def guarded(path: Path, *, begun: bool = True) -> Iterator[None]:
    """Turn a failure of the file system into a RunError that names what to do.

    Args:
        path: what is written, for an error that does not name it.
        begun: whether there is a run that can be resumed.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not from the system
            raise
        where = error.filename or path
        message = f"{where}: cannot be written: {error.strerror}; {_remedy(error, begun=begun)}"
        raise RunError(message) from error


def _remedy(error: OSError, *, begun: bool) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    if error.errno in (errno.ENOENT, errno.ESTALE):
        return "it has vanished"
    if not begun:
        return f"{'make room, or ' if full else ''}choose another place with --runs-dir"
    return f"{'make room' if full else 'correct that'}, then continue with `nnexp resume`"


def write(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of the data, also where the system takes only a part at a time."""
    view = memoryview(data)
    while view:
        taken = patiently(os.write, descriptor, view)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[taken:]


_passing: ContextVar[bool] = ContextVar("_passing", default=False)


@contextmanager
def passing() -> Iterator[None]:
    """Wait for no disk in this thread: what is written is for this process, which removes it."""
    before = _passing.set(True)
    try:
        yield
    finally:
        _passing.reset(before)


def to_disk(descriptor: int) -> None:
    """Wait until the disk has what was written to an open file."""
    if not _passing.get():
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has a folder's entries."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
        return
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync(folder: int) -> None:
    """Wait until the disk has the entries of an open folder, where it can be waited for."""
    try:
        to_disk(folder)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def make_folder(folder: Path) -> None:
    """Make a folder and its parents where they are missing; wait until the disk has them."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for inner in reversed(missing):
        inner.mkdir(exist_ok=True)
        sync_folder(inner.parent)
