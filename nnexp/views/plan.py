"""What `sweep` and `tune` are going to train, how long it takes, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nnexp import numbers
from nnexp.config.study import Study, Tune, confirm_seeds
from nnexp.study.estimate import together
from nnexp.study.jobs import Done, Job
from nnexp.study.tuning import Plan
from nnexp.views.table import Column, Table, as_text, plain_column, terminal_width
from nnexp.views.tune import space_lines


def sweep_plan(
    jobs: Sequence[Job], missing: Sequence[Job], estimates: Sequence[float], at_once: int
) -> str:
    """Lay out the runs of a study; those that are missing with the seconds they take."""
    seconds = {job.name: each for job, each in zip(missing, estimates, strict=True)}

    def time(job: Job) -> str:
        return numbers.duration(seconds[job.name]) if job.name in seconds else "complete"

    table: Table[Job] = Table(
        [
            plain_column("run", "run", lambda job: job.name),
            plain_column("epochs", "epochs", lambda job: job.config.experiment.epochs, left=False),
            Column("time", time, lambda job: {"seconds": seconds.get(job.name)}),
        ],
        jobs,
    )
    took = numbers.duration(together(seconds.values(), at_once))
    with_jobs = numbers.plural(at_once, "job")
    total = f"{len(seconds)} of {len(jobs)} runs to train, about {took} with {with_jobs}"
    return f"{as_text(table, terminal_width())}\n{total}\n"


def tune_plan(study: Study, tune: Tune, plans: Sequence[Plan], at_once: int) -> str:
    """Lay out the trials and confirming runs of each arm, and about how long they take at most."""
    seeds = len(confirm_seeds(study))
    columns: list[Column[Plan]] = [
        plain_column("arm", "arm", lambda plan: plan.arm),
        plain_column("trials", "trials", lambda plan: tune.trials, left=False),
        plain_column("done", "done", lambda plan: plan.done, left=False),
        plain_column("epochs", "epochs", lambda plan: plan.epochs, left=False),
        Column("time", lambda plan: numbers.duration(plan.trials), lambda plan: {}),
        plain_column("runs", "runs", lambda plan: f"{seeds} x {plan.then}", left=False),
        Column("time", lambda plan: numbers.duration(plan.runs), lambda plan: {}),
    ]
    table = as_text(Table(columns, plans), terminal_width())
    # The trials of an arm follow each other.
    searched = together((plan.trials for plan in plans), at_once)
    took = numbers.duration(searched + sum(plan.runs for plan in plans) / at_once)
    less = ", less where trials are pruned" if tune.prune else ""
    total = f"about {took} with {numbers.plural(at_once, 'job')}{less}"
    return "\n".join([*space_lines(tune), "", table, total]) + "\n"


def as_counts(done: Sequence[Done], runs: int) -> str:
    """Count the runs of a study by how they ended.

    >>> as_counts([], 4)
    '4 not begun or not ended'
    """
    counts = Counter(one.status for one in done)
    counts["not begun or not ended"] = runs - len(done)
    order = ("completed", "diverged", "failed", "not begun or not ended")
    return ", ".join(f"{counts[status]} {status}" for status in order if counts[status])


def passed_over(done: Sequence[Done]) -> Iterator[str]:
    """Name the folders that were taken, so that a run was trained in another."""
    for one in done:
        if one.folder and one.epochs and one.folder.name != one.job.name:
            reason = "holds a damaged run, or one of other settings or data"
            yield f"{one.folder.with_name(one.job.name)} {reason}: {one.folder.name} was trained"
