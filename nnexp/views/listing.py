"""The list of runs."""

from __future__ import annotations

from collections.abc import Sequence

from nnexp.evidence.summary import STATISTICS, default_metric, summarize
from nnexp.store.reader import Run
from nnexp.views import words
from nnexp.views.table import NONE, Column, Table, plain_column


def _epochs(run: Run) -> str:
    due = run.experiment.epochs if run.experiment else "?"
    return f"{len(run.rows)}/{due}"


def _value(run: Run, statistic: str) -> tuple[str, float | None]:
    metric = default_metric(run.metrics)
    point = summarize(run.rows, metric).get(statistic) if metric else None
    return metric or "", point.value if point else None


def _statistic(statistic: str) -> Column[Run]:
    def show(run: Run) -> str:
        metric, value = _value(run, statistic)
        return words.quantity(metric, value) if metric else NONE

    def raw(run: Run) -> dict[str, object]:
        metric, value = _value(run, statistic)
        return {"metric": metric or None, statistic: value}

    return Column(statistic, show, raw)


def table(runs: Sequence[Run]) -> Table[Run]:
    """Lay runs out, one a row."""
    columns: list[Column[Run]] = [
        plain_column("run", "run", lambda run: run.id),
        plain_column("status", "status", lambda run: run.status),
        Column(
            "epochs",
            _epochs,
            lambda run: {
                "epochs_done": len(run.rows),
                "epochs": run.experiment.epochs if run.experiment else None,
            },
        ),
        *(_statistic(statistic) for statistic in STATISTICS),
    ]
    if any(run.tags for run in runs):
        columns.append(
            Column(
                "tags", lambda run: " ".join(run.tags), lambda run: {"tags": run.tags}, left=True
            )
        )
    return Table(columns, runs)
