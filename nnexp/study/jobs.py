"""One run of a study: which folder it belongs in, what is there already, and how it is completed.

The folder's name is that of the arm and the seed, so that a study can be run again and again: a
complete run is left alone, an interrupted one is resumed, and a folder that holds a run of other
settings is passed over (the next name is taken).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any

from nnexp.config.identity import identity, run_key
from nnexp.config.loader import Config
from nnexp.errors import BusyError, ResumeError, RunError
from nnexp.io.folder import Place
from nnexp.run.assembly import DataCache
from nnexp.run.control import Ending, Progress, never
from nnexp.run.find import folders
from nnexp.run.reader import Run, open_run
from nnexp.run.resume import resume
from nnexp.run.session import run as train

ENDED = ("completed", "diverged")
BUSY, FREE = "busy", "free"


@dataclass(frozen=True, slots=True)
class Job:
    """One run to train."""

    config: Config
    runs: Path  # the folder that its folder is to be in
    digest: str = ""  # sha256 of its data; empty where any will do
    ending: Ending = never  # travels to the worker with the job
    home: Place | None = None  # of the command that trains it

    @property
    def name(self) -> str:
        """The name of its folder, if that is free."""
        return f"{self.config.experiment.name}-s{self.config.experiment.seed}"

    def check_home(self) -> None:
        """Raise LostError if the folder of the command that trains it is there no more."""
        if self.home:
            self.home.check()

    @property
    def key(self) -> str:
        """What the run in a folder must have in common with it to be this run."""
        return run_key(self.config.values(), self.digest)

    @property
    def examples(self) -> int:
        """The examples per epoch, as far as the config tells; 1 where only the data would."""
        experiment = self.config.experiment
        size = getattr(experiment.data, "train", None) or 1
        copies = experiment.augment.copies if experiment.augment else 1
        return int(size * copies)

    def cost(self) -> float:
        """A rough measure of its time, for starting the longest first."""
        layers = self.config.experiment.layers
        weights = sum(n_in * n_out for n_in, n_out in pairwise(layers))
        epochs = self.config.experiment.epochs
        return epochs * (self.examples * (1 + weights / 20_000) + 2_000)


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a job: the folder and status of its run, or the error that prevented it."""

    job: Job
    folder: Path | None
    status: str  # of the run; failed; or busy, when another process is training it
    error: str = ""
    epochs: int = 0  # that were trained for it now


def plan(configs: Iterable[Config], runs: Path, data: DataCache) -> list[Job]:
    """Return one job per run; configs that differ only in words are one.

    Raises:
        ConfigError: data cannot be read, or do not fit.
    """
    jobs = [Job(config, runs, data.load(config).digest) for config in configs]
    return list({job.key: job for job in jobs}.values())


def finished(runs: Path) -> dict[str, Run]:
    """Return the runs below a folder that ended by themselves, by their keys."""
    opened = (_open(folder) for folder in folders(runs))
    return {run.key: run for run in opened if run and run.key and run.status in ENDED}


def split(jobs: Iterable[Job], runs: Path) -> tuple[list[Done], list[Job]]:
    """Return the results of the jobs whose runs have ended below a folder, and the other jobs."""
    there = finished(runs)
    runs_of = [(job, there.get(job.key)) for job in jobs]
    done = [Done(job, run.folder, run.status) for job, run in runs_of if run]
    return done, [job for job, run in runs_of if not run]


def _open(folder: Path) -> Run | None:
    with suppress(RunError):
        return open_run(folder)
    return None


def changed_data(job: Job, run: Run) -> str:
    """Say how the data have changed since a run of a job's arm; nothing where that is no reason."""
    then, now = run.digest, job.digest
    if then in ("", now) or run.identity != identity(job.config.values(), then):
        return ""
    name = getattr(job.config.experiment.data, "path", None) or run.record["data"].get("name")
    return f"{name} has changed since (sha256 {then[:12]} then, {now[:12]} now)"


def candidates(job: Job) -> Iterator[Path]:
    """Yield the folders a job's run may have: that of its name, and with a number."""
    yield job.runs / job.name
    yield from (job.runs / f"{job.name}-{i}" for i in count(2))


def places(job: Job) -> Iterator[tuple[Path, str]]:
    """Yield the candidates that can hold a job's run, each with the status of the run, or "free".

    A folder that holds another run, or one that cannot be read, is passed over. Whoever cannot use
    a place asks for the next: another process may have been faster, so that the same folder is
    yielded again with what it has become.

    Raises:
        LostError: the folder that they are in was exchanged.
    """
    key = job.key
    for folder in candidates(job):
        job.check_home()
        if not os.path.lexists(folder):
            yield folder, FREE
        run = _open(folder)
        if run and run.key == key:
            yield folder, run.status
            run = _open(folder)
            if run and run.status in ENDED:
                yield folder, run.status


def perform(
    job: Job, data: DataCache, *, argv: Sequence[str] = (), progress: Progress | None = None
) -> Done:
    """Complete a job's run in this process: leave it if it has ended, resume it, or begin it.

    Raises:
        ConfigError: its data cannot be read.
        RunError: the run cannot be written, or its data are not those of the job.
    """
    words: dict[str, Any] = {"argv": argv, "progress": progress, "ending": job.ending}
    for folder, status in places(job):
        if status in ENDED:
            return Done(job, folder, status)
        try:
            if status == FREE:
                dataset = data.load(job.config)
                if job.digest not in ("", dataset.digest):
                    message = f"the data {dataset.name} have changed since the command began"
                    raise RunError(f"{folder}: {message}; run it again")
                name, check = folder.name, job.check_home
                outcome = train(job.config, dataset, job.runs, folder=name, check=check, **words)
            else:
                path = getattr(job.config.experiment.data, "path", None)
                outcome = resume(folder, data_path=path, data=data, **words)
        except BusyError:
            return Done(job, folder, BUSY)
        except (FileExistsError, ResumeError):
            continue
        return Done(job, folder, outcome.status, epochs=outcome.trained)
    raise AssertionError
