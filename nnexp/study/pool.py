"""Run many configs in parallel processes; what is complete is not run again.

Parallelism is over runs: one process a core, one BLAS thread each. Results do not depend on the
number of processes or their order.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import Empty
from typing import Any

from nnexp.config.loader import Config
from nnexp.experiment import DataCache, run
from nnexp.experiment.rows import Row
from nnexp.store.find import folders, open_all
from nnexp.store.reader import Run

_TICK = 0.2

# The queue of a worker process, on which it reports examples it has trained on.
_reports: Any = None


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is due."""

    config: Config
    runs: Path

    @property
    def work(self) -> int:
        """The examples it trains on in all, at most."""
        experiment = self.config.experiment
        size = getattr(experiment.data, "train", None) or 1
        copies = 5 if experiment.expand and experiment.expand.shifts else 1
        return int(experiment.epochs * size * copies)

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
    """Return the completed and diverged runs under a folder, by the key of their config."""
    found, _ = open_all(folders(runs))
    ended = [run for run in found if run.status in ("completed", "diverged") and run.experiment]
    return {key(run.experiment): run for run in ended if run.experiment}


def key(experiment: Any) -> str:
    """Return what two runs must have in common to be the same run: all but words."""
    return repr((experiment.identity(), experiment.seed))


class _Reporter:
    """The Progress of a worker process."""

    def __init__(self, examples: int) -> None:
        self._examples = examples
        self._seen = 0

    def seen(self, examples: int) -> None:
        self._seen = examples

    def epoch(self, row: Row) -> None:
        _reports.put(self._seen)
        self._seen = 0


def _initialize(reports: Any) -> None:
    global _reports  # noqa: PLW0603 - a worker process has one queue
    _reports = reports
    # Ctrl-C reaches all processes of a terminal; the parent ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _work(job: Job) -> tuple[str, str]:
    dataset = DataCache().load(job.config)
    argv = ["nnexp", str(job.config.document.file)]
    outcome = run(job.config, dataset, job.runs, argv=argv, progress=_Reporter(len(dataset.train)))
    return str(outcome.folder), outcome.status


def run_all(
    jobs: Sequence[Job],
    *,
    processes: int,
    on_examples: Callable[[int], None] = lambda n: None,
    on_done: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Run jobs in parallel, the longest first; an error of one does not end the others.

    Args:
        jobs: what is due.
        processes: how many at a time.
        on_examples: called with the number of examples that were trained on since the last call.
        on_done: called as each job ends.
    """
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    done: list[Done] = []
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=_initialize, initargs=(reports,)
    ) as pool:
        ordered = sorted(jobs, key=lambda job: -job.cost())
        waiting: dict[Future[tuple[str, str]], Job] = {pool.submit(_work, j): j for j in ordered}
        try:
            while waiting:
                ended, _ = wait(waiting, timeout=_TICK, return_when=FIRST_COMPLETED)
                on_examples(sum(_drain(reports)))
                for future in ended:
                    done.append(_outcome(waiting.pop(future), future))
                    on_done(done[-1])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    return done


def _drain(reports: Any) -> Iterable[int]:
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


def due(configs: Iterable[Config], runs: Path) -> tuple[list[Job], Mapping[str, Run]]:
    """Return the jobs that are not complete under a folder, and the runs that are.

    Configs that differ only in words (name, description, tags, reference) are one job.
    """
    there = complete(runs)
    wanted = {key(config.experiment): config for config in configs}
    return [Job(config, runs) for k, config in wanted.items() if k not in there], there
