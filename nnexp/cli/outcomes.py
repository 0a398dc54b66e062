"""How runs ended, for people and programs: what `train` and `resume` print."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from nnexp.cli.output import say

if TYPE_CHECKING:
    from nnexp.run.session import Outcome

DIVERGED = 3
INTERRUPTED = 130


def end_by_signal() -> None:
    """Let SIGTERM end a run as Ctrl-C does: finished cleanly, resumable."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def report(outcome: Outcome, *, quiet: bool, as_json: bool) -> None:
    """Print how a run ended, as it ends."""
    if quiet and not as_json:
        say(outcome.folder)
    elif not as_json:
        say("\n".join(_summary(outcome)))
    if outcome.status != "completed":
        say(f"nnexp: {_ending(outcome)}", err=True)


def finish(ctx: click.Context, outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Print the outcomes as JSON if asked to, and leave with the exit code they call for."""
    if as_json:
        import json

        say(json.dumps([_record(outcome) for outcome in outcomes], indent=2))
    statuses = {outcome.status for outcome in outcomes}
    if "interrupted" in statuses:
        ctx.exit(INTERRUPTED)
    if "diverged" in statuses:
        ctx.exit(DIVERGED)


def _summary(outcome: Outcome) -> list[str]:
    from nnexp import numbers
    from nnexp.names import default_metric, default_r2
    from nnexp.stats.summary import Published
    from nnexp.views.run import against_published, summary_lines

    metric = default_metric(list(outcome.summary))
    epochs = outcome.trained
    each = f" ({numbers.duration(outcome.seconds / epochs)} an epoch)" if epochs else ""
    lines = summary_lines(outcome.summary, metric) if metric else []
    lines += against_published(Published.of(outcome.experiment.model_dump()), outcome.summary)
    r2 = default_r2(list(outcome.summary))
    lines += summary_lines(outcome.summary, r2) if r2 else []
    lines += [f"stopped early: {outcome.stopped}"] if outcome.stopped else []
    unit = "epoch" if epochs == 1 else "epochs"
    lines.append(f"{epochs} {unit} in {numbers.duration(outcome.seconds)}{each}")
    return [str(outcome.folder), *(f"  {line}" for line in lines)]


def _ending(outcome: Outcome) -> str:
    epochs = len(outcome.rows)
    kept = f"{outcome.folder} keeps {epochs} of {outcome.experiment.epochs} epochs"
    if outcome.status == "diverged":
        eta = outcome.experiment.eta
        return (
            f"diverged in epoch {epochs}: the cost or a parameter is no longer finite; {kept}; "
            f"try a smaller eta: --set eta={eta / 10:g} (it was {eta:g})"
        )
    return f"{outcome.status}; {kept}; go on with: nnexp resume {quote(str(outcome.folder))}"


def _record(outcome: Outcome) -> dict[str, Any]:
    from nnexp.run.session import plain_summary

    return {
        "run": outcome.folder.name,
        "folder": str(outcome.folder),
        "name": outcome.experiment.name,
        "seed": outcome.experiment.seed,
        "status": outcome.status,
        "epochs": len(outcome.rows),
        "seconds": round(outcome.seconds, 3),
        "summary": plain_summary(outcome.summary),
    }
