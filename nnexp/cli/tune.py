"""`nnexp tune`: the settings of every arm of a study, searched with equal effort."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli.options import (
    choose_metric,
    find_runs,
    jobs_option,
    page_format_option,
    runs_dir_option,
)
from nnexp.cli.outcomes import DIVERGED, end_by_signal
from nnexp.cli.output import is_live, say, say_note
from nnexp.cli.overview import overview
from nnexp.text import sanitize
from nnexp.views.formats import FORMATS

if TYPE_CHECKING:
    from nnexp.config.study import Study
    from nnexp.run.assembly import DataCache
    from nnexp.study.jobs import Done, Job
    from nnexp.study.trials import Search, Trial
    from nnexp.study.tuning import Plan


@click.command(epilog="Example: nnexp tune configs/studies/cost_tuned.yaml --dry-run")
@click.argument("study", type=click.Path(path_type=Path))
@runs_dir_option
@jobs_option
@page_format_option
@click.option("--dry-run", is_flag=True, help="Print what is to be run, and for how long.")
@click.option("-y", "--yes", is_flag=True, help="Allow more than 10,000 runs.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; print only the result.")
@click.pass_context
def tune(
    ctx: click.Context,
    study: Path,
    runs_dir: Path,
    jobs: int,
    format_: str,
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Search the settings of every arm of STUDY, then compare the arms as they were tuned.

    STUDY says under `tune` what is searched. Each arm is given the same number of trials, judged on
    the validation set alone; the best settings are then run on the fresh seeds of `confirm` and
    compared on the test set. The command can be interrupted and repeated: it goes on where it was.
    """
    from nnexp.config.study import load_study
    from nnexp.run.assembly import DataCache
    from nnexp.study.tuning import CONFIRM, claim, confirmation, prepare
    from nnexp.views.tune import Tuned, page

    loaded = load_study(study, many=yes)
    folder, data = runs_dir / loaded.name, DataCache()
    searches = prepare(loaded, folder, data, many=yes)
    if dry_run:
        for note in claim(searches[0].tune, folder, write=False):
            say_note(note)
        _print_plan(loaded, searches, jobs)
        return
    end_by_signal()
    try:
        _search(searches, folder, jobs, quiet=quiet)
        tuned = confirmation(loaded, searches)
        done = _confirm(tuned, folder / CONFIRM, searches, data, jobs, quiet=quiet)
    except KeyboardInterrupt:
        say(f"{folder} keeps what was trained; the same command goes on with it", err=True)
        raise
    runs = find_runs((str(folder / CONFIRM),), runs_dir) if tuned.arms else []
    metric = choose_metric(runs, tuned.metric) if runs else ""
    say(FORMATS[format_].write(page(Tuned(tuned, searches, runs, metric))), nl=False)
    statuses = {one.status for one in done}
    if "failed" in statuses:
        ctx.exit(1)
    if "diverged" in statuses or len(tuned.arms) < len(searches):
        ctx.exit(DIVERGED)


def _search(searches: Sequence[Search], folder: Path, jobs: int, *, quiet: bool) -> None:
    from nnexp.study.sweep import settings_for
    from nnexp.study.tuning import claim, search_all

    tune = searches[0].tune
    for note in claim(tune, folder):
        say_note(note)
    if not quiet:
        arms = f"each of {len(searches)} arms" if len(searches) > 1 else "the one arm"
        say(f"{folder}: {tune.trials} trials of {arms}", err=True)
    settings = settings_for(
        searches[0].runs, min(jobs, len(searches)), argv=["nnexp", *sys.argv[1:]]
    )
    with _told(searches, quiet=quiet) as told:
        search_all(searches, settings, watcher=told, tell=told.tell)


def _confirm(
    tuned: Study,
    folder: Path,
    searches: Sequence[Search],
    data: DataCache,
    jobs: int,
    *,
    quiet: bool,
) -> list[Done]:
    from nnexp.study.sweep import already_done, run_jobs, settings_for, study_jobs
    from nnexp.study.tuning import claim_confirmation

    if not tuned.arms:
        return []
    claim_confirmation(tuned, folder, searches[0].tune.trials)
    wanted = study_jobs(tuned, folder, data)
    done = already_done(wanted, folder)
    there = {one.job.key for one in done}
    due = [job for job in wanted if job.key not in there]
    settings = settings_for(folder, min(jobs, len(due)), argv=["nnexp", *sys.argv[1:]])
    with overview(due, settings.jobs, quiet=quiet) as watcher:
        return done + run_jobs(due, data, settings=settings, watcher=watcher)


