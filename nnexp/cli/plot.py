"""`nnexp plot`: the logged curves as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli.options import UserPath, choose_metric, complete_runs, find_runs, runs_dir_option
from nnexp.cli.output import say


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
    """Plot the curves of RUNS: one line for each group of runs that differ only in seed.

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
