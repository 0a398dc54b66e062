"""`nnexp sweep`: all runs of a study."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import click

from nnexp.cli.options import jobs_option, runs_dir_option
from nnexp.cli.outcomes import argv, end_by_signal, exit_by_status, keeps
from nnexp.cli.output import say, say_note
from nnexp.study.engine import ENGINES


@click.command(epilog="Example: nnexp sweep configs/studies/cost_as_published.yaml --dry-run")
@click.argument("study", type=click.Path(path_type=Path))
@runs_dir_option
@click.option(
    "--seeds", metavar="SEEDS", help="Seeds that replace the study's, as in 0-9 or 0,3,5."
)
@jobs_option
@click.option(
    "--engine",
    type=click.Choice(tuple(ENGINES)),
    default="local",
    show_default=True,
    help="Where the runs are trained.",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Address of a Dask scheduler, as in tcp://10.0.0.1:8786; without it, --engine dask starts "
    "processes on this machine.",
)
@click.option("--fail-fast", is_flag=True, help="End the sweep when one run fails or diverges.")
@click.option("--dry-run", is_flag=True, help="Print the runs and the time they take; train none.")
@click.option("-y", "--yes", is_flag=True, help="Allow more than 10,000 runs.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; print only the study's folder.")
@click.pass_context
def sweep(
    ctx: click.Context,
    study: Path,
    runs_dir: Path,
    seeds: str | None,
    jobs: int,
    engine: str,
    address: str | None,
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
    if address is not None and engine != "dask":
        raise click.UsageError("--address needs --engine dask")
    from nnexp import numbers
    from nnexp.cli.progress import overview
    from nnexp.config.study import check_metric, load_study
    from nnexp.run.assembly import DataCache
    from nnexp.study.engine import Settings
    from nnexp.study.estimate import estimate
    from nnexp.study.jobs import plan, split
    from nnexp.study.record import check_folder, claim_folder, record_of
    from nnexp.study.sweep import run_jobs
    from nnexp.views.plan import as_counts, passed_over, sweep_plan

    loaded = load_study(study, seeds=seeds, many=yes)
    for note in loaded.document.notes:
        say_note(note)
    folder, data = runs_dir / loaded.name, DataCache()
    check_metric(loaded, data.load)
    record = record_of(loaded, data)
    runs = plan((config for _, config in loaded.runs), folder, data)
    check_folder(folder, record)
    done, missing = split(runs, folder)
    if dry_run:
        say(sweep_plan(runs, missing, estimate(missing, data), jobs), nl=False)
        return

    def begin() -> None:
        claim_folder(folder, record)
        if not quiet:
            if loaded.tune:
                say_note(f"sweep trains the arms as they stand; nnexp tune {study} searches first")
            there = f", {len(done)} of them done already" if done else ""
            say(f"{folder}: {len(runs)} runs{there}", err=True)

    end_by_signal()
    started = perf_counter()
    settings = Settings(min(jobs, len(missing)), folder, data, argv(), address)
    with keeps(folder), overview(missing, settings.jobs, quiet=quiet) as watcher:
        done += run_jobs(
            missing, settings, engine=engine, watcher=watcher, fail_fast=fail_fast, first=begin
        )
    say(folder)
    if not quiet:
        seconds = numbers.duration(perf_counter() - started)
        took = f" in {seconds}" if missing else "; nothing to train"
        say(f"  {as_counts(done, len(runs))}{took}")
        for note in passed_over(done):
            say_note(note)
        say(f"compare them: nnexp compare {folder}", err=True)
    exit_by_status(ctx, (one.status for one in done))
