"""`nnexp compare`: what differs between runs, by how much, and whether the difference is real."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli.options import (
    choose_metric,
    complete_runs,
    find_runs,
    format_options,
    runs_dir_option,
)
from nnexp.cli.output import say, say_note
from nnexp.names import STATISTICS
from nnexp.views.formats import FORMATS

if TYPE_CHECKING:
    from nnexp.run.reader import Run
    from nnexp.stats.summary import Target
    from nnexp.study.record import StudyRecord

SORTS = ("last", "best-epoch", "peak", "train-cost", "seconds", "runs", "name")
# What a study says that says nothing.
_USUAL_POINT = "best-epoch"
_MOST_NAMED = 10


@click.command(epilog="Example: nnexp compare runs/* --baseline xent_30 --metric test_accuracy")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=complete_runs)
@runs_dir_option
@click.option(
    "--metric",
    metavar="METRIC",
    help="A cost, accuracy or R² that was logged, as in test_accuracy.",
)
@click.option("--at", type=click.Choice(STATISTICS), help="After which epoch the arms are judged.")
@click.option("--baseline", metavar="ARM", help="The arm that the others are held against.")
@click.option(
    "--margin",
    type=click.FloatRange(0),
    help="A difference within it does not matter; for accuracies 0.001 (0.1 points).",
)
@click.option("--until", metavar="METRIC=VALUE", help="Also epochs and seconds to this value.")
@click.option("--mcnemar", is_flag=True, help="Two single runs, example by example.")
@click.option("--sort", type=click.Choice(SORTS), help="Sort the rows, the best first.")
@click.option("--per-run", is_flag=True, help="One row a run instead of one a group.")
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
    """Compare runs: one row for each group of runs that differ only in seed, and a verdict.

    RUN is a run's folder, a folder of runs, a quoted glob, the unique beginning of a run's name, or
    `latest`; without any, all runs are compared. Columns show only what differs. Each group (arm)
    is held against a baseline: better, worse, no practical difference, or cannot tell.
    """
    if mcnemar:
        given = (metric, at, baseline, margin, until, sort, per_run or None)
        say(_mcnemar(find_runs(runs, runs_dir), given, format_), nl=False)
        return
    from nnexp.views.comparing import page
    from nnexp.views.verdicts import Question

    found = find_runs(runs, runs_dir)
    study, found = _of_one_study(found)
    chosen = choose_metric(found, metric or (study.metric if study else None))
    target = _target(found, until) if until else None
    question = Question(
        metric=chosen,
        at=at or (study.at if study and study.at != _USUAL_POINT else None),
        baseline=baseline,
        margin=_margin(chosen, margin) if margin is not None or not study else study.margin,
        study=study,
    )
    noted = [len(run.problems) for run in found]
    text = FORMATS[format_].write(page(found, question, target=target, sort=sort, per_run=per_run))
    for run, known in zip(found, noted, strict=True):
        for problem in run.problems[known:]:
            say_note(f"{run.folder}: {problem}")
    say(text, nl=False)


def _target(runs: list[Run], until: str) -> Target:
    from nnexp.errors import OptionError
    from nnexp.stats.summary import parse_target

    try:
        target = parse_target(until)
    except OptionError as error:
        raise OptionError(f"--until {error}") from error
    choose_metric(runs, target.metric, "--until")
    return target


def _margin(metric: str, margin: float | None) -> float | None:
    from math import isfinite

    from nnexp.errors import OptionError
    from nnexp.names import is_accuracy

    if margin is None:
        return None
    if not isfinite(margin):
        raise OptionError(f"--margin {margin}: a number from 0 is due")
    if margin > 1 and is_accuracy(metric):
        raise OptionError(f"--margin {margin:g}: an accuracy is a fraction; 0.1 points are 0.001")
    return margin


def _of_one_study(runs: list[Run]) -> tuple[StudyRecord | None, list[Run]]:
    """Return the study that runs of one folder belong to, and those of its arms."""
    from nnexp.errors import RunError
    from nnexp.run.layout import STUDY

    folders = {os.path.dirname(run.folder) for run in runs}  # noqa: PTH120 - of thousands
    folder = Path(folders.pop())
    if folders or not os.path.lexists(folder / STUDY):
        return None, runs
    from nnexp.study.record import read_study

    try:
        study = read_study(folder)
    except RunError as error:
        say_note(str(error))
        return None, runs
    if study is None:
        return None, runs
    known = {arm.identity for arm in study.arms.values()}
    others = [run.id for run in runs if run.identity_v1 not in known]
    if len(others) == len(runs):
        say_note(f"none of the runs is of an arm of the study {study.name}, which is not used")
        return None, runs
    if others:
        more = f" and {len(others) - _MOST_NAMED:,} more" if len(others) > _MOST_NAMED else ""
        named = f"{', '.join(others[:_MOST_NAMED])}{more}"
        say_note(f"left out, as they are of no arm of the study {study.name}: {named}")
    return study, [run for run in runs if run.identity_v1 in known]


def _mcnemar(runs: list[Run], given: tuple[object, ...], format_: str) -> str:
    from nnexp.errors import OptionError
    from nnexp.views.mcnemar import page

    if any(value is not None for value in given):
        raise OptionError("--mcnemar: compares predictions, and goes with --format alone")
    if len(runs) != 2:
        raise OptionError(f"--mcnemar: two runs are due; {len(runs):,} were named")
    return FORMATS[format_].write(page(runs[0], runs[1]))
