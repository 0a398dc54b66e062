"""`nnexp compare`: what differs between runs, by how much, and whether the difference is real."""

from __future__ import annotations

from collections.abc import Sequence
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

if TYPE_CHECKING:
    from nnexp.store.reader import Run
    from nnexp.store.studies import StudyRecord

SORTS = ("last", "best-validation", "peak", "train-cost", "seconds", "runs", "name")
POINTS = ("last", "best-validation", "peak")


@click.command(epilog="Example: nnexp compare runs/* --baseline xent_30 --metric test_accuracy")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=complete_runs)
@runs_dir_option
@click.option("--metric", metavar="METRIC", help="A column of metrics.csv, as in test_accuracy.")
@click.option("--at", type=click.Choice(POINTS), help="After which epoch the arms are judged.")
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
    from nnexp.evidence.target import parse_target
    from nnexp.views.comparing import page
    from nnexp.views.verdicts import Question

    target = parse_target(until) if until else None
    found = find_runs(runs, runs_dir)
    if mcnemar:
        _mcnemar(found, format_)
        return
    study, found = _of_one_study(found)
    chosen = choose_metric(found, metric or (study.metric if study else None))
    question = Question(
        metric=chosen,
        at=at or (study.at if study else "best-validation"),
        baseline=baseline,
        margin=margin if margin is not None or study is None else study.margin,
        study=study,
    )
    noted = [len(run.problems) for run in found]
    text = page(found, question, format_, target=target, sort=sort, per_run=per_run)
    for run, known in zip(found, noted, strict=True):
        for problem in run.problems[known:]:
            say_note(f"{run.folder}: {problem}")
    say(text, nl=False)


def _of_one_study(runs: list[Run]) -> tuple[StudyRecord | None, list[Run]]:
    """Return the study that runs of one folder belong to, and those of its arms."""
    from nnexp.errors import RunError
    from nnexp.store.studies import read_study

    folders = {run.folder.parent for run in runs}
    if len(folders) > 1:
        return None, runs
    try:
        study = read_study(folders.pop())
    except RunError as error:
        say_note(str(error))
        return None, runs
    if study is None:
        return None, runs
    known = {arm.identity for arm in study.arms.values()}
    kept = [run for run in runs if run.identity in known]
    if len(kept) < len(runs):
        say_note(
            f"{len(runs) - len(kept)} of {len(runs)} runs are of no arm of the study "
            f"{study.name} and are left out"
        )
    return (study, kept) if kept else (None, runs)


def _mcnemar(runs: Sequence[Run], format_: str) -> None:
    from nnexp.errors import OptionError
    from nnexp.views.mcnemar import record, sentences
    from nnexp.views.table import Column, Table, as_csv, json_text

    if len(runs) != 2:
        raise OptionError(f"--mcnemar: two runs are due; {len(runs)} were named")
    found = record(runs[0], runs[1])
    if format_ == "json":
        say(json_text(found))
    elif format_ == "csv":
        say(as_csv(Table([Column("", str, lambda found: found)], [found])), nl=False)
    else:
        say("\n".join(sentences(found)))
