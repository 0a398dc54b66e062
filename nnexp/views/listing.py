"""The list of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnexp import names, numbers
from nnexp.names import STATISTICS, default_metric
from nnexp.run.find import name_in
from nnexp.run.reader import Run
from nnexp.stats.summary import Point
from nnexp.views.table import Column, Table, plain_column

_TITLES = {"last": "last", "best-epoch": "best val", "peak": "peak"}


@dataclass(slots=True)
class Listed:
    """A run, the metric it is judged by, and what that came to."""

    run: Run
    metric: str | None
    points: Mapping[str, Point]


def _listed(run: Run) -> Listed:
    metric = default_metric(run.facts.summary)
    return Listed(run, metric, run.facts.summary[metric] if metric else {})


def _due(run: Run) -> int | None:
    return run.config["epochs"] if run.config else None


def _epochs(listed: Listed) -> str:
    done, due = listed.run.facts.done, _due(listed.run)
    return str(done) if done == due else f"{done} of {due or '?'}"


def _statistic(statistic: str) -> Column[Listed]:
    def show(listed: Listed) -> str:
        point = listed.points.get(statistic)
        value = point.value if point else None
        metric = listed.metric or ""
        kind = "" if value is None or names.is_accuracy(metric) else "cost "
        return kind + numbers.number(metric, value)

    def raw(listed: Listed) -> dict[str, object]:
        point = listed.points.get(statistic)
        return {"metric": listed.metric, statistic: point.value if point else None}

    return Column(_TITLES[statistic], show, raw)


def table(runs: Sequence[Run], root: Path) -> Table[Listed]:
    """Lay runs out, one a row; they go by their path from `root`."""
    columns: list[Column[Listed]] = [
        plain_column("run", "run", lambda listed: name_in(listed.run.folder, root)),
        plain_column("status", "status", lambda listed: listed.run.status),
        Column(
            "epochs",
            _epochs,
            lambda listed: {"epochs_done": listed.run.facts.done, "epochs": _due(listed.run)},
        ),
        *(_statistic(statistic) for statistic in STATISTICS),
    ]
    if any(run.tags for run in runs):
        columns.append(
            Column(
                "tags",
                lambda listed: " ".join(listed.run.tags),
                lambda listed: {"tags": listed.run.tags},
                left=True,
            )
        )
    return Table(columns, list(map(_listed, runs)))
