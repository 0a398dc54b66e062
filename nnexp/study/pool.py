"""Many runs at a time: submitted to an engine, the longest first, each brought to its end.

Parallelism is over runs: one process a core, one BLAS thread each. Results do not depend on the
number of processes, the engine or the order.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from heapq import heapify, heappop, heappush
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Protocol

from nnexp.errors import NnexpError, RunError
from nnexp.study.engine import Engine
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
    then: Callable[[Done], Job | None] = lambda done: None,
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
        then: told what became of a job, returns the one that is due now because of it.

    Returns:
        what became of each job that was done, in the order of their ends.

    Raises:
        RunError: a worker was lost, or a run cannot be written: then no other could be, either.
    """
    # The loop is a function of its own: where a signal strikes at a jump back to the first line of
    # a `try`, Python 3.11 raises its exception outside of that `try`.
    try:
        return _loop(jobs, engine, watcher or Unwatched(), fail_fast, then)
    except (BrokenExecutor, CancelledError) as error:
        engine.stop()
        raise RunError(engine.lost) from error
    except BaseException:
        engine.stop()
        raise


def _loop(
    jobs: Sequence[Job],
    engine: Engine,
    watcher: Watcher,
    fail_fast: bool,
    then: Callable[[Done], Job | None],
) -> list[Done]:
    ordered = sorted(jobs, key=lambda job: -job.cost())
    due = [(0.0, number) for number in range(len(ordered))]
    running: set[int] = set()
    ended: SimpleQueue[tuple[int, Future[Any]]] = SimpleQueue()
    done: list[Done] = []

    def submit(number: int) -> None:
        given = engine.prepare(ordered[number], number)
        future = engine.executor.submit(engine.task, *given)
        running.add(number)
        future.add_done_callback(lambda future: ended.put((number, future)))

    heapify(due)
    while due or running:
        while due and due[0][0] <= monotonic():
            submit(heappop(due)[1])
        for number, epochs in engine.reports():
            if number in running:  # what came late is of no interest
                watcher.running(ordered[number], epochs)
        if not running:
            watcher.waiting(len(due))
        try:
            number, future = ended.get(timeout=_TICK)
        except Empty:
            continue
        running.remove(number)
        outcome = _outcome(engine, ordered[number], future)
        if outcome.status == BUSY:
            heappush(due, (monotonic() + _AGAIN, number))
            continue
        done.append(outcome)
        watcher.ended(outcome)
        following = then(outcome)
        if following is not None:
            heappush(due, (0.0, len(ordered)))
            ordered.append(following)
        if fail_fast and outcome.status != "completed":
            engine.stop()
            break
    return done


def _outcome(engine: Engine, job: Job, future: Future[Any]) -> Done:
    try:
        return engine.finish(job, future.result())
    except (BrokenExecutor, CancelledError, RunError):
        raise
    except NnexpError as error:
        return Done(job, None, "failed", str(error))
    except Exception as error:
        # A bug keeps its traceback, which the executor has brought along.
        return Done(job, None, "failed", "".join(traceback.format_exception(error)).rstrip())
