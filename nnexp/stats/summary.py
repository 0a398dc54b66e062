"""What a run came to: three honest figures for each metric.

*last* is the value after the last epoch. *best-epoch* is the value after the epoch with the
best validation accuracy (the lowest validation cost for regression), the first of equals: what
early stopping would have kept. *peak* is the best value of all epochs; on the test set it is chosen
by looking at the test set, so it is optimistic. Published figures often are peaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from nnexp.names import CLOCKS, METRICS, higher_is_better

Row = Mapping[str, float | None]
_Logged = tuple[float, float]


class Point(NamedTuple):
    """A value and the epoch it was measured after."""

    value: float
    epoch: int


def series(rows: Sequence[Row], metric: str) -> list[Point]:
    """Return the logged values of a metric, without the epochs that have none."""
    return [Point(value, int(epoch)) for epoch, value in _logged(rows, metric)]


def _logged(rows: Sequence[Row], metric: str) -> list[_Logged]:
    """Return the epochs that have a value, each with it: without making points of all of them."""
    return [
        (epoch, value)
        for row in rows
        if (value := row.get(metric)) is not None and (epoch := row.get("epoch")) is not None
    ]


def best(points: Sequence[Point], metric: str) -> Point | None:
    """Return the best point, the first of equals; None when none is finite.

    >>> best([Point(0.5, 1), Point(0.9, 2), Point(0.9, 3)], "test_accuracy")
    Point(value=0.9, epoch=2)
    """
    found = _best([(point.epoch, point.value) for point in points], metric)
    return None if found is None else Point(found[1], int(found[0]))


def _best(logged: Sequence[_Logged], metric: str) -> _Logged | None:
    sign = -1 if higher_is_better(metric) else 1
    ranked = [(sign * value, epoch) for epoch, value in logged if isfinite(value)]
    if not ranked:
        return None
    value, epoch = min(ranked)
    return epoch, sign * value


def best_epoch(rows: Sequence[Row]) -> int | None:
    """Return the epoch that was best on the validation set."""
    for metric in ("validation_accuracy", "validation_cost"):
        found = _best(_logged(rows, metric), metric)
        if found is not None:
            return int(found[0])
    return None


def summarize(rows: Sequence[Row], metric: str) -> dict[str, Point]:
    """Return a metric's last, best-epoch and peak values, each where there is one.

    >>> rows = [{"epoch": 1, "validation_accuracy": 0.9, "test_accuracy": 0.91},
    ...         {"epoch": 2, "validation_accuracy": 0.8, "test_accuracy": 0.92},
    ...         {"epoch": 3, "validation_accuracy": 0.7, "test_accuracy": 0.85}]
    >>> {name: point.value for name, point in summarize(rows, "test_accuracy").items()}
    {'last': 0.85, 'best-epoch': 0.91, 'peak': 0.92}
    """
    return _summarize(_logged(rows, metric), metric, best_epoch(rows))


def _summarize(logged: Sequence[_Logged], metric: str, chosen: int | None) -> dict[str, Point]:
    found = {
        "last": logged[-1] if logged else None,
        "best-epoch": next((known for known in logged if known[0] == chosen), None),
        "peak": _best(logged, metric),
    }
    return {name: Point(known[1], int(known[0])) for name, known in found.items() if known}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run's log comes to.

    Attributes:
        done: epochs that were logged.
        seconds: of training and evaluation an epoch, on average; None where it was not logged.
        summary: last, best-epoch and peak value of each metric that was logged.
    """

    done: int
    seconds: float | None
    summary: Mapping[str, Mapping[str, Point]]


def facts(rows: Sequence[Row]) -> Facts:
    """Summarize a run's log."""
    chosen = best_epoch(rows)
    summary = {m: _summarize(logged, m, chosen) for m in METRICS if (logged := _logged(rows, m))}
    times = [sum(row.get(clock) or 0.0 for clock in CLOCKS) for row in rows]
    return Facts(len(rows), sum(times) / len(times) if times else None, summary)
