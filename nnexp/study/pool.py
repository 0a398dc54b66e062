"""Run many configs in parallel processes; what is complete is not run again.

Parallelism is over runs: one process a core, one BLAS thread each. Results do not depend on the
number of processes or their order.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

import nnexp
from nnexp.config.loader import Config
from nnexp.config.schema import Experiment
from nnexp.data.expansion import COPIES
from nnexp.experiment import DataCache, Row, run
from nnexp.store.find import folders, open_all
from nnexp.store.reader import Run

_TICK = 0.2
_PATIENCE = 10.0
_INTERRUPTED = 130

# The queue of a worker process, on which it reports the epochs it has trained.
_reports: Any = None


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is due."""

    config: Config
    runs: Path

    @property
    def epoch(self) -> int:
        """The examples of an epoch, as far as the config tells; 1 where only the data would."""
        experiment = self.config.experiment
        size = getattr(experiment.data, "train", None) or 1
        copies = COPIES if experiment.expand and experiment.expand.shifts else 1
        return int(size * copies)

    @property
    def work(self) -> int:
        """The examples it trains on in all, at most."""
        return self.config.experiment.epochs * self.epoch

    def cost(self) -> float:
        """A rough measure of its time, for starting the longest first."""
        layers = self.config.experiment.layers
        weights = sum(n_in * n_out for n_in, n_out in pairwise(layers))
        return self.work * (1 + weights / 20_000) + self.config.experiment.epochs * 2_000


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job: its folder and status, or the error that kept it from running."""

    job: Job
    folder: Path | None
    status: str
    error: str = ""


def complete(runs: Path) -> dict[str, Run]:
    """Return the runs under a folder that ended by themselves, by the key of their config.

    Those of another version of nnexp are left out: they may not be what this one would make.
    """
    found, _ = open_all(folders(runs))
    return {
        key(run.experiment): run
        for run in found
        if run.experiment
        and run.status in ("completed", "diverged")
        and _version(run) == nnexp.__version__
    }


def _version(run: Run) -> Any:
    versions = run.record.get("versions")
    return versions.get("nnexp") if isinstance(versions, dict) else None


def key(experiment: Experiment) -> str:
    """Return what two runs must have in common to be the same run: all but words."""
    logged = (experiment.monitor, experiment.monitor_every)
    return repr((experiment.identity(), experiment.seed, logged))


class _Reporter:
    """The Progress of a worker process: it reports the epochs of its job, now and then."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._epochs = 0
        self._next = 0.0

    def begin(self, experiment: Experiment, done: int, examples: int) -> None:
        """Epochs are all that is reported."""

    def seen(self, examples: int) -> None:
        """Epochs are all that is reported."""

    def epoch(self, row: Row) -> None:
        self._epochs += 1
        if monotonic() >= self._next:
            _reports.put((self._number, self._epochs))
            self._next = monotonic() + _TICK


def _initialize(reports: Any) -> None:
    global _reports  # noqa: PLW0603 - a worker process has one queue
    _reports = reports
    # Ctrl-C reaches all processes of a terminal; the parent ends the workers, by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _work(job: Job, number: int) -> tuple[str, str]:
    try:
        dataset = DataCache().load(job.config)
        argv = ["nnexp", job.config.document.file]
        outcome = run(job.config, dataset, job.runs, argv=argv, progress=_Reporter(number))
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)
    if outcome.status == "interrupted":
        # The parent wants this process to end, not to begin the next job.
        os._exit(_INTERRUPTED)
    return str(outcome.folder), outcome.status


def run_all(
    jobs: Sequence[Job],
    *,
    processes: int,
    on_work: Callable[[int], None] = lambda n: None,
    on_done: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Run jobs in parallel, the longest first; an error of one does not end the others.

    When this process is interrupted, the workers' runs end as interrupted, and what they have
    logged is kept.

    Args:
        jobs: what is due.
        processes: how many at a time.
        on_work: called with the examples that were trained on since the last call; over all jobs
            they add up to their `work`, also where one ends early.
        on_done: called as each job ends.
    """
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    ordered = sorted(jobs, key=lambda job: -job.cost())
    counted = [0] * len(ordered)
    done: list[Done] = []
    pool = ProcessPoolExecutor(
        processes, mp_context=context, initializer=_initialize, initargs=(reports,)
    )
    waiting: dict[Future[tuple[str, str]], int] = {
        pool.submit(_work, job, i): i for i, job in enumerate(ordered)
    }

    def count(number: int, examples: int) -> None:
        on_work(examples - counted[number])
        counted[number] = examples

    try:
        while waiting:
            ended, _ = wait(waiting, timeout=_TICK, return_when=FIRST_COMPLETED)
            for number, epochs in _drain(reports):
                count(number, epochs * ordered[number].epoch)
            for future in ended:
                number = waiting.pop(future)
                count(number, ordered[number].work)
                done.append(_outcome(ordered[number], future))
                on_done(done[-1])
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        for process in multiprocessing.active_children():
            process.join(_PATIENCE)
        raise
    return done


def _drain(reports: Any) -> Iterator[tuple[int, int]]:
    while True:
        try:
            yield reports.get_nowait()
        except Empty:
            return


def _outcome(job: Job, future: Future[tuple[str, str]]) -> Done:
    error = future.exception()
    if error is not None:
        return Done(job, None, "failed", str(error) or repr(error))
    folder, status = future.result()
    return Done(job, Path(folder), status)


def due(configs: Iterable[Config], runs: Path) -> list[Job]:
    """Return the jobs that are not complete under a folder.

    Configs that differ only in words (name, description, tags, reference) are one job.
    """
    there = complete(runs)
    wanted = {key(config.experiment): config for config in configs}
    return [Job(config, runs) for k, config in wanted.items() if k not in there]
