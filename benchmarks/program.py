"""The installed program from outside: a whole run, and the start-up."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from race import BenchError

ROOT = Path(__file__).parents[1]
NNEXP = Path(sys.executable).with_name("nnexp")
Command = Sequence[str | Path]
CONFIG = "configs/xent_30.yaml"


@dataclass(frozen=True, slots=True)
class WholeRun:
    """One `nnexp train`.

    Attributes:
        wall: seconds from the start of the process to its end.
        core: seconds of it spent training, the sum of the run's column train_seconds.
        peak: the most memory it held, in bytes.
    """

    wall: float
    core: float
    peak: int
    epochs: int

    @property
    def overhead(self) -> float:
        """What everything else adds to the training, as a fraction of it."""
        return self.wall / self.core - 1


@dataclass(frozen=True, slots=True)
class StartUp:
    """Seconds of each repetition: our --help, and Python importing Click."""

    ours: list[float]
    click: list[float]

    @property
    def ratio(self) -> float:
        """The median ratio of the pairs."""
        return median(a / b for a, b in zip(self.ours, self.click, strict=True))


def whole_run(env: Mapping[str, str], overrides: Sequence[str] = ()) -> WholeRun:
    """Train the published experiment into a temporary folder, as from a shell script."""
    options = [word for override in overrides for word in ("--set", override)]
    with tempfile.TemporaryDirectory() as folder:
        wall, peak = timed([NNEXP, "train", CONFIG, *options, "--runs-dir", folder], env)
        metrics = next(Path(folder).glob("*/metrics.csv"))
        with metrics.open(encoding="utf-8", newline="") as stream:
            seconds = [float(row["train_seconds"]) for row in csv.DictReader(stream)]
    return WholeRun(wall, sum(seconds), peak, len(seconds))


def start_up(env: Mapping[str, str], repetitions: int) -> StartUp:
    """Time `nnexp --help` and `python -c "import click"` in turn, after one of each unheeded."""
    commands: tuple[Command, Command] = [NNEXP, "--help"], [sys.executable, "-c", "import click"]
    pairs = [[timed(command, env)[0] for command in commands] for _ in range(repetitions + 1)]
    return StartUp(*(list(times) for times in zip(*pairs[1:], strict=True)))


def timed(command: Command, env: Mapping[str, str]) -> tuple[float, int]:
    """Run a command to its end and return its seconds and its peak memory in bytes.

    The peak is this process's own, by wait4; a parent of much memory would be counted in, which
    is why the driver imports nothing large.
    """
    with tempfile.TemporaryFile() as errors:
        before = perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = perf_counter() - before
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            words = " ".join(map(str, command))
            raise BenchError(f"{words}: {errors.read().decode(errors='replace').strip()}")
    return wall, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
