"""Opening files that anybody may have put there.

Only regular files are opened, so that a named pipe, a device or a folder under a file's name blocks
nothing; what is read is bounded by the caller.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISLNK, "a link, which is not followed here"),
    (stat.S_ISDIR, os.strerror(errno.EISDIR)),
    (stat.S_ISFIFO, "a named pipe where a file is due"),
)


def open_regular(path: Path, *, follow: bool = True) -> io.BufferedReader:
    """Open a regular file to read its bytes.

    Args:
        path: the file.
        follow: whether it may be a link. Files of a run folder may not: a link there could lead
            anywhere.

    Raises:
        OSError: it cannot be opened, or is no regular file; its strerror says why.
    """
    try:
        mode = path.stat(follow_symlinks=follow).st_mode
        if not stat.S_ISREG(mode):
            kind = next((said for test, said in _KINDS if test(mode)), "a device, not a file")
            raise OSError(errno.EINVAL, kind, str(path))
        return open(path, "rb", opener=_without_waiting)
    except ValueError as error:  # a NUL, or half of a surrogate pair
        raise OSError(errno.EINVAL, "not a name that a file can have", str(path)) from error


def _without_waiting(path: str, flags: int) -> int:
    """Open a file that may have become a named pipe since it was looked at."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def size_of(stream: BinaryIO) -> int:
    """Return the size of an open file in bytes."""
    return os.fstat(stream.fileno()).st_size


def read_bytes(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises:
        OSError: it cannot be opened, is no regular file, or is larger; its strerror says why.
    """
    with open_regular(path, follow=follow) as stream:
        return read_open(stream, limit)


def read_open(stream: BinaryIO, limit: int) -> bytes:
    """Read what an open file holds now; raise OSError if that is more than `limit` bytes."""
    size = size_of(stream)
    if size > limit:
        raise OSError(errno.EFBIG, f"{size:,} bytes; at most {limit:,} are read")
    return stream.read(size)
