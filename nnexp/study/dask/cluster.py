"""Runs on a Dask cluster: one that is there, or one started on this machine for the purpose."""

from __future__ import annotations

import asyncio
import logging
import signal
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from queue import Empty, SimpleQueue
from threading import current_thread, main_thread
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from distributed import Client, KilledWorker, LocalCluster, Security, get_worker
from distributed.comm.core import connect

from nnexp.data import Dataset
from nnexp.errors import NnexpError, RunError
from nnexp.run.control import Progress
from nnexp.run.log import Row
from nnexp.study.dask.crew import PATIENCE, Crew, Refusal
from nnexp.study.engine import Engine, Report, Settings
from nnexp.study.jobs import BUSY, Done, Job
from nnexp.study.remote import Delivery, Order, remote, train

_TICK = 1.0
_ENDING = ("stopping", "closing", "closed", "failed")


@contextmanager
def dask(settings: Settings) -> Iterator[Engine]:
    """Run jobs on the cluster of a scheduler; without an address, in processes of this machine.

    Raises:
        RunError: no scheduler answers, or its workers are none or cannot do it.
    """
    with _silence(), _connected(settings) as client:
        crew = Crew(client, settings)
        try:
            yield _engine(client, settings, crew)
        finally:
            crew.close()


@contextmanager
def _silence() -> Iterator[None]:
    """Let the user read only what nnexp says: Dask reports every connection that is lost."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _connected(settings: Settings) -> Iterator[Client]:
    if settings.address is None:
        with (
            _own_cluster(settings.jobs) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    _knock(settings.address)
    with Client(settings.address, timeout=PATIENCE, set_as_default=False) as client:
        yield client


def _knock(address: str) -> None:
    """Refuse an address that no scheduler answers at: a Client may wait there for ever."""
    advice = "start one with `dask scheduler`, and give the address it prints as --address"
    try:
        there = asyncio.run(asyncio.wait_for(_identity(address), PATIENCE))
    except (TimeoutError, OSError) as error:
        message = f"{address}: no scheduler answers there within {PATIENCE:g} s: {advice}"
        raise RunError(message) from error
    except Exception as error:
        raise RunError(
            f"{address}: no scheduler can be reached there ({error}): {advice}"
        ) from error
    if there.get("type") != "Scheduler":
        raise RunError(f"{address}: is not a scheduler but a {there.get('type')}: {advice}")


async def _identity(address: str) -> dict[str, Any]:
    arguments = Security().get_connection_args("client")
    comm = await connect(address, timeout=PATIENCE, **arguments)
    try:
        await comm.write({"op": "identity", "reply": True})
        identity: dict[str, Any] = await comm.read()
    finally:
        comm.abort()
    return identity


@contextmanager
def _own_cluster(workers: int) -> Iterator[LocalCluster]:
    with _interrupts_blocked(), _termination_deferred() as came:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        )
    with cluster:
        if came:
            raise KeyboardInterrupt
        yield cluster


@contextmanager
def _termination_deferred() -> Iterator[list[int]]:
    """Collect SIGTERM: a cluster that is left while it starts ends with tracebacks of Dask's own.

    Unlike a blocked signal, a handler is not inherited by the processes that are started.
    """
    came: list[int] = []
    if current_thread() is not main_thread():
        yield came
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C, which reaches all processes of a terminal: those begun meanwhile inherit it."""
    if not hasattr(signal, "pthread_sigmask"):  # not POSIX
        yield
        return
    resource_tracker.ensure_running()  # which unblocks it when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _engine(client: Client, settings: Settings, crew: Crew) -> Engine:
    topic = f"nnexp-{uuid4()}"
    events: SimpleQueue[Report] = SimpleQueue()
    client.subscribe_topic(topic, lambda event: events.put(tuple(event[1])))

    def ship(data: Dataset) -> Any:
        # A task, because what is scattered is lost with the worker that has it.
        return client.submit(_same, data, pure=False)

    engine = remote(
        _Executor(client.get_executor(pure=False), crew.preference), settings, ship=ship
    )

    def news() -> Iterator[Report]:
        with suppress(Empty):
            while True:
                yield events.get_nowait()

    def finish(job: Job, sent: Delivery | Done | Refusal) -> Done:
        if isinstance(sent, Refusal):
            if sent.worker:
                crew.exclude(sent.worker, sent.reason)
            return Done(job, None, BUSY)  # it is submitted again
        return engine.finish(job, sent)

    where = settings.address or "this machine"
    return replace(
        engine,
        prepare=lambda job, number: (*engine.prepare(job, number), number, topic),
        task=_train,
        finish=finish,
        reports=news,
        notes=crew.notes,
        lost=f"the scheduler of {where} was lost; what is complete is kept: run the command again",
    )


