"""`nnexp list`: the runs, the newest first."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli.options import format_options, runs_dir_option
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
    """List the runs, the newest first, each with its status, epochs and accuracy in percent.

    The accuracy is that of the test set or, where it was not monitored, of the validation or
    training set. A run without an accuracy is listed with its cost.
    """
    from nnexp.run.find import by_age, folders
    from nnexp.run.reader import open_all
    from nnexp.views.list import table

    runs, notes = open_all(reversed(by_age(folders(runs_dir))))
    for note in notes:
        say_note(note)
    matches = [
        run
        for run in runs
        if (name is None or name in run.name)
        and set(tags) <= set(run.tags)
        and status in (None, run.status)
    ]
    if matches or format_ != "table":
        say(FORMATS[format_].table(table(matches, runs_dir)), nl=False)
    elif runs:
        say(f"none of the {len(runs)} runs under {runs_dir} matches", err=True)
    else:
        say(f"no runs under {runs_dir} yet: nnexp train configs/smoke.yaml", err=True)
