"""A run folder from elsewhere: it arrives whole, overwrites nothing, survives a death."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fingerprints import rows

from nnexp.errors import BusyError, RunError
from nnexp.run.reader import open_run
from nnexp.run.resume import resume
from nnexp.run.writer import RunWriter
from nnexp.study import remote
from nnexp.study.remote import complete, deliver, pack, unpack, with_all_rows

if TYPE_CHECKING:
    from conftest import Train

LOGGED = "monitor=[train, validation, test, diagnostics]"


class Death(BaseException):
    """Ends a process where nothing expects it."""


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, hidden ones as well."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def results(folder: Path) -> dict[str, object]:
    """Return what a run came to, without its clocks."""
    files = contents(folder)
    return {"log": rows(folder)} | {
        name: files[name] for name in ("model.npz", "predictions.npz", "diagnostics.csv")
    }


def dies(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], None]) -> bool:
    """Let a process die when it has waited for the disk so many times; tell whether it did."""
    sync, left = os.fsync, step

    def dying(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Death
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", dying)
        try:
            act()
        except Death:
            return True
    return False


@pytest.fixture
def cut(train: Train) -> Path:
    """Give a run that was interrupted after two of four epochs."""
    return train(LOGGED, stop_after=2).folder


@pytest.fixture
def whole(cut: Path) -> dict[str, bytes]:
    """Give the parcel of the same run, ended elsewhere."""
    away = cut.parent.parent / "away"
    unpack(pack(cut), away)
    resume(away)
    return with_all_rows(pack(away), away)


def test_a_run_arrives_as_it_was_sent(train: Train, folder: Path) -> None:
    """A delivered folder has the files of the one that was packed, byte by byte, and no others."""
    sent = train().folder
    deliver(pack(sent), folder / "elsewhere" / sent.name)
    assert contents(folder / "elsewhere" / sent.name) == contents(sent)
    assert [path.name for path in (folder / "elsewhere").iterdir()] == [sent.name]


def test_a_delivery_takes_no_name_that_is_taken(train: Train, folder: Path) -> None:
    """What is there stays as it is, and nothing hidden is left beside it."""
    sent, there = train().folder, folder / "there"
    (there / "name").mkdir(parents=True)
    (there / "name" / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        deliver(pack(sent), there / "name")
    assert contents(there / "name") == {"note.txt": b"mine"}
    assert [path.name for path in there.iterdir()] == ["name"]


@pytest.mark.parametrize("name", ["../outside", "a/b", "note.txt", ".run.json.new"])
def test_a_parcel_writes_only_the_files_of_a_run(folder: Path, name: str) -> None:
    """Whatever else it claims to hold is written nowhere."""
    deliver({"run.json": b"{}", name: b"no"}, folder / "runs" / "a")
    unpack({"run.json": b"{}", name: b"no"}, folder / "b")
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"runs/a/run.json", "b/run.json"}


def test_a_folder_that_is_too_large_is_not_sent(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is on all files together, and the message says how much may be sent."""
    sent = train().folder
    size = sum(map(len, contents(sent).values()))
    monkeypatch.setattr(remote, "LIMIT", size)
    assert len(pack(sent)) == 6
    monkeypatch.setattr(remote, "LIMIT", size - 1)
    with pytest.raises(RunError, match=r"run\.json: cannot be sent: .* at most .* are read"):
        pack(sent)


def test_a_run_that_is_being_written_is_busy(cut: Path, whole: dict[str, bytes]) -> None:
    """It is neither sent nor completed while another writer owns it."""
    before = contents(cut)
    with RunWriter.reopen(cut):
        for use in (lambda: pack(cut), lambda: complete(whole, cut)):
            with pytest.raises(BusyError):
                use()
    assert contents(cut) == before


def test_an_interrupted_run_is_completed_from_its_copy(cut: Path, whole: dict[str, bytes]) -> None:
    """It then is what the copy is, in its own folder, and its rows are still those it had."""
    rows = (cut / "metrics.csv").read_bytes()
    complete(whole, cut)
    assert contents(cut) == whole
    assert whole["metrics.csv"].startswith(rows)
    assert open_run(cut).status == "completed"
    assert resume(cut, epochs=5).trained == 1


def test_a_run_whose_last_rows_a_power_cut_took_is_completed(
    cut: Path, whole: dict[str, bytes]
) -> None:
    """Zeros where rows were to be are not what another process has written."""
    log = (cut / "metrics.csv").read_bytes()
    (cut / "metrics.csv").write_bytes(log[:-20] + bytes(20))
    complete(whole, cut)
    assert contents(cut) == whole


def test_a_run_that_went_on_meanwhile_is_left_alone(cut: Path, whole: dict[str, bytes]) -> None:
    """Rows that the copy does not have are not overwritten."""
    log = (cut / "metrics.csv").read_bytes()
    for other in (log + b"3,0.5,7\n", log[:-3] + b"xZ\n"):
        (cut / "metrics.csv").write_bytes(other)
        before = contents(cut)
        with pytest.raises(BusyError):
            complete(whole, cut)
        assert contents(cut) == before


def test_a_death_while_a_run_is_delivered_leaves_it_whole_or_none(
    train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step of the delivery shows a part of a run."""
    sent = train().folder
    parcel = pack(sent)
    for step in count():
        target = folder / f"there{step}" / sent.name
        if dies(monkeypatch, step, partial(deliver, parcel, target)):
            assert not target.exists() or contents(target) == parcel
        else:
            break
    assert step > 8


def test_a_death_while_a_run_is_completed_leaves_one_that_can_be_resumed(
    cut: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it happens, the run is the old one, can be resumed to the same end, or has ended."""
    epochs = set()
    for step in count():
        copy = cut.parent.parent / f"copy{step}"
        shutil.copytree(cut, copy)
        if not dies(monkeypatch, step, partial(complete, whole, copy)):
            break
        if open_run(copy).status != "completed":
            epochs.add(resume(copy).trained)
        unpack(whole, reference := copy.with_name(f"reference{step}"))
        assert results(copy) == results(reference)
    assert step > 8
    assert epochs == {0, 2}
