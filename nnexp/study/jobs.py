"""One run of a study: where its folder is, what is there already, and how it is brought to its end.

The folder's name is that of the arm and the seed, so that a study can be run again and again: what
is complete is left alone, what was interrupted is resumed, and a folder that holds a run of other
settings is passed over (the next name is taken).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path

from nnexp.config.loader import Config
from nnexp.config.schema import Experiment
from nnexp.data.expansion import COPIES
from nnexp.errors import BusyError, ResumeError, RunError
from nnexp.experiment import DataCache, Progress, resume, run
from nnexp.store.find import folders
from nnexp.store.index import open_all
from nnexp.store.reader import Run, open_run

ENDED = ("completed", "diverged")
BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is due.

    Attributes:
        config: the experiment, with its seed.
        runs: the folder that its folder is to be in.
        digest: sha256 of its data; empty where any will do.
    """

    config: Config
    runs: Path
    digest: str = ""

    @property
    def name(self) -> str:
        """The name of its folder, if that is free."""
        return f"{self.config.experiment.name}-s{self.config.experiment.seed}"

    @property
    def key(self) -> str:
        """What a run must have in common with it to be this run."""
        return key(self.config.experiment, self.digest)

    @property
    def epoch(self) -> int:
        """The examples of an epoch, as far as the config tells; 1 where only the data would."""
        experiment = self.config.experiment
        size = getattr(experiment.data, "train", None) or 1
        copies = COPIES if experiment.expand and experiment.expand.shifts else 1
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


def key(experiment: Experiment, digest: str = "") -> str:
    """Return what two runs must have in common to be the same run: all but words."""
    logged = (experiment.monitor, experiment.monitor_every)
    return repr((experiment.identity(), experiment.seed, logged, digest))


def key_of(run: Run) -> str | None:
    """Return the key of a run that is there; None where its config cannot be read."""
    return key(run.experiment, run.digest) if run.experiment else None


def _candidates(job: Job) -> Iterator[Path]:
    """Yield the folders a job's run may have: its name, and with a suffix."""
    yield job.runs / job.name
    for i in count(2):
        yield job.runs / f"{job.name}-{i}"


def perform(
    job: Job, data: DataCache, *, argv: Sequence[str] = (), progress: Progress | None = None
) -> Done:
    """Bring a job's run to its end: leave it if it is complete, resume it, or begin it.

    Raises:
        ConfigError: its data cannot be read.
        RunError: the run cannot be written.
    """
    for folder in _candidates(job):
        if not folder.exists():
            try:
                dataset = data.load(job.config)
                outcome = run(
                    job.config, dataset, job.runs, folder=folder.name, argv=argv, progress=progress
                )
            except FileExistsError:  # another process was faster
                return perform(job, data, argv=argv, progress=progress)
            return Done(job, folder, outcome.status, epochs=outcome.trained)
        there = None
        with suppress(RunError):
            there = open_run(folder)
        if there is None or key_of(there) != job.key:
            continue
        if there.status in ENDED:
            return Done(job, folder, there.status)
        try:
            outcome = resume(folder, argv=argv, progress=progress, data=data)
        except BusyError:
            return Done(job, folder, BUSY)
        except ResumeError:
            there = open_run(folder)
            if there.status in ENDED:  # meanwhile
                return Done(job, folder, there.status)
            continue
        return Done(job, folder, outcome.status, epochs=outcome.trained)
    raise AssertionError


def complete(runs: Path) -> dict[str, Run]:
    """Return the runs under a folder that ended by themselves, by their key."""
    found, _ = open_all(folders(runs))
    return {k: run for run in found if run.status in ENDED and (k := key_of(run))}
