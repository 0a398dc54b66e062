"""Runs trained where the user's files are not: a job goes out as a value, its folder comes back.

Any `concurrent.futures.Executor` will do: see `remote`. A worker trains in a folder of its own,
by the rules by which a run is completed here, and what it returns is put into the user's folder by
the same rules.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import nnexp
from nnexp.data import Dataset
from nnexp.errors import BusyError, RunError
from nnexp.io.files import guarded, make_folder, passing, read_bytes, sync_folder
from nnexp.io.folder import Folder
from nnexp.io.lock import hold
from nnexp.run import provenance
from nnexp.run.assembly import DataCache, data_key
from nnexp.run.control import Progress
from nnexp.run.layout import CHECKPOINT, CONFIG, LOGS, METRICS, MODEL, PREDICTIONS, RUN
from nnexp.run.log import LogFile
from nnexp.run.state import Checkpoint, read_checkpoint
from nnexp.study.engine import Engine, Settings
from nnexp.study.jobs import BUSY, ENDED, FREE, Done, Job, candidates, perform, places

FILES = (CONFIG, *LOGS, CHECKPOINT, MODEL, PREDICTIONS, RUN)
LIMIT = 500_000_000

# A run folder as a value: its files by name.
Parcel = Mapping[str, bytes]

# What a worker process keeps: the data that it reads itself.
_data = DataCache()
_loading = Lock()

# The threads that wait for the disk, begun once: to begin them takes about as long as the disk.
_disk = ThreadPoolExecutor(len(FILES), thread_name_prefix="disk")


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is sent.

    Attributes:
        job: whose folder it does not see.
        argv: the command, for the records.
        sent: the unfinished runs of the job that are there, which may be resumable: the name of
            the folder, and its files.
        result: of the job, where nothing is to be done.
        version: of nnexp.
    """

    job: Job
    argv: tuple[str, ...]
    sent: tuple[tuple[str, Parcel], ...] = ()
    result: Done | None = None
    version: str = nnexp.__version__


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a worker returns.

    Attributes:
        status: of the run.
        epochs: how many it trained.
        parcel: the run's folder.
        refused: the names of the runs it was sent that cannot be resumed.
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
    shipped: dict[str, Any] = {}

    def prepare(job: Job, number: int) -> tuple[Any, ...]:
        experiment = job.config.experiment
        order = _order(job, settings.argv)
        if getattr(experiment.data, "path", None) is None:
            return order, None
        key = data_key(experiment)
        if key not in shipped:
            shipped[key] = ship(settings.data.load(job.config))
        return order, shipped[key]

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
    """Look what is there of a job's run, and pack what may be resumed."""
    sent: list[tuple[str, Parcel]] = []
    for folder, status in places(job):
        if status in ENDED:
            return Order(job, argv, result=Done(job, folder, status))
        if status == FREE:
            break
        try:  # whether it can be resumed, the worker finds out
            sent.append((folder.name, pack(folder)))
        except BusyError:
            return Order(job, argv, result=Done(job, folder, BUSY))
    return Order(job, argv, tuple(sent))


def train(
    order: Order,
    data: Dataset | None,
    *,
    scratch: str | None = None,
    progress: Progress | None = None,
) -> Delivery | Done | str:
    """Complete a job's run in a temporary folder; called in a worker.

    Args:
        order: the job.
        data: the user's; None for what the worker reads itself.
        scratch: the folder for temporary folders.
        progress: follows the run.

    Returns:
        the run's folder, or the result of a job that was done already, or why no job can be done
        here.

    Raises:
        ConfigError: its data cannot be read.
        RunError: the run cannot be written or sent, or its data are not those of the job.
    """
    if order.version != nnexp.__version__:
        return f"has nnexp {nnexp.__version__}"
    if order.result is not None:
        return order.result
    provenance.one_thread_for_good()
    cache = _data if data is None else DataCache(lambda _: data)
    with _loading:  # once, where a worker has several threads
        cache.load(order.job.config)
    with TemporaryDirectory(prefix="nnexp-", dir=scratch) as runs, passing():
        return _train_in(Path(runs), order, cache, progress)


def _train_in(runs: Path, order: Order, data: DataCache, progress: Progress | None) -> Delivery:
    job = replace(order.job, runs=runs, home=None)
    copies: dict[Path, str] = {}
    for folder, (name, parcel) in zip(candidates(job), order.sent, strict=False):
        unpack(parcel, folder)
        copies[folder] = name
    done = perform(job, data, argv=order.argv, progress=progress)
    if done.folder is None or done.status not in ENDED:
        return Delivery(done.status, done.epochs, {}, ())
    parcel = pack(done.folder)
    if done.folder in copies:
        parcel = with_all_rows(parcel, done.folder)
    refused = takewhile(lambda folder: folder != done.folder, copies)
    return Delivery(done.status, done.epochs, parcel, tuple(copies[f] for f in refused))


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
        # The worker had to end: another is to do it.
        return Done(job, None, BUSY)
    for folder, status in places(job):
        if status in ENDED:
            return Done(job, folder, status)
        if folder.name in sent.refused:
            continue
        try:
            (deliver if status == FREE else complete)(sent.parcel, folder)
        except BusyError:
            return Done(job, folder, BUSY)
        except FileExistsError:
            continue
        return Done(job, folder, sent.status, epochs=sent.epochs)
    raise AssertionError


