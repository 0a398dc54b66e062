"""All runs of a study, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from nnexp.config.loader import Config
from nnexp.config.study import Study
from nnexp.run.assembly import DataCache, data_key
from nnexp.study.engine import Settings, start
from nnexp.study.jobs import Done, Job, ended
from nnexp.study.pool import Watcher, run_all
from nnexp.study.record import check_folder, claim_folder, record_of
from nnexp.study.shared import discard, share

_SHARED = ".data"


def plan(configs: Iterable[Config], runs: Path, data: DataCache) -> list[Job]:
    """Return one job for each run that is wanted; configs that differ only in words are one.

    Raises:
        ConfigError: data cannot be read, or do not fit.
    """
    jobs = [Job(config, runs, data.load(config).digest) for config in configs]
    return list({job.key: job for job in jobs}.values())


def study_jobs(study: Study, folder: Path, data: DataCache) -> list[Job]:
    """Return the jobs of a study."""
    return plan((config for _, config in study.runs), folder, data)


def already_done(jobs: Iterable[Job], runs: Path) -> list[Done]:
    """Return what has become of the jobs whose runs have ended under a folder."""
    there = ended(runs)
    found = ((job, there.get(job.key)) for job in jobs)
    return [Done(job, run.folder, run.status) for job, run in found if run]


def still_due(jobs: Iterable[Job], runs: Path) -> list[Job]:
    """Return the jobs whose runs have not ended yet under a folder."""
    there = ended(runs)
    return [job for job in jobs if job.key not in there]


def run_jobs(
    jobs: list[Job],
    data: DataCache,
    *,
    engine: str = "local",
    settings: Settings,
    watcher: Watcher | None = None,
    fail_fast: bool = False,
    first: Callable[[], None] = lambda: None,
    then: Callable[[Done], Job | None] = lambda done: None,
) -> list[Done]:
    """Run jobs whose data have been loaded, and those that follow from them, on an engine.

    Args:
        jobs: what is due.
        data: keeps their data.
        engine: the name of one.
        settings: of the engine.
        watcher: is told how they go on.
        fail_fast: end all when one fails or diverges.
        first: called once the engine is there, before anything is written.
        then: told what became of a job, returns the one that is due now because of it.

    Raises:
        RunError: a folder cannot be written, a worker was killed, or the engine cannot do it.
    """
    if not jobs:
        first()
        return []
    distinct = {data_key(job.config.experiment): job.config for job in jobs}
    with start(engine, settings) as running:
        first()
        try:
            for config in distinct.values():
                share(settings.shared, config.experiment, data.load(config))
            return run_all(jobs, running, watcher=watcher, fail_fast=fail_fast, then=then)
        finally:
            discard(settings.shared)


def settings_for(
    folder: Path, jobs: int, *, argv: Iterable[str] = (), address: str | None = None
) -> Settings:
    """Return the settings of an engine for a folder of runs."""
    return Settings(jobs, folder / _SHARED, tuple(argv), address)


def check(study: Study, folder: Path) -> None:
    """Refuse a folder that is another study's."""
    check_folder(folder, record_of(study))


def claim(study: Study, folder: Path) -> None:
    """Make a folder the study's, or refuse."""
    claim_folder(folder, record_of(study))
