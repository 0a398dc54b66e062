"""A sweep with one job and with two, in turn: throughput, and what a worker process holds."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from program import NNEXP, ROOT
from race import BenchError

CONFIG = ROOT / "configs" / "xent_30.yaml"
_OWN = "Anonymous:"
_TICK = 0.05


@dataclass(frozen=True, slots=True)
class Scaling:
    """The same sweep with one job and with two.

    Attributes:
        runs: how many it has, each of `epochs`.
        one, two: wall seconds of each round.
        own: the most memory a worker process had that is no file's, in bytes; 0 where there is no
            /proc to tell it.
    """

    runs: int
    epochs: int
    one: list[float]
    two: list[float]
    own: int

    @property
    def ratio(self) -> float:
        """The median over the rounds of the throughput of two jobs to that of one."""
        return median(a / b for a, b in zip(self.one, self.two, strict=True))


def scaling(env: Mapping[str, str], *, runs: int, epochs: int, rounds: int) -> Scaling:
    """Sweep over seeds of the published experiment, with one job and with two, round by round."""
    times: dict[int, list[float]] = {1: [], 2: []}
    own = 0
    for _ in range(rounds):
        for jobs, seconds in times.items():
            wall, held = _sweep(env, jobs, runs, epochs)
            seconds.append(wall)
            own = max(own, held)
    return Scaling(runs, epochs, times[1], times[2], own)


def _sweep(env: Mapping[str, str], jobs: int, runs: int, epochs: int) -> tuple[float, int]:
    """Run a sweep into a temporary folder; return its seconds and a worker's own memory."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        study = Path(folder) / "seeds.yaml"
        arms = f"arms: {{xent_30: {{epochs: {epochs}}}}}"
        study.write_text(f"base: {CONFIG}\n{arms}\nseeds: 0-{runs - 1}\n", encoding="utf-8")
        before = perf_counter()
        process = subprocess.Popen(
            [NNEXP, "sweep", study, "--jobs", str(jobs), "--runs-dir", folder],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        own, looked = 0, before
        while process.poll() is None:
            time.sleep(_TICK)
            if perf_counter() - looked > 1:  # to look costs time as well
                own, looked = max(own, _own(process.pid)), perf_counter()
        wall = perf_counter() - before
        if process.returncode:
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
