"""All runs of a study, in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nnexp.config.loader import Config
from nnexp.config.study import Study
from nnexp.experiment import DataCache
from nnexp.store.studies import claim_folder, record_of
from nnexp.study.engines import ENGINES, Settings
from nnexp.study.jobs import ENDED, Done, Job, complete
from nnexp.study.pool import Watcher, run_all
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


def still_due(jobs: Iterable[Job], runs: Path) -> list[Job]:
    """Return the jobs whose runs have not ended yet under a folder."""
    there = complete(runs)
    return [job for job in jobs if job.key not in there]


def run_jobs(
    jobs: list[Job],
    folder: Path,
    data: DataCache,
    *,
    engine: str = "local",
    settings: Settings,
    watcher: Watcher | None = None,
    fail_fast: bool = False,
) -> list[Done]:
    """Run jobs whose data have been loaded, on an engine.

    Raises:
        RunError: a folder cannot be written, or a worker was killed.
    """
    for job in jobs:
        share(settings.shared, job.config.experiment, data.load(job.config))
    try:
        with ENGINES[engine](settings) as running:
            return run_all(jobs, running, watcher=watcher, fail_fast=fail_fast)
    finally:
        discard(settings.shared)


def settings_for(
    folder: Path, jobs: int, *, argv: Iterable[str] = (), address: str | None = None
) -> Settings:
    """Return the settings of an engine for a folder of runs."""
    return Settings(jobs, folder / _SHARED, tuple(argv), address)


def claim(study: Study, folder: Path) -> None:
    """Make a folder the study's, or refuse."""
    claim_folder(folder, record_of(study))


__all__ = ["ENDED", "claim", "plan", "run_jobs", "settings_for", "still_due", "study_jobs"]