class _Executor(Executor):
    """The cluster's executor; a task that its worker could not do comes back as a refusal."""

    def __init__(self, cluster: Executor, options: Callable[[], dict[str, Any]] = dict) -> None:
        self._cluster, self._options = cluster, options
        self._deadly: set[Any] = set()  # the jobs that several workers died of

    def submit(self, task: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def hand_on(ended: Future[Any]) -> None:
            if ended.cancelled():
                future.cancel()
            elif error := ended.exception():
                self._give_up(future, error, args[2] if args else None)
            else:
                future.set_result(ended.result())

        submitted = self._cluster.submit(task, *args, **named, **self._options())
        submitted.add_done_callback(hand_on)
        return future

    def _give_up(self, future: Future[Any], error: BaseException, job: Any) -> None:
        if isinstance(error, ImportError) and "nnexp" in str(error):
            # A worker that has just come; it is named when it has been asked for its version.
            future.set_result(Refusal("", str(error)))
        elif not isinstance(error, KilledWorker):
            future.set_exception(error)
        elif job is None or job in self._deadly:
            future.set_exception(
                NnexpError(
                    f"{error.allowed_failures + 1} workers died one after the other while they "
                    "had this run, perhaps for want of memory"
                )
            )
        else:  # one worker that comes back again and again may have been all of them
            self._deadly.add(job)
            times = error.allowed_failures + 1
            reason = f"it died while it had a run that was given out {times} times"
            future.set_result(Refusal(error.last_worker.address, reason))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with suppress(Exception):  # the scheduler may be gone
            self._cluster.shutdown(wait=wait and not cancel_futures)


def _same(data: Dataset) -> Dataset:
    return data


# In a worker: why it can do no job of a command, by the command's topic.
_unable: dict[str, str] = {}


def _train(
    order: Order, data: Dataset | None, number: int, topic: str
) -> Delivery | Done | Refusal:
    worker = get_worker()
    if topic in _unable:
        sleep(_TICK)  # else it would take the others' jobs away faster than they train them
        return Refusal(worker.address, _unable[topic])
    watch = _Watch(number, topic)
    try:
        result = train(order, data, scratch=worker.local_directory, progress=watch)
    except (OSError, RunError) as error:  # its disk is full, its scratch folder has vanished
        result = str(error)
    if not isinstance(result, str):
        return result
    _unable[topic] = result
    return Refusal(worker.address, result)


class _Watch(Progress):
    """The Progress of a task: it reports epochs now and then, and ends a run nobody wants."""

    def __init__(self, number: int, topic: str) -> None:
        self._worker = get_worker()
        self._task = self._worker.get_current_task()
        self._number, self._topic = number, topic
        self._epochs = 0
        self._next = 0.0

    def begin(self, experiment: Any, done: int, examples: int) -> None:
        self._epochs = done

    def advance(self, examples: int) -> None:
        if monotonic() >= self._next:
            self._next = monotonic() + _TICK
            task = self._worker.state.tasks.get(self._task)
            cancelled = task is None or task.state == "cancelled"
            if cancelled or self._worker.status.name in _ENDING:
                raise KeyboardInterrupt
            self._worker.log_event(self._topic, (self._number, self._epochs))

    def epoch(self, row: Row) -> None:
        self._epochs += 1
