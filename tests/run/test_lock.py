"""Which runs are being written now: a lock that dies with its process."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from nnexp.run.find import folders
from nnexp.run.reader import Run, open_run
from nnexp.run.writer import RunWriter


def wait_for_rows(process: subprocess.Popen[bytes], runs: Path, rows: int) -> Run:
    """Wait until the run of a process has logged so many epochs."""
    for _ in range(5000):
        if process.poll() is not None:
            break
        found = [open_run(path) for path in folders(runs) if (path / "run.json").exists()]
        if found and len(found[0].rows) >= rows:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(process.communicate())


def test_a_run_is_running_while_its_process_lives_and_interrupted_when_it_was_killed(
    small: Path,
) -> None:
    """After SIGKILL the run is shown as interrupted, with every epoch it had logged."""
    words = ["-m", "nnexp", "train", str(small), "--set", "epochs=2000000", "--quiet"]
    with subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE) as process:
        try:
            alive = wait_for_rows(process, Path("runs"), 3)
            assert alive.status == "running"
        finally:
            process.kill()
    dead = open_run(alive.folder)
    assert dead.record["status"] == "running"
    assert dead.status == "interrupted"
    assert len(dead.rows) >= 3
    assert [row["epoch"] for row in dead.rows] == list(range(1, len(dead.rows) + 1))
    assert dead.record["pid"] == process.pid
    assert dead.predictions is None


def test_a_run_of_this_process_is_running_until_it_is_finished(folder: Path) -> None:
    """The process that writes a run sees its status as others do."""
    made = RunWriter.create(Path("runs"), "mine", "data: mnist\nlayers: [784, 10]\n", {})
    assert open_run(made.folder).status == "running"
    made.finish("failed")
    assert open_run(made.folder).status == "failed"


def test_a_run_that_was_left_by_its_process_is_interrupted(folder: Path) -> None:
    """A record that says running is not believed without the lock."""
    made = RunWriter.create(Path("runs"), "mine", "data: mnist\nlayers: [784, 10]\n", {})
    made.close()
    assert open_run(made.folder).status == "interrupted"
