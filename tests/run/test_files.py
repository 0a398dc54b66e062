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
