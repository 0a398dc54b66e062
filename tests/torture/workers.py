"""Sweeps on a Dask cluster of this machine whose workers are unfit, lose their disk, and die."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

from scenes import Figures, listing, time_is_up, visible

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "study"))

from clusters import (
    BOUND,
    OTHER_NNEXP,
    Cluster,
    cluster,
    lines_until,
    start_sweep,
    wait_for,
    workers,
)
from sweeping import STUDY, contents, finish, start, write_study

# Ten runs of some tenths of a second: some are complete when the workers die, some are not.
LONGER = STUDY.replace("epochs: 60", "epochs: 200").replace("seeds: 0-2", "seeds: 0-4")
RUNS = 10


@dataclass
class Workers(Figures):
    """What came of it.

    Attributes:
        sweeps: each with three workers at first: one is fit, one has another nnexp, one has lost
            its scratch folder.
        named: unfit workers that were excluded and named.
        killed: workers that were killed, all at once, before a sweep had ended.
        waited: sweeps that were without workers until they had printed a note of it.
        runs: run folders compared with those of the local engine.
        lost: runs that are not there, or were complete and were written again.
    """

    sweeps: int = 0
    named: int = 0
    killed: int = 0
    waited: int = 0
    runs: int = 0
    lost: int = 0


def replaced(times: int) -> Workers:
    """Give sweeps unfit workers, kill all of them at once, start others."""
    figures, chance = Workers(), Random(0)  # noqa: S311
    with TemporaryDirectory(prefix="nnexp-torture-") as root, cluster(Path(root, "away")) as there:
        study = write_study(Path(root), LONGER)
        local = start(study, "--runs-dir", "local")
        _start_workers(there)
        finish(local)
        while True:
            runs = Path(root, f"dask-{figures.sweeps}")
            try:
                _attack(there, study, runs, chance.uniform(0, 0.3), figures)
            except AssertionError as error:  # it ended, or did not do in a minute what it is to do
                figures.problems.append(f"{runs.name}: {str(error)[-500:]}")
            _compare(runs, Path(root, "local"), figures)
            figures.sweeps += 1
            _kill(there)
            if figures.sweeps >= times or time_is_up():
                return figures
            _start_workers(there)


def _start_workers(there: Cluster) -> None:
    """Start one that can train, one of another nnexp, and one whose scratch folder vanishes."""
    wait_for(lambda: workers(there) == 0)
    there.worker(OTHER_NNEXP)
    there.worker()
    there.worker(scratch="vanishing")
    wait_for(lambda: workers(there) == 3)
    shutil.rmtree(there.folder / "vanishing")


def _attack(there: Cluster, study: Path, runs: Path, delay: float, figures: Workers) -> None:
    words = ["--runs-dir", runs, "--engine", "dask", "--address", there.address]
    sweep = start_sweep(study, *words, place=study.parent)
    try:
        lines = lines_until(sweep, "has nnexp 9.9", "vanishing", "/10 completed")
        sleep(delay)
        killed = _kill(there)
        before = _complete(runs / "study")
        if sweep.poll() is None and len(before) < RUNS:
            figures.killed += killed
        # Every other sweep is left without workers for longer than a nanny needs to restart one.
        if figures.sweeps % 2:
            lines += lines_until(sweep, "all workers have gone")
            figures.waited += 1
        there.worker()
        assert sweep.stderr
        lines += sweep.stderr.read()
        assert sweep.wait(BOUND) == 0, lines
        figures.named += lines.count("is excluded")
        # A nanny may start a worker again: that one is another, and is named as well.
        assert lines.count("is excluded") >= 2, lines
        after = _complete(runs / "study")
        again = [name for name in before if after.get(name) != before[name]]
        figures.lost += len(again)
        figures.problems += [f"{runs.name}: {name} was written again" for name in again]
    finally:
        sweep.kill()
        sweep.communicate()


def _complete(study: Path) -> dict[str, Any]:
    """Return the runs that are there, which all are complete, with the times of their files."""
    return {folder.name: listing(folder) for folder in visible(study) if folder.is_dir()}


def _compare(runs: Path, expected: Path, figures: Workers) -> None:
    mine, local = (contents(place / "study") for place in (runs, expected))
    for name in local:
        if name == "study.json":
            continue
        if name not in mine:
            figures.lost += 1
            figures.problems.append(f"{runs.name}: {name} is lost")
            continue
        figures.runs += 1
        if mine[name] != local[name]:
            figures.bytes_differing += 1
            figures.problems.append(f"{runs.name}: {name} is not as the local engine leaves it")


def _kill(there: Cluster) -> int:
    """Kill all workers at once; return how many there were."""
    alive = [one for one in there.processes if one is not there.scheduler and one.poll() is None]
    for worker in alive:
        worker.kill()
    for worker in alive:
        worker.wait()
    return len(alive)
