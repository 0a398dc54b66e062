"""The engine of this machine: a process for each job that runs at the same time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.context import SpawnContext, SpawnProcess
from queue import Empty
from time import monotonic, sleep
from types import FrameType
from typing import Any

from nnexp.config.schema import Experiment
from nnexp.run.assembly import DataCache
from nnexp.run.rows import Row
from nnexp.study.engine import Engine, Report, Settings
from nnexp.study.jobs import Done, Job, perform
from nnexp.study.shared import shared_data

_TICK = 0.2
_PATIENCE = 10.0
_INTERRUPTED = 130


# What a worker process knows: set once, when it starts.
_reports: Any = None
_data = DataCache()
_argv: tuple[str, ...] = ()
_working = False
_ending = False


class _Reporter:
    """The Progress of a worker process: it reports the epochs of its job, now and then."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._epochs = 0
        self._next = 0.0

    def begin(self, experiment: Experiment, done: int, examples: int) -> None:
        self._epochs = done
        _reports.put((self._number, done))

    def seen(self, examples: int) -> None:
        """Epochs are all that is reported."""

    def epoch(self, row: Row) -> None:
        self._epochs += 1
        if monotonic() >= self._next:
            _reports.put((self._number, self._epochs))
            self._next = monotonic() + _TICK


class _Process(SpawnProcess):
    """A process that Ctrl-C does not reach, from its first moment: its parent ends it."""

    def start(self) -> None:
        """Start with SIGINT blocked, which is inherited."""
        if not hasattr(signal, "pthread_sigmask"):  # not POSIX
            super().start()
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Process


def _initialize(reports: Any, settings: Settings) -> None:
    global _reports, _data, _argv  # noqa: PLW0603 - a worker process has one of each
    _reports, _argv = reports, settings.argv
    _data = DataCache(shared_data(settings.shared))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _end(number: int, frame: FrameType | None) -> None:
    """End the run as interrupted; a second signal changes nothing."""
    global _ending  # noqa: PLW0603 - see above
    _ending = True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not _working:
        os._exit(_INTERRUPTED)
    raise KeyboardInterrupt


def _follow_parent() -> None:
    """End this process, its run as interrupted, when the parent has died."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        sleep(_PATIENCE)
        os._exit(_INTERRUPTED)  # nobody else is left to do it; what is on the disk can be resumed


def _work(job: Job, number: int) -> Done:
    global _working  # noqa: PLW0603 - a worker does one job at a time
    try:
        _working = True
        done = perform(job, _data, argv=_argv, progress=_Reporter(number))
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)
    finally:
        _working = False
        if _ending:  # whatever became of the interrupt on its way
            os._exit(_INTERRUPTED)
    if done.status == "interrupted":
        # The parent wants this process to end, not to begin the next job.
        os._exit(_INTERRUPTED)
    return done


@contextmanager
def local(settings: Settings) -> Iterator[Engine]:
    """Run jobs in processes of this machine."""
    context = _Context()
    reports = context.Queue()
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(
        settings.jobs, mp_context=context, initializer=_initialize, initargs=(reports, settings)
    )

    def told() -> Iterator[Report]:
        with suppress(Empty):
            while True:
                yield reports.get_nowait()

    def stop() -> None:
        pool.shutdown(wait=False, cancel_futures=True)
        workers = [child for child in multiprocessing.active_children() if child not in others]
        for worker in workers:
            worker.terminate()
        patience = monotonic() + _PATIENCE
        try:
            for worker in workers:
                worker.join(max(0.0, patience - monotonic()))
        finally:  # also where Ctrl-C is pressed again
            for worker in workers:
                worker.kill()

    yield Engine(
        executor=pool,
        prepare=lambda *task: task,
        task=_work,
        finish=lambda _, done: done,
        reports=told,
        stop=stop,
        lost="a worker process was killed, perhaps for want of memory; what is complete is kept: "
        "run the command again, with fewer --jobs if need be",
    )
    pool.shutdown()
