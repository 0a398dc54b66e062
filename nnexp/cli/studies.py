"""`nnexp sweep` and `nnexp tune`: all runs of a study, as it stands or each arm at its best."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from nnexp.cli.options import (
    Number,
    choose_metric,
    find_runs,
    jobs_option,
    page_format_options,
    runs_dir_option,
)
from nnexp.cli.outcomes import argv, end_by_signal, exit_by_status, keeps
from nnexp.cli.output import say, say_note
from nnexp.study.engine import ENGINES
from nnexp.text import command
from nnexp.views.formats import FORMATS


def _study_options(result: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what adds the options of a command that trains a study and prints a result."""
    options: list[Callable[..., Any]] = [
        click.argument("study", type=click.Path(path_type=Path)),
        runs_dir_option,
        jobs_option,
        click.option(
            "--engine",
            type=click.Choice(tuple(ENGINES)),
            default="local",
            show_default=True,
            help="Where the runs are trained.",
        ),
        click.option(
            "--address",
            metavar="ADDRESS",
            help="Address of a Dask scheduler, as in tcp://10.0.0.1:8786; without it, "
            "--engine dask starts processes on this machine.",
        ),
        click.option(
            "--wait-for-workers",
            "wait",
            metavar="MINUTES",
            type=Number(0, 100_000),
            default=10,
            show_default=True,
            help="How long a Dask cluster may be without workers before the command ends.",
        ),
        click.option(
            "--dry-run", is_flag=True, help="Print the runs and the time they take; train none."
        ),
        click.option("-y", "--yes", is_flag=True, help="Allow more than 10,000 runs."),
        click.option("-q", "--quiet", is_flag=True, help=f"No progress; print only the {result}."),
        click.pass_context,
    ]

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _check_address(engine: str, address: str | None) -> None:
    if address is not None and engine != "dask":
        raise click.UsageError("--address needs --engine dask")


