"""A sweep with one job and with two, in turn: throughput, and what a worker process holds.

What two CPUs can give is measured as well: two sweeps of half the runs, which share nothing.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import IO

from program import NNEXP, ROOT
from race import BenchError

CONFIG = ROOT / "configs" / "xent_30.yaml"
_OWN = "Anonymous:"
_TICK = 0.05
_Popen = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Scaling:
    """The same sweep with one job and with two.

    Attributes:
        runs: how many it has, each of `epochs`.
        one, two: wall seconds of each round.
        apart: the same of two sweeps at once, with one job and half of the runs each.
        own: the most memory a worker process had that is no file's, in bytes; 0 where there is no
            /proc to tell it.
    """

    runs: int
    epochs: int
    one: list[float]
    two: list[float]
    apart: list[float]
    own: int

    @property
    def ratio(self) -> float:
        """The median over the rounds of the throughput of two jobs to that of one."""
        return median(a / b for a, b in zip(self.one, self.two, strict=True))

    @property
    def ceiling(self) -> float:
        """The same ratio of two sweeps that share nothing but the machine."""
        return median(a / b for a, b in zip(self.one, self.apart, strict=True))


def scaling(env: Mapping[str, str], *, runs: int, epochs: int, rounds: int) -> Scaling:
    """Sweep over seeds of the published experiment in three ways, round by round."""
    half = runs // 2
    ways: list[list[_Sweep]] = [
        [_Sweep(1, 0, runs)],
        [_Sweep(2, 0, runs)],
        [_Sweep(1, 0, half), _Sweep(1, half, runs)],
    ]
    one: list[float] = []
    two: list[float] = []
    apart: list[float] = []
    own = 0
    for _ in range(rounds):
        for sweeps, seconds in zip(ways, (one, two, apart), strict=True):
            wall, held = _together(env, sweeps, epochs)
            seconds.append(wall)
            own = max(own, held)
    return Scaling(runs, epochs, one, two, apart, own)


@dataclass(frozen=True, slots=True)
class _Sweep:
    """A sweep over the seeds from `first` to before `end`."""

    jobs: int
    first: int
    end: int

    def start(self, env: Mapping[str, str], epochs: int, folder: Path, errors: IO[bytes]) -> _Popen:
        study = folder / f"seeds_{self.first}.yaml"
        arms = f"arms: {{xent_30: {{epochs: {epochs}}}}}"
        study.write_text(
            f"base: {CONFIG}\n{arms}\nseeds: {self.first}-{self.end - 1}\n", encoding="utf-8"
        )
        return subprocess.Popen(
            [NNEXP, "sweep", study, "--jobs", str(self.jobs), "--runs-dir", folder],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def _together(env: Mapping[str, str], sweeps: list[_Sweep], epochs: int) -> tuple[float, int]:
    """Run sweeps at once in a temporary folder; return their seconds and a worker's own memory."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        before = perf_counter()
        processes = [sweep.start(env, epochs, Path(folder), errors) for sweep in sweeps]
        own, looked = 0, before
        while any(process.poll() is None for process in processes):
            time.sleep(_TICK)
            if perf_counter() - looked > 1:  # to look costs time as well
                own, looked = max(own, *(_own(p.pid) for p in processes), 0), perf_counter()
        wall = perf_counter() - before
        if any(process.returncode for process in processes):
            errors.seek(0)
            raise BenchError(f"nnexp sweep: {errors.read().decode(errors='replace').strip()}")
    return wall, own


def _own(parent: int) -> int:
    """Return the most bytes that a worker of a sweep has besides what it maps from files."""
    most = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            of = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
            if of != str(parent) or b"spawn_main" not in (folder / "cmdline").read_bytes():
                continue
            lines = (folder / "smaps_rollup").read_text(encoding="utf-8").splitlines()
        except OSError:  # it has ended
            continue
        kilobytes = [int(line.split()[1]) for line in lines if line.startswith(_OWN)]
        most = max(most, 1024 * sum(kilobytes))
    return most
