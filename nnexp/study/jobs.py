"""One run of a study: where its folder is, what is there already, and how it is brought to its end.

The folder's name is that of the arm and the seed, so that a study can be run again and again: what
is complete is left alone, what was interrupted is resumed, and a folder that holds a run of other
settings is passed over (the next name is taken).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path

from nnexp.config.identity import run_key
from nnexp.config.loader import Config
from nnexp.config.stored import from_record
from nnexp.data.augmentation import COPIES
from nnexp.errors import BusyError, ResumeError, RunError
from nnexp.io.files import read_bytes
from nnexp.run.assembly import DataCache
from nnexp.run.find import folders
from nnexp.run.layout import RUN
from nnexp.run.reader import MAX_RECORD, Run, is_whole, open_run
from nnexp.run.resume import resume
from nnexp.run.session import Ending, Outcome, Progress, never, run

ENDED = ("completed", "diverged")
BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is due.

    Attributes:
        config: the experiment, with its seed.
        runs: the folder that its folder is to be in.
        digest: sha256 of its data; empty where any will do.
        ending: may end the run before its last epoch; it travels to the worker with the job.
    """

    config: Config
    runs: Path
    digest: str = ""
    ending: Ending = never

    @property
    def name(self) -> str:
        """The name of its folder, if that is free."""
        return f"{self.config.experiment.name}-s{self.config.experiment.seed}"

    @property
    def key(self) -> str:
        """What a run must have in common with it to be this run."""
        return run_key(self.config.values(), self.digest)

    @property
    def epoch(self) -> int:
        """The examples of an epoch, as far as the config tells; 1 where only the data would."""
        experiment = self.config.experiment
        size = getattr(experiment.data, "train", None) or 1
        copies = COPIES if experiment.augment and experiment.augment.shifts else 1
        return int(size * copies)

    def cost(self) -> float:
        """A rough measure of its time, for starting the longest first."""
        layers = self.config.experiment.layers
        weights = sum(n_in * n_out for n_in, n_out in pairwise(layers))
        epochs = self.config.experiment.epochs
        return epochs * (self.epoch * (1 + weights / 20_000) + 2_000)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job: its folder and status, or the error that kept it from running.

    Attributes:
        job: that was done.
        folder: of its run.
        status: of the run; failed; or busy, when another process is at it.
        error: why it failed.
        epochs: how many were trained for it now; 0 where it was complete.
    """

    job: Job
    folder: Path | None
    status: str
    error: str = ""
    epochs: int = 0


def key_of(run: Run) -> str | None:
    """Return the key of a run that is there; None where its config cannot be read."""
    return run_key(run.config, run.digest) if run.config else None


@dataclass(frozen=True, slots=True)
class Standing:
    """What run.json says of a run and, where it is said to be complete, whether its log is."""

    folder: Path
    status: str
    key: str


def look(folder: Path) -> Standing | None:
    """Look how a run stands; None where there is none, or it is damaged."""
    try:
        record = json.loads(read_bytes(folder / RUN, MAX_RECORD, follow=False))
        config = from_record(record["config"])
        digest = str(record["data"]["sha256"])
        status = str(record["status"])
        if status == "completed" and not is_whole(folder, record):
            status = "interrupted"
        return Standing(folder, status, run_key(config, digest))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def ended(runs: Path) -> dict[str, Standing]:
    """Return the runs under a folder that ended by themselves, by their key."""
    found = (look(folder) for folder in folders(runs))
    return {run.key: run for run in found if run and run.status in ENDED}


def complete(runs: Path) -> dict[str, Run]:
    """Return the same runs, read in full."""
    return {k: open_run(run.folder) for k, run in ended(runs).items()}


def candidates(job: Job) -> Iterator[Path]:
    """Yield the folders a job's run may have: its name, and with a suffix."""
    yield job.runs / job.name
    for i in count(2):
        yield job.runs / f"{job.name}-{i}"


def settle(job: Job, begin: Callable[[Path], Done], go_on: Callable[[Path], Done]) -> Done:
    """Bring a job's run to its end: leave it if it is complete, go on with it, or begin it.

    Args:
        job: what is due.
        begin: makes the run's folder; raises FileExistsError where another process was faster.
        go_on: ends the run of a folder; raises BusyError where another process is at it, and
            ResumeError where that is not possible: then the next name is tried.
    """
    for folder in candidates(job):
        if not os.path.lexists(folder):
            with suppress(FileExistsError):
                return begin(folder)
        there = look(folder)
        if there is None or there.key != job.key:
            continue
        if there.status in ENDED:
            return Done(job, folder, there.status)
        try:
            return go_on(folder)
        except BusyError:
            return Done(job, folder, BUSY)
        except ResumeError:
            meanwhile = look(folder)
            if meanwhile and meanwhile.status in ENDED:
                return Done(job, folder, meanwhile.status)
    raise AssertionError


def perform(
    job: Job, data: DataCache, *, argv: Sequence[str] = (), progress: Progress | None = None
) -> Done:
    """Bring a job's run to its end in this process; see `settle`.

    Raises:
        ConfigError: its data cannot be read.
        RunError: the run cannot be written, or its data are not those of the job.
    """

    def done(folder: Path, outcome: Outcome) -> Done:
        return Done(job, folder, outcome.status, epochs=outcome.trained)

    def begin(folder: Path) -> Done:
        dataset = data.load(job.config)
        if job.digest not in ("", dataset.digest):
            raise RunError(
                f"{folder}: the data {dataset.name} have changed since the command began; "
                "run it again"
            )
        outcome = run(
            job.config,
            dataset,
            job.runs,
            folder=folder.name,
            argv=argv,
            progress=progress,
            ending=job.ending,
        )
        return done(folder, outcome)

    def go_on(folder: Path) -> Done:
        outcome = resume(folder, argv=argv, progress=progress, data=data, ending=job.ending)
        return done(folder, outcome)

    return settle(job, begin, go_on)
