"""The engine of this machine: a process for each of the runs that are trained at the same time.

The processes share their data: arrays in files, mapped into the memory of each. The files lie in a
hidden folder beside the runs for as long as the engine runs. They are used only if they hold what
this process wrote, by digests that it sends along; whoever misses one reads the data anew.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from queue import Empty
from time import monotonic, sleep
from types import FrameType
from typing import Any

import numpy as np

from nnexp.config.schema import Experiment
from nnexp.data import Dataset
from nnexp.errors import LostError, NnexpError
from nnexp.io.files import open_regular, write
from nnexp.io.folder import Folder
from nnexp.nn.types import Array, Examples
from nnexp.run.assembly import DataCache, data_key, read_data
from nnexp.run.control import Interrupts, Progress
from nnexp.run.log import Row
from nnexp.study.engine import Engine, Report, Settings
from nnexp.study.jobs import Done, Job, perform

_TICK = 0.2
_PATIENCE = 10.0
_INTERRUPTED = 130
_SHARED = ".data"


@contextmanager
def local(settings: Settings) -> Iterator[Engine]:
    """Run jobs in processes of this machine."""
    context = _Context()
    reports = context.Queue()
    others = multiprocessing.active_children()
    studies: list[Folder] = []
    shared: dict[str, Shared | None] = {}
    pool = ProcessPoolExecutor(
        settings.jobs,
        mp_context=context,
        initializer=_initialize,
        initargs=(reports, settings.argv),
    )

    def prepare(job: Job, number: int) -> tuple[Any, ...]:
        job.check_home()
        key = data_key(job.config.experiment)
        if key not in shared:
            shared[key] = None
            with suppress(NnexpError, OSError):  # which the worker words when it has its turn
                if not studies:
                    studies.append(_open_home(settings.runs, job))
                shared[key] = share(studies[0], settings.data.load(job.config))
        return job, number, shared[key]

    def news() -> Iterator[Report]:
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

    try:
        yield Engine(
            executor=pool,
            prepare=prepare,
            task=_work,
            finish=lambda _, done: done,
            reports=news,
            stop=stop,
            lost="a worker process was killed, perhaps for want of memory; what is complete is "
            "kept: run the command again, with fewer --jobs if need be",
        )
    finally:
        for study in studies:
            discard(study)
            study.close()
    pool.shutdown()


def _open_home(path: Path, job: Job) -> Folder:
    study = Folder(path)
    try:
        job.check_home()
    except LostError:
        study.close()
        raise
    return study


class _Process(SpawnProcess):
    """A process that Ctrl-C does not reach, from its first moment: its parent ends it."""

    def start(self) -> None:
        """Start with SIGINT blocked, which is inherited; signals to the parent wait meanwhile."""
        # What is half started reads the end of a pipe, and prints a traceback.
        with Interrupts() as interrupts, interrupts.deferred():
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


# The state of a worker process, set once, when it starts.
_reports: Any = None
_shared: dict[str, Shared | None] = {}
_argv: tuple[str, ...] = ()
_working = False
_ending = False


def _initialize(reports: Any, argv: tuple[str, ...]) -> None:
    global _reports, _argv
    _reports, _argv = reports, argv
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


def _read(experiment: Experiment) -> Dataset:
    shared = _shared.get(data_key(experiment))
    if shared:
        with suppress(OSError, ValueError):
            return shared.load()
    return read_data(experiment)


_data = DataCache(_read)


def _work(job: Job, number: int, shared: Shared | None) -> Done:
    global _working  # noqa: PLW0603 - a worker does one job at a time
    _shared[data_key(job.config.experiment)] = shared
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


class _Reporter(Progress):
    """The Progress of a worker process: it reports the epochs of its job, now and then."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._epochs = 0
        self._next = 0.0

    def begin(self, experiment: Experiment, done: int, examples: int) -> None:
        self._epochs = done
        _reports.put((self._number, done))

    def epoch(self, row: Row) -> None:
        self._epochs += 1
        if monotonic() >= self._next:
            _reports.put((self._number, self._epochs))
            self._next = monotonic() + _TICK


@dataclass(frozen=True, slots=True)
class _Stored:
    """An array in a file, whose name is its digest: what the file holds is not trusted."""

    digest: str
    dtype: str
    shape: tuple[int, ...]

    def map(self, folder: Path) -> Array:
        """Map the file; raise ValueError where it holds other bytes."""
        with open_regular(folder / self.digest, follow=False) as stream:
            mapped = np.memmap(stream, np.dtype(self.dtype), "r", shape=self.shape)
        if _sum(mapped) != self.digest:
            raise ValueError(self.digest)
        return np.asarray(mapped)


@dataclass(frozen=True, slots=True)
class Shared:
    """A data set whose arrays are in files of a folder."""

    folder: Path
    words: Mapping[str, Any]
    sets: Mapping[str, tuple[float, Mapping[str, _Stored]]]

    def load(self) -> Dataset:
        """Return the data set, its arrays mapped.

        Raises:
            OSError, ValueError: a file is missing, or is not as it was written.
        """
        sets = {}
        for name, (scale, stored) in self.sets.items():
            arrays = {key: array.map(self.folder) for key, array in stored.items()}
            sets[name] = Examples(**arrays, scale=scale)
        return Dataset(sets=sets, **self.words)


def share(study: Folder, dataset: Dataset) -> Shared:
    """Write the arrays of a data set for others to map, as far as that can be done."""
    sets, arrays = {}, dict[str, Array]()
    for name, examples in dataset.sets.items():
        stored = {}
        for key, array in (("x", examples.x), ("y", examples.y), ("labels", examples.labels)):
            if array is not None:
                stored[key] = _Stored(_sum(array), array.dtype.str, array.shape)
                arrays[stored[key].digest] = array
        sets[name] = (examples.scale, stored)
    # Where it fails, each process reads the data itself.
    with suppress(OSError, LostError), study.inside(_SHARED) as folder:
        for each in (array for _, stored in sets.values() for array in stored.values()):
            _store(folder, each, arrays[each.digest])
    words = {key: getattr(dataset, key) for key in ("name", "classes", "digest", "image")}
    return Shared(study.path / _SHARED, words, sets)


def _store(folder: Folder, stored: _Stored, array: Array) -> None:
    with suppress(OSError, ValueError):
        stored.map(folder.path)
        return
    hidden = f".{stored.digest}.{os.getpid()}"
    try:
        descriptor = folder.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            write(descriptor, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        finally:
            os.close(descriptor)
        folder.rename(hidden, stored.digest)
    except OSError:
        folder.remove(hidden)
        raise


def discard(study: Folder) -> None:
    """Remove the files; processes that have mapped them keep them."""
    with suppress(OSError), study.inside(_SHARED) as folder:
        folder.discard()


def _sum(array: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
