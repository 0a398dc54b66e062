"""Two machines, one folder: who writes a run where locks do not say."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Barrier, Thread
from time import sleep

import pytest

from nnexp.errors import BusyError, LostError
from nnexp.io.folder import Folder
from nnexp.run import owner, reader, writer
from nnexp.run.owner import Owner
from nnexp.run.reader import open_run
from nnexp.run.resume import resume
from nnexp.run.writer import RunWriter

CONFIG = "data: mnist\nlayers: [784, 10]\n"
# The digest of another machine.
OTHER = b"0" * 32
# flock is a call that fails, or that says yes and locks nothing.
LOCKS = {"missing": "errno = ENOLCK; return -1;", "of one machine": "return 0;"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "BEAT", 0.05)
    monkeypatch.setattr(owner, "PATIENCE", 1.5)
    monkeypatch.setattr(owner, "_seen", {})


@pytest.fixture(params=[None, True])
def elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the owner be on another machine: there are no locks, or each may be had."""
    if request.param is None:
        monkeypatch.setattr(writer, "hold", lambda descriptor: None)
        monkeypatch.setattr(reader, "is_held", lambda descriptor: None)
    else:
        monkeypatch.setattr(writer, "hold", lambda descriptor: True)
        monkeypatch.setattr(reader, "is_held", lambda descriptor: False)
        monkeypatch.setattr(owner, "read_bytes", lambda *_, **__: OTHER)


def begun() -> RunWriter:
    """Begin a run in this process."""
    return RunWriter.create(Path("runs"), "mine", CONFIG, {})


def die(process: RunWriter) -> None:
    """Let the heart of a writer stop, as if its machine had lost its power."""
    assert process._owner is not None
    process._owner._closing.set()
    sleep(0.1)


@pytest.mark.usefixtures("elsewhere", "folder")
def test_a_run_whose_heart_beats_elsewhere_is_running() -> None:
    """Readers see a run of another machine as running although no lock says so."""
    with begun() as run:
        assert open_run(run.folder).status == "running"


@pytest.mark.usefixtures("elsewhere", "folder")
def test_a_run_whose_heart_has_stopped_is_interrupted() -> None:
    """Readers see the death of an owner on another machine."""
    with begun() as run:
        die(run)
        assert open_run(run.folder).status == "interrupted"


@pytest.mark.usefixtures("elsewhere", "folder")
def test_a_run_whose_heart_beats_elsewhere_is_not_taken_over() -> None:
    """A beating heart refuses a second owner."""
    with begun() as run:
        with pytest.raises(BusyError), Folder(run.folder) as home:
            Owner.claim(home, locked=False)
        run.finish("failed")


@pytest.mark.usefixtures("elsewhere", "folder")
def test_who_comes_to_life_again_touches_nothing() -> None:
    """An owner whose run was taken over stops at its next write."""
    with begun() as run, Folder(run.folder) as home:
        die(run)
        second = Owner.claim(home, locked=False)
        before = (run.folder / "run.json").read_bytes()
        with pytest.raises(LostError, match="was taken over by another process"):
            run.finish("completed")
        assert (run.folder / "run.json").read_bytes() == before
        second.check()
        second.close()


@pytest.mark.usefixtures("elsewhere", "folder")
@pytest.mark.parametrize("left", ["a dead owner", "no owner"])
def test_of_many_who_claim_a_run_at_once_one_wins(left: str) -> None:
    """However many resume at the same moment without locks, at most one becomes the owner."""
    run = begun()
    if left == "no owner":
        run.close()
    else:
        die(run)
    start, winners = Barrier(8), []

    def claim() -> None:
        home = Folder(run.folder)
        start.wait()
        with suppress(BusyError):
            winners.append(Owner.claim(home, locked=False))

    threads = [Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1
    winners[0].check()
    winners[0].close()
    run.close()
    assert owner.last(run.folder) is None


@pytest.mark.usefixtures("folder")
def test_nobody_waits_for_a_process_of_this_machine_that_died(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where locks hold, a run that was killed is judged by its lock alone."""
    monkeypatch.setattr(owner, "_beats", lambda path: pytest.fail("it was watched"))
    run = begun()
    assert run._owner is not None
    run._owner._closing.set()
    run._logs["metrics.csv"].close()
    assert owner.last(run.folder) == 1
    assert open_run(run.folder).status == "interrupted"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("written", [b"", b"0123456789", bytes(32)])
def test_nobody_waits_for_an_owner_whose_file_the_disk_spoiled(
    monkeypatch: pytest.MonkeyPatch, written: bytes
) -> None:
    """A file that was not written whole, or lost in a power cut, is of a process that has ended."""
    monkeypatch.setattr(owner, "_beats", lambda path: pytest.fail("it was watched"))
    with begun() as run:
        pass
    (run.folder / ".owner-1").write_bytes(written)
    assert open_run(run.folder).status == "interrupted"


@pytest.mark.usefixtures("folder")
def test_a_run_without_an_owners_file_is_judged_by_its_lock() -> None:
    """Folders of an older nnexp have no heart."""
    with begun() as run:
        (run.folder / ".owner-1").unlink()
        assert open_run(run.folder).status == "running"
    assert open_run(run.folder).status == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize("locks", LOCKS)
def test_without_locks_a_living_run_is_refused_and_a_dead_one_resumed(
    locks: str,
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A process on a file system without locks keeps its run until its heart stops."""
    base = tmp_path_factory.mktemp("locks")
    source = f"#include <errno.h>\nint flock(int file, int how) {{ {LOCKS[locks]} }}\n"
    (base / "locks.c").write_text(source)
    words = ["cc", "-shared", "-fPIC", "-o", "locks.so", "locks.c"]
    subprocess.run(words, cwd=base, check=True)
    environment = {**os.environ, "LD_PRELOAD": str(base / "locks.so")}
    train = ["-m", "nnexp", "train", str(small), "--set", "epochs=100000", "-q"]
    with subprocess.Popen([sys.executable, *train], env=environment) as process:
        try:
            while not (folders := [*Path("runs").glob("[!.]*/checkpoint.npz")]):
                assert process.poll() is None
                sleep(0.02)
            folder = folders[0].parent
            monkeypatch.setattr(owner, "PATIENCE", 5.0)
            if locks == "missing":
                monkeypatch.setattr(reader, "is_held", lambda descriptor: None)
                monkeypatch.setattr(writer, "hold", lambda descriptor: None)
            else:
                monkeypatch.setattr(owner, "machine", lambda: OTHER)
            assert open_run(folder).status == "running"
            with pytest.raises(BusyError):
                resume(folder)
        finally:
            process.kill()
    # It may have touched its file once more since it was seen.
    assert "interrupted" in [open_run(folder).status for _ in range(2)]
    with RunWriter.reopen(folder) as taken:
        Owner.claim(taken._home, locked=taken._locked).close()
