"""What a run's log comes to: three honest figures for each metric, and the time to a target.

*last* is the value after the last epoch. *best-epoch* is the value after the epoch with the best
validation accuracy (the lowest validation cost for regression), the first of equals: what early
stopping would have kept. *peak* is the best value of all epochs; on the test set it is chosen by
looking at the test set, so it is optimistic. Published figures often are peaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import median
from typing import Any, NamedTuple

from nnexp.errors import OptionError, did_you_mean
from nnexp.names import CLOCKS, METRICS, STATISTICS, higher_is_better, is_accuracy
from nnexp.numbers import parse_number

Row = Mapping[str, float | None]


class Point(NamedTuple):
    """A value and the epoch it was measured after."""

    value: float
    epoch: int


def series(rows: Sequence[Row], metric: str) -> list[Point]:
    """Return the logged values of a metric, without the epochs that have none."""
    return [
        Point(value, int(epoch))
        for row in rows
        if (value := row.get(metric)) is not None and (epoch := row.get("epoch")) is not None
    ]


def best(points: Iterable[Point], metric: str) -> Point | None:
    """Return the best point, the first of equals; None when none is finite.

    >>> best([Point(0.5, 1), Point(0.9, 2), Point(0.9, 3)], "test_accuracy")
    Point(value=0.9, epoch=2)
    """
    sign = -1 if higher_is_better(metric) else 1
    finite = [point for point in points if isfinite(point.value)]
    return min(finite, key=lambda point: (sign * point.value, point.epoch), default=None)


def best_epoch(rows: Sequence[Row]) -> int | None:
    """Return the epoch that was best on the validation set; None where none was."""
    from nnexp.nn.training import validation_score

    scores = [
        (score, -epoch)
        for row in rows
        if (score := validation_score(row)) is not None and (epoch := row.get("epoch")) is not None
    ]
    return int(-max(scores)[1]) if scores else None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run's log comes to.

    Attributes:
        done: epochs that were logged.
        seconds: of training and evaluation per epoch, on average; None where it was not logged.
        summary: last, best-epoch and peak value of each metric that was logged.
    """

    done: int
    seconds: float | None
    summary: Mapping[str, Mapping[str, Point]]


def facts(rows: Sequence[Row]) -> Facts:
    """Summarize a run's log.

    >>> rows = [{"epoch": 1, "validation_accuracy": 0.9, "test_accuracy": 0.91},
    ...         {"epoch": 2, "validation_accuracy": 0.8, "test_accuracy": 0.92},
    ...         {"epoch": 3, "validation_accuracy": 0.7, "test_accuracy": 0.85}]
    >>> {name: point.value for name, point in facts(rows).summary["test_accuracy"].items()}
    {'last': 0.85, 'best-epoch': 0.91, 'peak': 0.92}
    """
    logged: dict[str, list[Point]] = {metric: [] for metric in METRICS}
    for row in rows:  # once: a log may have very many rows
        if (epoch := row.get("epoch")) is not None:
            for metric, points in logged.items():
                if (value := row.get(metric)) is not None:
                    points.append(Point(value, int(epoch)))
    chosen = best_epoch(rows)
    summary = {}
    for metric, points in logged.items():
        if points:
            figures = {
                "last": points[-1],
                "best-epoch": next((point for point in points if point.epoch == chosen), None),
                "peak": best(points, metric),
            }
            summary[metric] = {name: point for name, point in figures.items() if point is not None}
    seconds = sum(sum(row.get(clock) or 0.0 for clock in CLOCKS) for row in rows)
    return Facts(len(rows), seconds / len(rows) if rows else None, summary)


@dataclass(frozen=True, slots=True)
class Published:
    """The published figures of an experiment.

    Attributes:
        figures: by metric, as in metrics.csv: accuracies are fractions.
        statistic: which of a run's values they are compared with.
        source: where they were published.
    """

    figures: Mapping[str, float]
    statistic: str
    source: str

    @classmethod
    def of(cls, config: Mapping[str, Any] | None) -> Published:
        """Return what a config has under `reference`, where accuracies are in percent.

        >>> Published.of({"reference": {"test_accuracy": 95.0, "statistic": "peak"}}).figures
        {'test_accuracy': 0.95}
        """
        reference = (config or {}).get("reference") or {}
        statistic = reference.get("statistic")
        figures = {
            metric: value / 100 if is_accuracy(metric) else value
            for metric, value in reference.items()
            if type(value) in (int, float)
        }
        statistic = statistic if statistic in STATISTICS else STATISTICS[0]
        return cls(figures, statistic, str(reference.get("source") or ""))


class Arrival(NamedTuple):
    """The first epoch that reached a target, and the seconds of training and evaluation until then.

    `seconds` is None where the clock was not logged.
    """

    epoch: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Target:
    """A value that a metric is to reach: from below where higher is better, else from above."""

    metric: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read METRIC=VALUE.

        Raises:
            OptionError: it is not of that form, or no run could have such a metric or value.

        >>> Target.parse("test_accuracy=0.95")
        Target(metric='test_accuracy', value=0.95)
        """
        metric, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise OptionError(f"expected METRIC=VALUE, as in test_accuracy=0.95, got {text!r}")
        if metric not in METRICS:
            raise OptionError(f"{text}: no metric {metric!r}{did_you_mean(metric, METRICS)}")
        number = parse_number(value)
        if number is None or not isfinite(number):
            raise OptionError(f"{text}: expected a number, got {value!r}")
        if is_accuracy(metric) and not 0 <= number <= 1:
            raise OptionError(f"{text}: an accuracy is a fraction from 0 to 1; 95 % is 0.95")
        return cls(metric, number)

    def is_reached(self, value: float | None) -> bool:
        """Tell whether a value of the metric is as good or better."""
        if value is None or not isfinite(value):
            return False
        return value >= self.value if higher_is_better(self.metric) else value <= self.value

    def arrival(self, rows: Sequence[Row]) -> Arrival | None:
        """Find the first epoch of a run that reaches the target; None where none does.

        Epochs in which the metric was not measured cannot reach it, but their seconds count.

        >>> rows = [{"epoch": i, "test_cost": 1 / i, "train_seconds": 2.0} for i in (1, 2)]
        >>> Target("test_cost", 0.5).arrival(rows)
        Arrival(epoch=2, seconds=4.0)
        """
        seconds = None
        for row in rows:
            clocks = [value for clock in CLOCKS if (value := row.get(clock)) is not None]
            seconds = sum(clocks, seconds or 0.0) if clocks else seconds
            epoch = row.get("epoch")
            if epoch is not None and self.is_reached(row.get(self.metric)):
                return Arrival(int(epoch), seconds)
        return None


@dataclass(frozen=True, slots=True)
class TimeToTarget:
    """How long the runs of an arm took to reach a target, by seed; None for one that never did.

    A median is over all runs, those that never did counted as infinitely late; None where that
    makes it infinite. A median of the others alone would flatter the arm.
    """

    runs: Mapping[int, Arrival | None]

    @property
    def never(self) -> int:
        """How many runs never reached it."""
        return sum(arrival is None for arrival in self.runs.values())

    @property
    def epochs(self) -> float | None:
        """The median of the epochs."""
        return _median(arrival and arrival.epoch for arrival in self.runs.values())

    @property
    def seconds(self) -> float | None:
        """The median of the seconds."""
        return _median(arrival and arrival.seconds for arrival in self.runs.values())


def _median(values: Iterable[float | None]) -> float | None:
    middle = median([inf if value is None else value for value in values] or [inf])
    return middle if isfinite(middle) else None
