"""The list of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnexp import numbers
from nnexp.names import STATISTICS, default_metric, is_accuracy
from nnexp.run.find import name_in
from nnexp.run.reader import Run
from nnexp.stats.summary import Point
from nnexp.views.table import Column, Table, plain_column


def _epochs(run: Run) -> str:
    done, total = run.facts.done, run.epochs
    return str(done) if done == total else f"{done} of {total or '?'}"


def _statistic(statistic: str) -> Column[Run]:
    """Return a column of a statistic of the metric that each run is judged by."""

    def point(run: Run) -> tuple[str | None, Point | None]:
        metric = default_metric(run.facts.summary)
        return metric, run.facts.summary[metric].get(statistic) if metric else None

    def show(run: Run) -> str:
        metric, reached = point(run)
        if metric is None or reached is None:
            return numbers.NONE
        return ("" if is_accuracy(metric) else "cost ") + numbers.number(metric, reached.value)

    def raw(run: Run) -> dict[str, Any]:
        metric, reached = point(run)
        return {"metric": metric, statistic: reached.value if reached else None}

    return Column(statistic.replace("-", " "), show, raw)


def table(runs: Sequence[Run], root: Path) -> Table[Run]:
    """Describe runs, one per row; their names are paths from `root`."""
    columns: list[Column[Run]] = [
        plain_column("run", "run", lambda run: name_in(run.folder, root)),
        plain_column("status", "status", lambda run: run.status),
        Column(
            "epochs",
            _epochs,
            lambda run: {"epochs_done": run.facts.done, "epochs": run.epochs},
        ),
        *map(_statistic, STATISTICS),
    ]
    if any(run.tags for run in runs):
        columns.append(
            Column(
                "tags", lambda run: " ".join(run.tags), lambda run: {"tags": run.tags}, left=True
            )
        )
    return Table(columns, runs)
