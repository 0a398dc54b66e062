"""Where the runs of a study are trained: an engine is an Executor and how jobs travel through it.

Adding one is one function that yields an `Engine`, and one entry in `ENGINES`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from nnexp.errors import RunError

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from nnexp.io.folder import Place
    from nnexp.run.assembly import DataCache
    from nnexp.study.jobs import Done, Job

# The number of a job, and how many of its epochs are done.
Report = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs jobs: all is called in this process, but the task, in a worker."""

    executor: Executor
    prepare: Callable[[Job, int], tuple[Any, ...]]  # (job, its number) -> arguments of the task
    task: Callable[..., Any]
    finish: Callable[[Job, Any], Done]  # (job, what its task returned)
    reports: Callable[[], Iterator[Report]]  # those of running jobs since the last call
    stop: Callable[[], None]  # ends the workers at once; their runs end as interrupted
    lost: str  # the message for tasks that were lost with their workers
    notes: Callable[[], Iterator[str]] = lambda: iter(())  # for the user, since the last call


@dataclass(frozen=True, slots=True)
class Settings:
    """What an engine is started with."""

    jobs: int  # how many at a time
    runs: Path  # the folder that the runs are in, or below
    data: DataCache  # of this process
    argv: tuple[str, ...] = ()  # the command, for the records
    engine: str = "local"
    address: str | None = None  # of a scheduler
    home: Place | None = None  # `runs`, where the command holds it already
    wait: float = 600.0  # seconds that a cluster may be without workers


@dataclass(frozen=True, slots=True)
class Entry:
    """How an engine is started: its module is imported then."""

    function: str  # "module:function": (settings) -> the context of an Engine
    extra: str = ""  # of nnexp, which installs the packages it needs


ENGINES = {
    "local": Entry("nnexp.study.local:local"),
    "dask": Entry("nnexp.study.dask.cluster:dask", extra="cluster"),
}


def start(settings: Settings) -> AbstractContextManager[Engine]:
    """Return an engine, which runs for as long as its context lasts.

    Raises:
        RunError: a package it needs is not installed.
    """
    # Else a worker process would look for Python's own modules in the current folder first.
    os.environ["PYTHONSAFEPATH"] = "1"
    entry = ENGINES[settings.engine]
    try:
        make: Callable[[Settings], AbstractContextManager[Engine]] = resolve_name(entry.function)
    except ImportError as error:
        if not entry.extra or str(error.name).startswith("nnexp"):  # a bug
            raise
        raise RunError(
            f"--engine {settings.engine} needs {error.name}, which is not installed: "
            f"pip install 'nnexp[{entry.extra}]'"
        ) from error
    return make(settings)


class Watcher:
    """Follows many runs; this one does nothing."""

    def running(self, job: Job, epochs: int) -> None:
        """Note that a job is running and has so many epochs done."""

    def waiting(self, jobs: int) -> None:
        """Note that nothing is left but so many runs that another process trains."""

    def ended(self, done: Done) -> None:
        """Note that a job has ended."""

    def note(self, text: str) -> None:
        """Note what the user should know."""
