"""Many runs at a time: submitted to an engine, the longest first, each to its end.

Parallelism is over runs: one process per core, one BLAS thread each. Results do not depend on the
number of processes, the engine or the order.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import ExitStack
from dataclasses import replace
from heapq import heapify, heappop, heappush
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from nnexp.errors import NnexpError, RunError
from nnexp.io.folder import Folder
from nnexp.study.engine import Engine, Settings, Watcher, start
from nnexp.study.jobs import BUSY, Done, Job

_TICK = 0.2
_AGAIN = 1.0

# What follows from the result of a job: another job, or nothing.
Then = Callable[[Done], Job | None]


def run_jobs(
    jobs: Sequence[Job],
    settings: Settings,
    *,
    watcher: Watcher | None = None,
    fail_fast: bool = False,
    first: Callable[[], None] = lambda: None,
    then: Then = lambda done: None,
) -> list[Done]:
    """Run jobs, and those that follow from them, on an engine; see `run_all`.

    Args:
        jobs: without any, no engine is started.
        settings: of the engine, which runs no more at a time than there are jobs.
        watcher: follows the runs.
        fail_fast: end all when one fails or diverges.
        first: called once the engine has started, before anything is written.
        then: (result of a job) -> a job that follows from it, or None.

    Raises:
        RunError: a folder cannot be written, a worker was killed, or the engine cannot do it.
    """
    if not jobs:
        first()
        return []
    settings = replace(settings, jobs=min(settings.jobs, len(jobs)))
    with start(settings) as running, ExitStack() as opened:
        home = settings.home or opened.enter_context(Folder.made(settings.runs)).place
        first()
        home.check()

        def at_home(job: Job | None) -> Job | None:
            return job and replace(job, home=home)

        try:
            return run_all(
                [replace(job, home=home) for job in jobs],
                running,
                watcher=watcher,
                fail_fast=fail_fast,
                then=lambda done: at_home(then(done)),
            )
        except RunError:
            home.check()  # that it is lost explains the error
            raise


def run_all(
    jobs: Sequence[Job],
    engine: Engine,
    *,
    watcher: Watcher | None = None,
    fail_fast: bool = False,
    then: Then = lambda done: None,
) -> list[Done]:
    """Run jobs, the longest first; an error of one does not end the others.

    A run that another process trains is asked for again until it has ended, or until that process
    has left it. When this process is interrupted, the workers' runs end as interrupted, and what
    they have logged is kept.

    Returns:
        the results of the jobs that were done, in the order of their ends.

    Raises:
        RunError: a worker was lost, or a run cannot be written: then no other could be, either.
    """
    # The loop is a function of its own: where a signal strikes at a jump back to the first line of
    # a `try`, Python 3.11 raises its exception outside of that `try`.
    try:
        return _loop(jobs, engine, watcher or Watcher(), fail_fast, then)
    except (BrokenExecutor, CancelledError) as error:
        engine.stop()
        raise RunError(engine.lost) from error
    except BaseException:
        engine.stop()
        raise


def _loop(
    jobs: Sequence[Job], engine: Engine, watcher: Watcher, fail_fast: bool, then: Then
) -> list[Done]:
    ordered = sorted(jobs, key=lambda job: -job.cost())
    # The numbers of jobs, with the time from which each is to be submitted.
    queue = [(0.0, number) for number in range(len(ordered))]
    running: set[int] = set()
    results: SimpleQueue[tuple[int, Future[Any]]] = SimpleQueue()
    done: list[Done] = []

    def submit(number: int) -> None:
        arguments = engine.prepare(ordered[number], number)
        future = engine.executor.submit(engine.task, *arguments)
        running.add(number)
        future.add_done_callback(lambda future: results.put((number, future)))

    heapify(queue)
    while queue or running:
        while queue and queue[0][0] <= monotonic():
            submit(heappop(queue)[1])
        for number, epochs in engine.reports():
            if number in running:  # a late report is of no interest
                watcher.running(ordered[number], epochs)
        for text in engine.notes():
            watcher.note(text)
        if not running:
            watcher.waiting(len(queue))
        try:
            number, future = results.get(timeout=_TICK)
        except Empty:
            continue
        running.remove(number)
        result = _result(engine, ordered[number], future)
        if result.status == BUSY:
            heappush(queue, (monotonic() + _AGAIN, number))
            continue
        done.append(result)
        following = then(result)
        watcher.ended(result)
        if following is not None:
            heappush(queue, (0.0, len(ordered)))
            ordered.append(following)
        if fail_fast and result.status != "completed":
            engine.stop()
            break
    return done


def _result(engine: Engine, job: Job, future: Future[Any]) -> Done:
    try:
        return engine.finish(job, future.result())
    except (BrokenExecutor, CancelledError, RunError):
        raise
    except NnexpError as error:
        return Done(job, None, "failed", str(error))
    except Exception as error:
        # A bug keeps its traceback, which the executor has brought along.
        return Done(job, None, "failed", "".join(traceback.format_exception(error)).rstrip())