def unfit(reasons: dict[str, str]) -> str:
    """Word why the workers of a cluster cannot do jobs, by the name of each."""
    (name, reason), *others = reasons.items()
    more = f" (and {len(others)} more cannot do it)" if others else ""
    return (
        f"{name} {reason}{more}; all need the same Python and nnexp {nnexp.__version__}: "
        "install that, and start them again"
    )


def pack(folder: Path) -> dict[str, bytes]:
    """Read the files of a run that no process is writing.

    Raises:
        BusyError: another process owns the run.
        RunError: it cannot be read, or is larger than may be sent.
    """
    packed, left = {}, LIMIT
    with _owned(folder):
        for name in FILES:
            try:
                packed[name] = read_bytes(folder / name, left, follow=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                message = f"{folder / name}: cannot be sent: {error.strerror}"
                raise RunError(message) from error
            left -= len(packed[name])
    return packed


def unpack(parcel: Parcel, folder: Path) -> None:
    """Make a folder of files where nobody else looks."""
    with guarded(folder):
        folder.mkdir()
        for name in _names(parcel):
            (folder / name).write_bytes(parcel[name])


def deliver(parcel: Parcel, folder: Path) -> None:
    """Make a new run folder, which appears whole.

    Raises:
        FileExistsError: the name is taken.
        RunError: the folder cannot be written.
    """
    runs = folder.parent
    with guarded(runs, begun=False):
        make_folder(runs)
        with Folder.hidden(runs, folder.name) as hidden:
            # At once: a file system makes many waits for its disk into one.
            files = [_disk.submit(hidden.create, name, parcel[name]) for name in _names(parcel)]
            try:
                for file in files:
                    file.result()
                hidden.sync()
                hidden.claim(folder, suffix=False)
                sync_folder(runs)
            except BaseException:
                wait(files)
                hidden.discard()
                raise


def with_all_rows(parcel: Parcel, folder: Path) -> dict[str, bytes]:
    """Return a folder's parcel with a checkpoint that has all rows in it, as `complete` needs.

    Raises:
        ResumeError: the checkpoint is damaged.
    """
    checkpoint = read_checkpoint(folder / CHECKPOINT)
    if checkpoint is None:
        return dict(parcel)
    logs = {
        name: {"size": 0, "crc": 0, "tail": parcel[name].decode()}
        for name in LOGS
        if name in parcel
    }
    whole = Checkpoint(checkpoint.arrays, {**checkpoint.state, "logs": logs})
    return {**parcel, CHECKPOINT: whole.to_bytes()}


def complete(parcel: Parcel, folder: Path) -> None:
    """Bring a run to where a copy of it was brought to elsewhere; see `with_all_rows`.

    As in any commit the checkpoint comes first: whatever happens after it, the run can be resumed.

    Raises:
        BusyError: another process owns the run, or it has logged what the copy has not.
        RunError: the folder cannot be read or written.
    """
    with _owned(folder) as (home, metrics), ExitStack() as opened:
        logs = {METRICS: metrics}
        for name in LOGS:
            if name in parcel and name != METRICS:
                logs[name] = LogFile.open(home, name)
                opened.callback(logs[name].close)
        if not all(log.begins(parcel[name]) for name, log in logs.items()):
            raise BusyError(f"{folder}: has been resumed by another process")
        home.replace(CHECKPOINT, parcel[CHECKPOINT])
        for name, log in logs.items():
            log.put(parcel[name])
        for name in (MODEL, PREDICTIONS, RUN):
            if name in parcel:
                home.replace(name, parcel[name])


@contextmanager
def _owned(folder: Path) -> Iterator[tuple[Folder, LogFile]]:
    """Own a run, as a process does that trains it; give its folder and metrics.csv."""
    with guarded(folder), Folder(folder) as home:
        log = LogFile.open(home, METRICS, os.O_RDWR)
        try:
            if hold(log.descriptor) is False:
                raise BusyError(f"{folder}: is being written by another process")
            yield home, log
        finally:
            log.close()


def _names(parcel: Parcel) -> list[str]:
    """Return the names that are a run's: a parcel puts nothing else anywhere."""
    return [name for name in FILES if name in parcel]
