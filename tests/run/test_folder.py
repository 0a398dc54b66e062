"""A folder that is written by its descriptor: what it is exchanged for stays as it is."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nnexp.errors import LostError
from nnexp.io.folder import Folder
from nnexp.run.log import LogFile


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Folder]:
    """A folder that is open."""
    (tmp_path / "home").mkdir()
    with Folder(tmp_path / "home") as folder:
        yield folder


def failing(number: int) -> Callable[..., Any]:
    """Return a function that fails as the system does."""

    def fail(*words: object, **more: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_system_that_takes_a_byte_at_a_time_gets_all_of_them(
    home: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short writes are continued until everything is written."""
    whole = os.write
    monkeypatch.setattr(os, "write", lambda file, data: whole(file, data[:1]))
    home.create("a", b"some words")
    assert contents(home.path) == {"a": b"some words"}


@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "replace"])
def test_a_file_that_cannot_be_replaced_is_the_old_one(
    home: Folder, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whatever fails, the old bytes are there and nothing else."""
    home.create("a", b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            home.replace("a", b"new")
    assert contents(home.path) == {"a": b"old"}


def test_what_a_killed_process_left_is_not_in_the_way(home: Folder) -> None:
    """A file half replaced is begun anew; where it is a link, nothing is written through it."""
    precious = home.path / "precious"
    precious.write_bytes(b"kept")
    (home.path / ".a.new").write_bytes(b"half")
    home.replace("a", b"one")
    (home.path / ".a.new").symlink_to(precious)
    home.replace("a", b"two")
    assert contents(home.path) == {"a": b"two", "precious": b"kept"}
    with pytest.raises(FileExistsError):
        home.create("precious", b"new")


def test_only_a_file_is_opened(home: Folder) -> None:
    """A link or a named pipe under a log's name is refused at once."""
    (home.path / "link").symlink_to(home.path / "new")
    os.mkfifo(home.path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=r"symbolic links|not a file"):
            home.open(name, os.O_RDWR | os.O_CREAT)
    assert not (home.path / "new").exists()


def test_an_error_has_the_whole_path(home: Folder) -> None:
    """The system knows only the name in the folder; the user is told where it is."""
    with pytest.raises(FileNotFoundError) as caught:
        home.open("none", os.O_RDWR)
    assert caught.value.filename == str(home.path / "none")


@pytest.mark.parametrize("exchange", ["moved", "removed", "another folder", "a link", "a file"])
def test_a_folder_that_was_exchanged_is_left_alone(
    home: Folder, tmp_path: Path, exchange: str
) -> None:
    """What came to its place is not written, and neither is what a link there leads to."""
    other, away = tmp_path / "other", tmp_path / "away"
    other.mkdir()
    (other / "a").write_bytes(b"of somebody else")
    home.create("a", b"ours")
    if exchange == "removed":
        shutil.rmtree(home.path)
    else:
        home.path.rename(away)
    if exchange == "another folder":
        other.rename(home.path)
        other = home.path
    elif exchange == "a link":
        home.path.symlink_to(other)
    elif exchange == "a file":
        home.path.write_bytes(b"")
    with pytest.raises(LostError, match="was moved, removed or replaced"):
        home.replace("a", b"new")
    assert contents(other) == {"a": b"of somebody else"}
    if exchange != "removed":
        assert contents(away) == {"a": b"ours"}
    home.discard()
    assert contents(other) == {"a": b"of somebody else"}


def test_what_is_written_after_the_check_reaches_the_folder_that_was_opened(
    home: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the exchange happens between the check and the write, nothing goes astray."""
    other = tmp_path / "other"
    other.mkdir()
    home.create("a", b"old")
    check = home.check

    def exchanged() -> None:
        check()
        home.path.rename(tmp_path / "away")
        other.rename(home.path)

    monkeypatch.setattr(home, "check", exchanged)
    home.replace("a", b"new")
    assert contents(tmp_path / "away") == {"a": b"new"}
    assert contents(home.path) == {}


@pytest.fixture
def log(home: Folder) -> Iterator[LogFile]:
    """A log of a header and a row."""
    made = LogFile.open(home, "log.csv")
    made.begin(["epoch"])
    made.append({"epoch": 1})
    made.commit()
    yield made
    made.close()


def test_nothing_is_written_into_a_log_that_nobody_can_find(home: Folder, log: LogFile) -> None:
    """A log that was removed or replaced while it is open is noticed."""
    path = home.path / "log.csv"
    path.rename(home.path / "moved")
    log.append({"epoch": 2})
    with pytest.raises(OSError, match="another file is in its place"):
        log.commit()
    path.write_bytes(b"of somebody else")
    with pytest.raises(OSError, match="another file is in its place"):
        log.commit()
    assert contents(home.path) == {"log.csv": b"of somebody else", "moved": b"epoch\n1\n"}


def test_a_backup_of_hard_links_is_not_changed(home: Folder, log: LogFile, tmp_path: Path) -> None:
    """A log with a second link is copied before it is appended to; the lock goes with it."""
    os.link(home.path / "log.csv", tmp_path / "backup")
    for epoch in (2, 3):
        log.append({"epoch": epoch})
        log.commit()
    assert (tmp_path / "backup").read_bytes() == b"epoch\n1\n"
    assert contents(home.path) == {"log.csv": b"epoch\n1\n2\n3\n"}
    assert home.holds("log.csv", log.descriptor)


@pytest.mark.parametrize("size", [0, 7, 100])
def test_a_log_that_was_cut_or_grew_is_put_right(home: Folder, log: LogFile, size: int) -> None:
    """What was committed comes back, what was added goes, and the user is told."""
    os.truncate(home.path / "log.csv", size)
    log.append({"epoch": 2})
    log.commit()
    assert contents(home.path) == {"log.csv": b"epoch\n1\n2\n"}
    assert log.notes == [
        f"{home.path}/log.csv: was changed from outside, from 8 to {size} bytes, and was put right"
    ]


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_folder_that_has_its_name_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    """Somebody may have seen it: what fails after that, and Ctrl-C at once, leave it whole."""
    rename = Path.rename

    def then_interrupt(path: Path, target: Path) -> None:
        rename(path, target)
        raise KeyboardInterrupt

    with Folder.hidden(tmp_path, "run") as folder:
        folder.create("a", b"kept")
        if interrupted:
            monkeypatch.setattr(Path, "rename", then_interrupt)
            with pytest.raises(KeyboardInterrupt):
                folder.claim(tmp_path / "run", suffix=True)
        else:
            folder.claim(tmp_path / "run", suffix=True)
        folder.discard()
    assert contents(tmp_path / "run") == {"a": b"kept"}


def test_a_folder_whose_name_is_taken_is_removed(tmp_path: Path) -> None:
    """It was never seen, and is in nobody's way."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "b").touch()
    with Folder.hidden(tmp_path, "run") as folder:
        folder.create("a", b"new")
        with pytest.raises(FileExistsError):
            folder.claim(tmp_path / "run", suffix=False)
        folder.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
