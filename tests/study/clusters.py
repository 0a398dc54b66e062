"""A real scheduler and real workers on this machine, which do not see the user's files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from distributed import Client

ROOT = Path(__file__).parents[2]
BOUND = 60.0
DASK = "from dask.__main__ import main; main()"
WITHOUT_NNEXP = f"import sys; sys.modules['nnexp'] = None; {DASK}"
OTHER_NNEXP = f"import nnexp; nnexp.__version__ = '9.9'; {DASK}"


class Cluster:
    """A scheduler and its workers, each a process, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        """Start the scheduler."""
        file = self.folder / "scheduler.json"
        quiet = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        self.scheduler = self.start(DASK, "scheduler", *quiet, "--scheduler-file", file)
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        self.address = json.loads(file.read_text())["address"]

    def start(self, code: str, *words: str | Path) -> subprocess.Popen[bytes]:
        """Start a process that ends with the cluster; it knows nnexp, and no other folder."""
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    def worker(self, code: str = DASK, scratch: str = "scratch") -> subprocess.Popen[bytes]:
        """Start a worker."""
        one = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", scratch]
        return self.start(code, "worker", self.address, *one)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a scheduler; end all of it in any case."""
    folder.mkdir()
    started = Cluster(folder)
    try:
        started.begin()
        yield started
    finally:
        for process in started.processes:
            process.kill()
        for process in started.processes:
            process.wait()


def wait_for(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def workers(there: Cluster) -> int:
    """Count the workers that the scheduler has."""
    with Client(there.address, set_as_default=False) as client:
        return len(client.ncores())


def start_sweep(*words: str | Path, place: Path = Path()) -> subprocess.Popen[str]:
    """Start a sweep in a folder; whatever becomes of it, it is killed after two minutes."""
    sweep = subprocess.Popen(
        [sys.executable, "-m", "nnexp", "sweep", *words],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = Timer(2 * BOUND, sweep.kill)  # so that whoever reads its lines reads an end
    end.daemon = True
    end.start()
    return sweep


def lines_until(sweep: subprocess.Popen[str], *texts: str) -> str:
    """Read what a sweep prints to stderr until each of the texts has come."""
    assert sweep.stderr
    lines = ""
    while not all(text in lines for text in texts):
        line = sweep.stderr.readline()
        assert line, lines
        lines += line
    return lines
