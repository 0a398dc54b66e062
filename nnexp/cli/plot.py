"""`nnexp plot`: the logged curves as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli.options import choose_metric, complete_runs, find_runs, runs_dir_option
from nnexp.cli.output import say


@click.command(
    epilog="Example: nnexp plot 'runs/*xent*' --metric train_cost --metric test_cost -o xent.png"
)
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=complete_runs)
@runs_dir_option
@click.option(
    "--metric",
    "metrics",
    metavar="METRIC",
    multiple=True,
    help="A column of metrics.csv; repeatable, a panel each.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("nnexp.png"),
    show_default=True,
    help="File to draw into: .png, .svg or .pdf.",
)
def plot(runs: tuple[str, ...], runs_dir: Path, metrics: tuple[str, ...], output: Path) -> None:
    """Plot the curves of RUNs: a line for each group that differs only in seed.

    A line is the mean over the seeds, its band reaches from the lowest to the highest of them, and
    a dashed line is the published figure.
    """
    from nnexp.views.compare import groups
    from nnexp.views.plot import check_format, draw

    check_format(output)
    found = find_runs(runs, runs_dir)
    chosen = [choose_metric(found, metric) for metric in metrics or (None,)]
    draw(groups(found, chosen[0]), chosen, output)
    say(output)