@click.command(epilog="Example: nnexp sweep configs/studies/cost_as_published.yaml --dry-run")
@click.option(
    "--seeds", metavar="SEEDS", help="Seeds that replace the study's, as in 0-9 or 0,3,5."
)
@click.option("--fail-fast", is_flag=True, help="End the sweep when one run fails or diverges.")
@_study_options("study's folder")
def sweep(
    ctx: click.Context,
    study: Path,
    runs_dir: Path,
    jobs: int,
    engine: str,
    address: str | None,
    wait: float,
    seeds: str | None,
    fail_fast: bool,
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Train every run of a STUDY.

    STUDY is a file that names arms, a grid and seeds.

    The runs are in a folder of the study's name. Complete runs are not trained again, interrupted
    ones are resumed: the command can be repeated, also from two terminals at once.
    """
    _check_address(engine, address)
    from nnexp import numbers
    from nnexp.cli.progress import overview
    from nnexp.config.study import check_metric, load_study
    from nnexp.io.folder import Folder
    from nnexp.run.assembly import DataCache
    from nnexp.study.engine import Settings
    from nnexp.study.estimate import estimate
    from nnexp.study.jobs import plan, split
    from nnexp.study.record import check_folder, claim_folder, record_of
    from nnexp.study.sweep import run_jobs
    from nnexp.views.plan import as_counts, passed_over, sweep_plan

    loaded = load_study(study, seeds=seeds, many=yes)
    say_note(*loaded.document.notes)
    folder, data = runs_dir / loaded.name, DataCache()
    check_metric(loaded, data.load)
    record = record_of(loaded, data)
    runs = plan((config for _, config in loaded.runs), folder, data)
    end_by_signal()
    started = perf_counter()
    # What is complete is complete in the folder that is looked into now.
    there = folder.is_dir() and not dry_run
    with Folder.made(folder) if there else nullcontext() as home:
        check_folder(folder, record, runs)
        done, missing = split(runs, folder)
        if dry_run:
            say(sweep_plan(runs, missing, estimate(missing, data), jobs), nl=False)
            return

        def begin() -> None:
            if home:
                home.check()
            claim_folder(folder, record)
            if not quiet:
                if loaded.tune:
                    search = command("nnexp", "tune", Path(study))
                    say_note(f"sweep trains the arms as they stand; {search} searches first")
                there = f", {len(done)} of them done already" if done else ""
                say(f"{folder}: {len(runs)} runs{there}", err=True)

        place = home.place if home else None
        settings = Settings(jobs, folder, data, argv(), engine, address, place, 60 * wait)
        with keeps(folder), overview(missing, jobs, quiet=quiet) as watcher:
            done += run_jobs(missing, settings, watcher=watcher, fail_fast=fail_fast, first=begin)
    say(folder)
    if not quiet:
        seconds = numbers.duration(perf_counter() - started)
        took = f" in {seconds}" if missing else "; nothing to train"
        say(f"  {as_counts(done, len(runs))}{took}")
        say_note(*passed_over(done))
        say(f"compare them: {command('nnexp', 'compare', folder)}", err=True)
    exit_by_status(ctx, (one.status for one in done))


@click.command(epilog="Example: nnexp tune configs/studies/cost_tuned.yaml --dry-run")
@page_format_options
@_study_options("result")
def tune(
    ctx: click.Context,
    study: Path,
    runs_dir: Path,
    jobs: int,
    engine: str,
    address: str | None,
    wait: float,
    format_: str,
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Search the best settings of each arm of a STUDY.

    Then the arms are compared as they were tuned.

    The key `tune` of STUDY says what is searched. Every arm has the same number of trials, judged
    on the validation set alone; the best settings are then trained with the fresh seeds of
    `confirm` and compared on the test set. The command can be interrupted and repeated: it resumes
    where it was.
    """
    _check_address(engine, address)
    from nnexp.cli.progress import overview, trials
    from nnexp.config.study import load_study
    from nnexp.io.folder import Folder
    from nnexp.numbers import plural
    from nnexp.run.assembly import DataCache
    from nnexp.study.engine import Settings
    from nnexp.study.jobs import Done, plan, split
    from nnexp.study.record import claim_folder, claim_search, record_of
    from nnexp.study.sweep import run_jobs
    from nnexp.study.tuning import CONFIRM, confirmation, expected, prepare, search_all
    from nnexp.views.plan import tune_plan
    from nnexp.views.tune import page

    loaded = load_study(study, many=yes)
    say_note(*loaded.document.notes)
    folder, data = runs_dir / loaded.name, DataCache()
    searches = prepare(loaded, folder, data, many=yes)
    setup = searches[0].tune
    say_note(*claim_search(setup, folder, write=not dry_run))
    if dry_run:
        plans = [expected(loaded, search) for search in searches]
        say(tune_plan(loaded, setup, plans, jobs), nl=False)
        return
    end_by_signal()
    done: list[Done] = []
    with keeps(folder), Folder.made(folder) as home:
        settings = Settings(jobs, folder, data, argv(), engine, address, home.place, 60 * wait)
        if not quiet:
            arms = "1 arm" if len(searches) == 1 else f"each of {len(searches)} arms"
            say(f"{folder}: {plural(setup.trials, 'trial')} of {arms}", err=True)
        with trials(searches, jobs, quiet=quiet) as watcher:
            search_all(searches, settings, watcher)
        tuned = confirmation(loaded, searches)
        if tuned.arms:
            runs = folder / CONFIRM
            home.check()
            claim_folder(runs, record_of(tuned, data, setup.trials), chosen=True)
            done, missing = split(plan((config for _, config in tuned.runs), runs, data), runs)
            with overview(missing, jobs, quiet=quiet) as watcher:
                done += run_jobs(missing, settings, watcher=watcher)
    confirmed = find_runs((str(folder / CONFIRM),), runs_dir) if tuned.arms else []
    metric = choose_metric(confirmed, tuned.metric) if confirmed else ""
    say(FORMATS[format_].write(page(tuned, searches, confirmed, metric)), nl=False)
    untuned = ["diverged"] * (len(tuned.arms) < len(searches))
    exit_by_status(ctx, [*(one.status for one in done), *untuned])