@contextmanager
def _told(searches: Sequence[Search], *, quiet: bool) -> Iterator[_Silent]:
    """Show how the trials go on for as long as the context lasts."""
    shown = _Silent if quiet else _Bar if is_live(sys.stderr) else _Lines
    told = shown(searches)
    try:
        yield told
    finally:
        told.close()


class _Silent:
    """Is told of runs and trials, and says nothing."""

    def __init__(self, searches: Sequence[Search]) -> None:
        self._searches = searches

    def running(self, job: Job, epochs: int) -> None:
        pass

    def waiting(self, jobs: int) -> None:
        pass

    def ended(self, done: Done) -> None:
        pass

    def tell(self, search: Search, trial: Trial) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines(_Silent):
    """Writes a line for each trial that has ended."""

    def tell(self, search: Search, trial: Trial) -> None:
        say(f"{self._count()} {_said(search, trial)}", err=True)

    def _count(self) -> str:
        ended = sum(len(search.trials) for search in self._searches)
        return f"{ended}/{sum(search.tune.trials for search in self._searches)}"


def _said(search: Search, trial: Trial) -> str:
    from nnexp import names, numbers
    from nnexp.config.space import flow
    from nnexp.numbers import plural

    metric = search.tune.metric
    point = trial.best(metric)
    reached = f", {names.label(metric)} {numbers.quantity(metric, point.value)}" if point else ""
    tried = ", ".join(f"{key} {flow(value)}" for key, value in trial.settings.items())
    epochs = plural(trial.epochs, "epoch")
    return f"{search.arm.name}: {tried}: {trial.state} after {epochs}{reached}"


class _Bar(_Lines):
    """Draws a bar of the epochs of all trials, one that was pruned counted whole."""

    def __init__(self, searches: Sequence[Search]) -> None:
        from tqdm import tqdm

        super().__init__(searches)
        self._running: dict[str, int] = {}
        self._drawn: Any = tqdm(
            total=sum(search.tune.trials * search.epochs for search in searches),
            bar_format="{desc} {bar:20} {percentage:3.0f} % {elapsed}<{remaining}{postfix}",
            dynamic_ncols=True,
            leave=False,
            file=sys.stderr,
        )

    def _draw(self) -> None:
        ended = sum(len(search.trials) * search.epochs for search in self._searches)
        if not self._drawn.n:
            self._drawn.initial = ended
        self._drawn.n = ended + sum(self._running.values())
        self._drawn.set_description_str(f"{self._count()} trials")

    def running(self, job: Job, epochs: int) -> None:
        self._running[job.name] = epochs
        self._draw()

    def waiting(self, jobs: int) -> None:
        self._drawn.set_postfix_str(f", {jobs} being trained by another process")

    def ended(self, done: Done) -> None:
        self._running.pop(done.job.name, None)

    def tell(self, search: Search, trial: Trial) -> None:
        self._drawn.write(sanitize(_said(search, trial)), file=sys.stderr)
        self._draw()

    def close(self) -> None:
        self._drawn.close()


def _print_plan(study: Study, searches: Sequence[Search], jobs: int) -> None:
    """Print what is to be run, and about how long it takes at most."""
    from nnexp import numbers
    from nnexp.config.study import confirm_seeds
    from nnexp.study.tuning import expected
    from nnexp.views.table import Column, Table, as_text, plain_column, terminal_width
    from nnexp.views.tune import space_lines

    tune, seeds = searches[0].tune, len(confirm_seeds(study))
    plans = [expected(study, search) for search in searches]
    columns: list[Column[Plan]] = [
        plain_column("arm", "arm", lambda plan: plan.arm),
        plain_column("trials", "trials", lambda plan: tune.trials, left=False),
        plain_column("done", "done", lambda plan: plan.done, left=False),
        plain_column("epochs", "epochs", lambda plan: plan.epochs, left=False),
        Column("time", lambda plan: numbers.duration(plan.trials), lambda plan: {}),
        plain_column("runs", "runs", lambda plan: f"{seeds} x {plan.then}", left=False),
        Column("time", lambda plan: numbers.duration(plan.runs), lambda plan: {}),
    ]
    say("\n".join(space_lines(tune)) + "\n")
    say(as_text(Table(columns, plans), terminal_width()), nl=False)
    total = sum(plan.trials + plan.runs for plan in plans)
    # The trials of an arm follow each other.
    searched = max(sum(plan.trials for plan in plans) / jobs, *(plan.trials for plan in plans))
    confirmed = sum(plan.runs for plan in plans) / jobs
    say(
        f"\nabout {numbers.duration(searched + confirmed)} with {jobs} at a time "
        f"({numbers.duration(total)} of work)" + (", less what is pruned" if tune.prune else "")
    )
