"""`nnexp compare`: what differs between runs, by how much, and whether the difference is real."""

from __future__ import annotations

import os
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli.options import (
    Number,
    choose_metric,
    complete_runs,
    find_runs,
    format_options,
    runs_dir_option,
)
from nnexp.cli.output import say, say_note
from nnexp.errors import OptionError, RunError
from nnexp.names import OLD_STATISTICS, STATISTICS
from nnexp.numbers import margin_problem
from nnexp.views.formats import FORMATS

if TYPE_CHECKING:
    from nnexp.run.reader import Run
    from nnexp.stats.selection import StudyPlan
    from nnexp.stats.summary import Target

SORTS = ("last", "best-epoch", "peak", "train-cost", "seconds", "runs", "name")


class _Statistic(click.Choice[str]):
    """A statistic, by its name or an old one."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take an old name for the new one."""
        return super().convert(OLD_STATISTICS.get(value, value), param, ctx)


@click.command(epilog="Example: nnexp compare runs/* --baseline xent_30 --metric test_accuracy")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=complete_runs)
@runs_dir_option
@click.option(
    "--metric",
    metavar="METRIC",
    help="A cost, accuracy or R² that was logged, as in test_accuracy.",
)
@click.option("--at", type=_Statistic(STATISTICS), help="Which value of a run is compared.")
@click.option("--baseline", metavar="ARM", help="The arm that the others are compared with.")
@click.option(
    "--margin",
    type=Number(0),
    help="The largest difference that does not matter; 0.001 is 0.1 points of accuracy.",
)
@click.option(
    "--until", metavar="METRIC=VALUE", help="Also show the epochs and seconds until this value."
)
@click.option("--mcnemar", is_flag=True, help="Compare two single runs, example by example.")
@click.option("--sort", type=click.Choice(SORTS), help="Sort the rows, the best first.")
@click.option("--per-run", is_flag=True, help="One row per run instead of one per group.")
@format_options
def compare(
    runs: tuple[str, ...],
    runs_dir: Path,
    metric: str | None,
    at: str | None,
    baseline: str | None,
    margin: float | None,
    until: str | None,
    mcnemar: bool,
    sort: str | None,
    per_run: bool,
    format_: str,
) -> None:
    """Compare runs, and say which differences are real.

    There is a row for each group of runs that differ only in seed, and a verdict.

    RUN is a run's folder, a folder of runs, a quoted glob, the unique beginning of a run's name, or
    `latest`; without any, all runs are compared. Columns show only what differs. Each group (arm)
    is compared with a baseline: better, worse, no practical difference, or cannot tell.
    """
    from nnexp.stats.judge import Question
    from nnexp.views import compare as view

    opened = find_runs(runs, runs_dir)
    problems = [len(run.problems) for run in opened]
    if mcnemar:
        others = (metric, at, baseline, margin, until, sort, per_run or None)
        if any(value is not None for value in others):
            allowed = "compares predictions; of the options it takes only --format"
            raise OptionError(f"--mcnemar: {allowed}")
        if len(opened) != 2:
            raise OptionError(f"--mcnemar: expected two runs, got {len(opened):,}")
        page = view.mcnemar_page(*opened)
    else:
        study, file, selected = _study(opened)
        if metric or not (study and study.metric):
            metric = choose_metric(selected, metric)
        else:
            metric = choose_metric(selected, study.metric, f"{file}: metric:")
        question = Question(metric, at, baseline, _margin(metric, margin), study)
        target = _target(selected, until) if until else None
        page = view.page(selected, question, target=target, sort=sort, per_run=per_run)
    for run, before in zip(opened, problems, strict=True):
        for problem in run.problems[before:]:  # of files that were read for the page
            say_note(f"{run.folder}: {problem}")
    say(FORMATS[format_].write(page), nl=False)


def _study(runs: list[Run]) -> tuple[StudyPlan | None, Path, list[Run]]:
    """Return the study of the folder that holds all runs, its file, and the runs of its arms."""
    from nnexp.run.layout import STUDY
    from nnexp.stats.selection import of_study

    folders = {os.path.dirname(run.folder) for run in runs}  # noqa: PTH120 - of thousands
    file, study = Path(min(folders)) / STUDY, None
    if len(folders) == 1 and os.path.lexists(file):
        from nnexp.study.record import read_study

        try:
            study = read_study(file.parent)
        except RunError as error:
            say_note(str(error))
    if study is None:
        return None, file, runs
    chosen, notes = of_study(runs, study)
    say_note(*notes)
    return (study, file, chosen) if chosen else (None, file, runs)


def _target(runs: list[Run], until: str) -> Target:
    from nnexp.stats.summary import Target

    try:
        target = Target.parse(until)
    except OptionError as error:
        raise OptionError(f"--until {error}") from error
    choose_metric(runs, target.metric, "--until")
    return target


def _margin(metric: str, margin: float | None) -> float | None:
    if margin is None:
        return None
    if not isfinite(margin):
        raise OptionError(f"--margin {margin}: expected a number of at least 0")
    if message := margin_problem(metric, margin):
        raise OptionError(f"--margin: {message}")
    return margin
