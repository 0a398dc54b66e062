"""What a run's log comes to: three honest figures for each metric, and the time to a target.

*last* is the value after the last epoch. *best-epoch* is the value after the epoch with the
best validation accuracy (the lowest validation cost for regression), the first of equals: what
early stopping would have kept. *peak* is the best value of all epochs; on the test set it is chosen
by looking at the test set, so it is optimistic. Published figures often are peaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import median
from typing import Any, NamedTuple

from nnexp.errors import OptionError, did_you_mean
from nnexp.names import CLOCKS, METRICS, STATISTICS, higher_is_better, is_accuracy

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


@dataclass(frozen=True, slots=True)
class Published:
    """What was published of an experiment.

    Attributes:
        figures: by metric, as in metrics.csv: accuracies are fractions.
        statistic: which of a run's values they are to be held against.
        source: where they were published.
    """

    figures: Mapping[str, float]
    statistic: str
    source: str

    @classmethod
    def of(cls, config: Mapping[str, Any] | None) -> Published:
        """Return what a config has under `reference`, accuracies in percent; nothing without.

        >>> Published.of({"reference": {"test_accuracy": 95.0, "statistic": "peak"}}).figures
        {'test_accuracy': 0.95}
        """
        known = (config or {}).get("reference") or {}
        statistic = known.get("statistic")
        return cls(
            {
                metric: value / 100 if metric.endswith("accuracy") else value
                for metric, value in known.items()
                if type(value) in (int, float)
            },
            statistic if statistic in STATISTICS else STATISTICS[0],
            str(known.get("source") or ""),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A metric and the value it is to reach: from below where higher is better, else from above."""

    metric: str
    value: float

    def reached(self, value: float | None) -> bool:
        """Tell whether a value of the metric is as good or better."""
        if value is None or not isfinite(value):
            return False
        return value >= self.value if higher_is_better(self.metric) else value <= self.value


@dataclass(frozen=True, slots=True)
class Reached:
    """The first epoch that reached a target, and the seconds of training and evaluation to its end.

    Attributes:
        seconds: None where the clock was not logged.
    """

    epoch: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class TimeToTarget:
    """An arm's runs and a target.

    Attributes:
        runs: by seed, None for a run that never reached it.
        never: how many never did.
        epochs: median over all runs, those that never did counted as infinitely late; None where
            that makes it infinite. A median of the others alone would flatter the arm.
        seconds: the same of the seconds.
    """

    runs: Mapping[int, Reached | None]
    never: int
    epochs: float | None
    seconds: float | None


def parse_target(text: str) -> Target:
    """Read METRIC=VALUE.

    Raises:
        OptionError: it is not of that form, or no run could have such a metric or value.

    >>> parse_target("test_accuracy=0.95")
    Target(metric='test_accuracy', value=0.95)
    """
    metric, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise OptionError(f"{text!r} where METRIC=VALUE is due, as in test_accuracy=0.95")
    if metric not in METRICS:
        raise OptionError(f"{text}: no metric {metric!r}{did_you_mean(metric, METRICS)}")
    try:
        number = float(value)
    except ValueError:
        number = inf
    if not isfinite(number):
        raise OptionError(f"{text}: {value!r} is not a number")
    if is_accuracy(metric) and not 0 <= number <= 1:
        raise OptionError(f"{text}: an accuracy is a fraction from 0 to 1; 95 % is 0.95")
    return Target(metric, number)


def reach(rows: Sequence[Row], target: Target) -> Reached | None:
    """Find the first epoch whose metric reaches the target; None where none does.

    Epochs in which the metric was not measured cannot reach it, but their seconds count.

    >>> rows = [{"epoch": i, "test_accuracy": 0.9 + i / 100, "train_seconds": 2.0} for i in (1, 2)]
    >>> reach(rows, Target("test_accuracy", 0.92))
    Reached(epoch=2, seconds=4.0)
    """
    for i, row in enumerate(rows, 1):
        epoch = row.get("epoch")
        if epoch is not None and target.reached(row.get(target.metric)):
            return Reached(int(epoch), _seconds(rows[:i]))
    return None


def _seconds(rows: Sequence[Row]) -> float | None:
    clocks = [row.get(clock) for row in rows for clock in CLOCKS]
    found = [seconds for seconds in clocks if seconds is not None]
    return sum(found) if found else None


def time_to_target(runs: Mapping[int, Sequence[Row]], target: Target) -> TimeToTarget:
    """Summarize the runs of an arm, given the rows of each by seed."""
    found = {seed: reach(rows, target) for seed, rows in runs.items()}
    return TimeToTarget(
        runs=found,
        never=sum(reached is None for reached in found.values()),
        epochs=_median(r.epoch if r else None for r in found.values()),
        seconds=_median(r.seconds if r else None for r in found.values()),
    )


def _median(values: Iterable[float | None]) -> float | None:
    late = [inf if value is None else value for value in values]
    middle = median(late) if late else inf
    return middle if isfinite(middle) else None
