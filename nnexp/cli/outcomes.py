"""How runs end, for people and programs: what `train` and `resume` print, and exit codes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli.output import say
from nnexp.text import command

if TYPE_CHECKING:
    from nnexp.run.control import Progress
    from nnexp.run.session import Outcome

DIVERGED = 3
INTERRUPTED = 130

# Trains a run that reports to a progress.
Train = Callable[["Progress"], "Outcome"]


def argv() -> tuple[str, ...]:
    """Return the command, for the records."""
    return ("nnexp", *sys.argv[1:])


def end_by_signal() -> None:
    """Let SIGTERM end a run as Ctrl-C does: finished cleanly, resumable."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def keeps(folder: Path) -> Iterator[None]:
    """Say where the runs are when a command that trains many is interrupted or fails."""
    from nnexp.errors import LostError, RunError

    try:
        yield
    except LostError:
        raise
    except (KeyboardInterrupt, RunError):
        if folder.exists():
            say(f"{folder} keeps what was trained; the same command resumes it", err=True)
        raise


def train_each(
    runs: Iterable[Train], *, quiet: bool, as_json: bool, skip: bool = False
) -> tuple[list[Outcome], bool]:
    """Train runs one after the other until one is interrupted, and print how each ended.

    With `skip`, a run that is refused does not end the others. Return the outcomes, and whether a
    run was refused.
    """
    from nnexp.cli.progress import bar
    from nnexp.errors import NnexpError

    outcomes: list[Outcome] = []
    refused = False
    for train in runs:
        try:
            with bar(quiet=quiet) as progress:
                outcomes.append(train(progress))
        except NnexpError as error:
            if not skip:
                raise
            say(f"nnexp: {error}", err=True)
            refused = True
            continue
        _report(outcomes[-1], quiet=quiet, as_json=as_json)
        if outcomes[-1].status == "interrupted":
            break
    if as_json:
        import json

        say(json.dumps([_record(outcome) for outcome in outcomes], indent=2))
    return outcomes, refused


def exit_by_status(ctx: click.Context, statuses: Iterable[str]) -> None:
    """Leave with the exit code that the statuses of runs call for."""
    codes = {"interrupted": INTERRUPTED, "failed": 1, "diverged": DIVERGED}
    there = set(statuses)
    for status, code in codes.items():
        if status in there:
            ctx.exit(code)


def _report(outcome: Outcome, *, quiet: bool, as_json: bool) -> None:
    if quiet and not as_json:
        say(outcome.folder)
    elif not as_json:
        say("\n".join(_summary(outcome)))
    if outcome.status != "completed":
        say(f"nnexp: {_ending(outcome)}", err=True)


def _summary(outcome: Outcome) -> list[str]:
    from nnexp import numbers
    from nnexp.names import default_metric
    from nnexp.stats.summary import Published
    from nnexp.views.run import against_published, summary_lines

    metric = default_metric(list(outcome.summary))
    epochs = outcome.trained
    each = f" ({numbers.duration(outcome.seconds / epochs)} per epoch)" if epochs else ""
    lines = summary_lines(outcome.summary, metric) if metric else []
    lines += against_published(Published.of(outcome.experiment.model_dump()), outcome.summary)
    r2 = default_metric(list(outcome.summary), ["r2"])
    lines += summary_lines(outcome.summary, r2) if r2 else []
    lines += [f"stopped early: {outcome.stopped}"] if outcome.stopped else []
    took = f"{numbers.plural(epochs, 'epoch')} in {numbers.duration(outcome.seconds)}{each}"
    return [str(outcome.folder), *(f"  {line}" for line in [*lines, took])]


def _ending(outcome: Outcome) -> str:
    epochs = outcome.epochs
    kept = f"{outcome.folder} keeps {epochs} of {outcome.experiment.epochs} epochs"
    if outcome.status == "diverged":
        eta = outcome.experiment.eta
        return (
            f"diverged in epoch {epochs}: the cost or a parameter is no longer finite; {kept}; "
            f"try a smaller eta: --set eta={eta / 10:g} (it was {eta:g})"
        )
    again = command("nnexp", "resume", outcome.folder)
    return f"{outcome.status}; {kept}; continue with: {again}"


def _record(outcome: Outcome) -> dict[str, Any]:
    from nnexp.run.session import plain_summary

    return {
        "run": outcome.folder.name,
        "folder": str(outcome.folder),
        "name": outcome.experiment.name,
        "seed": outcome.experiment.seed,
        "status": outcome.status,
        "epochs": outcome.epochs,
        "seconds": round(outcome.seconds, 3),
        "summary": plain_summary(outcome.summary),
    }
