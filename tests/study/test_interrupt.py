"""A pool that is interrupted ends, and what it has logged stays."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnexp.store.find import folders
from nnexp.store.index import open_all

LONG = """\
data: {inline: {x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [[0], [1], [1], [0]]}}
layers: [2, 4, 1]
epochs: 10000000
"""
SCRIPT = """\
from pathlib import Path
import signal
from nnexp.config.loader import load
from nnexp.study.pool import Job, run_all

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = load(Path("long.yaml"))
    run_all([Job(config.with_seed(seed), Path("runs")) for seed in range(6)], processes=2)
"""
BOUND = 60.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_pool_ends_its_runs_and_begins_no_other(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Both running runs end as interrupted with their rows, the four waiting ones never begin."""
    (tmp_path / "long.yaml").write_text(LONG)
    (tmp_path / "pool.py").write_text(SCRIPT)
    process = subprocess.Popen([sys.executable, "pool.py"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + BOUND
        while time.monotonic() < end:
            running = list(folders(tmp_path / "runs"))
            if len(running) == 2 and all(run.rows for run in open_all(running)[0]):
                break
            time.sleep(0.1)
        process.send_signal(number)
        assert process.wait(BOUND) != 0
    finally:
        process.kill()
    runs, notes = open_all(folders(tmp_path / "runs"))
    assert notes == []
    assert [run.status for run in runs] == ["interrupted"] * 2
    assert all(run.rows and (run.folder / "model.npz").exists() for run in runs)
