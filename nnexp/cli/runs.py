"""`nnexp list`, `show` and `plot`: the runs that are there."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli.options import (
    UserPath,
    choose_metric,
    complete_runs,
    find_runs,
    format_options,
    page_format_options,
    runs_dir_option,
)
from nnexp.cli.output import say, say_note
from nnexp.names import STATUSES
from nnexp.views.formats import FORMATS


@click.command("list", epilog="Example: nnexp list --status completed --tag eta")
@runs_dir_option
@click.option("--name", metavar="WORD", help="Only runs whose name contains this.")
@click.option(
    "--tag", "tags", metavar="WORD", multiple=True, help="Only runs with this tag; repeat for more."
)
@click.option("--status", type=click.Choice(STATUSES), help="Only runs with this status.")
@format_options
def list_(
    runs_dir: Path, name: str | None, tags: tuple[str, ...], status: str | None, format_: str
) -> None:
    """List the runs, the newest first.

    Each has its status, its epochs and its accuracy in percent.

    The accuracy is that of the test set or, where it was not monitored, of the validation or
    training set. A run without an accuracy is listed with its cost.
    """
    from nnexp.run.find import by_age, folders
    from nnexp.run.reader import open_all
    from nnexp.views.run import list_page

    runs, notes = open_all(reversed(by_age(folders(runs_dir))))
    say_note(*notes)
    matches = [
        run
        for run in runs
        if (name is None or name in run.name)
        and set(tags) <= set(run.tags)
        and status in (None, run.status)
    ]
    if matches or format_ != "table":
        say(FORMATS[format_].write(list_page(matches, runs_dir)), nl=False)
    elif runs:
        say(f"none of the {len(runs)} runs under {runs_dir} matches", err=True)
    else:
        say(f"no runs under {runs_dir} yet: nnexp train configs/smoke.yaml", err=True)


@click.command(epilog="Example: nnexp show latest")
@click.argument("run", shell_complete=complete_runs)
@runs_dir_option
@page_format_options
def show(run: str, runs_dir: Path, format_: str) -> None:
    """Show one RUN in full.

    The page has config, summary, recall, confusion matrix, provenance and diagnosis.

    RUN is a run's folder, the unique beginning of its name, or `latest`.
    """
    from nnexp.run.find import resolve_one
    from nnexp.run.reader import open_run
    from nnexp.views.run import page

    opened = open_run(resolve_one(run, runs_dir))
    opened.check_config()
    text = FORMATS[format_].write(page(opened))
    say_note(*(f"{opened.folder}: {problem}" for problem in opened.problems))
    say(text, nl=False)


@click.command(
    epilog="Example: nnexp plot 'runs/*xent*' --metric train_cost --metric eta -o xent.png"
)
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=complete_runs)
@runs_dir_option
@click.option(
    "--metric",
    "metrics",
    metavar="COLUMN",
    multiple=True,
    help="Any column of metrics.csv, diagnostics.csv or parameters.csv, as in test_accuracy, eta "
    "or a[0,0]; repeat it for more panels.",
)
@click.option(
    "-o",
    "--output",
    type=UserPath(dir_okay=False),
    default=Path("nnexp.png"),
    show_default=True,
    help="The picture's file: .png, .svg or .pdf.",
)
def plot(runs: tuple[str, ...], runs_dir: Path, metrics: tuple[str, ...], output: Path) -> None:
    """Plot the curves of RUNS.

    There is one line for each group of runs that differ only in seed.

    The line is the mean over the seeds, its band reaches from the lowest to the highest seed, and a
    dashed line is the published figure.
    """
    from nnexp.stats.selection import groups
    from nnexp.views.plot import check_format, draw

    check_format(output)
    opened = find_runs(runs, runs_dir)
    columns = metrics or (choose_metric(opened, None),)
    draw(groups(opened, columns[0]), columns, output)
    say(output)
