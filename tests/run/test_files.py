"""Writing that survives: what a failure leaves behind, and what is said of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnexp.errors import RunError
from nnexp.io import files

Fail = Callable[..., Any]


def failing(number: int) -> Fail:
    """Return a function that fails as the system does."""

    def fail(*words: object, **more: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "begun", "said"),
    [
        (errno.ENOSPC, True, "make room, then continue with `nnexp resume`"),
        (errno.ENOSPC, False, "make room, or choose another place with --runs-dir"),
        (errno.EDQUOT, True, "make room, then continue with `nnexp resume`"),
        (errno.EIO, True, "correct that, then continue with `nnexp resume`"),
        (errno.EROFS, False, "choose another place with --runs-dir"),
        (errno.ENOENT, True, "it has vanished"),
    ],
)
def test_a_failure_is_named_with_its_remedy(number: int, begun: bool, said: str) -> None:
    """The message has the place, what the system says, and what to do before or during a run."""
    with pytest.raises(RunError) as caught, files.guarded(Path("a run"), begun=begun):
        failing(number)()
    assert str(caught.value) == f"a run: cannot be written: {os.strerror(number)}; {said}"


def test_a_failure_names_the_file_where_the_system_does(tmp_path: Path) -> None:
    """An error that knows its file is reported with it."""
    with pytest.raises(RunError, match=r"/none/file: cannot be written"), files.guarded(tmp_path):
        (tmp_path / "none" / "file").touch()


def test_errors_that_are_not_the_systems_pass() -> None:
    """A bug stays a bug, and an OSError without a number is somebody's own."""
    with pytest.raises(KeyError), files.guarded(Path()):
        raise KeyError
    with pytest.raises(FileExistsError), files.guarded(Path()):
        raise FileExistsError("a name that is taken")


def test_a_system_that_takes_a_byte_at_a_time_gets_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short writes are gone on with until everything is written."""
    whole = os.write
    monkeypatch.setattr(os, "write", lambda file, data: whole(file, data[:1]))
    files.create(tmp_path / "a", b"some words")
    assert (tmp_path / "a").read_bytes() == b"some words"


@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "replace"])
def test_a_file_that_cannot_be_replaced_is_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whatever fails, the old bytes are there and nothing else."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            files.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_not_in_the_way(tmp_path: Path) -> None:
    """A file half replaced is begun anew; where it is a link, nothing is written through it."""
    path, precious = tmp_path / "a", tmp_path / "precious"
    precious.write_bytes(b"kept")
    (tmp_path / ".a.new").write_bytes(b"half")
    files.replace(path, b"one")
    (tmp_path / ".a.new").symlink_to(precious)
    files.replace(path, b"two")
    assert (path.read_bytes(), precious.read_bytes()) == (b"two", b"kept")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "precious"]
    with pytest.raises(FileExistsError):
        files.create(precious, b"new")


def test_a_folder_that_is_made_is_on_the_disk_with_its_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every folder that gets a new name in it is synchronized, the uppermost first."""
    synchronized: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", synchronized.append)
    files.make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synchronized == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    files.make_folder(tmp_path / "a" / "b")
    assert len(synchronized) == 3


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_folder_that_cannot_be_synchronized_is_none_the_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """Some file systems have no such thing; an error of the disk is another matter."""
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(number))
        files.sync_folder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            files.sync_folder(tmp_path)


def test_only_a_file_is_opened_as_a_log(tmp_path: Path) -> None:
    """A link or a named pipe under a log's name is refused at once."""
    (tmp_path / "link").symlink_to(tmp_path / "new")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=r"symbolic links|not a file"):
            files.open_log(tmp_path / name, os.O_RDWR | os.O_CREAT)
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_into_a_file_that_nobody_can_find(tmp_path: Path) -> None:
    """A log that was removed or replaced while it is open is noticed."""
    path = tmp_path / "log"
    descriptor = files.open_log(path, os.O_RDWR | os.O_CREAT)
    try:
        files.write_at(descriptor, path, 0, b"a row\n")
        files.write_at(descriptor, path, 2, b"ROW\n")
        assert path.read_bytes() == b"a ROW\n"
        path.write_bytes(path.read_bytes())
        path.rename(tmp_path / "moved")
        with pytest.raises(FileNotFoundError):
            files.write_at(descriptor, path, 6, b"lost\n")
        path.touch()
        with pytest.raises(OSError, match="another file is in its place"):
            files.write_at(descriptor, path, 6, b"lost\n")
    finally:
        os.close(descriptor)
