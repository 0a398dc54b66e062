"""The list of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnexp import numbers
from nnexp.names import STATISTICS, default_metric, is_accuracy
from nnexp.run.find import name_in
from nnexp.run.reader import Run
from nnexp.views.formats import Block, Page
from nnexp.views.table import Column, Table, plain_column


def _epochs(run: Run) -> dict[str, int | None]:
    return {"epochs_done": run.facts.done, "epochs": run.epochs}


def _progress(run: Run) -> str:
    done, total = _epochs(run).values()
    return str(done) if done == total else f"{done} of {total or '?'}"


def _statistic(statistic: str) -> Column[Run]:
    """Return a column of a statistic of the metric that each run is judged by."""

    def raw(run: Run) -> dict[str, Any]:
        metric = default_metric(run.facts.summary)
        point = run.facts.summary[metric].get(statistic) if metric else None
        return {"metric": metric, statistic: point.value if point else None}

    def show(run: Run) -> str:
        metric, value = raw(run).values()
        if value is None:
            return numbers.NONE
        return ("" if is_accuracy(metric) else "cost ") + numbers.number(metric, value)

    return Column(statistic.replace("-", " "), show, raw)


def page(runs: Sequence[Run], root: Path) -> Page:
    """Describe runs, one per row; their names are paths from `root`."""
    columns: list[Column[Run]] = [
        plain_column("run", "run", lambda run: name_in(run.folder, root)),
        plain_column("status", "status", lambda run: run.status),
        Column("epochs", _progress, _epochs),
        *map(_statistic, STATISTICS),
    ]
    if any(run.tags for run in runs):
        show, raw = (lambda run: " ".join(run.tags)), (lambda run: {"tags": run.tags})
        columns.append(Column("tags", show, raw, left=True))
    table = Table(columns, runs)
    return Page([Block(table=table)], table)
