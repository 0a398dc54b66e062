"""`nnexp compare`: what differs between runs, and by how much."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli.options import (
    choose_metric,
    complete_runs,
    find_runs,
    format_options,
    runs_dir_option,
)

SORTS = ("last", "best-validation", "peak", "train-cost", "seconds", "runs", "name")


@click.command(epilog="Example: nnexp compare runs/* --metric validation_accuracy --sort peak")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=complete_runs)
@runs_dir_option
@click.option("--metric", metavar="METRIC", help="A column of metrics.csv, as in test_accuracy.")
@click.option("--sort", type=click.Choice(SORTS), help="Sort the rows, the best first.")
@click.option("--per-run", is_flag=True, help="One row a run instead of one a group.")
@format_options
def compare(
    runs: tuple[str, ...],
    runs_dir: Path,
    metric: str | None,
    sort: str | None,
    per_run: bool,
    format_: str,
) -> None:
    """Compare runs: one row for each group of runs that differ only in seed.

    RUN is a run's folder, a folder of runs, a quoted glob, the unique beginning of a run's name, or
    `latest`; without any, all runs are compared. Columns show only what differs.
    """
    from nnexp.views.compare import (
        caption,
        ended_early,
        groups,
        repeated,
        silent_outputs,
        sort_key,
        table,
    )
    from nnexp.views.table import FORMATS

    found = find_runs(runs, runs_dir)
    chosen = choose_metric(found, metric)
    grouped = groups(found, chosen, per_run=per_run)
    if sort:
        grouped.sort(key=sort_key(sort))
    if format_ == "table":
        click.echo(caption(chosen, grouped))
        click.echo()
    click.echo(FORMATS[format_](table(grouped, chosen, per_run=per_run)), nl=False)
    notes = silent_outputs(grouped) + ended_early(grouped) + repeated(grouped)
    if notes and format_ in ("table", "md"):
        click.echo("\n" + "\n".join(notes))
