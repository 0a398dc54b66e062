"""Files that another program has on lease, and calls that are to be made again."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fingerprints import fingerprint
from leases import lent, permitted

from nnexp.errors import RunError
from nnexp.io import files
from nnexp.run.resume import resume

if TYPE_CHECKING:
    from conftest import Nnexp, Train

DATA = b"some words\n" * 20_000


def seldom(call: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    """Return a call of the system that answers every third time, with one byte of many."""

    def answer(*words: Any, **more: Any) -> Any:
        calls.append(call.__name__)
        if len(calls) % 3:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return call(*words, **more)

    return answer


@pytest.mark.parametrize("call", ["open", "read"])
def test_what_cannot_be_read_yet_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The whole file is read, whichever call says "not yet"."""
    (tmp_path / "a").write_bytes(DATA)
    calls: list[str] = []
    monkeypatch.setattr(os, call, seldom(getattr(os, call), calls))
    assert files.read_bytes(tmp_path / "a", len(DATA)) == DATA
    assert calls == [call] * 3


def test_what_cannot_be_written_yet_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the data arrive."""
    calls: list[str] = []
    with (tmp_path / "a").open("wb") as stream:
        monkeypatch.setattr(os, "write", seldom(os.write, calls))
        files.write(stream.fileno(), DATA)
    assert (tmp_path / "a").read_bytes() == DATA
    assert calls == ["write"] * 3


def test_a_file_that_has_no_bytes_yet_is_not_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that got nothing waits for the rest: a file cut short would be other data."""
    source, sink = os.pipe()
    os.set_blocking(source, False)
    pieces = [b"one", b" li", b"ne\n"]

    def wait(_: float) -> None:
        os.write(sink, pieces.pop(0)) if pieces else os.close(sink)

    monkeypatch.setattr(files, "sleep", wait)
    with files.stream_of(source) as stream:
        assert [*stream] == [b"one line\n"]


@pytest.mark.parametrize("call", ["open", "read", "write"])
def test_patience_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """What never comes is an error like any other, with what the system says."""

    def never(*_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def copy() -> None:
        with files.guarded(tmp_path):
            files.write(stream.fileno(), files.read_bytes(tmp_path / "a", len(DATA)))

    (tmp_path / "a").write_bytes(DATA)
    with (tmp_path / "b").open("wb") as stream, monkeypatch.context() as patch:
        patch.setattr(files, "_PATIENCE", 0)
        patch.setattr(os, call, never)
        with pytest.raises(RunError, match="Resource temporarily unavailable"):
            copy()


def test_files_that_are_on_lease_are_asked_for_and_read(
    train: Train, nnexp: Nnexp, folder: Path
) -> None:
    """Leases are given back when somebody asks: until then the system says "not yet"."""
    if not permitted(folder):
        pytest.skip("this file system has no leases")
    run = train().folder
    commands: list[tuple[str | Path, ...]] = [("list",), ("show", run), ("compare", run, "--json")]
    for command in commands:
        expected = nnexp(*command).stdout
        with lent(folder) as leases:
            assert nnexp(*command).stdout == expected
        assert leases.returned >= 1


def test_a_run_on_lease_is_resumed(train: Train, folder: Path) -> None:
    """It is continued to the same bytes, its files and its data on lease."""
    if not permitted(folder):
        pytest.skip("this file system has no leases")
    whole = fingerprint(train().folder)
    run = train(stop_after=1).folder
    with lent(run, folder / "points.csv") as leases:
        assert resume(run).status == "completed"
    assert leases.returned >= 4
    assert fingerprint(run) == whole
