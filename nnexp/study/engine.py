"""Where the runs of a study are trained: an engine is an Executor and how jobs travel through it.

Adding one is one function that yields an `Engine`, and one entry in `ENGINES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from nnexp.errors import RunError

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from nnexp.run.assembly import DataCache
    from nnexp.study.jobs import Done, Job

# The number of a job, and how many of its epochs are done.
Report = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs jobs.

    Attributes:
        executor: takes the tasks.
        prepare: (job, its number) -> the arguments of the task; called in this process.
        task: called in a worker; returns the result of the job.
        finish: (job, result of its task) -> Done; called in this process.
        reports: yields the reports of running jobs since the last call.
        stop: ends the workers at once; their runs end as interrupted.
        lost: the message for tasks that were lost with their workers.
    """

    executor: Executor
    prepare: Callable[[Job, int], tuple[Any, ...]]
    task: Callable[..., Any]
    finish: Callable[[Job, Any], Done]
    reports: Callable[[], Iterator[Report]]
    stop: Callable[[], None]
    lost: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What an engine is started with.

    Attributes:
        jobs: how many runs at a time.
        runs: the folder that the runs are in, or below.
        data: their data, loaded in this process.
        argv: the command, for the records.
        engine: its name.
        address: of a scheduler.
    """

    jobs: int
    runs: Path
    data: DataCache
    argv: tuple[str, ...] = ()
    engine: str = "local"
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An engine by name.

    Attributes:
        function: (settings) -> the context of an Engine, as "module:function"; its module is
            imported when the engine is started.
        extra: of nnexp, which installs the packages it needs.
    """

    function: str
    extra: str = ""


ENGINES = {
    "local": Entry("nnexp.study.local:local"),
    "dask": Entry("nnexp.study.dask.cluster:dask", extra="cluster"),
}


def start(settings: Settings) -> AbstractContextManager[Engine]:
    """Return an engine, which runs for as long as its context lasts.

    Raises:
        RunError: a package it needs is not installed.
    """
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
