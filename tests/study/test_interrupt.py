"""Sweeps that are interrupted, or lose a process, end at once; what they have logged stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sweeping import STUDY, running, wait_until, workers, write_study

from nnexp.run.find import folders
from nnexp.run.reader import open_all

LONG = STUDY.replace("epochs: 60", "epochs: 1000000").replace("  schedule", "  # schedule")
LOST = (
    "nnexp: a worker process was killed, perhaps for want of memory; what is complete is kept: "
    "run the command again, with fewer --jobs if need be\n"
)

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def signalled(number: signal.Signals) -> Callable[[subprocess.Popen[str]], None]:
    """Return what sends a signal to all processes of a sweep, as a terminal does."""
    return lambda process: os.killpg(process.pid, number)


def lose_a_worker(process: subprocess.Popen[str]) -> None:
    """Kill a worker, as the kernel does where memory is short."""
    os.kill(workers(process)[0], signal.SIGKILL)


def is_blocked(number: signal.Signals, process: int) -> bool:
    """Tell whether a process has a signal blocked."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (mask,) = (line.split()[1] for line in lines if line.startswith("SigBlk"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize(
    ("hurt", "code", "said"),
    [
        (signalled(signal.SIGINT), 130, "nnexp: interrupted\n"),
        (subprocess.Popen.terminate, 130, "nnexp: interrupted\n"),
        (subprocess.Popen.kill, -signal.SIGKILL, ""),
        (lose_a_worker, 1, LOST),
    ],
    ids=["ctrl-c", "terminated", "parent-killed", "worker-killed"],
)
def test_a_sweep_that_is_cut_short_leaves_no_process_and_runs_to_be_resumed(
    tmp_path: Path, hurt: Callable[[subprocess.Popen[str]], None], code: int, said: str
) -> None:
    """Both running runs are interrupted with their rows, the four others never began.

    A worker has SIGINT blocked from its first moment: Ctrl-C is the parent's to answer.
    """
    study = write_study(tmp_path, LONG)
    runs = tmp_path / "runs" / "study"
    with running(study) as process:
        wait_until(lambda: len(list(runs.glob("*/checkpoint.npz"))) == 2)
        children = workers(process)
        assert all(is_blocked(signal.SIGINT, child) for child in children)
        hurt(process)
        _, err = process.communicate(timeout=60)
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert process.returncode == code
    assert err.endswith(said)
    assert "Traceback" not in err
    if code != -signal.SIGKILL:
        assert "runs/study keeps what was trained; the same command resumes it" in err
    found, notes = open_all(folders(runs))
    assert notes == []
    assert [run.status for run in found] == ["interrupted"] * 2
    assert all(run.rows for run in found)


def test_workers_end_with_their_parent_also_when_they_have_nothing_to_do(tmp_path: Path) -> None:
    """One run is over, one goes on: when the parent dies, neither worker is left."""
    study = write_study(
        tmp_path, LONG.replace("eta: 0.1}", "eta: 0.1, epochs: 1}").replace("-2", "")
    )
    runs = tmp_path / "runs" / "study"
    with running(study) as process:
        wait_until(lambda: list(runs.glob("fast-s0/checkpoint.npz")))
        wait_until(lambda: any("completed" in r.read_text() for r in runs.glob("slow-s0/run.json")))
        children = workers(process)
        assert len(children) == 2
        process.kill()
        process.communicate(timeout=60)
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_an_interrupted_run_is_resumed_by_the_same_command(tmp_path: Path) -> None:
    """run.json says after which epoch a run was taken up again; it is not begun anew."""
    study = write_study(tmp_path, LONG)
    runs = tmp_path / "runs" / "study"

    def interrupted() -> list[str]:
        with running(study) as process:
            wait_until(lambda: len(list(runs.glob("*/checkpoint.npz"))) == 2)
            wait_until(lambda: all('"running"' in r.read_text() for r in runs.glob("*/run.json")))
            process.terminate()
            process.communicate(timeout=60)
        return sorted(path.name for path in runs.glob("*-s*"))

    first, second = interrupted(), interrupted()
    assert first == second
    records = [json.loads((runs / name / "run.json").read_text()) for name in second]
    assert [len(record["resumed"]) for record in records] == [1, 1]
    assert all(record["resumed"][0]["after_epoch"] > 0 for record in records)
