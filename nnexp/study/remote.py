"""Runs trained where the user's files are not: a job goes out as a value, its folder comes back.

Any `concurrent.futures.Executor` will do: see `remote`. A worker trains in a folder of its own,
by the rules by which a run is brought to its end here, and what it returns is put into the user's
folder by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import nnexp
from nnexp.data import Dataset
from nnexp.errors import ResumeError, RunError
from nnexp.run import blas
from nnexp.run.assembly import DataCache, data_key
from nnexp.run.session import Progress
from nnexp.study.engine import Engine, Settings
from nnexp.study.jobs import BUSY, ENDED, Done, Job, candidates, perform, settle
from nnexp.study.parcel import Parcel, complete, deliver, pack, unpack, with_all_rows
from nnexp.study.shared import shared_data

_DUE = "due"

# What a worker process keeps: the data that it reads itself.
_data = DataCache()
_loading = Lock()


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is sent.

    Attributes:
        job: whose folder it does not see.
        argv: the command, for the records.
        sent: the unfinished runs of the job that are there, as far as it can be told without
            going on with them: the name of the folder, and its files.
        known: what became of the job, where nothing is to be done.
        version: of nnexp.
    """

    job: Job
    argv: tuple[str, ...]
    sent: tuple[tuple[str, Parcel], ...] = ()
    known: Done | None = None
    version: str = nnexp.__version__


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a worker returns.

    Attributes:
        status: of the run.
        epochs: how many it trained.
        parcel: the run's folder.
        refused: the names of the runs it was sent that cannot be gone on with.
    """

    status: str
    epochs: int
    parcel: Parcel
    refused: tuple[str, ...]


def remote(
    executor: Executor, settings: Settings, *, ship: Callable[[Dataset], Any] = lambda data: data
) -> Engine:
    """Return an engine of an executor whose workers need not see the user's files.

    Data that come with nnexp, or stand in the config, are read by each worker once. Those of the
    user's files are sent along with every job.

    Args:
        executor: takes the tasks; its workers import the same nnexp.
        settings: of the command.
        ship: makes of data what the executor turns into them again, once for all jobs.
    """
    data = DataCache(shared_data(settings.shared))
    shipped: dict[str, Any] = {}

    def prepare(job: Job, number: int) -> tuple[Any, ...]:
        experiment = job.config.experiment
        if getattr(experiment.data, "path", None) is None:
            return _order(job, settings.argv), None
        key = data_key(experiment)
        if key not in shipped:
            shipped[key] = ship(data.load(job.config))
        return _order(job, settings.argv), shipped[key]

    return Engine(
        executor=executor,
        prepare=prepare,
        task=train,
        finish=receive,
        reports=lambda: iter(()),
        stop=lambda: executor.shutdown(wait=False, cancel_futures=True),
        lost="the workers were lost; what is complete is kept: run the command again",
    )


def _order(job: Job, argv: tuple[str, ...]) -> Order:
    """Look what is there of a job's run, and pack what may be gone on with."""
    sent: list[tuple[str, Parcel]] = []

    def due(folder: Path) -> Done:
        return Done(job, folder, _DUE)

    def send(folder: Path) -> Done:
        sent.append((folder.name, pack(folder)))
        raise ResumeError("whether it can be gone on with, the worker finds out")

    found = settle(job, begin=due, go_on=send)
    return Order(job, argv, tuple(sent), None if found.status == _DUE else found)


def train(
    order: Order,
    data: Dataset | None,
    *,
    scratch: str | None = None,
    progress: Progress | None = None,
) -> Delivery | Done | str:
    """Bring a job's run to its end in a temporary folder; called in a worker.

    Args:
        order: the job.
        data: the user's; None for what the worker reads itself.
        scratch: the folder for temporary folders.
        progress: is told how the run goes on.

    Returns:
        the run's folder, or what became of it already, or why no job can be done here.

    Raises:
        ConfigError: its data cannot be read.
        RunError: the run cannot be written or sent, or its data are not those of the job.
    """
    if order.version != nnexp.__version__:
        return f"has nnexp {nnexp.__version__}"
    if order.known is not None:
        return order.known
    blas.one_thread_for_good()
    cache = _data if data is None else DataCache(lambda _: data)
    with _loading:  # once, where a worker has several threads
        cache.load(order.job.config)
    with TemporaryDirectory(prefix="nnexp-", dir=scratch) as runs:
        return _train_in(Path(runs), order, cache, progress)


def _train_in(runs: Path, order: Order, data: DataCache, progress: Progress | None) -> Delivery:
    job = replace(order.job, runs=runs)
    copies = dict(zip(candidates(job), order.sent, strict=False))
    for folder, (_, parcel) in copies.items():
        unpack(parcel, folder)
    done = perform(job, data, argv=order.argv, progress=progress)
    if done.folder is None or done.status not in ENDED:
        return Delivery(done.status, done.epochs, {}, ())
    parcel = pack(done.folder)
    if done.folder in copies:
        parcel = with_all_rows(parcel, done.folder)
    refused = takewhile(lambda folder: folder != done.folder, copies)
    return Delivery(done.status, done.epochs, parcel, tuple(copies[f][0] for f in refused))


def receive(job: Job, sent: Delivery | Done | str) -> Done:
    """Put what a worker returned into the user's folder; drop it if a whole run is there already.

    Raises:
        RunError: the folder cannot be written, or the worker can do no job.
    """
    if isinstance(sent, str):
        raise RunError(unfit({"a worker": sent}))
    if isinstance(sent, Done):
        return sent
    if sent.status not in ENDED:
        # The worker was told to end: another is to do it.
        return Done(job, None, BUSY)

    def begin(folder: Path) -> Done:
        deliver(sent.parcel, folder)
        return Done(job, folder, sent.status, epochs=sent.epochs)

    def go_on(folder: Path) -> Done:
        if folder.name in sent.refused:
            raise ResumeError(f"{folder}: cannot be gone on with")
        complete(sent.parcel, folder)
        return Done(job, folder, sent.status, epochs=sent.epochs)

    return settle(job, begin, go_on)


def unfit(reasons: dict[str, str]) -> str:
    """Word why the workers of a cluster cannot do jobs, by the name of each."""
    (name, reason), *others = reasons.items()
    more = f" (and {len(others)} more cannot do it)" if others else ""
    return (
        f"{name} {reason}{more}; all need the same Python and nnexp {nnexp.__version__}: "
        "install that, and start them again"
    )
