"""`nnexp tune`: the settings of every arm of a study, searched with equal effort."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli.options import (
    choose_metric,
    find_runs,
    jobs_option,
    page_format_options,
    runs_dir_option,
)
from nnexp.cli.outcomes import argv, end_by_signal, exit_by_status, keeps
from nnexp.cli.output import say, say_note
from nnexp.views.formats import FORMATS

if TYPE_CHECKING:
    from nnexp.study.jobs import Done


@click.command(epilog="Example: nnexp tune configs/studies/cost_tuned.yaml --dry-run")
@click.argument("study", type=click.Path(path_type=Path))
@runs_dir_option
@jobs_option
@page_format_options
@click.option("--dry-run", is_flag=True, help="Print the runs and the time they take; train none.")
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
    """Search the best settings of each arm of a STUDY.

    Then the arms are compared as they were tuned.

    The key `tune` of STUDY says what is searched. Every arm has the same number of trials, judged
    on the validation set alone; the best settings are then trained with the fresh seeds of
    `confirm` and compared on the test set. The command can be interrupted and repeated: it resumes
    where it was.
    """
    from nnexp.cli.progress import overview, trials
    from nnexp.config.study import load_study
    from nnexp.numbers import plural
    from nnexp.run.assembly import DataCache
    from nnexp.study.engine import Settings
    from nnexp.study.jobs import plan, split
    from nnexp.study.record import claim_folder, record_of
    from nnexp.study.sweep import run_jobs
    from nnexp.study.tuning import (
        CONFIRM,
        claim,
        confirmation,
        expected,
        prepare,
        search_all,
    )
    from nnexp.views.plan import tune_plan
    from nnexp.views.tune import page

    loaded = load_study(study, many=yes)
    for note in loaded.document.notes:
        say_note(note)
    folder, data = runs_dir / loaded.name, DataCache()
    searches = prepare(loaded, folder, data, many=yes)
    setup = searches[0].tune
    for note in claim(setup, folder, write=not dry_run):
        say_note(note)
    if dry_run:
        plans = [expected(loaded, search) for search in searches]
        say(tune_plan(loaded, setup, plans, jobs), nl=False)
        return
    end_by_signal()
    done: list[Done] = []
    with keeps(folder):
        if not quiet:
            arms = "1 arm" if len(searches) == 1 else f"each of {len(searches)} arms"
            say(f"{folder}: {plural(setup.trials, 'trial')} of {arms}", err=True)
        with trials(searches, min(jobs, len(searches)), quiet=quiet) as watcher:
            search_all(searches, jobs, argv=argv(), watcher=watcher)
        tuned = confirmation(loaded, searches)
        if tuned.arms:
            runs = folder / CONFIRM
            claim_folder(runs, record_of(tuned, data, setup.trials), chosen=True)
            done, missing = split(plan((c for _, c in tuned.runs), runs, data), runs)
            settings = Settings(min(jobs, len(missing)), runs, data, argv())
            with overview(missing, settings.jobs, quiet=quiet) as watcher:
                done += run_jobs(missing, settings, watcher=watcher)
    confirmed = find_runs((str(folder / CONFIRM),), runs_dir) if tuned.arms else []
    metric = choose_metric(confirmed, tuned.metric) if confirmed else ""
    say(FORMATS[format_].write(page(tuned, searches, confirmed, metric)), nl=False)
    untuned = ["diverged"] * (len(tuned.arms) < len(searches))
    exit_by_status(ctx, [*(one.status for one in done), *untuned])
