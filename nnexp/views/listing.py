"""The list of runs."""

from __future__ import annotations

from collections.abc import Sequence

from nnexp.evidence.summary import STATISTICS, default_metric
from nnexp.store.reader import Run
from nnexp.views import words
from nnexp.views.table import Column, Table, plain_column

_TITLES = {"last": "last", "best-validation": "best val", "peak": "peak"}


def _epochs(run: Run) -> str:
    done, due = run.facts.done, run.config["epochs"] if run.config else None
    return str(done) if done == due else f"{done} of {due or '?'}"


def _value(run: Run, statistic: str) -> tuple[str, float | None]:
    metric = default_metric(run.metrics)
    point = run.facts.summary[metric].get(statistic) if metric else None
    return metric or "", point.value if point else None


def _statistic(statistic: str) -> Column[Run]:
    def show(run: Run) -> str:
        metric, value = _value(run, statistic)
        kind = "" if words.is_percent(metric) or value is None else "cost "
        return kind + words.number(metric, value)

    def raw(run: Run) -> dict[str, object]:
        metric, value = _value(run, statistic)
        return {"metric": metric or None, statistic: value}

    return Column(_TITLES[statistic], show, raw)


def table(runs: Sequence[Run]) -> Table[Run]:
    """Lay runs out, one a row."""
    columns: list[Column[Run]] = [
        plain_column("run", "run", lambda run: run.id),
        plain_column("status", "status", lambda run: run.status),
        Column(
            "epochs",
            _epochs,
            lambda run: {
                "epochs_done": run.facts.done,
                "epochs": run.config["epochs"] if run.config else None,
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
