"""Many runs at a time: submitted to an engine, the longest first, each brought to its end.

Parallelism is over runs: one process a core, one BLAS thread each. Results do not depend on the
number of processes, the engine or the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    wait,
)
from time import monotonic, sleep
from typing import Any, Protocol

from nnexp.errors import RunError
from nnexp.study.engines import Engine
from nnexp.study.jobs import BUSY, Done, Job

_TICK = 0.2
_AGAIN = 1.0


class Watcher(Protocol):
    """What is told how many runs go on."""

    def running(self, job: Job, epochs: int) -> None:
        """Say that a job is running and has so many epochs done."""

    def waiting(self, jobs: int) -> None:
        """Say that nothing is left but so many runs that another process is at."""

    def ended(self, done: Done) -> None:
        """Say that a job has ended."""


class Unwatched:
    """A Watcher that does nothing."""

    def running(self, job: Job, epochs: int) -> None:
        """Do nothing."""

    def waiting(self, jobs: int) -> None:
        """Do nothing."""

    def ended(self, done: Done) -> None:
        """Do nothing."""


def run_all(
    jobs: Sequence[Job],
    engine: Engine,
    *,
    watcher: Watcher | None = None,
    fail_fast: bool = False,
) -> list[Done]:
    """Run jobs, the longest first; an error of one does not end the others.

    A run that another process is at is asked for again until it has ended, or until that process
    has left it. When this process is interrupted, the workers' runs end as interrupted, and what
    they have logged is kept.

    Args:
        jobs: what is due.
        engine: what runs them.
        watcher: is told how they go on.
        fail_fast: end all when one fails or diverges.

    Returns:
        what became of each job that was done, in the order of their ends.

    Raises:
        RunError: a worker process was killed, or the cluster was lost.
    """
    watcher = watcher or Unwatched()
    ordered = sorted(jobs, key=lambda job: -job.cost())
    done: list[Done] = []
    due: list[tuple[float, int]] = [(0.0, i) for i in range(len(ordered))]
    waiting: dict[Future[Any], int] = {}
    try:
        while due or waiting:
            for _, number in (ready := [item for item in due if item[0] <= monotonic()]):
                task = engine.prepare(ordered[number], number)
                waiting[engine.executor.submit(engine.task, *task)] = number
            due = [item for item in due if item not in ready]
            ended, _ = wait(waiting, timeout=_TICK, return_when=FIRST_COMPLETED)
            for number, epochs in engine.reports():
                watcher.running(ordered[number], epochs)
            for future in ended:
                number = waiting.pop(future)
                outcome = _outcome(engine, ordered[number], future)
                if outcome.status == BUSY:
                    due.append((monotonic() + _AGAIN, number))
                    continue
                done.append(outcome)
                watcher.ended(outcome)
                if fail_fast and outcome.status != "completed":
                    engine.stop()
                    return done
            if due and not waiting:
                watcher.waiting(len(due))
                sleep(max(0.0, min(at for at, _ in due) - monotonic()))
    except BaseException:
        engine.stop()
        raise
    return done


def _outcome(engine: Engine, job: Job, future: Future[Any]) -> Done:
    try:
        error = future.exception()
    except CancelledError as lost:
        raise RunError(engine.lost) from lost
    if isinstance(error, BrokenExecutor):
        raise RunError(engine.lost) from error
    if error is not None:
        return Done(job, None, "failed", str(error) or repr(error))
    return engine.finish(job, future.result())
