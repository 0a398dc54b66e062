"""The engine of this machine: a process for each of the runs that are trained at the same time.

The processes share their data: arrays in files, mapped into the memory of each. The files lie in a
hidden folder beside the runs for as long as the engine runs. They may be deleted at any time:
whoever finds none, or damaged ones, reads the data anew.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from queue import Empty
from time import monotonic, sleep
from types import FrameType
from typing import Any

import numpy as np

from nnexp.config.schema import Experiment
from nnexp.data import Dataset
from nnexp.errors import NnexpError
from nnexp.nn.types import Array, Examples
from nnexp.run.assembly import DataCache, data_key, read_data
from nnexp.run.control import Progress
from nnexp.run.log import Row
from nnexp.study.engine import Engine, Report, Settings
from nnexp.study.jobs import Done, Job, perform

_TICK = 0.2
_PATIENCE = 10.0
_INTERRUPTED = 130
_SHARED, _META = ".data", "meta.json"
_DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError),
    *(ArithmeticError, RecursionError, SyntaxError),
)


@contextmanager
def local(settings: Settings) -> Iterator[Engine]:
    """Run jobs in processes of this machine."""
    context = _Context()
    reports = context.Queue()
    others = multiprocessing.active_children()
    shared = settings.runs / _SHARED
    written: set[str] = set()
    pool = ProcessPoolExecutor(
        settings.jobs,
        mp_context=context,
        initializer=_initialize,
        initargs=(reports, shared, settings.argv),
    )

    def prepare(job: Job, number: int) -> tuple[Any, ...]:
        experiment = job.config.experiment
        job.check_home()
        if data_key(experiment) not in written:
            written.add(data_key(experiment))
            with suppress(NnexpError):  # which the worker words when it reads them itself
                share(shared, experiment, settings.data.load(job.config))
        return job, number

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
        discard(shared)
    pool.shutdown()


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


# The state of a worker process, set once, when it starts.
_reports: Any = None
_data = DataCache()
_argv: tuple[str, ...] = ()
_working = False
_ending = False


def _initialize(reports: Any, shared: Path, argv: tuple[str, ...]) -> None:
    global _reports, _data, _argv  # noqa: PLW0603 - a worker process has one of each
    _reports, _argv = reports, argv
    _data = DataCache(shared_data(shared))
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


def share(shared: Path, experiment: Experiment, dataset: Dataset) -> None:
    """Write a data set for others to map; do nothing where it is there, or cannot be written."""
    folder = _folder(shared, experiment)
    with suppress(*_DAMAGED):
        if _meta(folder)["digest"] == dataset.digest:
            return
    # Those of an earlier command, from before the data were changed.
    discard(folder)
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        hidden.mkdir(parents=True)
        sets: dict[str, Any] = {}
        for name, examples in dataset.sets.items():
            arrays = {"x": examples.x, "y": examples.y}
            if examples.labels is not None:
                arrays["labels"] = examples.labels
            sums = {key: _sum(array) for key, array in arrays.items()}
            sets[name] = {"scale": examples.scale, "sha256": sums}
            for key, array in arrays.items():
                np.save(hidden / f"{name}-{key}.npy", array, allow_pickle=False)
        words = {key: getattr(dataset, key) for key in ("name", "classes", "digest", "image")}
        (hidden / _META).write_text(json.dumps(words | {"sets": sets}))
        hidden.rename(folder)
    except OSError:
        discard(hidden)


def shared_data(shared: Path) -> Callable[[Experiment], Dataset]:
    """Return a reader of data that maps what `share` has written, and reads the rest itself."""

    def read(experiment: Experiment) -> Dataset:
        try:
            return _map(_folder(shared, experiment))
        except _DAMAGED:
            return read_data(experiment)

    return read


def discard(shared: Path) -> None:
    """Remove the files; processes that have mapped them keep them."""
    shutil.rmtree(shared, ignore_errors=True)


def _folder(shared: Path, experiment: Experiment) -> Path:
    return shared / hashlib.sha256(data_key(experiment).encode()).hexdigest()[:16]


def _meta(folder: Path) -> Any:
    return json.loads((folder / _META).read_text())


def _sum(array: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _map(folder: Path) -> Dataset:
    meta = _meta(folder)
    classes, image = (meta[key] and tuple(meta[key]) for key in ("classes", "image"))
    sets = {name: _examples(folder / name, **entry) for name, entry in meta["sets"].items()}
    return Dataset(meta["name"], sets, classes, meta["digest"], image)


def _examples(stem: Path, scale: float, sha256: dict[str, str]) -> Examples:
    arrays: dict[str, Array] = {}
    for key, digest in sha256.items():
        path = stem.with_name(f"{stem.name}-{key}.npy")
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)  # noqa: TID251 - nnexp wrote it
        arrays[key] = np.asarray(mapped)
        if _sum(arrays[key]) != digest:
            raise ValueError(path)
    return Examples(**arrays, scale=scale)
