"""`nnexp sweep`: all runs of a study."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from nnexp.cli.options import jobs_option, runs_dir_option
from nnexp.cli.outcomes import DIVERGED, end_by_signal
from nnexp.cli.output import say, say_note
from nnexp.cli.overview import overview
from nnexp.study.engine import ENGINES

if TYPE_CHECKING:
    from nnexp.run.assembly import DataCache
    from nnexp.study.jobs import Done, Job


@click.command(epilog="Example: nnexp sweep configs/studies/cost_as_published.yaml --dry-run")
@click.argument("study", type=click.Path(path_type=Path))
@runs_dir_option
@click.option("--seeds", metavar="SEEDS", help="In place of the study's, as in 0-9 or 0,3,5.")
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
    help="Of a Dask scheduler, as in tcp://10.0.0.1:8786; a cluster of --jobs local processes "
    "without. Needs --engine dask.",
)
@click.option("--fail-fast", is_flag=True, help="End all when one run fails or diverges.")
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
    """Train every run of STUDY, a file that names arms, a grid and seeds.

    The runs are in a folder of the study's name. What is complete there is not run again, what was
    interrupted is resumed: the command can be repeated, also from two terminals at once.
    """
    if address is not None and engine != "dask":
        raise click.UsageError("--address needs --engine dask")
    from nnexp import numbers
    from nnexp.config.study import load_study
    from nnexp.errors import RunError
    from nnexp.run.assembly import DataCache
    from nnexp.study.sweep import already_done, check, claim, run_jobs, settings_for, study_jobs

    loaded = load_study(study, seeds=seeds, many=yes)
    folder, data = runs_dir / loaded.name, DataCache()
    wanted = study_jobs(loaded, folder, data)
    done = already_done(wanted, folder)
    there = {one.job.key for one in done}
    due = [job for job in wanted if job.key not in there]
    if dry_run:
        check(loaded, folder)
        _print_plan(wanted, due, data, jobs)
        return
    begun = False

    def begin() -> None:
        nonlocal begun
        claim(loaded, folder)
        begun = True
        if not quiet:
            if loaded.tune:
                say_note(f"sweep trains the arms as they stand; nnexp tune {study} searches first")
            said = f", {len(done)} of them there already" if done else ""
            say(f"{folder}: {len(wanted)} runs{said}", err=True)

    end_by_signal()
    started = perf_counter()
    argv = ["nnexp", *sys.argv[1:]]
    settings = settings_for(folder, min(jobs, len(due)), argv=argv, address=address)
    try:
        with overview(due, settings.jobs, quiet=quiet) as watcher:
            done += run_jobs(
                due,
                data,
                engine=engine,
                settings=settings,
                watcher=watcher,
                fail_fast=fail_fast,
                first=begin,
            )
    except (KeyboardInterrupt, RunError):
        if begun:
            say(f"{folder} keeps what was trained; the same command goes on with it", err=True)
        raise
    say(folder)
    if not quiet:
        took = f" in {numbers.duration(perf_counter() - started)}" if due else "; nothing was due"
        say(f"  {_ends(done, wanted)}{took}")
        _say_passed_over(done)
        say(f"compare them: nnexp compare {folder}", err=True)
    statuses = {one.status for one in done}
    if "failed" in statuses:
        ctx.exit(1)
    if "diverged" in statuses:
        ctx.exit(DIVERGED)


def _say_passed_over(done: Sequence[Done]) -> None:
    for one in done:
        if one.folder and one.epochs and one.folder.name != one.job.name:
            held = "holds a damaged run, or one of other settings"
            say_note(f"{one.folder.with_name(one.job.name)} {held}: {one.folder.name} was trained")


def _ends(done: Sequence[Done], wanted: Sequence[Job]) -> str:
    counts = Counter(one.status for one in done)
    counts["not begun or not ended"] = len(wanted) - len(done)
    order = ("completed", "diverged", "failed", "not begun or not ended")
    return ", ".join(f"{counts[status]} {status}" for status in order if counts[status])


def _print_plan(wanted: Sequence[Job], due: Sequence[Job], data: DataCache, jobs: int) -> None:
    from nnexp import numbers
    from nnexp.study.estimate import estimate
    from nnexp.views.table import Column, Table, as_text, plain_column, terminal_width

    seconds = dict(zip((job.key for job in due), estimate(due, data), strict=True))
    table: Table[Job] = Table(
        [
            plain_column("run", "run", lambda job: job.name),
            plain_column("epochs", "epochs", lambda job: job.config.experiment.epochs, left=False),
            Column(
                "time",
                lambda job: (
                    numbers.duration(seconds[job.key]) if job.key in seconds else "complete"
                ),
                lambda job: {"seconds": seconds.get(job.key)},
            ),
        ],
        wanted,
    )
    say(as_text(table, terminal_width()), nl=False)
    total = sum(seconds.values())
    longest = max(seconds.values(), default=0.0)
    together = max(total / jobs, longest)
    say(
        f"\n{len(due)} of {len(wanted)} runs are due: about {numbers.duration(together)} "
        f"with {jobs} at a time ({numbers.duration(total)} of work)"
    )
