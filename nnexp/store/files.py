"""Writing that survives: whole files replaced at once, lines appended, both forced to the disk.

Every write of a run folder goes through here, so that a test can make each of them fail.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nnexp.errors import RunError

# A folder cannot be synchronized everywhere; where it cannot, there is nothing to wait for.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn a failure of the file system into a RunError that names what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not from the system
            raise
        where = error.filename or path
        raise RunError(f"{where}: cannot be written: {error.strerror}{_hint(error)}") from error


def _hint(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "; make room, and `nnexp resume` goes on from the last epoch"
    if error.errno in (errno.ENOENT, errno.ESTALE):
        return "; it has vanished"
    return "; choose another place with --runs-dir"


def write(descriptor: int, data: bytes) -> None:
    """Write all of the data, also where the system takes only a part at a time."""
    view = memoryview(data)
    while view:
        taken = os.write(descriptor, view)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[taken:]


def create(path: Path, data: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(path: Path, data: bytes, *, owned: bool = True) -> None:
    """Replace a file: at any moment, and after any crash, it is the old one or the new one.

    Args:
        path: the file.
        data: its new contents.
        owned: whether no other process may be replacing it now.
    """
    temporary = path.with_name(f".{path.name}.new" if owned else f".{path.name}.{os.getpid()}.new")
    try:
        create(temporary, data)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has a folder's entries."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)
